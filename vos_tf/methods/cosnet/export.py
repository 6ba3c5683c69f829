"""The step of a network that finds the foreground by reference frames (COSNet), ready to be saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.export.steps import FRAMES, IMAGE, LABEL_MAPS, ExportedModel, MasklessGraph, name_tensors
from vos_tf.inference.merging.graph import MergeRule, merge_objects
from vos_tf.inference.resizing import shrink_or_grow
from vos_tf.methods.cosnet.network import COSNet
from vos_tf.methods.cosnet.options import default_options
from vos_tf.methods.cosnet.references import uniform_frames
from vos_tf.methods.cosnet.segmenter import FOREGROUND_ID


class ExportedForeground(ExportedModel):
    """No masks; the state is the features of reference frames.

    * ``start``: ``image`` float32 ``(R, H, W, 3)`` RGB 0..255, the reference frames, give ``references``, one row each.
    * ``step``: as that of `ExportedModel`, for any number of images and references; the state stays as it is.
    * ``serving_default``: ``frames`` uint8 ``(B, T, H, W, 3)`` give ``labels`` uint8 ``(B, T, H, W)``, 1 where there is
      foreground. References are spread over each clip as the segmenter does by default; a frame is none of its own.
    """

    network: COSNet

    def __init__(self, network: COSNet, rule: MergeRule | None = None) -> None:
        if network.settings.outputs != 1:
            raise VosError(f"model.outputs: expected 1 to export, found {network.settings.outputs} (colours)")
        super().__init__(network, rule)
        self._graph = MasklessGraph(network, rule)
        self._references = default_options(network).references

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name."""
        return {
            "start": tf.function(self._start_references, input_signature=[IMAGE]).get_concrete_function(),
            "step": tf.function(self._step).get_concrete_function(IMAGE, **self._state_specs(None)),
            "serving_default": tf.function(self._clips, input_signature=[FRAMES]).get_concrete_function(),
        }

    def replay(self, signatures: Any, frames: Any, labels: Any) -> Iterator[Any]:
        """See `ExportedModel.replay`; every frame, none of which is its own reference."""
        images = frames.astype(np.float32)
        chosen = uniform_frames(len(images), self._references)
        references = signatures["start"](image=images[list(chosen)])["references"]
        for time in range(len(images)):
            others = [place for place, index in enumerate(chosen) if index != time]
            found = signatures["step"](image=images[time : time + 1], references=tf.gather(references, others))
            yield tf.sigmoid(found["logits"])[..., 0].numpy()

    def _start_references(self, image: Any) -> dict[str, Any]:
        return name_tensors(self.network.start(shrink_or_grow(image, self._graph.size)))

    def _clips(self, frames: Any) -> dict[str, Any]:
        return {"labels": tf.map_fn(self._one_clip, frames, fn_output_signature=LABEL_MAPS)}

    def _one_clip(self, frames: Any) -> Any:
        """Label maps ``(T, H, W)`` of frames ``(T, H, W, 3)``."""
        shape = tf.shape(frames)
        steps, height, width = shape[0], shape[1], shape[2]
        count = tf.minimum(self._references, steps)
        chosen = (2 * tf.range(count) + 1) * steps // (2 * count)
        state = self.network.start(shrink_or_grow(tf.gather(frames, chosen), self._graph.size))
        results = tf.TensorArray(tf.uint8, size=steps, element_shape=[None, None])
        for time in tf.range(steps):
            others = (chosen != time) | (count == 1)
            seen = state._replace(references=tf.boolean_mask(state.references, others))
            maps, _ = self._graph.advance(self._graph.encode(frames[time][None]), seen, height, width)
            results = results.write(time, merge_objects(maps, [FOREGROUND_ID], self._graph.rule))
        return tf.reshape(results.stack(), shape[:3])
