"""Segmenters and their sessions; merging of objects."""
