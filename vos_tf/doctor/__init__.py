"""What is wrong with a data set, in plain words, and a repaired copy of it. No TensorFlow."""
