"""The folder of a model: what it says of itself, tensors, metrics. All that, or refused."""
