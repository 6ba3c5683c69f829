"""Merging the maps of several objects into label maps: the rules, a TensorFlow graph, and NumPy plane by plane."""
