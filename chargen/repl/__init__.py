"""Keys, pastes, pipes and /commands. The session does the work."""
