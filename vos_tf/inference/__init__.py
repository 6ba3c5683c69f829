"""The Segmenter and its session; merging of objects."""
