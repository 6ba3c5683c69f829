"""What can be chosen when OSVOS segments, and what suits each trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.inference.refinement.snapping import SnappingSettings
from vos_tf.methods.osvos.finetuning import OSVOSFinetuneSettings
from vos_tf.methods.osvos.online_adaptation import AdaptationSettings
from vos_tf.methods.osvos.zoom import ZoomSettings
from vos_tf.pipeline.options import AugmentOptions


@dataclass(frozen=True)
class Options:
    """What can be chosen when OSVOS segments.

    Attributes:
        finetune: The fine-tuning of each object.
        adaptation: Learning on from the objects' own masks in later frames; nothing if ``finetune`` learns nothing.
        zoom: A closer view of each object.
        separate: A network for each object, instead of a head for each on one network.
        annotated_frames: Learn from the ``first`` frame of an object, or from ``all`` frames of a data set's video that
            have a mask.
        short_side: The network works on frames scaled to this shorter side; 0: on frames as they are, or at the size
            that the network was made for.
        test_scales: Each frame is segmented at these multiples of the working size, and the probabilities are averaged.
        test_flip: Average with the mirrored frame, too.
        snap: Move the contours of the result to edges of the image.
        snapping: How, see `vos_tf.inference.refinement.snapping`.
        reach: How far an object's pixels may be from where it was in the frame before, in square roots of its area
            (`vos_tf.methods.osvos.gating`); 0: anywhere.
        adapted: Folder in which adapted weights are kept and found again; empty: they are forgotten.
    """

    finetune: OSVOSFinetuneSettings = field(default_factory=OSVOSFinetuneSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    zoom: ZoomSettings = field(default_factory=ZoomSettings)
    separate: bool = field(default=False, metadata={"option": "--separate/--together"})
    annotated_frames: str = "first"
    short_side: int = 0
    test_scales: tuple[float, ...] = (1.0,)
    test_flip: bool = False
    snap: bool = False
    snapping: SnappingSettings = field(default_factory=SnappingSettings)
    reach: float = 0.0
    adapted: str = field(default="", metadata={"decides_masks": False})

    def __post_init__(self) -> None:
        one_of("annotated_frames", self.annotated_frames, ("first", "all"))
        if self.short_side < 0:
            raise VosError(f"short_side: expected 0 (as it is) or pixels, found {self.short_side}")
        if not self.reach >= 0:
            raise VosError(f"reach: expected 0 (anywhere) or more, found {self.reach}")
        if not self.test_scales or not all(0.05 <= scale <= 20 for scale in self.test_scales):
            raise VosError(f"test_scales: expected factors from 0.05 to 20, found {self.test_scales}")

    @property
    def learns_on(self) -> bool:
        """Whether anything is learned after the first frame; never by a parent that is taken as it is."""
        return self.finetune.adapts and self.adaptation.steps > 0


def default_options(network: Any) -> Options:
    """The authors' fine-tuning for ``vgg16``, that of the VGG19 port for ``vgg19_bn``, a quick one for other trunks."""
    trunk = network.settings.trunk
    if trunk == "vgg16":
        return Options(
            OSVOSFinetuneSettings(
                steps=500,
                learning_rate=1e-8,
                optimizer="sgd",
                weight_decay=2e-4,
                augment=AugmentOptions(flip=0.5),
                scales=(0.5, 0.8, 1.0),
                rates="authors",
                loss="class_balanced",
            )
        )
    if trunk == "vgg19_bn":
        return Options(OSVOSFinetuneSettings(steps=1000, learning_rate=5e-5, weight_decay=1e-4, loss="class_balanced"))
    return _quick()


def _quick() -> Options:
    """For light trunks: a few minutes on two cores. Found on three sequences of DAVIS, see the page on OSVOS."""
    finetune = OSVOSFinetuneSettings(
        steps=400,
        learning_rate=3e-4,
        schedule="cosine",
        batch_size=2,
        augment=AugmentOptions(flip=0.5, rotation=15, scale=0.2, brightness=0.15, contrast=0.2, saturation=0.3),
        scales=(0.6, 0.9, 1.3, 1.7, 2.1, 2.6),
        motion=0.6,
        crop=(320, 576),
        crop_focus=1.0,
        loss="balanced_batch",
    )
    return Options(
        finetune,
        adaptation=AdaptationSettings(steps=2, every=1),
        zoom=ZoomSettings(share=0.5),
        reach=0.25,
        snap=True,
    )
