"""``vos-tf demo``: the whole job on made-up video, by the commands a user would type."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.commands.workers import WORKERS


def demo(
    out: Path = typer.Option(Path("demo"), "--out", help="Folder for everything the demo makes."),
    from_scratch: bool = typer.Option(
        False,
        "--from-scratch",
        help="Train from random weights for half an hour, instead of continuing from those of vos_tf.",
    ),
    workers: int = WORKERS,
) -> None:
    """Generate video, preprocess it, train, segment unseen video, score it and export a SavedModel."""
    from vos_tf.jobs.demo import run_demo

    run_demo(out, from_scratch=from_scratch, workers=workers)
