"""The checkpoint folder: metadata, weights, tokenizer, metrics. Read as a whole or rejected."""
