"""What comes after a prompt: drawn, searched, chosen. It learns in memory alone."""
