"""From options to a run in its folder: the plan and its steps. Shows nothing."""
