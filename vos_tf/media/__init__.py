"""Pixels: images, label maps and their palette, diagnosis and repair of masks. No TensorFlow here."""
