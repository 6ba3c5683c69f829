"""``vos-tf show``: contact sheets of a data set's sequences with their masks, or of training batches."""

from __future__ import annotations

from pathlib import Path

import typer

VIDEO = typer.Option([], "--video", help="A sequence to draw; may be repeated.")
SET = typer.Option([], "--set", metavar="KEY=VALUE", help="Any key of the configuration: --set augment.flip=1")


def show(
    what: str = typer.Argument("", help="Layout of a data set, folder of records, or run folder.", show_default=False),
    root: Path | None = typer.Option(None, "--root", help="Folder of the data set; data/<layout> if not given."),
    split: str = typer.Option("train", "--split", help="Split of the data set."),
    out: Path = typer.Option(Path("sheets"), "--out", help="Folder of the sheets."),
    video: list[str] = VIDEO,
    videos: int = typer.Option(12, "--videos", help="Number of sequences, spread over all; 0: all."),
    frames: int = typer.Option(8, "--frames", help="Frames of each sequence."),
    width: int = typer.Option(320, "--width", help="Of each picture, in pixels."),
    recipe: str | None = typer.Option(None, "--recipe", help="Draw training batches of a recipe."),
    config: Path | None = typer.Option(None, "--config", help="Draw training batches of a configuration file."),
    assignments: list[str] = SET,
    batches: int = typer.Option(4, "--batches", help="Number of training batches."),
    epoch: int = typer.Option(0, "--epoch", help="Of training, from 0."),
) -> None:
    """Draw contact sheets (PNG) of sequences with their masks.

    With a run folder, --recipe or --config: of training batches, exactly as the network gets them.
    """
    is_run = bool(what) and (Path(what) / "config.yaml").is_file()
    if not (is_run or recipe or config):
        from vos_tf.jobs.show import ShowRequest, show_sequences

        written = show_sequences(ShowRequest(what, root, split, out, tuple(video), videos, frames, width))
    else:
        from vos_tf.commands.tf_logging import quiet_tensorflow

        quiet_tensorflow()
        from vos_tf.config import layered
        from vos_tf.jobs.run_config import run_config
        from vos_tf.jobs.show_batches import show_batches

        own = Path(what) / "config.yaml" if is_run else config
        records = {} if is_run or not what else {"data": {"records": what}}
        settings = run_config(layered(own, recipe, assignments, records))
        written = show_batches(settings, out, count=batches, epoch=epoch, width=width)
    typer.echo(f"sheets: {out} ({len(written)} file{'s' if len(written) != 1 else ''})")
