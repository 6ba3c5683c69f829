"""Networks, Keras only."""
