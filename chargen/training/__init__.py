"""From options to a trained checkpoint: plan, steps, saves. Shows nothing."""
