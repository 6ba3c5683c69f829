"""Sessions of networks that decode all objects of a frame together, each in a slot (RVOS)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.errors import VosError
from vos_tf.inference.graph import FRAME, VideoGraph
from vos_tf.inference.merging.graph import MergeRule, MergingGraph
from vos_tf.inference.resizing import nearest, shrink_or_grow, to_frame_size
from vos_tf.inference.session import Session
from vos_tf.media.label_maps import VOID, LabelMap, object_ids
from vos_tf.methods.rvos.network import RVOS
from vos_tf.models.folding import folded


class SlotGraph(VideoGraph):
    """Graphs of such a network with the weights it has now; ``advance`` has one for each number of slots.

    Where that number is known the loop over the slots is unrolled, which is quicker than a loop in the graph.
    """

    network: RVOS

    def __init__(self, network: RVOS, rule: MergeRule | None = None) -> None:
        super().__init__(network, rule)
        self._trunk = folded(network.trunk)
        self._by_count: dict[int, Any] = {}

    @tf.function(input_signature=[FRAME])
    def encode(self, image: Any) -> Any:
        """Features of frames uint8 ``(B, H, W, 3)``: what is done once per frame."""
        return self.network.encode(shrink_or_grow(image, self.size), trunk=self._trunk)

    def advance(self, features: Any, state: Any, height: Any, width: Any) -> Any:
        """One frame further: probabilities float32 ``(S, H, W)`` at the frame's size, and the new state."""
        count = state.hidden[0].shape[0]
        if count not in self._by_count:
            self._by_count[count] = tf.function(self._advance)
        return self._by_count[count](features, state, height, width)

    def _advance(self, features: Any, state: Any, height: Any, width: Any) -> Any:
        logits, state = self.network.advance(features, state)
        return to_frame_size(logits, height, width), state


