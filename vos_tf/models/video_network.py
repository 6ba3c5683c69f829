"""The base of all networks: built from settings, saved with them, and stepped through a video with explicit state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import keras
from keras import ops

from vos_tf.models.backbones import TRUNKS, TrunkKind, load_trunk_weights, trunk_kind


class VideoNetwork(keras.Model):
    """A network that follows objects through a video, one frame after the other.

    The object axis is the batch: ``start`` makes the state of N objects, ``step`` brings it one frame further. A frame
    is encoded once for all objects.

    A network names its frozen dataclass of settings as ``Settings``, a type whose fields have defaults, and that of its
    state as ``State``; it builds its layers in the constructor, and defines ``encode``, ``start`` and ``advance``.

    Attributes:
        settings: What it was built from; ``trunk`` and ``size`` have a meaning for all networks.
    """

    Settings: ClassVar[type[Any]]
    State: ClassVar[type[Any]]
    trunk_kinds: ClassVar[Mapping[str, TrunkKind]] = TRUNKS
    settings: Any

    def __init__(self, settings: Any = None, name: str | None = None) -> None:
        super().__init__(name=name or type(self).__name__.lower())
        self.settings = self.Settings() if settings is None else settings

    @property
    def size(self) -> tuple[int, int] | None:
        """``(H, W)`` at which the network works; ``None``: at any."""
        return getattr(self.settings, "size", None)

    def encode(self, image: Any) -> Any:
        """What does not depend on objects: RGB 0..255, float ``(N, H, W, 3)``, to features of any structure."""
        raise NotImplementedError

    def start(self, image: Any, mask: Any) -> Any:
        """The state, a named tuple, after the frame whose masks are given.

        Args:
            image: RGB 0..255, float ``(N or 1, H, W, 3)``.
            mask: 0 or 1, float ``(N, H, W, 1)``, one object each.
        """
        raise NotImplementedError

    def advance(self, features: Any, state: Any) -> tuple[Any, Any]:
        """One frame further, from the frame's `encode` (batch N or 1) and the state of N objects.

        Returns:
            Logits float32 ``(N, H, W, 1)`` and the new state.
        """
        raise NotImplementedError

    def step(self, image: Any, state: Any) -> tuple[Any, Any]:
        """One frame further: image ``(N or 1, H, W, 3)`` and state to logits ``(N, H, W, 1)`` and the new state."""
        return self.advance(self.encode(image), state)

    def call(self, frames: Any, masks: Any) -> Any:
        """Unroll clips, as training does.

        Args:
            frames: RGB 0..255, float ``(B, 1 + T, H, W, 3)``, the frames of the masks first.
            masks: 0 or 1, float ``(B, K, H, W)``, K objects each.

        Returns:
            Logits float32 ``(B, T, K, H, W)``.
        """
        objects, steps = masks.shape[1], frames.shape[1] - 1
        first = ops.repeat(frames[:, 0], objects, axis=0)
        state = self.start(first, ops.reshape(masks, (-1, *masks.shape[2:], 1)))
        found = []
        for time in range(1, steps + 1):
            encoded = self.encode(frames[:, time])
            features = keras.tree.map_structure(lambda x: ops.repeat(x, objects, axis=0), encoded)
            logits, state = self.advance(features, state)
            found.append(ops.reshape(logits[..., 0], (-1, objects, *logits.shape[1:3])))
        return ops.stack(found, axis=1)

    def trunk_parts(self) -> Sequence[Any]:
        """The models that hold a trunk's layers."""
        return (self.trunk,)

    def trunk_kind(self) -> TrunkKind:
        """What is known of the trunk in the settings, one of ``trunk_kinds``."""
        return trunk_kind(self.settings.trunk, self.trunk_kinds)

    def load_trunk_weights(self, source: str) -> None:
        """Give the trunk a classifier's weights, see `vos_tf.models.backbones.load_trunk_weights`."""
        load_trunk_weights(self.trunk_parts(), self.settings.trunk, source, self.trunk_kind())

    def get_config(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"settings": asdict(self.settings), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The network of `get_config`, with new weights."""
        values = {key: _as_tuples(value) for key, value in config["settings"].items()}
        return cls(cls.Settings(**values), name=config.get("name"))


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, (list, tuple)) else value
