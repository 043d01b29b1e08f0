"""Text <-> tokens, exactly. Reads no files and knows no network."""
