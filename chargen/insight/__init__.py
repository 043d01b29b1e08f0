"""What happens inside a network, and how far back it looks, as numbers. Draws nothing."""
