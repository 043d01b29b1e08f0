"""Models for whatever speaks the OpenAI API: HTTP, JSON, and one thread a model that samples."""
