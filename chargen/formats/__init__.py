"""Files as people have them: bytes in, documents of text out. Knows no splits and no tokens."""
