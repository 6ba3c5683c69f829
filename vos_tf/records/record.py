"""One record: a chunk of a video as a SequenceExample; docs/records.md describes every feature."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from vos_tf.datasets.types import Video
from vos_tf.records.encode import EncodedFrame
from vos_tf.records.framing import FOOTER_BYTES, HEADER_BYTES
from vos_tf.records.manifest import ObjectEntry, RecordEntry
from vos_tf.records.sequence_example import decode_sequence_example, encode_sequence_example
from vos_tf.records.settings import SCHEMA_VERSION


def encode_record(
    video: Video,
    stored_size: tuple[int, int],
    chunk: tuple[int, int],
    span: tuple[int, int],
    frames: Sequence[EncodedFrame],
) -> bytes:
    """The SequenceExample of one chunk of a video.

    Args:
        video: The video.
        stored_size: ``(H, W)`` of the stored frames.
        chunk: ``(number of the chunk, number of chunks)``.
        span: ``(first, end)`` indices in the video of the chunk's frames.
        frames: The encoded frames of the span.
    """
    first, end = span
    index_of = {name: index for index, name in enumerate(video.frame_names)}
    rows = [(item, [i for i in map(index_of.__getitem__, item.frames) if first <= i < end]) for item in video.objects]
    rows = [(item, indices) for item, indices in rows if indices]
    context: dict[str, Sequence[bytes] | Sequence[int]] = {
        "schema_version": [SCHEMA_VERSION],
        "video": [video.name.encode()],
        "chunk": [chunk[0]],
        "chunks": [chunk[1]],
        "first_frame": [first],
        "size": list(stored_size),
        "original_size": list(video.size),
        "frame_rate": [video.frame_rate.numerator, video.frame_rate.denominator],
        "object_ids": [item.id for item, _ in rows],
        "object_categories": [(item.category or "").encode() for item, _ in rows],
        "object_first_frames": [index_of[item.first_frame] for item, _ in rows],
    }
    lists: dict[str, Sequence[Sequence[bytes] | Sequence[int]]] = {
        "frame_names": [[name.encode()] for name in video.frame_names[first:end]],
        "frames": [[frame.jpeg] for frame in frames],
        "masks": [[frame.mask.png if frame.mask else b""] for frame in frames],
        "mask_ids": [frame.mask.ids if frame.mask else () for frame in frames],
        "object_frames": [indices for _, indices in rows],
    }
    return encode_sequence_example(context, lists)


def index_record(data: bytes, shard: int, offset: int) -> RecordEntry:
    """The manifest's entry of a record, from the record itself.

    Args:
        data: The SequenceExample.
        shard: Index of its shard.
        offset: First byte of the framed record in the shard.
    """
    message = decode_sequence_example(data)
    context: Any = message.context
    lists: Any = message.lists
    start = offset + HEADER_BYTES
    rows = zip(
        context["object_ids"],
        context["object_categories"],
        context["object_first_frames"],
        lists["object_frames"],
        strict=True,
    )
    return RecordEntry(
        shard=shard,
        offset=offset,
        length=HEADER_BYTES + len(data) + FOOTER_BYTES,
        video=context["video"][0].decode(),
        chunk=context["chunk"][0],
        chunks=context["chunks"][0],
        first_frame=context["first_frame"][0],
        size=context["size"],
        original_size=context["original_size"],
        frame_rate=Fraction(*context["frame_rate"]),
        frames=tuple((start + place, length) for place, length in message.spans["frames"]),
        masks=tuple((start + place, length) for place, length in message.spans["masks"]),
        mask_ids=lists["mask_ids"],
        objects=tuple(ObjectEntry(key, name.decode() or None, first, frames) for key, name, first, frames in rows),
    )
