"""What goes on inside a network, and how far back it looks: numbers, which others draw."""
