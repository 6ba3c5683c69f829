"""Writing files and folders so that a half-written one is never taken for a whole one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

_STAGING = re.compile(r"\..+\.(\d+)\.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path of the same name; the file or folder written there takes ``path``'s place.

    It does so when the block ends without an error. The data reaches the disk before the name appears, so that a crash
    leaves either the old or the new. What killed processes left in ``path``'s folder is removed by the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent.absolute())
    staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
    _remove(staging)
    staging.mkdir()
    try:
        yield staging / path.name
        publish(staging / path.name, path)
    finally:
        _remove(staging)


def publish(written: Path, path: Path) -> None:
    """Give a file or folder its name once all of it has reached the disk; a folder of that name goes.

    Raises:
        OSError: ``written`` is not there, or the disk refuses; then ``path`` is what it was.
    """
    for item in (*written.rglob("*"), written) if written.is_dir() else (written,):
        if not item.is_symlink():
            _reach_disk(item)
    if not (path.is_dir() and written.is_dir()):
        written.replace(path)
        return
    old = written.with_name(f".{path.name}.{os.getpid()}.partial")
    path.rename(old)
    try:
        written.rename(path)
    except BaseException:
        old.rename(path)
        raise
    _remove(old)


def is_leftover(name: str) -> bool:
    """Whether a file or folder is what a writing of `replacing` works in, or left when it was killed."""
    return _STAGING.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove what processes that are no more left half-written in a folder."""
    for item in list(folder.iterdir()):
        found = _STAGING.fullmatch(item.name)
        if found and not _is_alive(int(found[1])):
            _remove(item)


_sweep_once = lru_cache(maxsize=256)(sweep)  # a folder may get many files


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True


def _reach_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as readable JSON (sorted as given, two spaces), whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
