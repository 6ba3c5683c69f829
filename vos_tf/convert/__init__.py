"""Data sets written in another layout: DAVIS, YouTube-VOS, COCO, YOLO, folders, still images. No TensorFlow."""
