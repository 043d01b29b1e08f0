"""The checkpoint folder: metadata, weights, tokenizer, metrics. Read completely or rejected."""
