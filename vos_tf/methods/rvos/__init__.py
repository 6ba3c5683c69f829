"""RVOS (Ventura et al., CVPR 2019): recurrent over the objects of a frame and over time."""
