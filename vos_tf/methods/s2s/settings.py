"""The settings of S2S, and its published variants as presets of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras

from vos_tf.config import nearest
from vos_tf.errors import VosError
from vos_tf.models.backbones import trunk_kind
from vos_tf.models.layers import NORMALIZATIONS

CHOICES = {
    "normalization": ("", *NORMALIZATIONS),
    "first_padding": ("same", "valid"),
    "upsampling": ("transposed", "bilinear"),
    "decoder_padding": ("same", "valid"),
    "join": ("add", "concat"),
}
# Filters and kernel of a convolution.
Layers = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class S2SSettings:
    """Everything that decides the shape of an S2S network; the defaults are the paper's.

    Attributes:
        trunk: ``vgg16``, ``mobilenet_v2`` or ``small``.
        size: ``(H, W)`` at which the network works, multiples of the trunk's coarsest stride.
        state_filters: Channels of the ConvLSTM.
        cell_kernel: Kernel of the ConvLSTM.
        candidate_activation: Of the ConvLSTM.
        output_activation: Of the ConvLSTM.
        forget_bias: Initial bias of the ConvLSTM's forget gate.
        gate_order: Order of the ConvLSTM's gates in its convolution.
        decoder_filters: One up-sampling by 2 each, from the coarsest scale to full size.
        decoder_kernel: Kernel of the up-samplings.
        output_kernel: Kernel of the last convolution.
        skip: Join the encoder's finer scales to the decoder (an addition to the paper).
        normalization: Of images and masks where it is not the trunk's own, see
            `vos_tf.models.layers.ImageNormalization`.
        first_padding: Of the initializer's first convolution: ``same``, or ``valid`` (none; the states are resized).
        initializer_hidden: ``(filters, kernel)`` of convolutions between the initializer's trunk and the states, in
            place of the classifier's fully connected layers.
        encoder_hidden: The same of the encoder.
        encoder_head: A last 1x1 convolution brings the encoder's map to ``state_filters``; else it stays as it is.
        finer_states: ``(filters, kernel)`` of further ConvLSTMs at the next finer scales; need ``skip`` and ``concat``.
        upsampling: ``transposed`` convolutions, or ``bilinear`` resizing (corners aligned) and a convolution.
        decoder_padding: ``same``, or ``valid``: transposed convolutions keep what lies beyond the border; the last
            convolution has stride 2, and the logits are resized.
        join: Skip connections and the decoder's maps are brought together by ``add`` behind the up-sampling, or by
            ``concat`` and a 1x1 convolution before it, at the coarsest scale, too.
        distance_classes: Classes of a head that says how far each pixel is from the object's border, from which the
            logits are made, too; 0: no such head.
        swap_states: The ConvLSTM's hidden and cell state trade places after each step, and masks are decoded from the
            cell (a slip of the first PyTorch implementation, which its weights expect).
    """

    trunk: str = "vgg16"
    size: tuple[int, int] = (256, 448)
    state_filters: int = 512
    cell_kernel: int = 3
    candidate_activation: str = "relu"
    output_activation: str = "relu"
    forget_bias: float = 1.0
    gate_order: str = "ifog"
    decoder_filters: tuple[int, ...] = (512, 256, 128, 64, 64)
    decoder_kernel: int = 5
    output_kernel: int = 5
    skip: bool = False
    normalization: str = ""
    first_padding: str = "same"
    initializer_hidden: Layers = ()
    encoder_hidden: Layers = ()
    encoder_head: bool = True
    finer_states: Layers = ()
    upsampling: str = "transposed"
    decoder_padding: str = "same"
    join: str = "add"
    distance_classes: int = 0
    swap_states: bool = False

    def __post_init__(self) -> None:
        strides = trunk_kind(self.trunk).strides
        if any(side <= 0 or side % strides[-1] for side in self.size):
            raise VosError(f"model.size: expected multiples of {strides[-1]} (trunk {self.trunk}), found {self.size}")
        if len(self.decoder_filters) != len(strides):
            raise VosError(
                f"model.decoder_filters: expected {len(strides)} numbers (trunk {self.trunk}), "
                f"found {len(self.decoder_filters)}"
            )
        if sorted(self.gate_order) != sorted("ifog"):
            raise VosError(f"model.gate_order: expected an order of 'ifog', found {self.gate_order!r}")
        for name in ("candidate_activation", "output_activation"):
            if not callable(getattr(keras.activations, getattr(self, name), None)):
                raise VosError(f"model.{name}: expected one of keras.activations, found {getattr(self, name)!r}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                expected = ", ".join(choice or "''" for choice in choices)
                raise VosError(f"model.{name}: expected one of {expected}, found {getattr(self, name)!r}")
        self._check_counts()
        self._check_combinations(len(strides))

    def _check_counts(self) -> None:
        counts = {name: getattr(self, name) for name in ("state_filters", "cell_kernel", "decoder_kernel")}
        counts |= {"output_kernel": self.output_kernel, "decoder_filters": min(self.decoder_filters)}
        for name in ("initializer_hidden", "encoder_hidden", "finer_states"):
            counts[name] = min((number for layer in getattr(self, name) for number in layer), default=1)
        for name, count in counts.items():
            if count < 1:
                raise VosError(f"model.{name}: expected 1 or more, found {count}")
        if self.distance_classes < 0:
            raise VosError(f"model.distance_classes: expected 0 or more, found {self.distance_classes}")

    def _check_combinations(self, scales: int) -> None:
        if self.first_padding == "valid" and self.trunk not in ("vgg16", "small"):
            raise VosError(f"model.first_padding: expected 'same' (trunk {self.trunk}), found 'valid'")
        found = len(self.finer_states)
        if found >= scales:
            raise VosError(f"model.finer_states: expected {scales - 1} at most (trunk {self.trunk}), found {found}")
        if self.finer_states and not (self.skip and self.join == "concat"):
            raise VosError("model.finer_states: expected with skip true and join concat, found without")
        if self.decoder_padding == "valid" and min(self.decoder_kernel, self.output_kernel) < 2:
            raise VosError("model.decoder_padding: expected 'same' with kernels of 1, found 'valid'")
        if self.decoder_padding == "valid" and (self.skip or self.upsampling != "transposed" or self.distance_classes):
            raise VosError(
                "model.decoder_padding: expected 'same' with skip connections, bilinear up-sampling or distance "
                "classes, found 'valid'"
            )


SMALL = S2SSettings(
    trunk="small",
    size=(128, 224),
    state_filters=64,
    decoder_filters=(48, 24, 8),
    decoder_kernel=4,
    output_kernel=3,
    skip=True,
)
Changes = dict[str, Any]


def _paper_fc6(kernel: int) -> Callable[[S2SSettings], Changes]:
    """VGG's first fully connected layer as a convolution, as the paper says without saying how (512 to 4096)."""

    def changes(base: S2SSettings) -> Changes:
        wide = ((8 * base.state_filters, kernel),)
        return {"initializer_hidden": wide, "encoder_hidden": wide}

    return changes