class SlotSession(Session):
    """What one-shot and zero-shot sessions share: objects have slots, and how well each was found in its first frame.

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
    """

    def __init__(self, graph: SlotGraph, size: tuple[int, int], merging: MergingGraph) -> None:
        super().__init__(size, merging)
        self._graph = graph
        self._network = graph.network
        self._state: Any = None
        # By object, in the order of the ids: its slot, and its Jaccard index in its first frame.
        self._slots: tuple[int, ...] = ()
        self._quality: tuple[float, ...] = ()

    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects in the next frame; see `Session.add`.

        Raises:
            VosError: Also if there would be more objects than slots.
        """
        before = self._given
        super().add(labels)
        together = sorted({*self._ids, *object_ids(np.where(self._given == VOID, np.uint8(0), self._given))})
        slots = self._network.settings.slots
        if len(together) > slots:
            self._given = before
            raise VosError(
                f"mask: expected at most {slots} objects at a time (the slots of this network), found "
                f"{len(together)} ({', '.join(map(str, together))}); remove objects that have gone, or give fewer"
            )

    def _decode(self, features: Any, state: Any) -> Any:
        return self._graph.advance(features, state, *map(tf.constant, self.size))

    def _label(self, frame: NDArray[np.uint8], probabilities: Any, given: LabelMap) -> LabelMap:
        if self.merging.rule.name != "painted":
            return super()._label(frame, probabilities, given)
        order = np.argsort(self._quality, kind="stable")
        ids = [self._ids[index] for index in order]
        return self.merging(tf.gather(probabilities, order), ids, given)


class OneShotSlotSession(SlotSession):
    """A session of a network that sees the previous mask of each slot: objects follow from their first masks.

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        every_slot: Decode empty slots, too; object i goes to slot i - 1 where that is free.
        carry: A new object goes on from what its empty slot has come to, and sees its own mask in the next frame.
            Otherwise its slot starts from nothing, and sees the given mask in the next frame, too.
    """

    def __init__(
        self, graph: SlotGraph, size: tuple[int, int], merging: MergingGraph, *, every_slot: bool, carry: bool
    ) -> None:
        super().__init__(graph, size, merging)
        self._every_slot = every_slot
        self._carry = carry
        self._before: Any = None  # features of the frame, and the state before it

    def _keep(self, indices: Sequence[int]) -> None:
        if not indices:
            self._state = None
        elif self._every_slot:
            gone = [slot for index, slot in enumerate(self._slots) if index not in indices]
            nothing = tf.zeros((len(gone), *self._state.mask.shape[1:]))
            self._state = _in_slots(self._state, gone, nothing, forget=True)
        else:
            self._state = tf.nest.map_structure(lambda x: tf.gather(x, indices), self._state)
        kept = [self._slots[index] for index in indices]
        self._slots = tuple(kept) if self._every_slot else tuple(range(len(kept)))
        self._quality = tuple(self._quality[index] for index in indices)

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        features = self._graph.encode(tf.constant(frame[None]))
        self._before = (features, self._state)
        maps, self._state = self._decode(features, self._state)
        return tf.gather(maps, self._slots) if self._every_slot else maps

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        """Decode the frame with the slots of new objects, which see the given masks as if they were previous ones.

        Slots see only those before them, so that the others' results stay what they are.
        """
        first = not self._ids
        features, state = (self._graph.encode(tf.constant(frame[None])), None) if first else self._before
        self._before = None
        masks = np.stack([labels == i for i in ids])
        given = nearest(tf.constant(masks[..., None].astype(np.uint8)), self._graph.size)
        slots, state = self._free_slots(ids, state)
        shown = _in_slots(state, slots, given, forget=not self._carry)
        maps, state = self._decode(features, shown)
        if first:
            state = state._replace(mask=shown.mask)
        elif not self._carry:
            state = _in_slots(state, slots, given, forget=False)
        self._state = state
        self._slots += tuple(slots)
        threshold = self.merging.rule.background
        found = tf.gather(maps, slots).numpy() > threshold
        self._quality += tuple(jaccard_table(masks, found, labels != VOID).diagonal().tolist())

    def _free_slots(self, ids: tuple[int, ...], state: Any) -> tuple[list[int], Any]:
        """Slots for new objects, and a state that has them."""
        if not self._every_slot:
            new = self._network.initial_state(len(ids))
            if state is not None:
                new = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), state, new)
            return list(range(len(self._slots), len(self._slots) + len(ids))), new
        free = [slot for slot in range(self._network.settings.slots) if slot not in self._slots]
        own = {i: i - 1 for i in ids if i - 1 in free}
        others = iter([slot for slot in free if slot not in own.values()])
        slots = [own[i] if i in own else next(others) for i in ids]
        return slots, self._network.initial_state() if state is None else state


def _in_slots(state: Any, slots: Sequence[int], masks: Any, *, forget: bool) -> Any:
    """A state with ``masks`` ``(N, H, W, 1)`` in ``slots``, whose past is forgotten or not."""
    index = tf.constant(slots, tf.int32, (len(slots), 1))
    state = state._replace(mask=tf.tensor_scatter_nd_update(state.mask, index, masks))
    if not forget:
        return state
    hidden = [
        tf.tensor_scatter_nd_update(x, index, tf.zeros((len(slots), *x.shape[1:]), x.dtype)) for x in state.hidden
    ]
    return state._replace(hidden=tuple(hidden))


def jaccard_table(
    masks: Iterable[NDArray[np.bool_]], others: Iterable[NDArray[np.bool_]], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Jaccard indices of every mask with every other, float64 ``(N, M)``; 0 where both are empty.

    Args:
        masks: N masks ``(H, W)``.
        others: M masks ``(H, W)``.
        counted: Pixels that count, ``(H, W)``.
    """
    one, two = (np.stack([mask[counted] for mask in part]).astype(np.float32) for part in (masks, others))
    together = (one @ two.T).astype(np.float64)
    either = one.sum(1, dtype=np.float64)[:, None] + two.sum(1, dtype=np.float64)[None] - together
    table: NDArray[np.float64] = together / np.maximum(either, 1)
    return table
