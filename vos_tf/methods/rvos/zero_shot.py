"""Sessions of zero-shot networks: they propose objects, and keep each in its slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.media.label_maps import VOID, LabelMap
from vos_tf.methods.rvos.one_shot import SlotGraph, SlotSession, jaccard_table


class ProposalSession(SlotSession):
    """A session that needs no mask: every frame goes through all slots.

    Plain, its objects are the proposals, ids 1 to the number of slots. Matched, they are those whose first masks are
    given: each is the proposal that fits it best in its first frame, one to one, and stays so. The masks decide which
    proposals are shown, not what they look like (Ventura et al. 2019, section 4.1).

    Args:
        graph: The network's graphs.
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        matched: Whether objects are matched with given masks.
        min_area: Share of a frame below which a plain proposal is left out of its label map.
    """

    every_frame = True

    def __init__(
        self, graph: SlotGraph, size: tuple[int, int], merging: MergingGraph, *, matched: bool, min_area: float
    ) -> None:
        super().__init__(graph, size, merging)
        self._matched = matched
        self._least = 0.0 if matched else min_area * self.size[0] * self.size[1]
        self._state = self._network.initial_state()
        self._maps: Any = None
        if not matched:
            self._slots = tuple(range(self._network.settings.slots))
            self._ids = tuple(slot + 1 for slot in self._slots)
            self._quality = (0.0,) * len(self._slots)

    def add(self, labels: LabelMap) -> None:
        """Give the masks that proposals are matched with.

        Raises:
            VosError: Proposals are not matched with masks, or as `SlotSession.add`.
        """
        if not self._matched:
            raise VosError(
                "mask: expected none, as this network is zero-shot and finds objects itself, found one; leave it out, "
                "choose objects='matched' to name proposals after it, or take one-shot weights (mask_input: true)"
            )
        super().add(labels)

    def _keep(self, indices: Sequence[int]) -> None:
        self._slots = tuple(self._slots[index] for index in indices)
        self._quality = tuple(self._quality[index] for index in indices)

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        self._maps, self._state = self._decode(self._graph.encode(tf.constant(frame[None])), self._state)
        return tf.gather(self._maps, tf.constant(self._slots, tf.int32, (len(self._slots),)))

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        free = [slot for slot in range(self._network.settings.slots) if slot not in self._slots]
        masks = [labels == i for i in ids]
        proposals = self._maps.numpy()[free] > self.merging.rule.background
        table = jaccard_table(masks, proposals, labels != VOID)
        chosen = linear_sum_assignment(table, maximize=True)[1]
        self._slots += tuple(free[index] for index in chosen)
        self._quality += tuple(table[np.arange(len(ids)), chosen].tolist())

    def _label(self, frame: NDArray[np.uint8], probabilities: Any, given: LabelMap) -> LabelMap:
        labels = super()._label(frame, probabilities, given)
        if self._least <= 0:
            return labels
        small = np.bincount(labels.ravel(), minlength=256) < self._least
        kept: LabelMap = np.where(small[labels], np.uint8(0), labels)
        return kept
