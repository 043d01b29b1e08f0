"""What comes after a prompt: sampled, searched, chosen. It learns in memory alone."""
