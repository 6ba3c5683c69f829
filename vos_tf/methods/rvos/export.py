"""The step of a network that decodes all objects of a frame together (RVOS), ready to be saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.export.steps import FRAMES, IMAGE, LABEL_MAPS, ExportedModel, MasklessGraph, name_tensors
from vos_tf.inference.merging.graph import MergeRule, merge_objects
from vos_tf.media.label_maps import VOID
from vos_tf.methods.rvos.network import RVOS


class ExportedSlots(ExportedModel):
    """One-shot: signatures as those of `ExportedModel`; N is the number of slots in use.

    The clips of a batch are followed one after the other, each with its own objects.
    """

    def _clip(self, frames: Any, labels: Any) -> dict[str, Any]:
        found = tf.map_fn(self._one_clip, (frames, labels), fn_output_signature=LABEL_MAPS)
        return {"labels": found}

    def _one_clip(self, clip: Any) -> Any:
        frames, labels = clip
        first = tf.where(labels == VOID, tf.zeros_like(labels), labels)
        flat = tf.reshape(first, [-1])
        ids = tf.sort(tf.unique(tf.boolean_mask(flat, flat > 0))[0])
        if tf.size(ids) == 0:
            return tf.repeat(first[None], tf.shape(frames)[0], axis=0)
        masks = tf.cast(labels[None] == ids[:, None, None], tf.uint8)
        state = self._graph.start(frames[:1], masks[..., None])
        return tf.concat([first[None], self._follow_slots(frames[1:], state, ids)], axis=0)

    def _follow_slots(self, frames: Any, state: Any, ids: Any) -> Any:
        """Label maps ``(T, H, W)`` of frames ``(T, H, W, 3)`` after those that the state knows."""
        shape = tf.shape(frames)
        steps, height, width = shape[0], shape[1], shape[2]
        results = tf.TensorArray(tf.uint8, size=steps, element_shape=[None, None])
        for time in tf.range(steps):
            features = self._graph.encode(frames[time][None])
            maps, state = self._graph.advance(features, state, height, width)
            results = results.write(time, merge_objects(maps, ids, self._graph.rule))
        return tf.reshape(results.stack(), shape[:3])


def exported(network: RVOS, rule: MergeRule | None = None) -> ExportedSlots:
    """What is exported of a network: that of one that sees masks, or proposes objects."""
    return ExportedSlots(network, rule) if network.settings.mask_input else ExportedProposals(network, rule)


class ExportedProposals(ExportedSlots):
    """Zero-shot: no masks, always all slots.

    * ``start``: takes nothing, gives the state before the first frame.
    * ``step``: as that of `ExportedModel`; one object per slot.
    * ``serving_default``: ``frames`` uint8 ``(B, T, H, W, 3)`` give ``labels`` uint8 ``(B, T, H, W)``, proposals 1 to
      the number of slots.
    """

    def __init__(self, network: RVOS, rule: MergeRule | None = None) -> None:
        super().__init__(network, rule)
        self._graph = MasklessGraph(network, rule)

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name."""
        slots = self.network.settings.slots
        return {
            "start": tf.function(self._start_empty, input_signature=[]).get_concrete_function(),
            "step": tf.function(self._step).get_concrete_function(IMAGE, **self._state_specs(slots)),
            "serving_default": tf.function(self._propose, input_signature=[FRAMES]).get_concrete_function(),
        }

    def replay(self, signatures: Any, frames: Any, labels: Any) -> Iterator[Any]:
        """See `ExportedModel.replay`; every frame."""
        yield from self._steps(signatures, signatures["start"](), frames.astype(np.float32))

    def _state_example(self) -> Any:
        return self.network.initial_state()

    def _start_empty(self) -> dict[str, Any]:
        return name_tensors(self.network.initial_state())

    def _propose(self, frames: Any) -> dict[str, Any]:
        ids = tf.range(1, self.network.settings.slots + 1)

        def one_clip(clip: Any) -> Any:
            return self._follow_slots(clip, self.network.initial_state(), ids)

        return {"labels": tf.map_fn(one_clip, frames, fn_output_signature=LABEL_MAPS)}
