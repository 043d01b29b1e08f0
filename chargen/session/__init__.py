"""One user and one model: the text so far, and what can be done with it. Shows nothing."""
