"""What is wrong with the masks of a video, and how they are mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vos_tf.datasets.findings import Finding, Level
from vos_tf.datasets.folder import match_masks
from vos_tf.datasets.listing import names_found
from vos_tf.doctor.file_facts import SIXTEEN_BIT, MaskFacts
from vos_tf.doctor.frames import FramePlan, Reporter
from vos_tf.doctor.mask_repair import MaskRepair, colour_table, true_phantoms
from vos_tf.errors import VosError
from vos_tf.media.images import same_proportions
from vos_tf.media.label_maps import VOID

_AS_PALETTE = "written as indexed PNG with the DAVIS palette"


@dataclass
class MaskPlan:
    """The masks that a repaired copy has.

    Attributes:
        files: Name of a frame that is there now to its mask, in order.
        mask_repair: How they become label maps.
        ids: Name of a frame to the ids its mask is thought to show.
    """

    files: dict[str, Path]
    mask_repair: MaskRepair
    ids: dict[str, frozenset[int]] = field(default_factory=dict)


def place_masks(report: Reporter, findings: list[Finding]) -> dict[str, Path]:
    """Frame to mask, in the order of the frames; masks without a frame are found, not placed."""
    frames = [path.stem for path in report.video.frames]
    masks = report.video.masks
    if report.video.reader is not None:
        return dict(zip(frames, masks, strict=False))
    placed = {path.stem: path for path in masks if path.stem in set(frames)}
    left = [path for path in masks if path.stem not in placed]
    if left and frames:
        try:
            matched = match_masks(frames, masks, report.root)
        except VosError:
            names = names_found([path.name for path in left], 3)
            words = f"no frame of that name: {names}"
            findings.append(report("names", "fault", left[0], words, "left out", len(left)))
        else:
            level: Level = "remark" if report.video.rules.binary else "fault"
            frame, mask = next(iter(matched.items()))
            words = f"{mask.name} is the mask of {frame}"
            findings.append(report("names", level, left[0], words, "named like their frames", len(left)))
            placed = matched
    return {name: placed[name] for name in frames if name in placed}


def judge_masks(
    report: Reporter, placed: Mapping[str, MaskFacts], frames: FramePlan, findings: list[Finding]
) -> MaskPlan:
    """Findings about the masks of a video, and how a copy has them."""
    assert frames.size is not None
    good = _readable(report, placed, frames.size, findings)
    if report.video.reader is not None:
        return MaskPlan(
            {name: item.path for name, item in good.items()}, MaskRepair(frames.size, reader=report.video.reader)
        )
    _judge_forms(report, list(good.values()), findings)
    good = {name: item for name, item in good.items() if _can_be_mended(item)}
    mask_repair = _judge_values(report, good, frames.size, findings)
    if mask_repair.binary_id == 0:
        good = {name: item for name, item in good.items() if not _is_binary(item)}
    ids = {name: ids_of(item, mask_repair) for name, item in good.items()}
    return MaskPlan({name: item.path for name, item in good.items()}, mask_repair, ids)


def _readable(
    report: Reporter, placed: Mapping[str, MaskFacts], size: tuple[int, int], findings: list[Finding]
) -> dict[str, MaskFacts]:
    """Masks that can be read and resized to their frames."""
    broken = [item for item in placed.values() if item.size is None]
    if broken:
        words = f"cannot be read: {broken[0].fault}"
        findings.append(report("damaged", "fault", broken[0].path, words, "left out; the frame stays", len(broken)))
    good = {name: item for name, item in placed.items() if item.size is not None}
    others = [item for item in good.values() if item.size not in (None, size)]
    scaled = [item for item in others if item.size is not None and same_proportions(item.size, size)]
    bad = [item for item in others if item.size is not None and not same_proportions(item.size, size)]
    level: Level = "remark" if report.video.reader is not None else "fault"
    for items, repair in (
        (scaled, "resized, each pixel to the nearest id"),
        (bad, "left out: its proportions are others; the frame stays"),
    ):
        if items and items[0].size is not None:
            words = (
                f"{items[0].size[0]} x {items[0].size[1]}, while its frame has {size[0]} x {size[1]} (height x width)"
            )
            findings.append(report("mask size", level, items[0].path, words, repair, len(items)))
    left_out = {item.path for item in bad}
    return {name: item for name, item in good.items() if item.path not in left_out}


def _can_be_mended(item: MaskFacts) -> bool:
    if item.lossy:
        return item.two_valued
    return bool(item.counts or item.colours)


def _judge_forms(report: Reporter, items: Sequence[MaskFacts], findings: list[Finding]) -> None:
    """Masks that are no label maps by their format."""
    single = report.video.rules.single_object
    lossy = [item for item in items if item.lossy]
    for group, repair in (
        ([item for item in lossy if item.two_valued], "what is at least half white is the object"),
        ([item for item in lossy if not item.two_valued], "left out: which ids are meant cannot be told"),
    ):
        if group:
            words = "a JPEG, whose compression smears ids"
            findings.append(report("lossy", "fault", group[0].path, words, repair, len(group)))
    rest = [item for item in items if not item.lossy]
    deep = [item for item in rest if item.mode in SIXTEEN_BIT]
    if deep:
        words = f"16 bit or more per pixel (mode {deep[0].mode})"
        findings.append(report("deep", "fault", deep[0].path, words, _AS_PALETTE, len(deep)))
    scrambled = [item for item in rest if item.scrambled]
    if scrambled:
        words = "the palette has the colours of DAVIS in another order, black is not 0"
        findings.append(report("palette", "fault", scrambled[0].path, words, "ids by their colours", len(scrambled)))
    coloured = [] if single else [item for item in rest if not item.is_indexed and item.mode not in SIXTEEN_BIT]
    hopeless = [item for item in coloured if not _can_be_mended(item)]
    if hopeless:
        words = f"{hopeless[0].mode} with {hopeless[0].shades} colours and no even areas: a photograph"
        findings.append(report("colours", "fault", hopeless[0].path, words, "left out", len(hopeless)))
    coloured = [item for item in coloured if _can_be_mended(item)]
    if coloured:
        words = f"{coloured[0].mode} with {coloured[0].shades} colours, no ids"
        findings.append(report("colours", "fault", coloured[0].path, words, _repair_of(coloured), len(coloured)))


def _repair_of(coloured: Sequence[MaskFacts]) -> str:
    table = colour_table(list(coloured))
    if not table:
        return _AS_PALETTE
    named = ", ".join(f"#{colour:06x} {number}" for colour, number in list(table.items())[:4])
    return f"colours become ids: {named}" + (" ..." if len(table) > 4 else "")


def _is_binary(item: MaskFacts) -> bool:
    """It shows 0 and 255 only, perhaps with soft edges."""
    return not item.lossy and (item.is_soft_binary or item.shown - set(item.phantoms) == {VOID})


def _judge_values(
    report: Reporter, good: Mapping[str, MaskFacts], size: tuple[int, int], findings: list[Finding]
) -> MaskRepair:
    items = list(good.values())
    rules, listed = report.video.rules, {item.id for item in report.video.listed or ()}
    hard = [item for item in items if not _is_binary(item) and not item.lossy and item.mode not in SIXTEEN_BIT]
    real = frozenset(listed | {value for item in hard for value in item.shown - set(item.phantoms)})
    if rules.single_object:
        soft = [item for item in items if item.phantoms]
        _report_soft(report, soft, findings)
        _report_black(report, [item for item in items if item.dark], findings)
        return MaskRepair(size, single_object=True, real=real, binary_id=1)
    table = colour_table([item for item in items if item.colours])
    binary = [item for item in items if _is_binary(item)]
    others = (real - {VOID}) | {number for number in table.values() if number}
    binary_id = 1 if len(others) == 0 else next(iter(others)) if len(others) == 1 else 0
    if binary and (others or not rules.binary):
        words = "0 and 255 only: 255 means void, so there is no object in it"
        repair = (
            f"255 becomes id {binary_id}" if binary_id else "left out: which of the objects is meant cannot be told"
        )
        findings.append(report("binary", "fault", binary[0].path, words, repair, len(binary)))
    soft = [item for item in binary if item.shades > 2 + (0 in dict(item.counts))]
    soft += [item for item in hard if true_phantoms(item.phantoms, len(item.shown), real)]
    _report_soft(report, soft, findings)
    _report_black(report, [item for item in hard if item.dark and item.is_indexed], findings)
    return MaskRepair(size, real=real, binary_id=binary_id, colours=table)


def _report_soft(report: Reporter, items: Sequence[MaskFacts], findings: list[Finding]) -> None:
    if not items:
        return
    first = items[0]
    number = len(first.phantoms) or first.shades - 2
    words = f"antialiased edges: {number} values between the real ones, each of which would be an object"
    repair = "cut at half" if first.is_soft_binary else "such pixels take the nearest id"
    findings.append(report("soft", "fault", first.path, words, repair, len(items)))


def _report_black(report: Reporter, items: Sequence[MaskFacts], findings: list[Finding]) -> None:
    if items:
        ids = names_found([str(value) for value in sorted(items[0].shown)], 4)
        words = f"looks black, but shows id {ids}"
        findings.append(report("black", "remark", items[0].path, words, f"{_AS_PALETTE}; ids stay", len(items)))


def ids_of(item: MaskFacts, mask_repair: MaskRepair) -> frozenset[int]:
    """The ids that a mask shows once it is mended, by its facts."""
    if mask_repair.single_object:
        return frozenset({1} if item.shown or item.colours else ())
    if item.lossy or _is_binary(item):
        return frozenset({mask_repair.binary_id or 1})
    if item.colours:
        return frozenset(mask_repair.colours[colour] for colour, _ in item.colours) - {0, VOID}
    shown = item.shown if item.mode not in SIXTEEN_BIT else {min(value, VOID) for value in item.shown}
    return frozenset(shown - true_phantoms(item.phantoms, len(item.shown), mask_repair.real)) - {0, VOID}
