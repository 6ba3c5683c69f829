"""OSVOS: one-shot video object segmentation (Caelles et al., CVPR 2017, arXiv 1611.05198).

A classifier's trunk with a small head at every scale: ``side = conv3x3(map)`` of 16 channels, up-sampled to the image,
all sides concatenated and fused by a 1x1 convolution. Each side also gets a logit of its own, for the training. There
is no memory: the object is in the weights, which are fine-tuned on its first frame.

Several objects share one trunk: each has its own head, K heads lie side by side in the channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.methods.osvos.upsampling import CROPS, LearnedUpsampling, crop, crop_start, upsample_bilinear
from vos_tf.models.backbones import TRUNKS_BEFORE_POOLING, VGG_STRIDES_BEFORE_POOLING, trunk_kind
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork

UPSAMPLINGS = ("bilinear", "learned")


@dataclass(frozen=True)
class OSVOSSettings:
    """Everything that decides the shape of an OSVOS network; the defaults are the authors'.

    Attributes:
        trunk: ``vgg16``, ``vgg19_bn``, ``mobilenet_v2``, ``small`` or another trunk of `vos_tf.models.backbones`.
        size: ``(H, W)`` at which the network works; ``None``: at the size of the frame, whatever it is.
        objects: Number of heads on the shared trunk, K.
        sides: Strides of the scales that have a side output.
        side_filters: Channels of a side output for each object.
        upsampling: ``bilinear`` (fixed) or ``learned``.
        crop: What is cut from the up-sampled maps, see `vos_tf.methods.osvos.upsampling.crop_start`.
        score_padding: Rows and columns of zeros around a side output before its own logit is taken.
    """

    trunk: str = "vgg16"
    size: tuple[int, int] | None = None
    objects: int = 1
    sides: tuple[int, ...] = (2, 4, 8, 16)
    side_filters: int = 16
    upsampling: str = "bilinear"
    crop: str = "center"
    score_padding: int = 0

    def __post_init__(self) -> None:
        strides = trunk_kind(self.trunk, TRUNKS_BEFORE_POOLING).strides
        if not self.sides or tuple(sorted(set(self.sides) & set(strides))) != tuple(self.sides):
            raise VosError(f"model.sides: expected some of {strides} (trunk {self.trunk}) in order, found {self.sides}")
        if self.size is not None and min(self.size) < 1:
            raise VosError(f"model.size: expected two positive numbers or none, found {self.size}")
        for name, least in (("objects", 1), ("side_filters", 1), ("score_padding", 0)):
            if getattr(self, name) < least:
                raise VosError(f"model.{name}: expected {least} or more, found {getattr(self, name)}")
        for name, choices in (("upsampling", UPSAMPLINGS), ("crop", CROPS)):
            if getattr(self, name) not in choices:
                raise VosError(f"model.{name}: expected one of {', '.join(choices)}, found {getattr(self, name)!r}")


def default_settings(trunk: str) -> OSVOSSettings:
    """The authors' settings for ``vgg16``, those of the VGG19 port for ``vgg19_bn``, all scales for other trunks."""
    if trunk == "vgg16":
        return OSVOSSettings()
    if trunk == "vgg19_bn":
        return OSVOSSettings(
            trunk, sides=VGG_STRIDES_BEFORE_POOLING, upsampling="learned", crop="center_even", score_padding=1
        )
    return OSVOSSettings(trunk, sides=trunk_kind(trunk, TRUNKS_BEFORE_POOLING).strides)


class OSVOSFeatures(NamedTuple):
    """What the trunk says of images: one map ``(N, h, w, C)`` per side, finest first, and the images' ``(H, W)``."""

    maps: tuple[Any, ...]
    size: tuple[Any, Any]


class OSVOSLogits(NamedTuple):
    """Logits float32 ``(N, H, W, K)``: of the whole network, and of each side, finest first."""

    fused: Any
    sides: tuple[Any, ...]


class OSVOSState(NamedTuple):
    """OSVOS remembers nothing between frames."""


