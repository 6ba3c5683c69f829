"""Does an exported model say what the segmenter says? The answer is written beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.export.steps import ExportedModel
from vos_tf.files import write_json
from vos_tf.inference.session import VideoSegmenter

REPORT = "parity.json"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ParityReport:
    """Differences between an exported model and the segmenter on a short made-up clip.

    Attributes:
        probability_difference: Largest, over all frames and objects, through ``start`` and ``step``.
        pixels_different: Pixels whose id differs through the default signature.
        pixels: Pixels compared.
    """

    probability_difference: float
    pixels_different: int
    pixels: int


def made_up_clip(
    frames: int = 4, size: tuple[int, int] = (90, 124), objects: int = 3
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Frames uint8 ``(T, H, W, 3)`` of smooth noise and a label map uint8 ``(H, W)`` of squares."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (frames, 12, 16, 3)).astype(np.float32)
    clip = tf.image.resize(coarse, size, method="bicubic").numpy().clip(0, 255).astype(np.uint8)
    labels = np.zeros(size, np.uint8)
    for index in range(objects):
        top, left = 10 + 25 * index, 15 + 30 * index
        labels[top : top + 24, left : left + 28] = 3 * index + 1
    return clip, labels


def check_saved_model(module: ExportedModel, segmenter: VideoSegmenter, folder: Path) -> ParityReport:
    """Compare the SavedModel of ``module`` in ``folder`` with ``segmenter`` and write the report beside it.

    Raises:
        VosError: They differ by more than 1e-5 in probability, or say what is no number.
    """
    signatures = tf.saved_model.load(str(folder)).signatures
    frames, labels = made_up_clip()
    takes_masks = "labels" in signatures["serving_default"].structured_input_signature[1]
    given = {"labels": labels[None]} if takes_masks else {}
    exported = signatures["serving_default"](frames=frames[None], **given)["labels"].numpy()[0]
    expected = list(module.expected(segmenter, frames, labels))
    stepped = module.replay(signatures, frames, labels)
    differences = [
        np.abs(probabilities - wanted).max()
        for probabilities, (wanted, _) in zip(stepped, expected[len(given) :], strict=True)
    ]
    different = int(sum((e != wanted).sum() for e, (_, wanted) in zip(exported, expected, strict=True)))
    report = ParityReport(float(np.max(differences)), different, exported.size)
    write_json(folder / REPORT, asdict(report))
    if not report.probability_difference <= TOLERANCE:  # nan fails, too
        raise VosError(
            f"{folder}: expected the segmenter's probabilities to {TOLERANCE}, found "
            f"{report.probability_difference:.3g} apart"
        )
    return report
