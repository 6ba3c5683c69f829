"""``vos-tf plot``: curves of loss and scores of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

RUNS = typer.Argument(..., help="Run folders, or their history.csv.", show_default=False)
OUT = typer.Option(None, "--out", help="Picture to write; curves.png in the run folder, or here for several runs.")


def plot(
    runs: list[Path] = RUNS,
    out: Path | None = OUT,
    log: bool = typer.Option(False, "--log/--linear", help="Axis of the loss."),
    smooth: float = typer.Option(0.0, "--smooth", help="Running mean that keeps this share, say 0.9; 0: off."),
    by: Literal["epoch", "updates"] = typer.Option("epoch", "--by", help="What the curves run over."),
) -> None:
    """Draw loss and scores of one or several runs, also while they train, as PNG, SVG or PDF."""
    from vos_tf.report.curves import read_histories, write_curves

    if out is None:
        out = runs[0] / "curves.png" if len(runs) == 1 and runs[0].is_dir() else Path("curves.png")
    write_curves(read_histories(runs), out, log=log, smooth=smooth, by=by)
    typer.echo(f"curves: {out}")