@keras.saving.register_keras_serializable("vos_tf")
class HeadMixture(keras.layers.Layer):
    """One weighted sum of C channels for each of K heads, and a bias: a 1x1 convolution that keeps the heads apart.

    The network applies it to low-resolution maps, or folds it into the convolution before (see `OSVOS`).
    """

    def __init__(self, objects: int, channels: int, initializer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel = self.add_weight(shape=(objects, channels), initializer=initializer, name="kernel")
        self.bias = self.add_weight(shape=(objects,), initializer="zeros", name="bias")
        self.built = True


def block_diagonal(kernel: Any) -> Any:
    """``(K, C)`` to the matrix ``(K * C, K)`` that takes each head's sum of its own channels."""
    objects, channels = kernel.shape
    if objects == 1:
        return ops.transpose(kernel)
    return ops.reshape(kernel[:, :, None] * ops.eye(objects, dtype=kernel.dtype)[:, None], (objects * channels, -1))


@keras.saving.register_keras_serializable("vos_tf")
class OSVOS(VideoNetwork):
    """The network, fully convolutional: RGB 0..255 ``(N, H, W, 3)`` of any size to logits of the same size.

    Up-sampling and fusing are both linear, and the fixed kernel treats all channels alike, so the fusing is done
    first, on the small maps: K channels are up-sampled instead of 16 K. As nothing bends between the 3x3 convolution
    of a side and its sums, the sums of several heads are folded into its kernel, too, so that further objects cost
    little. Results and gradients are those of the plain order up to rounding.
    """

    Settings = OSVOSSettings
    State = OSVOSState
    Features = OSVOSFeatures
    trunk_kinds = TRUNKS_BEFORE_POOLING
    settings: OSVOSSettings

    def __init__(self, settings: OSVOSSettings | None = None, name: str | None = None) -> None:
        super().__init__(settings, name)
        s = self.settings
        kind = self.trunk_kind()
        trunk = kind.build(3, "trunk_scales")
        outputs = [trunk.outputs[kind.strides.index(stride)] for stride in s.sides]
        self.trunk = keras.Model(trunk.input, outputs, name="trunk")
        learned = s.upsampling == "learned"
        start = _head_initializer(s)
        filters = s.objects * s.side_filters
        self.side_prep, self.score, self.upsample, self.score_upsample = [], [], [], []
        for stride, scale in zip(s.sides, outputs, strict=True):
            prep = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=start, name=f"side{stride}_prep")
            prep.build((None, None, None, scale.shape[-1]))
            self.side_prep.append(prep)
            self.score.append(HeadMixture(s.objects, s.side_filters, start, name=f"side{stride}_score"))
            if learned and stride > 1:
                self.upsample.append(LearnedUpsampling(s.objects, s.side_filters, stride, name=f"side{stride}_up"))
                self.score_upsample.append(LearnedUpsampling(s.objects, 1, stride, name=f"side{stride}_score_up"))
        for layer in (*self.upsample, *self.score_upsample):
            layer.build()
        self.fuse = HeadMixture(s.objects, len(s.sides) * s.side_filters, start, name="fuse")
        self.built = True

    def features(self, image: Any, training: bool = False) -> OSVOSFeatures:
        """The trunk's maps of images ``(N, H, W, 3)``, which do not depend on the heads.

        Args:
            image: RGB 0..255, float.
            training: Let batch normalisation with moving statistics (``vgg19_bn``) use and follow the batch.
        """
        maps = self.trunk(image, training=training)
        maps = list(maps) if isinstance(maps, (list, tuple)) else [maps]
        if not self.trunk.trainable_variables:
            maps = [ops.stop_gradient(x) for x in maps]
        return OSVOSFeatures(tuple(maps), tuple(ops.shape(image)[1:3]))

    def logits(self, features: OSVOSFeatures) -> OSVOSLogits:
        """All logits from the trunk's maps."""
        return self._heads(features, sides=True)

    def fused_logits(self, features: OSVOSFeatures) -> Any:
        """The fused logits ``(N, H, W, K)`` alone from the trunk's maps."""
        return self._heads(features, sides=False).fused

    def call(self, image: Any, training: bool = False) -> OSVOSLogits:
        """All logits of images; arguments as for `features`."""
        return self.logits(self.features(image, training))

    def fused(self, image: Any, training: bool = False) -> Any:
        """The fused logits ``(N, H, W, K)`` alone: what segments, and what is fine-tuned."""
        return self.fused_logits(self.features(image, training))

    def _heads(self, features: OSVOSFeatures, *, sides: bool) -> OSVOSLogits:
        shares, logits = [], []
        for index, x in enumerate(features.maps):
            share, score = self._learned_side(index, x) if self._learned(index) else self._small_side(index, x, sides)
            shares.append(self._to_image(index, share, features.size))
            if sides:
                logits.append(self._side_logits(index, score, features.size))
        bias = _float32(self.fuse.bias)
        return OSVOSLogits(sum(shares[1:], start=shares[0]) + bias, tuple(logits))

    def _learned(self, index: int) -> bool:
        return self.settings.upsampling == "learned" and self.settings.sides[index] > 1

    def _fuse_kernel(self, index: int) -> Any:
        """The part of the fusing kernel that belongs to one side, ``(K, C)``."""
        filters = self.settings.side_filters
        return _float32(self.fuse.kernel)[:, index * filters : (index + 1) * filters]

    def _small_side(self, index: int, x: Any, sides: bool) -> tuple[Any, Any]:
        """A side's share of the fused logits and its score (no bias yet, ``None`` without ``sides``), both small."""
        objects = self.settings.objects
        kernels = [self._fuse_kernel(index), _float32(self.score[index].kernel)][: 2 if sides else 1]
        sums = ops.concatenate([block_diagonal(kernel) for kernel in kernels], axis=-1)
        # Folding pays for several heads; for one it saves nothing and rounds a little more.
        small = _mixed(_float32(self.side_prep[index](x)), sums) if objects == 1 else self._folded(index, x, sums)
        return (small[..., :objects], small[..., objects:]) if sides else (small, None)

    def _folded(self, index: int, x: Any, sums: Any) -> Any:
        """The side's convolution and then sums of its channels, as one convolution."""
        prep = self.side_prep[index]
        kernel = _mixed(_float32(prep.kernel), sums)
        return _float32(ops.conv(x, ops.cast(kernel, x.dtype), padding="same")) + _mixed(_float32(prep.bias), sums)

    def _learned_side(self, index: int, x: Any) -> tuple[Any, Any]:
        """The same with learned up-sampling: the share is large already, but not cropped."""
        prepared = _float32(self.side_prep[index](x))
        share = self.upsample[self._position(index)](prepared, self._fuse_kernel(index))
        return share, _mixed(prepared, block_diagonal(_float32(self.score[index].kernel)))

    def _position(self, index: int) -> int:
        """Place of a side in the lists of up-samplings, which have none for stride 1."""
        return index - (self.settings.sides[0] == 1)

    def _to_image(self, index: int, x: Any, size: tuple[Any, Any], *, score: bool = False) -> Any:
        """Bring a map of a side to the size of the image; with learned up-sampling it only has to be cropped."""
        stride = self.settings.sides[index]
        cells = ops.shape(x)[1:3]
        if self._learned(index):
            cells = [rows // stride - 1 for rows in cells]
        crop_rule = self.settings.crop
        starts = [crop_start(rows, side, stride, crop_rule) for rows, side in zip(cells, size, strict=True)]
        if crop_rule == "caffe" and score and stride == 2:
            starts = [0, 0]  # Caffe's layer for the score of this scale alone crops without the padding of 1
        if self._learned(index) or stride == 1:
            return crop(x, size, (starts[0], starts[1]))
        return upsample_bilinear(x, stride, size, (starts[0], starts[1]))

    def _side_logits(self, index: int, score: Any, size: tuple[Any, Any]) -> Any:
        padding = self.settings.score_padding
        if padding:
            score = ops.pad(score, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        score = score + _float32(self.score[index].bias)
        if self._learned(index):
            score = self.score_upsample[self._position(index)](score)
        return self._to_image(index, score, size, score=True)

    def encode(self, image: Any) -> Any:
        """What is done once per frame, which is everything: image ``(N, H, W, 3)`` to `fused` logits."""
        return self.fused(image)

    def start(self, image: Any, mask: Any) -> OSVOSState:
        """The empty state: the object is in the weights.

        Args:
            image: RGB 0..255, float ``(N, H, W, 3)``; not looked at.
            mask: Float ``(N, H, W, 1)``; not looked at.
        """
        del image, mask
        return OSVOSState()

    def advance(self, features: Any, state: OSVOSState) -> tuple[Any, OSVOSState]:
        """The objects as batch: what `encode` gave, ``(N, H, W, K)``, as logits ``(N * K, H, W, 1)``."""
        _, height, width, _ = ops.shape(features)
        return ops.reshape(ops.transpose(features, (0, 3, 1, 2)), (-1, height, width, 1)), state

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """All trainable weights by the rate at which the authors train them.

        Names are ``trunk``, ``side``, ``score`` and ``fuse`` with ``_weights`` or ``_biases``, and
        ``upsampling_weights``.
        """
        weights, biases = _by_rank(self.trunk.trainable_variables)
        upsampling = [layer.kernel for layer in (*self.upsample, *self.score_upsample)]
        return (
            ParameterGroup("trunk_weights", weights, 1.0, True),
            ParameterGroup("trunk_biases", biases, 2.0, False),
            ParameterGroup("side_weights", tuple(layer.kernel for layer in self.side_prep), 1.0, True),
            ParameterGroup("side_biases", tuple(layer.bias for layer in self.side_prep), 2.0, False),
            ParameterGroup("score_weights", tuple(layer.kernel for layer in self.score), 0.1, True),
            ParameterGroup("score_biases", tuple(layer.bias for layer in self.score), 0.2, False),
            ParameterGroup("fuse_weights", (self.fuse.kernel,), 0.01, True),
            ParameterGroup("fuse_biases", (self.fuse.bias,), 0.02, False),
            ParameterGroup("upsampling_weights", tuple(upsampling), 1.0, True),
        )

    def with_objects(self, objects: int) -> OSVOS:
        """A new network with ``objects`` heads, each a copy of this network's only head; the trunk is copied.

        Raises:
            VosError: This network has several heads already.
        """
        if self.settings.objects != 1:
            raise VosError(f"objects: expected a network with one head to copy, found {self.settings.objects} heads")
        network = type(self)(replace(self.settings, objects=objects), name=self.name)
        for new, old in zip(network.variables, self.variables, strict=True):
            repeats = [theirs // ours for theirs, ours in zip(new.shape, old.shape, strict=True)]
            new.assign(ops.tile(old, repeats) if max(repeats, default=1) > 1 else old)
        return network


def _head_initializer(settings: OSVOSSettings) -> Any:
    """What new convolutions start from.

    The authors' deviation of 0.001 suits the large features of VGG16 and their learning rates. Side and fusing weights
    multiply, so that on other trunks such a start would leave the fusing small and fine-tuning restless.
    """
    if settings.upsampling == "learned":  # PyTorch's default
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    if settings.trunk == "vgg16":
        return keras.initializers.RandomNormal(stddev=0.001)
    return keras.initializers.GlorotUniform()


def _float32(x: Any) -> Any:
    """Float32, or float64 where the network works in that."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def _mixed(x: Any, sums: Any) -> Any:
    """``(..., C)`` times ``(C, M)`` as one matrix product."""
    shape = ops.shape(x)
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, shape[-1])), sums), (*shape[:-1], sums.shape[-1]))


def _by_rank(variables: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Kernels, and vectors: biases and what batch normalisation learns."""
    kernels = tuple(v for v in variables if len(v.shape) > 1)
    return kernels, tuple(v for v in variables if len(v.shape) <= 1)
