"""Keys, pastes, pipes and /commands. What a command does, the session does."""
