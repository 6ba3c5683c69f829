"""``meta.json`` of YouTube-VOS, read as far as it goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.listing import check_name, names_found
from vos_tf.datasets.scanned_video import ListedObject, below
from vos_tf.errors import VosError
from vos_tf.media.label_maps import MAX_OBJECT_ID


@dataclass
class Meta:
    """What could be read.

    Attributes:
        videos: Name to objects; ``None`` where there is no such list.
        findings: What could not.
    """

    videos: Mapping[str, tuple[ListedObject, ...]] | None
    findings: list[Finding] = field(default_factory=list)


def read_meta(root: Path, split: str) -> Meta:
    """The ``meta.json`` of a split."""
    path = root / split / "meta.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        words = "missing: categories are unknown, and objects are taken from the masks"
        return Meta(None, [_finding(root, path, split, words, "rebuilt from the masks", level="remark")])
    except (OSError, ValueError) as error:
        return Meta(None, [_finding(root, path, split, f"no JSON ({error})", "rebuilt from the masks")])
    listed = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(listed, dict):
        words = 'not {"videos": {...}} as in YouTube-VOS'
        return Meta(None, [_finding(root, path, split, words, "rebuilt from the masks")])
    meta = Meta({})
    videos: dict[str, tuple[ListedObject, ...]] = {}
    for name, video in listed.items():
        try:
            check_name(name, path)
        except VosError:
            words = f"names a video outside of the data set: {name!r}"
            meta.findings.append(_finding(root, path, split, words, "left out", kind="outside"))
            continue
        videos[name] = _objects(root, path, split, name, video, meta.findings)
    meta.videos = videos
    return meta


def _objects(
    root: Path, path: Path, split: str, name: str, video: Any, findings: list[Finding]
) -> tuple[ListedObject, ...]:
    entries = video.get("objects") if isinstance(video, dict) else None
    good: dict[int, ListedObject] = {}
    bad: list[str] = []
    for key, item in (entries if isinstance(entries, dict) else {}).items():
        known = key.isascii() and key.isdecimal() and 1 <= int(key) <= MAX_OBJECT_ID and int(key) not in good
        frames = item.get("frames") if isinstance(item, dict) else None
        category = item.get("category") if isinstance(item, dict) else None
        named = isinstance(frames, list) and bool(frames) and all(isinstance(frame, str) for frame in frames)
        if known and named and isinstance(category, str | None):
            good[int(key)] = ListedObject(int(key), category, tuple(frames or ()))
        else:
            bad.append(key)
    if not isinstance(entries, dict) or bad:
        words = f"no id, category and frames for: {names_found(bad)}" if bad else "no objects for this video"
        findings.append(_finding(root, path, split, words, "rebuilt from the masks", video=name))
    return tuple(good[number] for number in sorted(good))


def _finding(
    root: Path,
    path: Path,
    split: str,
    words: str,
    repair: str,
    *,
    kind: str = "list",
    video: str = "",
    level: Any = "fault",
) -> Finding:
    return Finding(kind, level, below(root, path), words, repair, split, video)
