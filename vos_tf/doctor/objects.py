"""What is wrong with the objects of a video as its masks show them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from vos_tf.datasets.findings import Finding, Level
from vos_tf.datasets.listing import names_found
from vos_tf.doctor.frames import Reporter
from vos_tf.doctor.masks import MaskPlan
from vos_tf.media.label_maps import VOID


def judge_objects(report: Reporter, plan: MaskPlan, findings: list[Finding]) -> None:
    """Findings about objects; new ids go into the plan's mask_repair."""
    video = report.video
    place = next(iter(plan.files.values()), video.frames[0] if video.frames else report.root)
    if video.reader is not None:
        return
    if not video.masks:
        findings.append(report("masks", "fault", video.frames[0].parent, "no masks", "the video is left out"))
        return
    shown = frozenset().union(*plan.ids.values()) if plan.ids else frozenset()
    if not shown:
        words = "no mask shows an object"
        findings.append(report("objects", "fault", place.parent, words, "the video is left out", len(video.masks)))
        return
    _judge_first(report, plan, findings)
    if video.rules.single_object:
        return
    renumbered: dict[int, int] = {}
    if video.rules.first_mask:
        first = next(ids for ids in plan.ids.values() if ids)
        late = sorted(shown - first)
        if late:
            who = "id {} comes" if len(late) == 1 else "ids {} come"
            words = who.format(names_found([str(number) for number in late], 4))
            words += " after the first mask; DAVIS follows the objects of the first mask only"
            findings.append(report("late objects", "fault", place.parent, words, "becomes void, which is not scored"))
            renumbered = dict.fromkeys(late, VOID)
            shown = first
    _judge_list(report, shown, findings)
    if sorted(shown) != list(range(1, len(shown) + 1)):
        words = f"ids {names_found([str(number) for number in sorted(shown)], 6)}, not 1 to {len(shown)}"
        renumbered |= {old: new for new, old in enumerate(sorted(shown), start=1)}
        repair = f"renumbered 1 to {len(shown)} in their order"
        findings.append(report("ids", "remark", place.parent, words, repair, len(plan.files)))
    plan.mask_repair = replace(plan.mask_repair, ids=renumbered)


def _judge_first(report: Reporter, plan: MaskPlan, findings: list[Finding]) -> None:
    frames = [path.stem for path in report.video.frames]
    level: Level = "fault" if report.video.rules.first_mask else "remark"
    repair = "the video begins with the first frame whose mask shows an object"
    name, ids = next(iter(plan.ids.items()))
    if not ids:
        words = f"the first mask, of frame {name}, shows no object"
        findings.append(report("empty first mask", level, plan.files[name], words, repair))
    elif report.video.rules.first_mask and name != frames[0]:
        words = f"the first frame, {frames[0]}, has no mask"
        findings.append(report("masks", "fault", report.video.frames[0], words, repair))


def _judge_list(report: Reporter, shown: frozenset[int], findings: list[Finding]) -> None:
    """Objects that a list names and those that the masks show."""
    if report.video.listed is None:
        return
    listed = {item.id for item in report.video.listed}
    place = report.video.masks[0].parent
    contradictions: tuple[tuple[Set[int], Level, str, str], ...] = (
        (shown - listed, "fault", "shown by masks, but not listed", "listed, without a category"),
        (listed - shown, "remark", "listed, but shown by no mask", "taken off the list"),
    )
    for ids, level, words, repair in contradictions:
        if ids:
            text = f"object {names_found([str(number) for number in sorted(ids)], 4)}: {words}"
            findings.append(report("list", level, place, text, repair, len(ids)))
