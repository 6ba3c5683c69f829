"""EMVOS: a light memory network for video object segmentation.

An image classifier's features become keys. What an object and its background look like is kept as bases of keys, found
by weighted expectation-maximization (SWEM, CVPR 2022), and as a ridge regression (as the target model of FRTM, CVPR
2020); both are parted into what the first mask said and what moves along. A third cue is where each cell was in the
last frame. A small decoder weighs the cues. The state has a constant size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.methods.emvos import memory
from vos_tf.methods.emvos.decoder import PRIOR, build_decoder, build_encoder, build_taps, build_values, doubled
from vos_tf.methods.emvos.memory import Bases, Equations
from vos_tf.methods.emvos.settings import STRIDES, EMVOSSettings, default_settings
from vos_tf.models.layers import match_batch
from vos_tf.models.video_network import VideoNetwork

__all__ = ["EMVOS", "EMVOSClip", "EMVOSFeatures", "EMVOSSettings", "EMVOSState", "default_settings"]

STRIDE = 8
"""Of the memory."""


class EMVOSFeatures(NamedTuple):
    """What is said of a frame: computed once, whatever the number of objects.

    Attributes:
        keys: Unit vectors ``(N, h, w, C)`` at stride 8.
        frame8: The frame's share of the decoder at stride 8, ``(N, h, w, ...)``.
        frame4: At stride 4.
        frame2: At stride 2.
    """

    keys: Any
    frame8: Any
    frame4: Any
    frame2: Any


class EMVOSState(NamedTuple):
    """What is remembered of N objects; the size does not depend on how long they have been followed.

    Attributes:
        permanent: Bases of the masks that were given.
        moving: Bases that forget.
        given: Equations of the masks that were given.
        running: Equations that forget.
        keys: Of the last frame, ``(N, h, w, C)``.
        probability: Of the object in the last frame at stride 8, ``(N, h, w, 1)``.
        area: Mean number of cells that the object covers, ``(N,)``.
    """

    permanent: Bases
    moving: Bases
    given: Equations
    running: Equations
    keys: Any
    probability: Any
    area: Any


class EMVOSClip(NamedTuple):
    """What the network says of a clip of T frames after the initial one, with K objects.

    Attributes:
        logits: At stride 2, ``(B, T, K, H / 2, W / 2)``.
        coarse: At stride 8.
        prior: Of the cues alone, at stride 8.
    """

    logits: Any
    coarse: Any
    prior: Any


class _Decoded(NamedTuple):
    """Logits ``(N, ..., 1)`` at stride 2, at stride 8, and of the cues alone."""

    logits: Any
    coarse: Any
    prior: Any


@keras.saving.register_keras_serializable("vos_tf")
class EMVOS(VideoNetwork):
    """The network. The object axis is the batch; images have batch N, or 1 for all objects of one frame.

    ``start`` and ``step`` follow a video frame by frame; calling the network unrolls a clip.
    """

    Settings = EMVOSSettings
    State = EMVOSState
    Features = EMVOSFeatures
    stride = STRIDES[-1]
    keeps_proportions = True
    settings: EMVOSSettings

    def __init__(self, settings: EMVOSSettings | None = None, name: str | None = None) -> None:
        super().__init__(settings, name)
        self.trunk = build_taps(self.settings)
        self.encoder = build_encoder(self.settings, [output.shape[-1] for output in self.trunk.outputs])
        self.values = build_values(self.settings)
        cues = 2 * (2 + self.settings.value_channels + 3) + 2 * 3 + 2
        self.decoder = build_decoder(self.settings, cues)
        self.built = True

    def encode(self, image: Any, frozen: bool = False) -> EMVOSFeatures:
        """What is said of RGB 0..255 ``(N, H, W, 3)`` to features; ``frozen``: the trunk has no gradient."""
        maps = self.trunk(image)
        keys, *frame = self.encoder([ops.stop_gradient(x) for x in maps] if frozen else maps)
        return EMVOSFeatures(memory.unit(keys), *frame)

    def start(self, image: Any, mask: Any) -> EMVOSState:
        """Initial state from a frame and its masks.

        Args:
            image: RGB 0..255, float ``(N or 1, H, W, 3)``.
            mask: 0 or 1, float ``(N, H, W, 1)``, one object each.
        """
        return self.begin(self.encode(image), mask)

    def begin(self, features: EMVOSFeatures, mask: Any) -> EMVOSState:
        """`start` from the frame's features."""
        s = self.settings
        probability = _shrunk(mask, STRIDE)
        maps = match_batch(features.keys, probability)
        keys, values = _cells(maps), self._values(maps, probability)
        weights = memory.class_weights(_cells(probability)[..., 0])
        bases = memory.first_bases(keys, values, weights, s.bases, s.first_iterations, s.tau)
        problem = memory.equations(keys, weights)
        return EMVOSState(bases, bases, problem, problem, maps, probability, ops.sum(weights[:, 0], axis=-1))

    def correct(self, image: Any, mask: Any, state: EMVOSState) -> EMVOSState:
        """The state of objects that are followed, after a frame whose masks are given for them.

        What the masks before said stays known beside what these say; what moves along begins anew.

        Args:
            image: RGB 0..255, float ``(N or 1, H, W, 3)``.
            mask: 0 or 1, float ``(N, H, W, 1)``.
            state: Of these N objects.
        """
        s = self.settings
        new = self.start(image, mask)
        given = Equations(*((old + now) / 2 for old, now in zip(state.given, new.given, strict=True)))
        permanent = memory.united(state.permanent, new.permanent, s.first_iterations, s.tau)
        return new._replace(permanent=permanent, given=given)

    def advance(self, features: EMVOSFeatures, state: EMVOSState) -> tuple[Any, EMVOSState]:
        """One frame further from the frame's features (batch N or 1) and the state of N objects.

        Returns:
            Logits float32 ``(N, H, W, 1)``, with H and W rounded up to even numbers, and the new state.
        """
        decoded = self._decode(features, state)
        return doubled(decoded.logits), self._learn(features, decoded.logits, state)

    def step(self, image: Any, state: EMVOSState) -> tuple[Any, EMVOSState]:
        """One frame further: image ``(N or 1, H, W, 3)`` and state to logits ``(N, H, W, 1)`` and the new state."""
        logits, state = self.advance(self.encode(image), state)
        return logits[:, : ops.shape(image)[1], : ops.shape(image)[2]], state

    def unroll(self, frames: Any, masks: Any, frozen: bool = False) -> EMVOSClip:
        """Follow objects through a clip, with the network's own masks.

        Args:
            frames: RGB 0..255 ``(B, 1 + T, H, W, 3)``, the initial frame first.
            masks: Masks of the initial frame, ``(B, K, H, W)``, 0 or 1, K objects each.
            frozen: No gradient reaches the trunk.
        """
        objects, length = masks.shape[1], frames.shape[1]
        # Frame by frame: the maps of all frames at once are larger than caches, which costs half as much again.
        features = (self.encode(frames[:, t], frozen) for t in range(length))
        first, *others = (
            EMVOSFeatures(*(ops.repeat(x, objects, axis=0) if objects > 1 else x for x in maps)) for maps in features
        )
        state = self.begin(first, ops.reshape(masks, (-1, *masks.shape[2:], 1)))
        steps = []
        for index, frame in enumerate(others, 1):
            steps.append(self._decode(frame, state))
            if index < len(others):
                state = self._learn(frame, steps[-1].logits, state)

        def by_time(maps: Any) -> Any:
            x = ops.stack([x[..., 0] for x in maps], axis=1)
            x = ops.reshape(x, (-1, objects, *ops.shape(x)[1:]))
            return ops.transpose(x, (0, 2, 1, 3, 4))

        return EMVOSClip(*map(by_time, zip(*steps, strict=True)))

    def call(self, frames: Any, masks: Any) -> Any:
        """`unroll` a clip to logits ``(B, T, K, H, W)``, float32."""
        return self.enlarged(self.unroll(frames, masks).logits, frames)

    def enlarged(self, logits: Any, frames: Any) -> Any:
        """Logits of a clip at stride 2, ``(B, T, K, h, w)``, at the size of its frames ``(B, 1 + T, H, W, 3)``."""
        _, steps, objects, height, width = ops.shape(logits)
        x = doubled(ops.reshape(logits, (-1, height, width, 1)))
        x = ops.reshape(x, (-1, steps, objects, 2 * height, 2 * width))
        return x[..., : frames.shape[2], : frames.shape[3]]

    def _values(self, keys: Any, probability: Any) -> Any:
        """Values ``(N, P, V + 1)`` of cells: the mask, and what is learned of it."""
        learned = self.values(ops.concatenate([keys, probability], axis=-1))
        return _cells(ops.concatenate([probability, learned], axis=-1))

    def _decode(self, features: EMVOSFeatures, state: EMVOSState) -> _Decoded:
        s = self.settings
        keys = _cells(features.keys)
        readings = [memory.read(keys, bases, s.tau) for bases in (state.permanent, state.moving)]
        problem = Equations(*((old + new) / 2 for old, new in zip(state.given, state.running, strict=True)))
        score = ops.matmul(memory.with_constant(keys), memory.solved(problem, s.ridge, s.solver_steps))
        # No gradient: it would cost as much as that of the whole decoder, and keys learn enough from the other cues.
        now, before = ops.stop_gradient(features.keys), ops.stop_gradient(state.keys)
        near = memory.local_match(now, before, state.probability, s.radius, s.tau)
        half, half_before = memory.unit(_shrunk(now, 2)), memory.unit(_shrunk(before, 2))
        far = doubled(memory.local_match(half, half_before, _shrunk(state.probability, 2), s.radius, s.tau))
        far = far[:, : ops.shape(near)[1], : ops.shape(near)[2]]
        said = _maps(ops.concatenate([*readings[0], *readings[1], score], axis=-1), near)
        width = 2 + s.value_channels + 3
        plain = [said[..., :1], said[..., width : width + 1], said[..., -1:], near[..., :1], far[..., :1]]
        assert len(plain) == len(PRIOR)
        cues = ops.concatenate([said, near, far, state.probability], axis=-1)
        return _Decoded(*self.decoder([cues, ops.concatenate(plain, axis=-1), *features[1:]]))

    def _learn(self, features: EMVOSFeatures, logits: Any, state: EMVOSState) -> EMVOSState:
        """The state after a frame for which the network has said ``logits`` at stride 2."""
        s = self.settings
        fine = ops.stop_gradient(ops.sigmoid(logits))
        probability = _shrunk(fine, STRIDE // 2)
        maps = match_batch(features.keys, probability)
        keys, values, inside = _cells(maps), self._values(maps, probability), _cells(probability)[..., 0]
        weights = memory.class_weights(inside)
        area = ops.sum(inside, axis=-1)
        trusted = self._trusted(fine, area, state.area)
        moving = memory.moved_bases(state.moving, keys, values, weights, s.iterations, s.forgetting, s.tau)
        new, kept = memory.equations(keys, weights), s.ridge_forgetting
        running = Equations(*(kept * old + (1 - kept) * x for old, x in zip(state.running, new, strict=True)))
        mean = kept * state.area + (1 - kept) * area

        def chosen(after: Any, before: Any) -> Any:
            return ops.where(ops.reshape(trusted, (-1, *[1] * (len(after.shape) - 1))), after, before)

        return EMVOSState(
            state.permanent,
            Bases(*map(chosen, moving, state.moving)),
            state.given,
            Equations(*map(chosen, running, state.running)),
            maps,
            probability,
            chosen(mean, state.area),
        )

    def _trusted(self, probability: Any, area: Any, usual: Any) -> Any:
        """Which objects, bool ``(N,)``, are learned from: those that are sure, and about as large as usual."""
        s = self.settings
        certain = ops.sum(probability * ops.abs(2.0 * probability - 1.0), axis=(1, 2, 3))
        sure = certain / (ops.sum(probability, axis=(1, 2, 3)) + memory.TINY)
        plausible = ops.logical_and(area * s.area_change >= usual, area <= usual * s.area_change)
        return ops.logical_and(sure > s.confidence, ops.logical_and(plausible, area > 0.5))


def _shrunk(maps: Any, factor: int) -> Any:
    """Means over squares of cells; those at the right and lower border may be cut."""
    return ops.average_pool(maps, factor, factor, padding="same")


def _cells(maps: Any) -> Any:
    """``(N, h, w, C)`` to ``(N, h * w, C)``."""
    _, height, width, channels = ops.shape(maps)
    return ops.reshape(maps, (-1, height * width, channels))


def _maps(cells: Any, like: Any) -> Any:
    """``(N, h * w, C)`` to maps of the size of ``like``."""
    _, height, width, _ = ops.shape(like)
    return ops.reshape(cells, (-1, height, width, cells.shape[-1]))
