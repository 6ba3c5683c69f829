"""What became of each object over a video: how large it was and how sure the model was, and where to look again."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import LabelMap

LOST = "lost"
JUMP = "jump"
UNSURE = "unsure"
_JUMP = 2.0  # times larger or smaller than in the frame before
_UNSURE = 0.75
_SMALLEST = 0.0005  # share of a frame; changes of smaller areas are no news


class Event(NamedTuple):
    """Something worth a look.

    Attributes:
        kind: ``lost``: nowhere to be seen; ``jump``: suddenly another size; ``unsure``: least certain.
        object_id: The object.
        first: Number of its first frame.
        last: Number of its last frame.
        text: In words.
    """

    kind: str
    object_id: int
    first: int
    last: int
    text: str


class ObjectTrack:
    """One object, frame by frame from the one in which it joined.

    Attributes:
        object_id: Its id.
        first: Number of the frame in which it joined.
    """

    def __init__(self, object_id: int, first: int) -> None:
        self.object_id = object_id
        self.first = first
        self._areas = array("f")
        self._confidences = array("f")

    def add(self, area: float, confidence: float) -> None:
        """Note the next frame; see `areas` and `confidences`."""
        self._areas.append(area)
        self._confidences.append(confidence)

    @property
    def areas(self) -> NDArray[np.float32]:
        """Share of the frame that it covers, float32 ``(T,)``, 0..1."""
        return np.array(self._areas, np.float32)

    @property
    def confidences(self) -> NDArray[np.float32]:
        """Mean probability inside of its mask, float32 ``(T,)``, 0..1; nan where there is no mask."""
        return np.array(self._confidences, np.float32)

    def __len__(self) -> int:
        return len(self._areas)


class Tracks:
    """All objects of a video. Memory grows by eight bytes for each object and frame."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        """Names of the frames, in order."""
        self._tracks: dict[int, ObjectTrack] = {}

    @property
    def objects(self) -> tuple[ObjectTrack, ...]:
        """By rising id."""
        return tuple(self._tracks[number] for number in sorted(self._tracks))

    def add(self, name: str, labels: LabelMap, object_ids: Sequence[int], confidences: Sequence[float]) -> None:
        """Note the next frame.

        Args:
            name: Of the frame.
            labels: uint8 ``(H, W)``.
            object_ids: Ids of the objects that are followed.
            confidences: The mean probability inside of each object's mask, 0..1; nan where it has none.
        """
        index = len(self.frames)
        self.frames.append(name)
        for number, confidence in zip(object_ids, confidences, strict=True):
            track = self._tracks.setdefault(number, ObjectTrack(number, index))
            track.add(np.count_nonzero(labels == number) / labels.size, confidence)

    def events(self) -> list[Event]:
        """What is worth a look, in the order of the video."""
        found = [event for track in self.objects for event in (*self._lost(track), *self._jumps(track))]
        found += self._unsure(found)
        return sorted(found, key=lambda event: (event.first, event.object_id))

    def _lost(self, track: ObjectTrack) -> list[Event]:
        empty = (track.areas == 0) & np.logical_or.accumulate(track.areas > 0)  # once it was seen
        gone = np.concatenate([[False], empty, [False]]).astype(np.int8)
        starts, ends = np.flatnonzero(np.diff(gone) == 1), np.flatnonzero(np.diff(gone) == -1)
        events = []
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            first, last = track.first + start, track.first + end - 1
            until = "to the end" if end == len(track) else f"up to frame {self.frames[last]}"
            text = f"object {track.object_id} is not seen from frame {self.frames[first]} on, {until}"
            if first == last and end < len(track):
                text = f"object {track.object_id} is not seen in frame {self.frames[first]}"
            events.append(Event(LOST, track.object_id, first, last, text))
        return events

    def _jumps(self, track: ObjectTrack) -> list[Event]:
        areas = track.areas
        events = []
        for index in range(1, len(areas)):
            before, now = float(areas[index - 1]), float(areas[index])
            if min(before, now) == 0 or max(before, now) < _SMALLEST:
                continue
            times = max(before, now) / min(before, now)
            if times >= _JUMP:
                at = track.first + index
                how = "larger" if now > before else "smaller"
                text = (
                    f"object {track.object_id} is {times:.1f} times {how} in frame {self.frames[at]} than in the frame "
                    "before"
                )
                events.append(Event(JUMP, track.object_id, at, at, text))
        return events

    def _unsure(self, others: Sequence[Event]) -> list[Event]:
        """The least certain frame of each object, where that is not said already."""
        events = []
        for track in self.objects:
            values = track.confidences
            if not np.isfinite(values).any() or float(np.nanmin(values)) >= _UNSURE:
                continue
            at = track.first + int(np.nanargmin(values))
            if not any(event.object_id == track.object_id and event.first <= at <= event.last for event in others):
                text = (
                    f"object {track.object_id} is least certain in frame {self.frames[at]} "
                    f"(mean probability {np.nanmin(values):.2f})"
                )
                events.append(Event(UNSURE, track.object_id, at, at, text))
        return events
