"""The network: tokens -> logits, trained, stepped or looked into. Neither draws nor learns."""
