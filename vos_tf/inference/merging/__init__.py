"""Merging the maps of several objects into label maps: the rules, in a TensorFlow graph, and plane by plane in NumPy."""
