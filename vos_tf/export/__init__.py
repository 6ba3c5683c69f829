"""SavedModel of a network's step, with a parity report."""
