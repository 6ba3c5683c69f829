"""vos_tf: video object segmentation in TensorFlow and Keras."""

from vos_tf.version import __version__

__all__ = ["__version__"]
