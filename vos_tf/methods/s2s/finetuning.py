"""How S2S learns its objects online (Xu et al., ECCV 2018, online learning): from clips made of their first frame.

The first frame and its mask are moved by affine transformations, and the network learns to follow; the ConvLSTM stays
as it is. The paper names neither the steps nor the ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.media.label_maps import VOID, LabelMap
from vos_tf.methods.s2s.objective import S2SObjective, Settings
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.pipeline.augment import GREY, colour_matrix, draw_change, move_image, move_labels
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.pipeline.motion import animate
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune import FinetuneSettings
from vos_tf.training.finetune_samples import AnnotatedFrame

# Where objects move by themselves: frames of a video from one frame of a clip to the next, least and most.
STRIDES = (1, 4)


@dataclass(frozen=True)
class S2SFinetuneSettings:
    """How S2S is adapted to an object.

    Attributes:
        steps: Updates of fine-tuning; 0: none, the network as it is.
        seconds: Time for fine-tuning instead of ``steps``, compiling included; ``None``: none.
        learning_rate: Learning rate of fine-tuning, by Adam.
        schedule: ``constant``, or ``cosine`` to 0 over the steps or seconds.
        batch_size: Clips per update.
        clip_length: T, the frames of a clip after the first frame; 1: pairs, as in the paper.
        augment: The movement from the first frame to the last one of a clip; the frames between lie evenly on the way.
            Flip and colours are the same for all frames of a clip.
        motion: Share of the clips in which the objects are cut out and move by themselves over the background, as in
            `vos_tf.pipeline.motion`, instead of the whole frame.
        objective: Settings of the loss that differ from those of training, such as ``jaccard_weight``.
        seed: Of everything that is drawn.
    """

    steps: int = field(default=0, metadata={"option": "--steps --online-steps"})
    seconds: float | None = field(default=None, metadata={"option": "--seconds"})
    learning_rate: float = field(default=1e-5, metadata={"option": "--learning-rate"})
    schedule: str = "constant"
    batch_size: int = 4
    clip_length: int = 1
    augment: AugmentOptions = field(
        default_factory=lambda: AugmentOptions(flip=0.5, rotation=30, scale=0.25, translation=0.1)
    )
    motion: float = 0.0
    objective: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        fill(Settings, self.objective, "training.objective")
        if self.clip_length < 1:
            raise VosError(f"finetune.clip_length: expected 1 or more, found {self.clip_length}")
        if self.augment.window is not None or self.augment.each_frame:
            raise VosError(
                "finetune.augment: expected no window and not each_frame, which clips of one frame do not have"
            )
        _ = self.loop  # refuses what is impossible there

    @property
    def loop(self) -> FinetuneSettings:
        """What the loop of fine-tuning knows of them."""
        return FinetuneSettings(
            steps=self.steps,
            seconds=self.seconds,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            batch_size=self.batch_size,
            motion=self.motion,
            seed=self.seed,
        )

    @property
    def adapts(self) -> bool:
        """Whether anything is learned."""
        return self.loop.adapts


def finetuned_groups(network: Any) -> Sequence[ParameterGroup]:
    """All weights of an `vos_tf.methods.s2s.network.S2S` but those of its ConvLSTMs."""
    fixed = {id(variable) for cell in network.cells for variable in cell.trainable_variables}
    learned = [variable for variable in network.trainable_variables if id(variable) not in fixed]
    return [ParameterGroup("initializer, encoder and decoder", learned)]


def finetuning_loss(network: Any, settings: S2SFinetuneSettings) -> Callable[[Any, Any, Any], Any]:
    """The mean loss of clips that `ClipSamples` draws: a function of their three arrays, each with a batch axis."""

    def loss(frames: Any, labels: Any, slots: Any) -> Any:
        objects = slots.shape[1]
        annotated = tf.ones(labels.shape[:2], tf.bool)
        batch = ClipBatch(frames, labels, annotated, tf.fill([frames.shape[0]], objects))
        objective = S2SObjective(fill(Settings, settings.objective, "training.objective"), objects)
        return tf.reduce_mean(objective.outcome(network, batch, 0.0, training=True).losses)

    # The choice of the objective is plain Python, and its graph has no loops or branches of its own.
    plain: Callable[[Any, Any, Any], Any] = tf.autograph.experimental.do_not_convert(loss)
    return plain


class ClipSamples:
    """Draws clips made of one frame: ``(frames, labels, slots)``, equal ones for equal numbers.

    ``frames`` uint8 ``(1 + T, H, W, 3)`` RGB; the first is the frame as it is, but for flip and colours. ``labels``
    uint8 ``(1 + T, H, W)``: 1..K in the order of the objects, 0 elsewhere (other objects are background), and 255
    (void) where nothing counts: void of the label map, and what lies beyond the frame. ``slots`` uint8 ``(K,)``: 1..K.

    Args:
        frame: The annotated frame.
        ids: The objects to learn.
        settings: What is drawn.
        size: ``(H, W)`` of the network.
    """

    def __init__(
        self, frame: AnnotatedFrame, ids: Sequence[int], settings: S2SFinetuneSettings, size: tuple[int, int]
    ) -> None:
        table = np.zeros(256, np.uint8)
        table[list(ids)] = np.arange(1, len(ids) + 1)
        table[VOID] = VOID
        self._image = np.asarray(resize_image(frame.image, size), np.uint8)
        self._labels = table[resize_label_map(frame.labels, size)]
        self._slots = np.arange(1, len(ids) + 1, dtype=np.uint8)
        self._mean = float((self._image @ GREY).mean())
        self._settings = settings
        self._still = replace(settings.augment, rotation=0.0, scale=0.0, translation=0.0, shear=0.0, crop=0.0)

    def __call__(self, number: int) -> tuple[NDArray[np.uint8], LabelMap, NDArray[np.uint8]]:
        """The sample of this number."""
        settings = self._settings
        random = np.random.default_rng((settings.seed, number))
        size: tuple[int, int] = self._labels.shape
        change = draw_change(self._still, size, random)
        frames = np.empty((1 + settings.clip_length, *size, 3), np.uint8)
        labels = np.empty((1 + settings.clip_length, *size), np.uint8)
        if random.uniform() < settings.motion:
            stride = int(random.integers(STRIDES[0], STRIDES[1] + 1))
            times = [stride * index for index in range(len(frames))]
            animate(self._image, self._labels, times, change, random, (frames, labels))
        else:
            draws = int(random.integers(2**32))
            for index in range(len(frames)):
                self._move(index / settings.clip_length, change.flip, draws, frames[index], labels[index])
        if change.factors is not None:
            matrix = colour_matrix(change.factors, self._mean)
            frames = np.stack([cv2.transform(frame, matrix) for frame in frames])
        return frames, labels, self._slots

    def _move(self, share: float, flip: bool, draws: int, frame: NDArray[np.uint8], labels: LabelMap) -> None:
        """Write the frame and its labels after a share of the way; equal ``draws`` give the same way."""
        augment = self._settings.augment
        part = AugmentOptions(
            flip=float(flip),
            rotation=share * augment.rotation,
            scale=share * augment.scale,
            translation=share * augment.translation,
            shear=share * augment.shear,
            crop=share * augment.crop,
        )
        way = draw_change(part, labels.shape, np.random.default_rng(draws))
        move_image(self._image, way, frame)
        move_labels(self._labels, way, labels)
