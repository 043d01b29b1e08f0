"""What comes after a prompt: sampled, searched, chosen. Learns only in memory."""
