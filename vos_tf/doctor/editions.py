"""Which edition of a published data set a folder holds, by what can be counted."""

from __future__ import annotations

from collections.abc import Sequence

from vos_tf.doctor.diagnose_video import Counts

# Videos of each split as published: DAVIS (arXiv:1704.00675), YouTube-VOS (https://youtube-vos.org/dataset/vos).
_PUBLISHED = {
    "davis2016": {"DAVIS-2016": {"train": 30, "val": 20}},
    "davis2017": {"DAVIS-2017": {"train": 60, "val": 30, "test-dev": 30, "test-challenge": 30}},
    "youtube_vos": {
        "YouTube-VOS 2018": {"train": 3471, "valid": 474, "test": 508},
        "YouTube-VOS 2019": {"train": 3471, "valid": 507, "test": 541},
    },
}
_EVERY_FIFTH = 5


def edition(layout: str, split: str, videos: Sequence[Counts]) -> str:
    """What the number of videos and the numbers of their frames say; empty where nothing is published."""
    counts = {name: splits[split] for name, splits in _PUBLISHED.get(layout, {}).items() if split in splits}
    if not counts:
        return ""
    whole = [name for name, count in counts.items() if count == len(videos)]
    if whole:
        words = f"as many videos as {' and '.join(whole)}"
    else:
        words = "not a whole edition: " + ", ".join(f"{name} has {count} videos" for name, count in counts.items())
    if layout != "youtube_vos":
        return words
    steps = sorted({item.step for item in videos})
    rate = "every fifth frame, 6 per second" if steps == [_EVERY_FIFTH] else f"every frame in steps of {steps}"
    return f"{words}; {'all frames' if steps == [1] else rate}"
