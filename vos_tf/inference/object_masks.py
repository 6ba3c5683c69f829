"""A mask per object and frame, 0 or 255, beside the label maps: objects as they are before they are merged."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vos_tf.datasets.types import Video
from vos_tf.files import write_bytes
from vos_tf.inference.session import FrameResult

INSTANCES = "instances"
"""Their folder in a results folder."""


def write_instances(folder: Path, video: Video, result: FrameResult, threshold: float) -> None:
    """Write ``folder/instances/<video>/<frame>_instance_<id>.png`` for every object of a frame.

    Args:
        folder: Results folder.
        video: The video.
        result: What is known of the frame.
        threshold: Probability above which a pixel is 255. In a frame in which an object joins, that is the mask given.
    """
    for number, probabilities in zip(result.object_ids, result.probabilities, strict=True):
        buffer = io.BytesIO()
        Image.fromarray((probabilities > threshold).astype(np.uint8) * 255).save(buffer, format="PNG")
        path = folder / INSTANCES / video.name / f"{result.name}_instance_{number:02d}.png"
        write_bytes(path, buffer.getvalue())


def instance_frames(folder: Path, video: Video) -> set[str]:
    """Frames of a video that have such masks."""
    return {
        path.name.rpartition("_instance_")[0] for path in (folder / INSTANCES / video.name).glob("*_instance_*.png")
    }
