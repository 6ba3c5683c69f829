"""``vos-tf merge``: label maps from probability maps of any source."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.commands.workers import WORKERS


def merge(
    maps: Path = typer.Argument(
        ..., help="Folder with <video>/<frame>_object_<id>.png or <video>/<id>/<frame>.png; also npz, npy."
    ),
    out: Path = typer.Option(..., "--out", help="Folder for <video>/<frame>.png."),
    rule: str = typer.Option("argmax", "--merge", help="argmax, soft_aggregation or last_wins."),
    background: str = typer.Option(
        "0.5", "--background", help="Probability an object has to beat, or the name of an implementation: toghi."
    ),
    like: Path | None = typer.Option(
        None, "--like", help="Folder of the frames, <video>/<frame>.jpg: label maps get their size."
    ),
    workers: int = WORKERS,
) -> None:
    """Merge one probability map per object and frame into one label map per frame."""
    from vos_tf.inference.merging.rules import MergeRule, threshold
    from vos_tf.jobs.merge import merge_folder

    count = merge_folder(maps, out, MergeRule(rule, threshold(background)), like=like, workers=workers)
    typer.echo(f"{out}: {count} label maps")
