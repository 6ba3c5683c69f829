"""Records become training batches: clip sampling, augmentation, batching."""
