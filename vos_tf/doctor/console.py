"""Reports of the doctor for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vos_tf.datasets.findings import KINDS, Finding
from vos_tf.doctor.diagnose import Repair, Report
from vos_tf.doctor.diagnose_video import Counts

MOST_SHOWN = 3
"""Findings of one kind that are shown; all of them are in the JSON file."""
_SIZE = "height x width"
_COLOURS = {"fault": "red", "remark": "yellow"}


def print_report(report: Report, console: Console) -> None:
    """Print what a data set holds, then what is wrong with it, faults first."""
    _say(console, f"{report.root}: {report.layout} (known by {report.sign})")
    console.print(_contents(report))
    for split in report.splits:
        words = report.edition(split)
        if words:
            _say(console, f"{split}: {words}")
    for (level, kind), found in groupby(report.findings, key=lambda item: (item.level, item.kind)):
        _print_kind(level, kind, list(found), console)


def print_verdict(report: Report, console: Console) -> None:
    """Print how many findings there are, and what to do about them."""
    if not report.findings:
        console.print("[bold green]nothing found[/]: every frame and mask can be read and used as it is")
        return
    remarks = len(report.findings) - report.faults
    videos = len({(item.split, item.video) for item in report.findings if item.video})
    text = Text.assemble(
        (_counted(report.faults, "fault"), "bold red" if report.faults else "bold"),
        " and ",
        (_counted(remarks, "remark"), "bold yellow" if remarks else "bold"),
        f" in {videos} of {_counted(len(report.videos), 'video')}",
    )
    console.print(text)


def print_repair(repair: Repair, console: Console) -> None:
    """Print what a repaired copy holds."""
    if repair.finished_before:
        _say(console, f"{repair.out}: finished before, nothing to do")
        return
    _say(console, f"{repair.out}: {_counted(repair.videos, 'video')} written, in the layout {repair.layout}")
    if repair.left_out:
        names = ", ".join(repair.left_out[:6])
        more = f" and {len(repair.left_out) - 6} more" if len(repair.left_out) > 6 else ""
        _say(console, f"left out, nothing of use remained: {names}{more}")


def _contents(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("split", "videos", "frames", "masks", "objects", _SIZE):
        table.add_column(column, justify="left" if column in ("split", _SIZE) else "right", no_wrap=True)
    for split, videos in report.splits.items():
        table.add_row(
            split,
            str(len(videos)),
            str(sum(item.frames for item in videos)),
            str(sum(item.masks for item in videos)),
            str(sum(len(item.ids) for item in videos)),
            _sizes(videos),
        )
    return table


def _sizes(videos: Sequence[Counts]) -> str:
    """``480 x 854``, and how many others there are."""
    sizes = Counter(item.size for item in videos if item.size is not None)
    if not sizes:
        return "-"
    (height, width), _ = sizes.most_common(1)[0]
    return f"{height} x {width}" + (f" and {len(sizes) - 1} others" if len(sizes) > 1 else "")


def _print_kind(level: str, kind: str, found: Sequence[Finding], console: Console) -> None:
    videos = len({(item.split, item.video) for item in found})
    where = f"{_counted(sum(item.count for item in found), 'file')}"
    where += f" in {_counted(videos, 'video')}" if any(item.video for item in found) else ""
    console.print()
    console.print(Text.assemble((f"{level}  ", f"bold {_COLOURS[level]}"), (KINDS[kind], "bold"), f"  {where}"))
    for item in found[:MOST_SHOWN]:
        lines = Text.assemble((item.file, "cyan"), f": {item.words}\n", ("repair: ", "dim"), item.repair)
        console.print(Padding(lines, (0, 0, 0, 2)), soft_wrap=False)
    if len(found) > MOST_SHOWN:
        _say(console, f"  and {len(found) - MOST_SHOWN} more such findings (--json writes all of them)")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
