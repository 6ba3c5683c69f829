"""Distribution strategy, the training loop, checkpoints and resume."""
