"""OSVOS (Caelles et al., CVPR 2017): a network that is fine-tuned on the first frame of each video."""
