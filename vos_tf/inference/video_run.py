"""Run a segmenter over the frames of any source, with masks that users give for some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from vos_tf.inference.prefetch import prefetch
from vos_tf.inference.session import FrameResult, VideoSegmenter
from vos_tf.media.frame_source import FrameSource, TimedFrame
from vos_tf.prompts.given_masks import GivenMasks


class Segmented(NamedTuple):
    """A frame and what the session says of it."""

    frame: TimedFrame
    result: FrameResult


class SourceFrames(Sequence[NDArray[np.uint8]]):
    """A source that can be read again, as a sequence of frames: for methods that look ahead at some of them.

    Frames are not kept: each access reads the source up to the frame.

    Args:
        source: With a known length.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return self._source.length or 0

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...

    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Sequence[NDArray[np.uint8]]:
        if isinstance(index, slice):
            raise TypeError("frames are read one by one")
        return self._source.frame(index)


def segment_frames(
    segmenter: VideoSegmenter,
    source: FrameSource,
    frames: Iterator[TimedFrame],
    masks: GivenMasks,
    *,
    max_frames: int | None = None,
) -> Iterator[Segmented]:
    """Segment the frames of a source, one after the other; frames are read ahead while the network works.

    Args:
        segmenter: What segments.
        source: The video.
        frames: Its frames, from the first one on.
        masks: Masks of objects, at the frames in which they join or are set right; none where the segmenter finds
            objects itself. They were checked (`GivenMasks.check`).
        max_frames: Largest number of frames; all if not given.

    Raises:
        VosError: The video cannot be read, or a mask cannot be used.
        IncompleteError: After the last good frame of a damaged video.
    """
    frames = islice(frames, max_frames)
    first = next(frames)
    size = (first.image.shape[0], first.image.shape[1])
    known = SourceFrames(source) if source.lasting and source.length else iter(())
    session = segmenter.session(size, source.name, frames=known)
    prepared = prefetch((frame, session.prepare(frame.image)) for frame in chain([first], frames))
    for index, (frame, image) in enumerate(prepared):
        labels = masks.at(frame, first=index == 0)
        if labels is not None:
            session.add(labels)
        yield Segmented(frame, session.step(image, frame.name))
