"""Still images with masks or polygons: every picture is a video of one frame."""

from vos_tf.datasets.still_images.layout import open_still_images

__all__ = ["open_still_images"]
