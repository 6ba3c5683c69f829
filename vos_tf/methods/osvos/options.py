"""What can be chosen when OSVOS segments, and what suits each trunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.inference.options import SharedOptions
from vos_tf.inference.refinement.settings import SnappingSettings
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune_settings import FinetuneSettings

if TYPE_CHECKING:
    from vos_tf.methods.osvos.network import OSVOS


@dataclass(frozen=True)
class OSVOSFinetuneSettings(FinetuneSettings):
    """How OSVOS is adapted to a video.

    Attributes:
        trainable: What is fine-tuned: ``all``, or ``head``: the trunk stays as it is.
        rates: Learning rates. ``authors``: biases twice as fast as weights, the fusing convolution a hundred times
            slower. ``equal``.
        loss: ``class_balanced``: the authors', summed over pixels. ``balanced_mean``: the mean over the pixels of the
            object and the mean over the others, half each, whatever the size of the object. ``balanced_batch``: the
            same over all samples of a batch together, so that those that show more of the object count more. ``mean``:
            over all pixels.
    """

    trainable: str = field(default="all", metadata={"option": "--trainable"})
    rates: str = "equal"
    loss: str = "balanced_mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("finetune.trainable", self.trainable, ("all", "head"))
        one_of("finetune.rates", self.rates, ("authors", "equal"))
        one_of("finetune.loss", self.loss, ("class_balanced", "balanced_mean", "balanced_batch", "mean"))


@dataclass(frozen=True)
class AdaptationSettings:
    """How learning goes on.

    Attributes:
        steps: Updates after a frame; 0: nothing is learned after the first frame.
        every: Number of frames from one that is learned from to the next.
        learning_rate: Of these updates.
        certain: Probability above which a pixel is taken for its object.
        border: Pixels from the edge of an object's mask that teach nothing.
        distance: How far from an object everything is background, in square roots of its area.
        unlikely: Probability below which a pixel is background wherever it is.
    """

    steps: int = 0
    every: int = 2
    learning_rate: float = 1e-4
    certain: float = 0.97
    border: int = 3
    distance: float = 1.0
    unlikely: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("every", 1), ("border", 0), ("distance", 0)):
            if not getattr(self, name) >= least:
                raise VosError(f"adaptation.{name}: expected {least} or more, found {getattr(self, name)}")
        for name in ("certain", "unlikely"):
            if not 0 <= getattr(self, name) <= 1:
                raise VosError(f"adaptation.{name}: expected 0 <= x <= 1, found {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise VosError(f"adaptation.learning_rate: expected a number above 0, found {self.learning_rate}")


@dataclass(frozen=True)
class ZoomSettings:
    """How closely objects are looked at.

    Attributes:
        share: Of the closer view in the average, 0..1; 0: there is no closer view.
        margin: The window is at least this many times as high and wide as the object's last mask.
        limit: Largest magnification of the window.
    """

    share: float = 0.0
    margin: float = 1.5
    limit: float = 2.6

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise VosError(f"zoom.share: expected 0 <= x <= 1, found {self.share}")
        if not 1 <= self.margin <= 100:
            raise VosError(f"zoom.margin: expected 1 or more, found {self.margin}")
        if not 1 <= self.limit <= 20:
            raise VosError(f"zoom.limit: expected 1 to 20, found {self.limit}")


@dataclass(frozen=True)
class Options(SharedOptions):
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
        snap: Move the contours of the result to edges of the image.
        snapping: How, see `vos_tf.inference.refinement.snapping`.
        reach: How far an object's pixels may be from where it was in the frame before, in square roots of its area
            (`vos_tf.inference.gating`); 0: anywhere.
        adapted: Folder in which adapted weights are kept and found again; empty: they are forgotten.
    """

    finetune: OSVOSFinetuneSettings = field(default_factory=OSVOSFinetuneSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    zoom: ZoomSettings = field(default_factory=ZoomSettings)
    separate: bool = field(default=False, metadata={"option": "--separate/--together"})
    annotated_frames: str = "first"
    short_side: int = 0
    snap: bool = False
    snapping: SnappingSettings = field(default_factory=SnappingSettings)
    reach: float = 0.0
    adapted: str = field(default="", metadata={"decides_masks": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("annotated_frames", self.annotated_frames, ("first", "all"))
        if self.short_side < 0:
            raise VosError(f"short_side: expected 0 (as it is) or pixels, found {self.short_side}")
        if not self.reach >= 0:
            raise VosError(f"reach: expected 0 (anywhere) or more, found {self.reach}")

    @property
    def learns_on(self) -> bool:
        """Whether anything is learned after the first frame; never by a parent that is taken as it is."""
        return self.finetune.adapts and self.adaptation.steps > 0


def default_options(network: OSVOS) -> Options:
    """The authors' fine-tuning for ``vgg16``, that of the VGG19 port for ``vgg19_bn``, a quick one for other trunks."""
    trunk = network.settings.trunk
    if trunk == "vgg16":
        return Options(
            finetune=OSVOSFinetuneSettings(
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
        finetune = OSVOSFinetuneSettings(steps=1000, learning_rate=5e-5, weight_decay=1e-4, loss="class_balanced")
        return Options(finetune=finetune)
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
        finetune=finetune,
        adaptation=AdaptationSettings(steps=2, every=1),
        zoom=ZoomSettings(share=0.5),
        reach=0.25,
        snap=True,
    )
