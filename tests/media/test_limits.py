"""Images whose headers promise more than can be held in memory are refused before anything is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from vos_tf.datasets.listing import image_size
from vos_tf.datasets.still_images.masks import read_mask_image
from vos_tf.errors import VosError
from vos_tf.evaluation.preflight import mask_fault
from vos_tf.media.diagnosis import diagnose_frame, diagnose_mask
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import read_label_map


def forged_png(path: Path, height: int, width: int) -> Path:
    """A PNG of a few bytes whose header promises ``height`` x ``width`` grey pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("read", [read_image, read_label_map, read_mask_image, image_size])
@pytest.mark.parametrize("side", [12_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_reader_refuses_them(tmp_path: Path, read: Callable[[Path], object], side: int) -> None:
    path = forged_png(tmp_path / "bomb.png", side, side)
    with pytest.raises(VosError, match=r"bomb\.png: expected .*found.*(12000 x 12000|more|exceeds limit)"):
        read(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_checks_name_them_as_problems(tmp_path: Path) -> None:
    path = forged_png(tmp_path / "bomb.png", 60_000, 60_000)
    assert len(diagnose_frame(path, (4, 4))) == 1
    assert len(diagnose_mask(path, frame_size=(4, 4), declared_ids=(1,), single_object=False)) == 1
    assert mask_fault(path) == ""  # the head is that of a label map; the check of its size follows


def test_images_up_to_the_limit_are_read(tmp_path: Path) -> None:
    assert image_size(forged_png(tmp_path / "large.png", 9_000, 9_000)) == (9_000, 9_000)
