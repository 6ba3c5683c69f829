"""COSNet: segmentation without any mask by co-attention between frames of a video (Lu et al., CVPR 2019).

``v = encode(frame)``; what other frames say of it is ``z = gate(attention(v, references))``; a small head makes logits
of ``[z, v]``. Features of reference frames do not depend on the frame to be segmented: they are computed once per video
and kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.methods.cosnet.co_attention import ATTENTIONS, CoAttention
from vos_tf.methods.cosnet.deeplab import DEEPLAB_TRUNKS, OUTPUT_STRIDES, AtrousPyramid
from vos_tf.methods.cosnet.options import FUSIONS
from vos_tf.models.backbones import build_trunk, trunk_kind
from vos_tf.models.batch_norm import BatchNorm, statistics_by_frame
from vos_tf.models.layers import NORMALIZATIONS, fold_time
from vos_tf.models.resize import resize_align_corners
from vos_tf.models.video_network import VideoNetwork


@dataclass(frozen=True)
class COSNetSettings:
    """Everything that decides what a COSNet computes; the defaults are the authors' pair model.

    Attributes:
        trunk: ``resnet101``, ``resnet50`` or ``mobilenet_v2``.
        size: ``(H, W)`` at which the network works.
        output_stride: Of the features, 8 or 16.
        normalization: Of the images, see `vos_tf.models.layers.ImageNormalization`.
        pyramid_filters: Channels of each branch of the spatial pyramid.
        feature_filters: Channels of the features, and of the heads.
        attention: ``official`` or ``legacy_swapped``, see `vos_tf.methods.cosnet.co_attention.CoAttention`.
        symmetric: The paper's symmetric form: the affinity matrix starts orthogonal, and a penalty of the loss
            (`vos_tf.methods.cosnet.losses.orthogonality_penalty`) keeps it so.
        fusion: How several references act together: mean of the ``predictions`` from each (the authors' code), mean
            of the gated attention ``summaries`` (the paper), or one ``joint`` attention over all (the group model).
        legacy_double_softmax: With ``joint``, soften the affinity twice, as the published group model does.
        attention_tile: Most rows of the affinity, for each frame and reference, that are held at once; 0: all.
        heads: 2: target and search frame of a pair have a head each; 1: only the target has.
        side_head: Whether the encoder has a head of its own, for still images.
        outputs: Channels of the logits K; 1, or the 3 colours of the Tianchi code.
        align_corners: Whether logits are up-sampled with aligned corners.
    """

    trunk: str = "resnet101"
    size: tuple[int, int] = (473, 473)
    output_stride: int = 8
    normalization: str = "osvos_bgr"
    pyramid_filters: int = 512
    feature_filters: int = 256
    attention: str = "official"
    symmetric: bool = False
    fusion: str = "predictions"
    legacy_double_softmax: bool = False
    attention_tile: int = 256
    heads: int = 2
    side_head: bool = True
    outputs: int = 1
    align_corners: bool = False

    def __post_init__(self) -> None:
        trunk_kind(self.trunk, DEEPLAB_TRUNKS)
        least = {"pyramid_filters": 1, "feature_filters": 1, "attention_tile": 0, "outputs": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise VosError(f"model.{name}: expected {bound} or more, found {getattr(self, name)}")
        if min(self.size) < 2 * self.output_stride:
            raise VosError(f"model.size: expected {2 * self.output_stride} or more, found {self.size}")
        choices: dict[str, tuple[Any, ...]] = {
            "output_stride": OUTPUT_STRIDES,
            "normalization": NORMALIZATIONS,
            "attention": ATTENTIONS,
            "fusion": FUSIONS,
            "heads": (1, 2),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                expected = ", ".join(map(str, allowed))
                raise VosError(f"model.{name}: expected one of {expected}, found {getattr(self, name)!r}")
        if self.fusion == "joint" and self.attention == "legacy_swapped":
            raise VosError("model.fusion: expected predictions or summaries with swapped attention, found 'joint'")
        if self.legacy_double_softmax and self.fusion != "joint":
            raise VosError(f"model.legacy_double_softmax: expected model.fusion joint with it, found {self.fusion!r}")


PAIR = COSNetSettings()
# The authors' group model: several references at once, only the target is segmented.
GROUP = COSNetSettings(fusion="joint", legacy_double_softmax=True, heads=1)
# The Tianchi code, for its weights: it regresses the colours of palette masks.
TIANCHI = COSNetSettings(
    trunk="resnet50",
    size=(180, 320),
    normalization="bgr_unit",
    attention="legacy_swapped",
    side_head=False,
    outputs=3,
    align_corners=True,
)
# A light network for small machines; not published.
LIGHT = COSNetSettings(
    trunk="mobilenet_v2", size=(288, 512), normalization="unit", pyramid_filters=128, feature_filters=128
)


def default_settings(trunk: str) -> COSNetSettings:
    """The authors' pair model on a ResNet, or a light network on ``mobilenet_v2``.

    Raises:
        VosError: There is no such trunk.
    """
    trunk_kind(trunk, DEEPLAB_TRUNKS)
    return LIGHT if trunk == "mobilenet_v2" else replace(PAIR, trunk=trunk)


class COSNetState(NamedTuple):
    """What is kept of a video: features of R reference frames, ``(R, h, w, C)``."""

    references: Any


class COSNetLogits(NamedTuple):
    """Logits of a clip, float32.

    Attributes:
        frames: ``(B, P, K, H, W)``: of the target and, for a pair with two heads, of the search frame.
        sides: ``(B, T, 1, H, W)``: the encoder's own for each frame; ``None`` without a side head.
    """

    frames: Any
    sides: Any


@keras.saving.register_keras_serializable("vos_tf")
class SegmentationHead(keras.layers.Layer):
    """Logits of frames from their features and from what references say of them: ``conv1x1(relu(bn(conv3x3)))``."""

    def __init__(self, channels: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.conv = keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name="conv"
        )
        self.conv.build((None, None, None, 2 * channels))
        self.norm = BatchNorm(name="bn")
        self.norm.build((None, None, None, channels))
        self.classifier = _classifier(channels, outputs, "classifier")
        self.built = True

    def call(self, summaries: Any, features: Any, training: bool = False) -> Any:
        """Summaries ``(B, R, h, w, C)`` and features ``(B, h, w, C)`` to logits float32 ``(B, R, h, w, K)``.

        The convolution over both is a sum of two, and the features' is the same for all references.
        """
        kernel = ops.cast(self.conv.kernel, features.dtype)
        own = ops.conv(features, kernel[:, :, self.channels :], padding="same")
        theirs = ops.conv(fold_time(summaries), kernel[:, :, : self.channels], padding="same")
        count = ops.shape(summaries)[1]
        both = ops.reshape(theirs, (-1, count, *ops.shape(own)[1:])) + own[:, None]
        logits = self.classifier(ops.relu(self.norm(fold_time(both), training=training)))
        return ops.reshape(logits, (-1, count, *ops.shape(logits)[1:]))


def _classifier(channels: int, outputs: int, name: str) -> Any:
    layer = keras.layers.Conv2D(outputs, 1, dtype="float32", name=name)
    layer.build((None, None, None, channels))
    return layer


@keras.saving.register_keras_serializable("vos_tf")
class COSNet(VideoNetwork):
    """The network. ``start`` and ``step`` segment a video against kept references; calling it, clips of few frames."""

    Settings = COSNetSettings
    State = COSNetState
    trunk_kinds = DEEPLAB_TRUNKS
    settings: COSNetSettings

    def __init__(self, settings: COSNetSettings | None = None, name: str | None = None) -> None:
        super().__init__(settings, name)
        s = self.settings
        options: dict[str, Any] = {"normalization": s.normalization, "output_stride": s.output_stride}
        scales = build_trunk(s.trunk, 3, "trunk_scales", kinds=DEEPLAB_TRUNKS, **options)
        self.trunk = keras.Model(scales.input, scales.outputs[-1], name="trunk")
        self.pyramid = AtrousPyramid(scales.outputs[-1].shape[-1], s.pyramid_filters, s.feature_filters, name="pyramid")
        self.co_attention = CoAttention(
            s.feature_filters,
            s.attention,
            orthogonal=s.symmetric,
            double_softmax=s.legacy_double_softmax,
            tile=s.attention_tile,
            name="co_attention",
        )
        self.heads = [SegmentationHead(s.feature_filters, s.outputs, name=f"head{i}") for i in range(1, s.heads + 1)]
        self.side_head: Any = _classifier(s.feature_filters, 1, "side_head") if s.side_head else None
        self.built = True

    def encode(self, image: Any, training: bool = False, trunk: Any = None) -> Any:
        """Features of frames, which depend on nothing else.

        Args:
            image: RGB 0..255, float ``(N, H, W, 3)``, of any size.
            training: Normalise by the batch's statistics, and follow them.
            trunk: In place of the network's own: that one made quicker by `vos_tf.models.folding.folded`.

        Returns:
            ``(N, h, w, C)`` at the output stride.
        """
        return self.pyramid((trunk or self.trunk)(image, training=training), training=training)

    def attend(self, features: Any, references: Any, size: Any = None, fusion: str | None = None) -> Any:
        """Logits of frames, each against the same references.

        Args:
            features: Of the frames, from `encode`, ``(B, h, w, C)``.
            references: Of the reference frames, ``(R, h, w, C)``; R >= 1.
            size: ``(H, W)`` of the logits; the settings' if not given.
            fusion: Another way to fuse the references than the settings'.

        Returns:
            float32 ``(B, H, W, K)``. Their sigmoid is the probability of the foreground.
        """
        return self._fused(features, references[None], size or self.settings.size, fusion or self.settings.fusion)

    def _fused(self, features: Any, references: Any, size: Any, fusion: str, training: bool = False) -> Any:
        summaries = self.co_attention(features, references, joint=fusion == "joint")
        if fusion == "summaries":
            summaries = ops.mean(summaries, axis=1, keepdims=True)
        logits = self.heads[0](summaries, features, training=training)
        count = logits.shape[1]
        logits = self._upsampled(fold_time(logits), size)
        if count == 1:
            return logits
        logits = ops.reshape(logits, (ops.shape(features)[0], -1, *ops.shape(logits)[1:]))
        # The logit of the mean probability, exact however sure the references are.
        inside, outside = (ops.logsumexp(ops.log_sigmoid(sign * logits), axis=1) for sign in (1.0, -1.0))
        return inside - outside

    def _upsampled(self, logits: Any, size: Any) -> Any:
        if self.settings.align_corners:
            return resize_align_corners(logits, *size)
        return ops.image.resize(logits, size, interpolation="bilinear", antialias=False)

    def side(self, features: Any, size: Any = None) -> Any:
        """The encoder's own logits float32 ``(B, H, W, 1)`` of features ``(B, h, w, C)``, without any reference.

        Raises:
            VosError: The network has no side head.
        """
        if self.side_head is None:
            raise VosError("model.side_head: expected true to segment without references, found false")
        return self._upsampled(self.side_head(features), size or self.settings.size)

    def start(self, image: Any, mask: Any = None) -> COSNetState:
        """The state of a video: its reference frames.

        Args:
            image: RGB 0..255, float ``(R, H, W, 3)``.
            mask: Not looked at: the network takes none.
        """
        del mask
        return COSNetState(self.encode(image))

    def advance(self, features: Any, state: COSNetState) -> tuple[Any, COSNetState]:
        """Segment frames from their features ``(B, h, w, C)``.

        Returns:
            Logits float32 ``(B, H, W, K)`` at the settings' size, and the state as it was.
        """
        return self.attend(features, state.references), state

    def call(self, frames: Any, training: bool = False) -> COSNetLogits:
        """Segment the first frame of clips by the others, and of pairs with two heads also the second by the first.

        Args:
            frames: RGB 0..255, float ``(B, T, H, W, 3)``, T >= 2: targets first, then their references.
            training: Normalise by the batch's statistics, one position in the clips at a time, and follow them.
        """
        size = tuple(ops.shape(frames)[2:4])
        features = self._encode_clip(frames, training)
        references = ops.stack(features[1:], axis=1)
        maps = [self._fused(features[0], references, size, self.settings.fusion, training)]
        if len(features) == len(self.heads) == 2:
            summaries = self.co_attention.reverse(features[0], references)
            logits = self.heads[1](summaries, features[1], training=training)
            maps.append(self._upsampled(fold_time(logits), size))
        sides = [self.side(x, size) for x in features] if self.side_head else []
        return COSNetLogits(_stacked(maps), _stacked(sides) if sides else None)

    def _encode_clip(self, frames: Any, training: bool) -> list[Any]:
        """Features of each frame of clips; all go through the encoder together, time first."""
        steps = frames.shape[1]
        norms = [*self.trunk.layers, *self.pyramid.norms, self.pyramid.fuse_norm]
        with statistics_by_frame(norms, steps if training else 1):
            features = self.encode(fold_time(ops.swapaxes(frames, 0, 1)), training)
        return list(ops.split(features, steps, axis=0))

    @property
    def affinity(self) -> Any:
        """The matrix W of the affinity, ``(C, C)``; `vos_tf.methods.cosnet.losses.orthogonality_penalty` is for it."""
        return self.co_attention.affinity.kernel


def _stacked(maps: list[Any]) -> Any:
    """Maps ``(B, H, W, K)`` to ``(B, P, K, H, W)``."""
    return ops.transpose(ops.stack(maps, axis=1), (0, 1, 4, 2, 3))
