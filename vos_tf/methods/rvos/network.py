"""RVOS: recurrent over the objects of a frame and over time (Ventura et al., CVPR 2019, arXiv 1903.05612).

A trunk's features go through a decoder of ConvLSTM levels, coarse to fine, once per object slot. One-shot networks see
the previous mask of each slot; zero-shot networks propose objects and keep each in its slot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.methods.rvos.settings import RVOSSettings, default_settings
from vos_tf.methods.rvos.slot_lstm import SlotConvLSTM, torch_uniform
from vos_tf.models.backbones import build_trunk
from vos_tf.models.batch_norm import BatchNorm, freeze_batch_norm, statistics_by_frame
from vos_tf.models.layers import fold_time
from vos_tf.models.resize import resize_align_corners
from vos_tf.models.video_network import VideoNetwork

__all__ = ["RVOS", "RVOSClip", "RVOSDecoded", "RVOSFeatures", "RVOSSettings", "RVOSState", "default_settings"]


class RVOSFeatures(NamedTuple):
    """What the encoder says of frames, whatever the number of objects.

    Attributes:
        skips: Features of the decoder's levels, coarsest first, ``(N, h, w, C)`` each.
        frame: ``(N, H, W, 0)``: holds nothing but the frames' size.
    """

    skips: tuple[Any, ...]
    frame: Any


class RVOSState(NamedTuple):
    """What passes from frame to frame; S slots of one image.

    Attributes:
        hidden: Of each level of the decoder, coarsest first, ``(S, h, w, C)``; all zeros for a slot without a past.
        mask: Previous mask of each slot, 0..1, ``(S, H, W, 1)``; ``()`` in a zero-shot network.
    """

    hidden: tuple[Any, ...]
    mask: Any


class RVOSDecoded(NamedTuple):
    """What the decoder says of S slots in B images.

    Attributes:
        logits: float32 ``(S, B, h, w, 1)``, at half the stride of the finest level (half the image's size).
        hidden: Of each level, coarsest first, ``(S, B, h, w, C)``.
    """

    logits: Any
    hidden: tuple[Any, ...]


class RVOSClip(NamedTuple):
    """What the network says of B clips of T frames, float32.

    Attributes:
        logits: ``(B, T, S, H, W)``.
        classes: Logits of RSIS's class head ``(B, T, S, classes)``; ``()`` without it.
        stops: Logits of RSIS's stop head ``(B, T, S)``; ``()`` without it.
    """

    logits: Any
    classes: Any
    stops: Any


@keras.saving.register_keras_serializable("vos_tf")
class RVOS(VideoNetwork):
    """The network. ``start`` and ``step`` follow the slots of *one* image jointly: the object axis is the slot axis.

    Only the slots in the state are decoded: three objects cost three slots, and mean the same as the first three of
    ten, because a slot sees those before it only.

    ``trunk`` holds the pretrained weights; all others belong to the decoder.
    """

    Settings = RVOSSettings
    State = RVOSState
    Features = RVOSFeatures
    settings: RVOSSettings

    def __init__(self, settings: RVOSSettings | None = None, name: str | None = None) -> None:
        super().__init__(settings, name)
        s = self.settings
        self.trunk = build_trunk(s.trunk, 3, "trunk", normalization=s.normalization)
        channels = [scale.shape[-1] for scale in self.trunk.outputs]
        self.deeper = []
        for level in range(s.extra_levels):
            self.deeper.append(_conv(s.hidden_size, 3, channels[-1], f"deeper{level}", strides=2, activation="relu"))
            channels.append(s.hidden_size)
        self.skips = [
            _conv(filters, s.kernel_size, channels[-1 - level], f"skip{level}")
            for level, filters in enumerate(s.skip_filters)
        ]
        self.skip_norms = [BatchNorm(name=f"skip_norm{level}") for level in range(len(s.strides))]
        for layer, filters in zip(self.skip_norms, s.skip_filters, strict=True):
            layer.build((None, None, None, filters))
        self.cells = self._build_cells()
        self.conv_out = _conv(1, s.kernel_size, s.filters[-1], "conv_out", dtype="float32")
        self.dropout = keras.layers.SpatialDropout2D(s.dropout, name="dropout") if s.dropout else None
        heads = {"class_head": s.class_count, "stop_head": int(s.stop_head)}
        self.heads = {key: keras.layers.Dense(n, dtype="float32", name=key) for key, n in heads.items() if n}
        for head in self.heads.values():
            head.build((None, sum(s.filters)))
        if s.batch_norm == "frozen":
            freeze_batch_norm(self.trunk)
        self.built = True

    def _build_cells(self) -> list[Any]:
        s = self.settings
        cells = []
        for level, (filters, skip) in enumerate(zip(s.filters, s.skip_filters, strict=True)):
            cell = SlotConvLSTM(
                filters, s.kernel_size, mask_input=s.mask_input, slot_loop=s.slot_loop, name=f"cell{level}"
            )
            cell.build(2 * skip if level and s.skip_mode == "concat" else skip)
            cells.append(cell)
        return cells

    def encode(self, image: Any, training: bool = False, trunk: Any = None) -> RVOSFeatures:
        """What does not depend on the object: RGB 0..255 ``(N, H, W, 3)`` to features, by the trunk or a folded one."""
        scales = list((trunk or self.trunk)(image, training=training))
        for layer in self.deeper:
            scales.append(layer(scales[-1]))
        skips = [
            norm(skip(scale), training=training)
            for scale, skip, norm in zip(scales[::-1], self.skips, self.skip_norms, strict=False)
        ]
        return RVOSFeatures(tuple(skips), image[..., :0])

    def initial_state(self, slots: int | None = None, size: tuple[int, int] | None = None, mask: Any = None) -> Any:
        """State of slots without a past.

        Args:
            slots: Their number; that of ``mask``, or of the settings, if not given.
            size: ``(H, W)`` of the frames; the settings' if not given.
            mask: Their masks, 0..1, ``(S, H, W, 1)``; empty if not given. One-shot networks only.

        Raises:
            VosError: A mask was given to a zero-shot network.
        """
        if mask is not None:
            self._require_masks()
        height, width = (size or self.settings.size) if mask is None else ops.shape(mask)[1:3]
        count = (slots or self.settings.slots) if mask is None else ops.shape(mask)[0]
        hidden = tuple(
            ops.zeros((count, -(-height // stride), -(-width // stride), filters), self.compute_dtype)
            for stride, filters in zip(self.settings.strides, self.settings.filters, strict=True)
        )
        if self.settings.mask_input and mask is None:
            mask = ops.zeros((count, height, width, 1), "float32")
        return RVOSState(hidden, mask if self.settings.mask_input else ())

    def start(self, image: Any, mask: Any) -> RVOSState:
        """State after a frame whose masks are given: the frame itself is decoded, and the masks are kept.

        Args:
            image: RGB 0..255, float ``(1, H, W, 3)``, or ``(S, H, W, 3)`` with the same image S times.
            mask: 0 or 1, float ``(S, H, W, 1)``, one slot each, in the slots' order.

        Raises:
            VosError: The network is zero-shot.
        """
        state = self.initial_state(mask=mask)
        decoded = self._decode_state(self.encode(image[:1]), state)
        return RVOSState(_without_batch(decoded.hidden), mask)

    def advance(self, features: RVOSFeatures, state: RVOSState) -> tuple[Any, RVOSState]:
        """One frame further from the frame's features (batch 1) and the state of S slots.

        Returns:
            Logits float32 ``(S, H, W, 1)`` and the new state.
        """
        decoded = self._decode_state(features, state)
        logits = self.full_size(decoded.logits, features)[:, 0]
        mask = ops.sigmoid(logits) if self.settings.mask_input else ()
        return logits, RVOSState(_without_batch(decoded.hidden), mask)

    def _decode_state(self, features: RVOSFeatures, state: RVOSState) -> RVOSDecoded:
        features = RVOSFeatures(tuple(skip[:1] for skip in features.skips), features.frame[:1])
        hidden = tuple(x[:, None] for x in state.hidden)
        return self.decode(features, hidden, state.mask[:, None] if self.settings.mask_input else None)

    def step(self, image: Any, state: RVOSState) -> tuple[Any, RVOSState]:
        """One frame further: image ``(1 or S, H, W, 3)`` and state to logits ``(S, H, W, 1)`` and the new state."""
        return super().step(image[:1], state)

    def decode(
        self,
        features: RVOSFeatures,
        hidden: tuple[Any, ...] | None,
        mask: Any = None,
        *,
        slots: int | None = None,
        training: bool = False,
    ) -> RVOSDecoded:
        """All slots of one frame in each of B clips.

        Args:
            features: Of B images.
            hidden: Hidden states of the frame before, as in `RVOSDecoded`; ``None`` for slots without a past.
            mask: Previous masks ``(S, B, H, W, 1)``, 0..1; ``None`` in a zero-shot network.
            slots: Number of slots; only needed where both are ``None``.
            training: Whether channels are dropped.
        """
        s = self.settings
        count = ops.shape(hidden[0] if hidden is not None else mask)[0] if slots is None else slots
        gate = None
        if s.recurrence == "only_temporal" and hidden is not None:
            past = ops.any(hidden[0] != 0, axis=(2, 3, 4), keepdims=True)
            gate = ops.cast(ops.logical_not(past), self.compute_dtype)
        masks = self._mask_pyramid(mask)
        states: list[Any] = []
        for level, (cell, skip) in enumerate(zip(self.cells, features.skips, strict=True)):
            shared, own = self._inputs(skip, states[-1] if states else None, training)
            temporal = None if hidden is None or s.recurrence == "only_spatial" else hidden[level]
            states.append(cell(shared, own, masks[level], temporal, slots=count, gate=gate)[0])
        finest = states[-1]
        shape = ops.shape(finest)
        doubled = resize_align_corners(ops.reshape(finest, (-1, *shape[2:])), 2 * shape[2], 2 * shape[3])
        logits = self.conv_out(doubled)
        return RVOSDecoded(ops.reshape(logits, (*shape[:2], *ops.shape(logits)[1:])), tuple(states))

    def _inputs(self, skip: Any, coarser: Any, training: bool) -> tuple[Any, Any]:
        """Input of a level: what all slots share, and what each slot has of its own (see `SlotConvLSTM`)."""
        if coarser is None:
            return skip, None
        shape = ops.shape(coarser)
        own = ops.reshape(coarser, (-1, *shape[2:]))
        if self.dropout is not None:
            own = self.dropout(own, training=training)
        own = resize_align_corners(own, *ops.shape(skip)[1:3])
        own = ops.reshape(own, (*shape[:2], *ops.shape(own)[1:]))
        if self.settings.skip_mode == "concat":
            return skip, own
        if self.settings.skip_mode == "sum":
            own = own + skip
        elif self.settings.skip_mode == "mul":
            own = own * skip
        return None, own

    def _mask_pyramid(self, mask: Any) -> list[Any]:
        """Masks ``(S, B, H, W, 1)`` for each level: halved by max pooling again and again, sizes rounded up."""
        strides = self.settings.strides
        if not self.settings.mask_input:
            return [None] * len(strides)
        shape = ops.shape(mask)
        x = ops.cast(ops.reshape(mask, (-1, *shape[2:])), self.compute_dtype)
        found, stride = {}, 1
        while stride < strides[0]:
            x = ops.max_pool(x, 2, 2, padding="same", data_format="channels_last")
            stride *= 2
            found[stride] = ops.reshape(x, (*shape[:2], *ops.shape(x)[1:]))
        return [found[stride] for stride in strides]

    def full_size(self, logits: Any, features: RVOSFeatures) -> Any:
        """Logits ``(S, B, h, w, 1)`` of `decode` at the frames' size, ``(S, B, H, W, 1)``."""
        shape = ops.shape(logits)
        size = ops.shape(features.frame)[1:3]
        return ops.reshape(resize_align_corners(ops.reshape(logits, (-1, *shape[2:])), *size), (*shape[:2], *size, 1))

    def unroll(
        self,
        frames: Any,
        masks: Any = None,
        *,
        previous: str = "prediction",
        slots: int | None = None,
        training: bool = False,
    ) -> RVOSClip:
        """Follow the slots through every frame of B clips.

        Args:
            frames: RGB 0..255 ``(B, T, H, W, 3)``.
            masks: One-shot: true masks ``(B, T, S, H, W)``, 0 or 1; ``(B, 1, S, H, W)`` unless ``previous`` is
                ``truth``. Zero-shot: ``None``.
            previous: Where previous masks come from (one-shot). The first frame gets its own true masks; a later
                one those of the frame before, which are the true ones with ``truth`` and the network's own with
                ``prediction`` (no gradient passes through them). ``inference`` is ``prediction``, but the second
                frame gets the true masks of the first, as `start` and `step` do.
            slots: Number of slots of a zero-shot network; the settings' if not given.
            training: Batch statistics and dropout.

        Raises:
            VosError: Masks were given to a zero-shot network, or none to a one-shot network.
        """
        truth = self._slot_masks(masks)
        count = (slots or self.settings.slots) if truth is None else truth.shape[1]
        hidden, mask = None, None
        found: list[tuple[Any, Any, Any]] = []
        for time, features in enumerate(self._encode_clip(frames, training)):
            if truth is not None:
                if time == 0 or previous == "truth":
                    mask = truth[max(time - 1, 0)]
                elif previous == "inference" and time == 1:
                    mask = truth[0]
                else:
                    mask = ops.stop_gradient(ops.sigmoid(found[-1][0]))
            decoded = self.decode(features, hidden, mask, slots=count, training=training)
            hidden = decoded.hidden
            found.append((self.full_size(decoded.logits, features), *self._side_heads(hidden)))
        logits, classes, stops = (_clip(list(parts)) for parts in zip(*found, strict=True))
        return RVOSClip(logits[..., 0], classes, stops if stops == () else stops[..., 0])

    def _slot_masks(self, masks: Any) -> Any:
        """True masks ``(B, T, S, H, W)`` as ``(T, S, B, H, W, 1)``."""
        if masks is None and self.settings.mask_input:
            raise VosError("RVOS: expected the objects' first masks (this network is one-shot), found none")
        if masks is None:
            return None
        self._require_masks()
        return ops.cast(ops.transpose(masks, (1, 2, 0, 3, 4))[..., None], self.compute_dtype)

    def _require_masks(self) -> None:
        if not self.settings.mask_input:
            raise VosError("RVOS: expected no masks (this network is zero-shot and finds objects itself), found some")

    def _encode_clip(self, frames: Any, training: bool) -> list[RVOSFeatures]:
        steps = frames.shape[1]
        by_frame = training and self.settings.batch_norm == "frame"
        with statistics_by_frame([*self.trunk.layers, *self.skip_norms], steps if by_frame else 1):
            features = self.encode(fold_time(ops.swapaxes(frames, 0, 1)), training=training)
        skips = [ops.reshape(x, (steps, -1, *ops.shape(x)[1:])) for x in features.skips]
        frame = frames[:, 0, ..., :0]
        return [RVOSFeatures(tuple(skip[time] for skip in skips), frame) for time in range(steps)]

    def _side_heads(self, hidden: tuple[Any, ...]) -> tuple[Any, Any]:
        """Logits of RSIS's heads from each slot's hidden states, pooled over the image; ``()`` without a head."""
        if not self.heads:
            return (), ()
        side = ops.concatenate([ops.max(x, axis=(2, 3)) for x in hidden], axis=-1)
        found = {name: head(side) for name, head in self.heads.items()}
        return found.get("class_head", ()), found.get("stop_head", ())

    def call(self, frames: Any, masks: Any = None, training: bool = False) -> Any:
        """Unroll a clip as `start` and `step` do.

        Args:
            frames: RGB 0..255. One-shot: ``(B, 1 + T, H, W, 3)``, the frame of the masks first. Zero-shot:
                ``(B, T, H, W, 3)``.
            masks: One-shot: masks of the first frame, ``(B, S, H, W)``, 0 or 1. Zero-shot: ``None``.
            training: See `unroll`.

        Returns:
            Logits ``(B, T, S, H, W)``, float32.

        Raises:
            VosError: As `unroll`.
        """
        if masks is None:
            return self.unroll(frames, training=training).logits
        return self.unroll(frames, masks[:, None], previous="inference", training=training).logits[:, 1:]


def _conv(filters: int, kernel: int, channels: int, name: str, **options: Any) -> Any:
    """A built and padded convolution with PyTorch's initial weights."""
    initial, bias = torch_uniform(channels * kernel**2), torch_uniform(channels * kernel**2)
    options = {"kernel_initializer": initial, "bias_initializer": bias, "padding": "same", **options}
    layer = keras.layers.Conv2D(filters, kernel, name=name, **options)
    layer.build((None, None, None, channels))
    return layer


def _without_batch(hidden: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x[:, 0] for x in hidden)


def _clip(parts: list[Any]) -> Any:
    """Frames ``(S, B, ...)`` as ``(B, T, S, ...)``; ``()`` if there are none."""
    if isinstance(parts[0], tuple):
        return ()
    x = ops.stack(parts)
    return ops.transpose(x, (2, 0, 1, *range(3, len(x.shape))))
