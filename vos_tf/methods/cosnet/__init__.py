"""COSNet (Lu et al., CVPR 2019): co-attention between frames finds the object without any mask."""
