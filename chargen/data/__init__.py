"""Files -> splits -> shards of tokens -> batches. Computes nothing with them."""
