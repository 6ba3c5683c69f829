"""Import of the original projects' checkpoints: one table of names per original network."""
