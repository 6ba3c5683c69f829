"""OSVOS as SavedModel: the forward pass with the weights it has, a parent's or those adapted to objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.export.steps import FRAMES, IMAGE, ExportedModel
from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.graph import MergeRule, merge_objects
from vos_tf.inference.resizing import shrink_or_grow, to_frame_size
from vos_tf.inference.session import VideoSegmenter
from vos_tf.methods.osvos.network import OSVOS


class ForwardGraph(VideoGraph):
    """Saving a module traces all its functions; there is no state to start, and an empty one is no input."""

    start = None
    step = None
    advance = None


class ExportedForward(ExportedModel):
    """No masks and no state: the objects are in the weights.

    * ``step``: ``image`` float32 ``(N, H, W, 3)`` RGB 0..255 gives ``logits`` float32 ``(N * K, H, W, 1)`` at the
      image's size, for the K objects (heads) of the network.
    * ``serving_default``: ``frames`` uint8 ``(B, T, H, W, 3)`` give ``labels`` uint8 ``(B, T, H, W)``, objects 1..K in
      the order of the heads.
    """

    def __init__(self, network: OSVOS, rule: MergeRule | None = None) -> None:
        super().__init__(network, rule)
        self._graph = ForwardGraph(network, rule)

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name."""
        return {
            "step": tf.function(self._step, input_signature=[IMAGE]).get_concrete_function(),
            "serving_default": tf.function(self._clips, input_signature=[FRAMES]).get_concrete_function(),
        }

    def _step(self, image: Any, **state: Any) -> dict[str, Any]:
        height, width = tf.shape(image)[1], tf.shape(image)[2]
        logits, _ = self.network.step(shrink_or_grow(image, self._graph.size), self.network.start(None, None))
        return {"logits": tf.image.resize(tf.cast(logits, tf.float32), (height, width), method="bilinear")}

    def _clips(self, frames: Any) -> dict[str, Any]:
        shape = tf.shape(frames)
        ids = tf.range(1, self.network.settings.objects + 1)
        results = tf.TensorArray(tf.uint8, size=shape[1], element_shape=[None, None, None])
        for time in tf.range(shape[1]):
            logits = self._step(tf.cast(frames[:, time], tf.float32))["logits"]
            maps = tf.reshape(tf.sigmoid(logits), [shape[0], -1, shape[2], shape[3]])
            results = results.write(time, merge_objects(maps, ids, self._graph.rule))
        return {"labels": tf.transpose(results.stack(), [1, 0, 2, 3])}

    def replay(self, signatures: Any, frames: Any, labels: Any) -> Iterator[Any]:
        """See `ExportedModel.replay`; every frame."""
        for frame in frames:
            found = signatures["step"](image=frame[None].astype(np.float32))
            yield tf.sigmoid(found["logits"])[..., 0].numpy()

    def expected(self, segmenter: VideoSegmenter, frames: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
        """See `ExportedModel.expected`: by the network itself, as a segmenter would fine-tune it first."""
        graph = VideoGraph(self.network, self._graph.rule)
        ids = tuple(range(1, self.network.settings.objects + 1))
        for frame in frames:
            logits, _ = self.network.advance(graph.encode(tf.constant(frame[None])), self.network.start(None, None))
            maps = to_frame_size(logits, *frame.shape[:2])
            yield maps.numpy(), merge_objects(maps, ids, self._graph.rule).numpy()
