"""What is wrong with the frames of a video, and which of them a repaired copy has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vos_tf.datasets.findings import Finding, Level
from vos_tf.datasets.listing import names_found
from vos_tf.datasets.numbering import gaps, sorts_as_text
from vos_tf.datasets.scanned_video import ScannedVideo, below
from vos_tf.doctor.file_facts import FrameFacts
from vos_tf.media.images import same_proportions

FEWEST_REPEATS = 3
LONGEST_PERIOD = 12
SHARE_IN_TIME = 0.8
"""Repeats that have to come back after a period for it to be the frame rate."""


@dataclass
class FramePlan:
    """The frames that a repaired copy has.

    Attributes:
        size: ``(H, W)``; ``None`` without a readable frame.
        kept: In order, with old names.
        resized: Those of them that have another size.
        repeats: Name of a frame that is left out to that of the frame it repeats.
        ratio: Share of the frames that are new, where that is regular; 1: all of them.
    """

    size: tuple[int, int] | None = None
    kept: tuple[Path, ...] = ()
    resized: frozenset[Path] = frozenset()
    repeats: dict[str, str] = field(default_factory=dict)
    ratio: Fraction = Fraction(1)


class Reporter(NamedTuple):
    """Makes findings of one video."""

    root: Path
    video: ScannedVideo

    def __call__(self, kind: str, level: Level, path: Path, words: str, repair: str, count: int = 1) -> Finding:
        """A finding of this video; ``path`` is the first of ``count`` files."""
        return Finding(kind, level, below(self.root, path), words, repair, self.video.split, self.video.name, count)


def judge_frames(report: Reporter, facts: Sequence[FrameFacts], findings: list[Finding]) -> FramePlan:
    """Findings about the frames of a video, and what a copy keeps of them."""
    readable = [item for item in facts if item.size is not None]
    broken = [item for item in facts if item.size is None]
    if broken:
        words = f"cannot be read: {broken[0].fault}"
        findings.append(report("damaged", "fault", broken[0].path, words, "left out, with its mask", len(broken)))
    if not readable:
        if not facts:
            words, place = "no frames", report.video.masks[0].parent if report.video.masks else report.root
            findings.append(report("frames", "fault", place, words, "the video is left out"))
        return FramePlan()
    plan = _judge_sizes(report, readable, findings)
    if report.video.reader is None:
        kept = set(plan.kept)
        _judge_repeats(report, [item for item in readable if item.path in kept], plan, findings)
        _judge_names(report, findings)
    return plan


def _judge_sizes(report: Reporter, facts: Sequence[FrameFacts], findings: list[Finding]) -> FramePlan:
    sizes = Counter(item.size for item in facts if item.size is not None)
    size = sizes.most_common(1)[0][0]
    others = [item for item in facts if item.size is not None and item.size != size]
    scaled = {item.path for item in others if item.size is not None and same_proportions(item.size, size)}
    for items, repair in (
        ([item for item in others if item.path in scaled], f"resized to {size[0]} x {size[1]}"),
        ([item for item in others if item.path not in scaled], "left out: its proportions are others"),
    ):
        if items and items[0].size is not None:
            words = f"{_by(items[0].size)}, while the video has {_by(size)} (height x width)"
            findings.append(report("frame size", "fault", items[0].path, words, repair, len(items)))
    left = {item.path for item in others} - scaled
    return FramePlan(size, tuple(item.path for item in facts if item.path not in left), frozenset(scaled))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _judge_repeats(report: Reporter, facts: Sequence[FrameFacts], plan: FramePlan, findings: list[Finding]) -> None:
    original = ""
    for item in facts:
        if item.repeats and original:
            plan.repeats[item.path.stem] = original
        else:
            original = item.path.stem
    if not plan.repeats:
        return
    first = next(item.path for item in facts if item.path.stem in plan.repeats)
    plan.kept = tuple(path for path in plan.kept if path.stem not in plan.repeats)
    plan.ratio = _ratio([item.path.stem in plan.repeats for item in facts])
    repair = "repeated frames are left out, the others renumbered"
    if plan.ratio < 1:
        made, saved = plan.ratio.as_integer_ratio()
        words = (
            f"of {saved} frames only {made} {'is' if made == 1 else 'are'} new: saved with {saved}/{made} of the frame "
            f"rate it was made with{_example(plan.ratio)}"
        )
        findings.append(report("frame rate", "fault", first, words, repair, len(plan.repeats)))
    else:
        words = f"shows the same as the frame before, {plan.repeats[first.stem]}"
        findings.append(report("duplicate frames", "remark", first, words, repair, len(plan.repeats)))


def _ratio(repeats: Sequence[bool]) -> Fraction:
    """Share of new frames, where repeats come back after a fixed time; else 1."""
    places = [index for index, value in enumerate(repeats) if value]
    if len(places) < FEWEST_REPEATS or len(places) == len(repeats) - 1:
        return Fraction(1)
    for period in range(2, LONGEST_PERIOD + 1):
        ahead = [index for index in places if index + period < len(repeats)]
        if ahead and sum(repeats[index + period] for index in ahead) >= SHARE_IN_TIME * len(ahead):
            in_period = round(len(places) * period / len(repeats))
            return 1 - Fraction(min(max(in_period, 1), period - 1), period)
    return Fraction(1)


def _example(ratio: Fraction) -> str:
    rate = next((rate for rate in (30, 24, 60) if (rate * ratio).denominator == 1), None)
    return "" if rate is None else f", as {rate * ratio} per second saved as {rate}"


def _judge_names(report: Reporter, findings: list[Finding]) -> None:
    names = [path.stem for path in report.video.frames]
    folder = report.video.frames[0].parent
    missing = gaps(names)
    if missing:
        total = sum(gap.missing for gap in missing)
        words = f"no frame between {missing[0].before} and {missing[0].after}"
        words += f", and {len(missing) - 1} more gaps" if len(missing) > 1 else ""
        repair = "cannot be invented: the others are renumbered, a jump remains"
        findings.append(report("missing frames", "remark", folder, words, repair, total))
    wanted = list(dict.fromkeys(name for item in report.video.listed or () for name in item.frames))
    absent = [name for name in wanted if name not in set(names)]
    if absent:
        words = f"the list names frames that are not there: {names_found(absent, 4)}"
        findings.append(report("missing frames", "fault", folder, words, "taken off the list", len(absent)))
    if not sorts_as_text(names):
        before, after = next((a, b) for a, b in pairwise(names) if a > b)
        words = f"sorted as text, as many tools do, {after} comes before {before} (here numbers are sorted by value)"
        findings.append(report("order", "remark", folder, words, "renumbered with leading zeros", len(names)))
