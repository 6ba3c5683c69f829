"""The frame around every record of a TFRecord file: length, checksum, data, checksum.

Layout (TensorFlow guide "TFRecord and tf.train.Example"): uint64 length, uint32 masked CRC-32C of the length, the
data, uint32 masked CRC-32C of the data; all little-endian.
"""

from __future__ import annotations

import struct

import google_crc32c

HEADER_BYTES = 12
FOOTER_BYTES = 4


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """``data`` with its frame, as it stands in a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, struct.pack("<I", _masked_crc(length)), data, struct.pack("<I", _masked_crc(data))))


def unframe(framed: bytes) -> bytes:
    """The data inside one framed record.

    Raises:
        ValueError: A checksum or the length does not agree.
    """
    if len(framed) < HEADER_BYTES + FOOTER_BYTES:
        raise ValueError(f"a record needs {HEADER_BYTES + FOOTER_BYTES} bytes or more, found {len(framed)}")
    (length,) = struct.unpack_from("<Q", framed)
    (length_crc,) = struct.unpack_from("<I", framed, 8)
    if length_crc != _masked_crc(framed[:8]):
        raise ValueError("the checksum of the record's length does not agree")
    if length != len(framed) - HEADER_BYTES - FOOTER_BYTES:
        raise ValueError(f"the record says {length} bytes, found {len(framed) - HEADER_BYTES - FOOTER_BYTES}")
    data = framed[HEADER_BYTES:-FOOTER_BYTES]
    (data_crc,) = struct.unpack_from("<I", framed, len(framed) - FOOTER_BYTES)
    if data_crc != _masked_crc(data):
        raise ValueError("the checksum of the record's data does not agree")
    return data
