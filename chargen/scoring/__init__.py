"""How well a model predicts a text: nats, bits per byte, perplexity. Samples nothing."""
