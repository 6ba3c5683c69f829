"""``vos-tf split``: cut the YouTube-VOS training videos into train-train and train-val."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.text import counted

ROOT = typer.Option(..., "--root", help="Folder of YouTube-VOS, with train/.")


def split(
    root: Path = ROOT,
    fraction: float = typer.Option(0.2, "--fraction", min=0.01, max=0.99, help="Share of the videos held out."),
    unseen: int = typer.Option(0, "--unseen", min=0, help="Number of categories that are held out altogether."),
    seed: int = typer.Option(0, "--seed", help="Another seed gives another split; the same one always the same."),
) -> None:
    """Split the training videos of YouTube-VOS, to measure without the server whose masks are not public."""
    from vos_tf.datasets.splits import split_training_videos

    made = split_training_videos(root, fraction=fraction, unseen=unseen, seed=seed)
    typer.echo(f"{root / 'train-train'}: {counted(len(made.training), 'video')}")
    typer.echo(f"{root / 'train-val'}: {counted(len(made.validation), 'video')}")
    if made.unseen:
        typer.echo(f"categories only in train-val: {', '.join(made.unseen)}")