def _shashankvkt(base: S2SSettings) -> Changes:
    """The first PyTorch implementation (YouTube-VOS 2018), its states told apart."""
    changes: Changes = {"encoder_head": False, "forget_bias": 0.0, "skip": False, "decoder_padding": "valid"}
    changes["decoder_filters"] = (*base.decoder_filters[1:], base.decoder_filters[-1])
    if base.trunk != "mobilenet_v2":
        changes["first_padding"] = "valid"
    return changes | _torchvision_images(base)


def _toghi(base: S2SSettings) -> Changes:
    """The TensorFlow 1 implementation (YouTube-VOS 2018), its colours put right."""
    activations = {"candidate_activation": "tanh", "output_activation": "tanh"}
    return {"cell_kernel": 5, "gate_order": "igfo", "skip": False, **activations}


def _rs2s(base: S2SSettings) -> Changes:
    """RS2S, without a layer of its encoder that holds half of its weights and does little."""
    filters = base.state_filters
    cells = {"candidate_activation": "sigmoid", "forget_bias": 0.0, "finer_states": ((filters, 3), (filters // 2, 5))}
    decoder = {"upsampling": "bilinear", "skip": True, "join": "concat", "decoder_kernel": 5, "output_kernel": 3}
    hidden = {"initializer_hidden": ((8 * filters, 7), (8 * filters, 1))}
    return {**cells, **decoder, **hidden, "distance_classes": 42, **_torchvision_images(base)}


def _torchvision_images(base: S2SSettings) -> Changes:
    """How these authors normalise images for VGG16."""
    return {"normalization": "imagenet_rgb_unit_mask"} if base.trunk == "vgg16" else {}


# What a preset changes of the settings of any trunk.
PRESETS: dict[str, Callable[[S2SSettings], Changes]] = {
    "paper": lambda _base: {},
    "paper_fc6": _paper_fc6(1),
    "paper_fc6_7x7": _paper_fc6(7),
    "shashankvkt": _shashankvkt,
    "toghi": _toghi,
    "rs2s": _rs2s,
}


def default_settings(trunk: str, preset: str = "paper") -> S2SSettings:
    """A preset's settings: as published for ``vgg16`` and ``mobilenet_v2``, of a light network for ``small``.

    Raises:
        VosError: No such trunk or preset.
    """
    if preset not in PRESETS:
        expected = ", ".join(PRESETS)
        raise VosError(
            f"model.settings.preset: expected one of {expected}, found {preset!r}{nearest(str(preset), [*PRESETS])}"
        )
    trunk_kind(trunk)
    base = SMALL if trunk == "small" else replace(S2SSettings(), trunk=trunk)
    return replace(base, **PRESETS[preset](base))
