"""Continuations of a prompt: sampled, searched, compared. Learns only in memory."""
