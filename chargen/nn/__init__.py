"""The network: tokens -> logits, in batches, by step or traced. Samples nothing, trains nothing."""
