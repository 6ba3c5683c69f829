"""S2S (Xu et al., ECCV 2018): a ConvLSTM encoder-decoder that follows each object in a state."""
