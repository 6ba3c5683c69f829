"""Layouts on disk become Dataset objects: DAVIS, YouTube-VOS, Tianchi, COCO, YOLO, folders. No TensorFlow."""

from vos_tf.datasets.registry import dataset_names, open_dataset
from vos_tf.datasets.types import Dataset, Video, VideoObject

__all__ = ["Dataset", "Video", "VideoObject", "dataset_names", "open_dataset"]
