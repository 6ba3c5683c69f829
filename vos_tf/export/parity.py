"""Does an exported model say what the Segmenter says? The answer is written beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.files import write_json
from vos_tf.inference.session import VideoSegmenter
from vos_tf.media.label_maps import object_ids
from vos_tf.methods.cosnet.references import uniform_frames
from vos_tf.methods.cosnet.segmenter import default_options

REPORT = "parity.json"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ParityReport:
    """Differences between an exported model and the Segmenter on a short made-up clip.

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


def check_saved_model(segmenter: VideoSegmenter, folder: Path) -> ParityReport:
    """Compare the SavedModel in ``folder`` with ``segmenter`` and write the report beside it.

    Raises:
        VosError: They differ by more than 1e-5 in probability.
    """
    signatures = tf.saved_model.load(str(folder)).signatures
    frames, labels = made_up_clip()
    given = {"labels": labels[None]} if segmenter.needs_masks else {}
    results = list(segmenter.stream(list(frames), first=labels if given else None))
    exported = signatures["serving_default"](frames=frames[None], **given)["labels"].numpy()[0]
    largest = 0.0
    stepped = _stepped(segmenter.network, signatures, frames, labels)
    for probabilities, result in zip(stepped, results[len(given) :], strict=True):
        largest = max(largest, float(np.abs(probabilities - result.probabilities).max()))
    different = int(sum((e != r.labels).sum() for e, r in zip(exported, results, strict=True)))
    report = ParityReport(largest, different, exported.size)
    write_json(folder / REPORT, asdict(report))
    if largest > TOLERANCE:
        raise VosError(f"{folder}: expected the Segmenter's probabilities to {TOLERANCE}, found {largest:.3g} apart")
    return report


def _stepped(network: Any, signatures: Any, frames: Any, labels: Any) -> Iterator[Any]:
    """Probabilities ``(N, H, W)`` by the signatures ``start`` and ``step``; with masks, from the second frame on."""
    images = frames.astype(np.float32)
    takes = set(signatures["start"].structured_input_signature[1])
    if takes == {"image"}:
        chosen = uniform_frames(len(images), default_options(network).references)
        references = signatures["start"](image=images[list(chosen)])["references"]
        for time in range(len(images)):  # no frame is its own reference
            others = [place for place, index in enumerate(chosen) if index != time]
            found = signatures["step"](image=images[time : time + 1], references=tf.gather(references, others))
            yield tf.sigmoid(found["logits"])[..., 0].numpy()
        return
    begin, state = 0, signatures["start"]() if not takes else {}
    if takes:
        masks = np.stack([labels == i for i in object_ids(labels)])[..., None].astype(np.float32)
        begin, state = 1, signatures["start"](image=images[:1], mask=masks)
    for image in images[begin:]:
        state = signatures["step"](image=image[None], **state)
        yield tf.sigmoid(state.pop("logits"))[..., 0].numpy()
