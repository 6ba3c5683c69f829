"""``vos-tf convert``: a data set in another layout."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.commands.workers import WORKERS
from vos_tf.text import counted

ROOT = typer.Argument(..., metavar="DIR", help="Folder of the data set.", show_default=False)
TO = typer.Option(..., "--to", help="Layout to write: davis, youtube-vos, coco, yolo, ...", show_default=False)
OUT = typer.Option(..., "--out", help="The new folder.", show_default=False)


def convert(
    root: Path = ROOT,
    to: str = TO,
    out: Path = OUT,
    dataset: str | None = typer.Option(None, "--dataset", help="Layout of DIR; found by itself if not given."),
    split: str | None = typer.Option(None, "--split", help="The only split to convert; all if not given."),
    workers: int = WORKERS,
) -> None:
    """Write a data set in another layout; converted back, it is the same again.

    DIR is only read. An interrupted run continues where it stopped.
    """
    from vos_tf.convert.converting import convert as write

    made = write(root, to, out, dataset=dataset, split=split, workers=workers)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    if made.finished_before:
        typer.echo("finished before: nothing to do")
    typer.echo(
        f"{root} ({made.source}) -> {out} ({made.layout}): "
        f"{counted(made.videos, 'video')} in {', '.join(made.splits)}, "
        f"{counted(made.frames, 'frame')}, {counted(made.masks, 'mask')}"
    )
