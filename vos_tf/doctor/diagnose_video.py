"""One video: what lies in its files, what is wrong, and what a repaired copy has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vos_tf.datasets.findings import Finding
from vos_tf.datasets.numbering import gaps, new_names, sorts_as_text, usual_step
from vos_tf.datasets.scanned_video import ScannedVideo
from vos_tf.datasets.types import VideoObject
from vos_tf.datasets.video_copy import FrameCopy, VideoCopy
from vos_tf.doctor.file_facts import FrameFacts, MaskFacts, frame_facts, mask_facts, what_is_wrong
from vos_tf.doctor.frames import FramePlan, Reporter, judge_frames
from vos_tf.doctor.mask_repair import MaskRepair
from vos_tf.doctor.masks import MaskPlan, judge_masks, place_masks
from vos_tf.doctor.objects import judge_objects
from vos_tf.errors import VosError
from vos_tf.media.images import header_size, read_bytes
from vos_tf.media.label_maps import LabelMap, object_ids


@dataclass(frozen=True)
class Counts:
    """What one video holds.

    Attributes:
        split: The split it belongs to.
        name: Its name.
        frames: Number of frames.
        masks: Number of masks.
        size: ``(H, W)`` of most frames; ``None`` if none can be read.
        ids: Ids of its objects, as they are on disk.
        step: Of the numbers in the frames' names.
    """

    split: str
    name: str
    frames: int
    masks: int
    size: tuple[int, int] | None
    ids: tuple[int, ...]
    step: int


@dataclass(frozen=True)
class Diagnosis:
    """What was found in one video.

    Attributes:
        counts: What it holds.
        findings: What is wrong.
        frames: The frames that a copy has.
        masks: The masks that a copy has; ``None`` if there is nothing to copy.
    """

    counts: Counts
    findings: tuple[Finding, ...]
    frames: FramePlan
    masks: MaskPlan | None


@dataclass(frozen=True)
class MendedMasks:
    """The masks of a repaired video.

    Attributes:
        files: New name of a frame to its mask.
        mask_repair: How they become label maps.
    """

    files: dict[str, Path]
    mask_repair: MaskRepair

    def __call__(self, frame: str) -> LabelMap:
        """The label map of an annotated frame."""
        return self.mask_repair(self.files[frame])


def diagnose_video(root: Path, video: ScannedVideo) -> Diagnosis:
    """Look at every frame and mask of a video.

    Args:
        root: Folder of the data set, for the names in findings.
        video: The video.
    """
    report, findings = Reporter(root, video), list[Finding]()
    frames_found = list(frame_facts(video.frames))
    frames = judge_frames(report, frames_found, findings)
    placed = place_masks(report, findings)
    masks = None
    if frames.size is not None:
        facts = {name: _facts_of(video, path, name, frames_found) for name, path in placed.items()}
        masks = judge_masks(report, facts, frames, findings)
        judge_objects(report, masks, findings)
    ids = frozenset().union(*masks.ids.values()) if masks and masks.ids else frozenset[int]()
    known = tuple(item.id for item in video.listed or ()) if video.reader is not None else tuple(sorted(ids))
    step = usual_step(video.frames)
    counts = Counts(video.split, video.name, len(video.frames), len(placed), frames.size, known, step)
    return Diagnosis(counts, tuple(findings), frames, masks)


def _facts_of(video: ScannedVideo, path: Path, frame: str, frames: Sequence[FrameFacts]) -> MaskFacts:
    if video.reader is None:
        return mask_facts(path)
    size = next((item.size for item in frames if item.path.stem == frame), None)
    try:
        if size is None:
            raise VosError(f"{path}: expected the mask of a frame, found that the frame cannot be read")
        video.reader(path, size)
        own = path.suffix.lower() != ".txt" and path not in video.frames
        return MaskFacts(path, header_size(read_bytes(path), str(path)) if own else size)
    except VosError as error:
        return MaskFacts(path, None, what_is_wrong(error, path))


def repaired(video: ScannedVideo, diagnosis: Diagnosis) -> VideoCopy | None:
    """The video as a repaired copy has it; ``None`` if nothing of use is left.

    Raises:
        VosError: A file that could be read a moment ago cannot be read any more.
    """
    plan, masks = diagnosis.frames, diagnosis.masks
    if masks is None or plan.size is None or not plan.kept:
        return None
    mask_repair = replace(masks.mask_repair, size=plan.size)
    moved = {plan.repeats.get(name, name): path for name, path in reversed(masks.files.items())}
    kept = {path.stem for path in plan.kept}
    ids = {name: object_ids(mask_repair(path)) for name, path in moved.items() if name in kept}
    first = next((index for index, path in enumerate(plan.kept) if ids.get(path.stem)), None)
    if first is None:
        return None
    paths = plan.kept[first:]
    names = _names(video, paths)
    files = {names[path.stem]: moved[path.stem] for path in paths if path.stem in moved}
    frames = tuple(FrameCopy(names[path.stem], path, plan.size if path in plan.resized else None) for path in paths)
    return VideoCopy(
        split=video.split,
        name=video.name,
        frames=frames,
        annotated=tuple(files),
        masks=MendedMasks(files, mask_repair),
        objects=_objects(
            video, mask_repair, names, {names[name]: shown for name, shown in ids.items() if name in names}
        ),
        size=plan.size,
        frame_rate=Fraction(video.frame_rate * plan.ratio),
    )


def _names(video: ScannedVideo, paths: Sequence[Path]) -> dict[str, str]:
    """Old name of a frame to its new one: the same, where those are in order and without gaps."""
    old = [path.stem for path in paths]
    if video.reader is not None or (sorts_as_text(old) and not gaps(old)):
        return dict(zip(old, old, strict=True))
    return dict(zip(old, new_names(len(old), usual_step(video.frames)), strict=True))


def _objects(
    video: ScannedVideo, mask_repair: MaskRepair, names: dict[str, str], shown: dict[str, tuple[int, ...]]
) -> tuple[VideoObject, ...]:
    """Objects from the first mask that shows them on, in the frames their list names or else to the end."""
    order = list(names.values())
    listed = {mask_repair.ids.get(item.id, item.id): item for item in video.listed or ()}
    first: dict[int, str] = {}
    for name in order:
        for number in shown.get(name, ()):
            first.setdefault(number, name)
    objects = []
    for number, start in sorted(first.items()):
        frames = order[order.index(start) :]
        item = listed.get(number)
        if item is not None:
            wanted = {names[name] for name in item.frames if name in names} | {start}
            frames = [name for name in frames if name in wanted]
        objects.append(VideoObject(number, item.category if item else None, start, tuple(frames)))
    return tuple(objects)
