"""The settings of RVOS."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vos_tf.errors import VosError
from vos_tf.models.backbones import trunk_kind
from vos_tf.models.layers import NORMALIZATIONS

CHOICES = {
    "skip_mode": ("concat", "sum", "mul", "none"),
    "recurrence": ("spatiotemporal", "only_spatial", "only_temporal"),
    "batch_norm": ("frame", "clip", "frozen"),
    "slot_loop": ("auto", "unrolled", "scanned"),
    "normalization": ("", *NORMALIZATIONS),
}
# These round their feature maps' sizes down, the pyramid of masks rounds up: both must agree.
ROUNDING_DOWN = ("vgg16", "mobilenet_v2")


@dataclass(frozen=True)
class RVOSSettings:
    """Everything that decides the shape of an RVOS network; the defaults are the paper's one-shot network.

    Attributes:
        trunk: ``resnet101``, ``resnet50``, ``resnet34``, ``vgg16``, ``mobilenet_v2`` or ``small``.
        size: ``(H, W)`` at which the network works.
        slots: Number of objects that are followed or proposed at most.
        mask_input: One-shot: each slot sees its previous mask. Otherwise zero-shot: the slots propose objects.
        hidden_size: Channels of the coarsest level; each finer one has half of those before.
        kernel_size: Of all convolutions but the trunk's; odd.
        dropout: Share of channels that are dropped between levels in training.
        skip_mode: How a level meets the trunk's features: ``concat``, ``sum``, ``mul``, or ``none`` (not at all).
        recurrence: ``spatiotemporal``, ``only_spatial`` (nothing passes between frames but masks), or
            ``only_temporal`` (nothing passes between slots but in a slot's first frame, where slots would be equal).
        finest_stride: Of the finest level of the decoder; logits come at half of it.
        extra_levels: Levels below the trunk's coarsest scale, for light trunks that end early: each is made from the
            scale above by a convolution of stride 2 and a ReLU.
        normalization: Of the image, where it is not the trunk's own: ``unit``, ``caffe_bgr``, ``osvos_bgr`` or
            ``imagenet_rgb``.
        batch_norm: Statistics in training: of each ``frame`` over the batch (as the original), of all frames of the
            ``clip``, or ``frozen``: the trunk's moving ones, its batch normalisation being left as it is.
        class_count: Classes of RSIS's class head; 0: no such head.
        stop_head: Whether there is RSIS's head that says after which slot to stop.
        slot_loop: See `vos_tf.methods.rvos.slot_lstm.SlotConvLSTM`.
    """

    trunk: str = "resnet101"
    size: tuple[int, int] = (256, 448)
    slots: int = 10
    mask_input: bool = True
    hidden_size: int = 128
    kernel_size: int = 3
    dropout: float = 0.0
    skip_mode: str = "concat"
    recurrence: str = "spatiotemporal"
    finest_stride: int = 4
    extra_levels: int = 0
    normalization: str = ""
    batch_norm: str = "frame"
    class_count: int = 0
    stop_head: bool = False
    slot_loop: str = "auto"

    def __post_init__(self) -> None:
        trunk = trunk_kind(self.trunk).strides
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                expected = ", ".join(choice or "''" for choice in choices)
                raise VosError(f"model.{name}: expected one of {expected}, found {getattr(self, name)!r}")
        for name, least in (("slots", 1), ("extra_levels", 0), ("class_count", 0)):
            if getattr(self, name) < least:
                raise VosError(f"model.{name}: expected {least} or more, found {getattr(self, name)}")
        if self.finest_stride not in trunk:
            expected = ", ".join(map(str, trunk))
            raise VosError(
                f"model.finest_stride: expected one of {expected} (trunk {self.trunk}), found {self.finest_stride}"
            )
        step, least = trunk[-1] if self.trunk in ROUNDING_DOWN else 1, self.strides[0]
        if any(side < least or side % step for side in self.size):
            expected = f"multiples of {step}" if step > 1 else f"{least} or more"
            raise VosError(f"model.size: expected {expected} (trunk {self.trunk}), found {self.size}")
        divisor = 2 ** (len(self.strides) - 1)
        if self.hidden_size < divisor or self.hidden_size % divisor:
            raise VosError(f"model.hidden_size: expected a multiple of {divisor}, found {self.hidden_size}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise VosError(f"model.kernel_size: expected an odd number, found {self.kernel_size}")
        if not 0 <= self.dropout < 1:
            raise VosError(f"model.dropout: expected 0 <= x < 1, found {self.dropout}")

    @property
    def strides(self) -> tuple[int, ...]:
        """Of the decoder's levels, coarsest first."""
        trunk = trunk_kind(self.trunk).strides
        extra = tuple(trunk[-1] * 2**level for level in range(1, self.extra_levels + 1))
        return tuple(stride for stride in (trunk + extra)[::-1] if stride >= self.finest_stride)

    @property
    def filters(self) -> tuple[int, ...]:
        """Channels of the decoder's levels, coarsest first."""
        return tuple(self.hidden_size // 2**level for level in range(len(self.strides)))

    @property
    def skip_filters(self) -> tuple[int, ...]:
        """Channels of the trunk's features as the decoder's levels get them, coarsest first."""
        return (self.hidden_size, *self.filters[:-1])


SMALL = RVOSSettings(trunk="small", size=(128, 224), hidden_size=64, extra_levels=2, batch_norm="clip")


def default_settings(trunk: str) -> RVOSSettings:
    """The paper's settings for the published trunks; a light network for ``small``."""
    if trunk == "small":
        return SMALL
    trunk_kind(trunk)
    return replace(RVOSSettings(), trunk=trunk)
