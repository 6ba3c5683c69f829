"""SequenceExample messages as bytes, without TensorFlow: writing them, and finding every value inside them.

The worker processes of the preprocessing need no TensorFlow because of this, and a training clip needs only the
bytes of its own frames, because the place of every value in a record is known. The wire format is that of
Protocol Buffers (encoding guide: varints, length-delimited fields, packed integers); the messages are those of
TensorFlow's ``example.proto`` and ``feature.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Values = Sequence[bytes] | Sequence[int]
"""The values of one feature: all bytes, or all integers."""

# Field numbers, shifted left by three, with wire type 2 (length-delimited).
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"
_TWO_TO_64 = 1 << 64


class WireError(ValueError):
    """The bytes are no SequenceExample as this package writes it."""


@dataclass(frozen=True)
class Message:
    """A decoded SequenceExample.

    Attributes:
        context: Feature name to its values.
        lists: Feature list name to one tuple of values for every step.
        spans: For feature lists of bytes with one value per step: ``(offset, length)`` of each value, counted
            from the first byte of the message.
    """

    context: Mapping[str, tuple[bytes, ...] | tuple[int, ...]]
    lists: Mapping[str, tuple[tuple[bytes, ...] | tuple[int, ...], ...]]
    spans: Mapping[str, tuple[tuple[int, int], ...]]


def encode_sequence_example(context: Mapping[str, Values], lists: Mapping[str, Sequence[Values]]) -> bytes:
    """Encode a SequenceExample; equal arguments give equal bytes.

    Args:
        context: Feature name to values.
        lists: Feature list name to the values of every step.
    """
    features = b"".join(_field(_FIELD_1, _entry(name, _feature(values))) for name, values in context.items())
    feature_lists = []
    for name, steps in lists.items():
        feature_list = b"".join(_field(_FIELD_1, _feature(values)) for values in steps)
        feature_lists.append(_field(_FIELD_1, _entry(name, feature_list)))
    return _field(_FIELD_1, features) + _field(_FIELD_2, b"".join(feature_lists))


def decode_sequence_example(data: bytes) -> Message:
    """Decode what `encode_sequence_example` wrote.

    Raises:
        WireError: The bytes are damaged or hold fields this package never writes.
    """
    context: dict[str, tuple[bytes, ...] | tuple[int, ...]] = {}
    lists: dict[str, tuple[tuple[bytes, ...] | tuple[int, ...], ...]] = {}
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for field, start, stop in _fields(data, 0, len(data)):
        for _, entry_start, entry_stop in _fields(data, start, stop):
            name, value_start, value_stop = _decode_entry(data, entry_start, entry_stop)
            if field == 1:
                context[name] = _decode_feature(data, value_start, value_stop)[0]
                continue
            steps = [_decode_feature(data, first, last) for _, first, last in _fields(data, value_start, value_stop)]
            lists[name] = tuple(values for values, _ in steps)
            if all(len(step_spans) == 1 for _, step_spans in steps):
                spans[name] = tuple(step_spans[0] for _, step_spans in steps)
    return Message(context, lists, spans)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _entry(name: str, content: bytes) -> bytes:
    """One entry of a protobuf map: key and value."""
    return _field(_FIELD_1, name.encode()) + _field(_FIELD_2, content)


def _feature(values: Values) -> bytes:
    if not values:
        return b""  # without values a feature has no kind either, and parses as empty bytes or empty integers
    if any(isinstance(value, int) for value in values):
        packed = b"".join(_varint(int(value) % _TWO_TO_64) for value in values)
        return _field(_FIELD_3, _field(_FIELD_1, packed))
    return _field(_FIELD_1, b"".join(_field(_FIELD_1, bytes(value)) for value in values))


def _read_varint(data: bytes, position: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while position < stop and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireError(f"a number ends too soon at byte {position}")


def _fields(data: bytes, position: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """``(field number, first byte, end)`` of every field between two positions."""
    while position < stop:
        tag, position = _read_varint(data, position, stop)
        length, position = _read_varint(data, position, stop)
        if tag & 7 != 2 or position + length > stop:
            raise WireError(f"no length-delimited field at byte {position}")
        yield tag >> 3, position, position + length
        position += length


def _decode_entry(data: bytes, start: int, stop: int) -> tuple[str, int, int]:
    parts = {field: (first, last) for field, first, last in _fields(data, start, stop)}
    if parts.keys() != {1, 2}:
        raise WireError(f"no map entry at byte {start}")
    key_start, key_stop = parts[1]
    return data[key_start:key_stop].decode(errors="replace"), *parts[2]


def _decode_feature(
    data: bytes, start: int, stop: int
) -> tuple[tuple[bytes, ...] | tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Values of a feature, and for bytes where each lies."""
    kinds = list(_fields(data, start, stop))
    if not kinds:
        return (), ()
    if len(kinds) != 1 or kinds[0][0] not in (1, 3):
        raise WireError(f"no feature of bytes or integers at byte {start}")
    kind, first, last = kinds[0]
    values = [(value_start, value_stop) for _, value_start, value_stop in _fields(data, first, last)]
    if kind == 1:
        found = tuple(data[value_start:value_stop] for value_start, value_stop in values)
        return found, tuple((value_start, value_stop - value_start) for value_start, value_stop in values)
    numbers: list[int] = []
    for position, end in values:
        while position < end:
            number, position = _read_varint(data, position, end)
            numbers.append(number - _TWO_TO_64 if number >= _TWO_TO_64 // 2 else number)
    return tuple(numbers), ()
