"""A network over frames of any size, as TensorFlow graphs: used by segmenters and exported as it is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.resizing import in_proportion, nearest, shrink_or_grow, to_frame_size
from vos_tf.models.video_network import VideoNetwork

FRAME = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
MASK = tf.TensorSpec([None, None, None, 1], tf.uint8, name="mask")


class VideoGraph(tf.Module):
    """A network's ``encode``, ``start`` and ``advance`` for frames of any size, without retracing.

    Frames are uint8 RGB; the network's working size is reached inside the graph, and left again. A network without one
    (``settings.size`` is ``None``) works at the size of the frames, or at the multiple of its ``stride``, if it
    declares one, that is the least not below it. One that declares ``keeps_proportions`` works at the proportions of
    the frames, in multiples of its ``stride``, with about as many pixels as its size has.
    """

    def __init__(self, network: VideoNetwork, rule: MergeRule | None = None) -> None:
        super().__init__(name="video_graph")
        self.network = network
        self.rule = rule or MergeRule()
        size = network.settings.size
        self.size: tuple[int, int] | None = None if size is None else tuple(size)
        self.stride = int(getattr(network, "stride", 1))
        self.keeps_proportions = bool(getattr(network, "keeps_proportions", False))

    def working_size(self, image: Any) -> Any:
        """``(h, w)`` at which the network sees images ``(N, H, W, C)``; ``None``: as they are."""
        if self.size is not None and self.keeps_proportions:
            height, width = self.size
            return in_proportion(tf.shape(image)[1:3], height * width, self.stride)
        if self.size is not None or self.stride == 1:
            return self.size
        return -(-tf.shape(image)[1:3] // self.stride) * self.stride

    @tf.function(input_signature=[FRAME])
    def encode(self, image: Any) -> Any:
        """Features of frames uint8 ``(B, H, W, 3)``: what is done once per frame."""
        return self.network.encode(shrink_or_grow(image, self.working_size(image)))

    @tf.function(input_signature=[FRAME, MASK])
    def start(self, image: Any, mask: Any) -> Any:
        """State of N objects from a frame uint8 ``(N or 1, H, W, 3)`` and masks 0 or 1 uint8 ``(N, H, W, 1)``."""
        size = self.working_size(image)
        return self.network.start(shrink_or_grow(image, size), nearest(mask, size))

    @tf.function(reduce_retracing=True)
    def correct(self, image: Any, mask: Any, state: Any) -> Any:
        """The state of N objects that are followed, after a frame with masks for them, given as to ``start``."""
        size = self.working_size(image)
        return self.network.correct(shrink_or_grow(image, size), nearest(mask, size), state)

    @property
    def corrects(self) -> bool:
        """Whether the network keeps what it knows of an object where another mask is given for it."""
        return hasattr(self.network, "correct")

    @tf.function(reduce_retracing=True)
    def step(self, features: Any, state: Any) -> Any:
        """One frame further: logits ``(N, h, w, 1)`` at the network's size, and the new state."""
        return self.network.advance(features, state)

    @tf.function(reduce_retracing=True)
    def advance(self, features: Any, state: Any, height: Any, width: Any) -> Any:
        """One frame further: probabilities float32 ``(N, H, W)`` at the frame's size, and the new state."""
        logits, state = self.network.advance(features, state)
        return to_frame_size(logits, height, width), state
