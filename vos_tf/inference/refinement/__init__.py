"""Refinement of results by the image: dense conditional random fields, and contours that snap to edges."""
