"""``vos-tf doctor``: what is wrong with a data set, and a repaired copy."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.commands.workers import WORKERS

ROOT = typer.Argument(..., metavar="DIR", help="Folder of the data set.", show_default=False)
OUT = typer.Option(None, "--out", help="The new folder for the repaired copy.", show_default=False)
JSON = typer.Option(None, "--json", help="Write everything that was found to this file.", show_default=False)


def doctor(
    root: Path = ROOT,
    dataset: str | None = typer.Option(None, "--dataset", help="Layout of DIR; found by itself if not given."),
    fix: bool = typer.Option(False, "--fix", help="Write a repaired copy to --out; DIR is only read."),
    out: Path | None = OUT,
    json: Path | None = JSON,
    workers: int = WORKERS,
) -> None:
    """Look at every frame and mask of a data set, and say in plain words what is wrong.

    The exit code is 1 when there are faults and no copy was asked for. An interrupted repair continues.
    """
    from rich.console import Console

    from vos_tf.doctor.console import print_repair, print_report, print_verdict
    from vos_tf.doctor.diagnose import Repair, Report, diagnose_dataset, repair
    from vos_tf.errors import VosError
    from vos_tf.files import write_json

    if fix != (out is not None):
        raise VosError("doctor: expected --fix and --out together, found one of them")
    console = Console()
    report: Report | None
    made: Repair | None = None
    if out is None:
        report = diagnose_dataset(root, dataset=dataset, workers=workers)
    else:
        report, made = repair(root, out, dataset=dataset, workers=workers)
    if report is not None:
        print_report(report, console)
        console.print()
        print_verdict(report, console)
        if json is not None:
            write_json(json, report.as_json())
    if made is not None:
        print_repair(made, console)
    elif report is not None and report.faults:
        console.print(f"vos-tf doctor {root} --fix --out COPY", style="bold", markup=False, soft_wrap=True)
        raise typer.Exit(1)
