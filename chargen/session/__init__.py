"""One user and one model: the text so far, and the operations on it. Shows nothing."""
