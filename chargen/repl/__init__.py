"""Keys, pastes, pipes, and what can be said with a /. What is done then, the session does."""
