"""Sessions that learn their objects: those that join together, or each by itself, when the frame after theirs comes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.merging.graph import MergingGraph
from vos_tf.inference.merging.logit_maps import join_maps
from vos_tf.inference.session import Session
from vos_tf.media.label_maps import LabelMap
from vos_tf.training.finetune import Values
from vos_tf.training.finetune_samples import AnnotatedFrame


class Group:
    """Objects that are learned together.

    Args:
        ids: The objects.
        key: Where what is learned of them is kept, below the video's place.
        frames: Gives the frames to learn from, once.

    Attributes:
        frames: ``None`` once they are learned.
        members: Indices, among ``ids``, of those that are still followed.
        values: The weights for them.
    """

    def __init__(self, ids: tuple[int, ...], key: str, frames: Callable[[], Sequence[AnnotatedFrame]]) -> None:
        self.ids = ids
        self.key = key
        self.frames: Callable[[], Sequence[AnnotatedFrame]] | None = frames
        self.members = list(range(len(ids)))
        self.values: Values = ()

    @property
    def followed(self) -> tuple[int, ...]:
        """The objects that are still followed."""
        return tuple(self.ids[member] for member in self.members)

    def keep(self, places: Sequence[int]) -> None:
        """Forget all members but those at ``places``."""
        self.members = [self.members[place] for place in places]


G = TypeVar("G", bound=Group)


class GroupedSession(Session, Generic[G]):
    """A session that adapts a network whenever objects have joined; its memory does not grow with the video.

    Args:
        size: ``(H, W)`` of the video's frames.
        merging: How objects are merged.
        separate: Whether each object is learned by itself; else all that join in a frame together.
        name: Of the video: what is learned is kept under it; ``None``: it is not kept.
    """

    group: type[G]

    def __init__(self, size: tuple[int, int], merging: MergingGraph, *, separate: bool, name: str | None) -> None:
        super().__init__(size, merging)
        self._separate = separate
        self._name = name
        self._groups: list[G] = []

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        def frames() -> list[AnnotatedFrame]:
            return [AnnotatedFrame(frame, labels), *self._other_frames(name)]

        for members in [(i,) for i in ids] if self._separate else [ids]:
            key = f"{name}-object{members[0]}" if self._separate else name
            self._groups.append(self.group(members, key, frames))

    def _keep(self, indices: Sequence[int]) -> None:
        first = 0
        for group in self._groups:
            count = len(group.members)
            group.keep([place for place in range(count) if first + place in indices])
            first += count
        self._groups = [group for group in self._groups if group.members]

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        for group in self._groups:
            if group.frames is not None:
                self._learn(group, group.frames())
                group.frames = None
        maps = [self._maps(group, frame) for group in self._groups]
        return maps[0] if len(maps) == 1 else join_maps(maps)

    def _other_frames(self, name: str) -> Sequence[AnnotatedFrame]:
        """Frames to learn from beside the one called ``name``, in which objects join."""
        return ()

    @abstractmethod
    def _learn(self, group: G, frames: Sequence[AnnotatedFrame]) -> None:
        """Learn a group."""

    @abstractmethod
    def _maps(self, group: G, frame: NDArray[np.uint8]) -> Any:
        """Probabilities ``(N, H, W)``, or `LogitMaps`, of a group's members, in a frame after they joined."""
