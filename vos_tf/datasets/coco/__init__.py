"""COCO: images or videos with their masks in one JSON file."""

from vos_tf.datasets.coco.layout import open_coco

__all__ = ["open_coco"]
