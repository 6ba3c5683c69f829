"""A network over frames of any size, as TensorFlow graphs: used by the Segmenter and exported as it is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from vos_tf.inference.merging.rules import MergeRule
from vos_tf.models.video_network import VideoNetwork

FRAME = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
MASK = tf.TensorSpec([None, None, None, 1], tf.uint8, name="mask")


def shrink_or_grow(image: Any, size: tuple[int, int] | None) -> Any:
    """Images ``(N, H, W, C)`` to float32 at ``size``: bilinear, antialiased when shrinking; ``None`` keeps the size."""
    image = tf.cast(image, tf.float32)
    if size is None:
        return image
    return tf.image.resize(image, size, method="bilinear", antialias=True)


def nearest(mask: Any, size: tuple[int, int] | None) -> Any:
    """Masks ``(N, H, W, 1)`` to float32 at ``size``, nearest neighbour with half-pixel centres."""
    if size is not None:
        mask = tf.image.resize(mask, size, method="nearest")
    return tf.cast(mask, tf.float32)


def to_frame_size(logits: Any, height: Any, width: Any) -> Any:
    """Logits ``(N, h, w, 1)`` to probabilities ``(N, H, W)`` at the frame's own size."""
    return tf.sigmoid(tf.image.resize(tf.cast(logits, tf.float32), (height, width), method="bilinear"))[..., 0]


class VideoGraph(tf.Module):
    """A network's ``encode``, ``start`` and ``advance`` for frames of any size, without retracing.

    Frames are uint8 RGB; the network's working size is reached inside the graph, and left again.
    """

    def __init__(self, network: VideoNetwork, rule: MergeRule | None = None) -> None:
        super().__init__(name="video_graph")
        self.network = network
        self.rule = rule or MergeRule()
        size = network.settings.size
        self.size: tuple[int, int] | None = None if size is None else tuple(size)

    @tf.function(input_signature=[FRAME])
    def encode(self, image: Any) -> Any:
        """Features of frames uint8 ``(B, H, W, 3)``: what is done once per frame."""
        return self.network.encode(shrink_or_grow(image, self.size))

    @tf.function(input_signature=[FRAME, MASK])
    def start(self, image: Any, mask: Any) -> Any:
        """State of N objects from a frame uint8 ``(N or 1, H, W, 3)`` and masks 0 or 1 uint8 ``(N, H, W, 1)``."""
        return self.network.start(shrink_or_grow(image, self.size), nearest(mask, self.size))

    @tf.function(reduce_retracing=True)
    def step(self, features: Any, state: Any) -> Any:
        """One frame further: logits ``(N, h, w, 1)`` at the network's size, and the new state."""
        return self.network.advance(features, state)

    @tf.function(reduce_retracing=True)
    def advance(self, features: Any, state: Any, height: Any, width: Any) -> Any:
        """One frame further: probabilities float32 ``(N, H, W)`` at the frame's size, and the new state."""
        logits, state = self.network.advance(features, state)
        return to_frame_size(logits, height, width), state
