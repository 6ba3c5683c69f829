"""``preprocess.py`` and ``vos-tf preprocess``: a data set becomes records, once, before training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vos_tf.commands.workers import HELP
from vos_tf.text import counted

if TYPE_CHECKING:
    from vos_tf.records.manifest import Manifest

ROOT = typer.Option(None, "--root", help="Folder of the data set.")
OUT = typer.Option(None, "--out", help="Folder of the records; records/DATASET-SPLIT-SIZE if not given.")
SET = typer.Option([], "--set", metavar="KEY=VALUE", help="Any key, as in data.options.min_area=0.01")
CONFIG = typer.Option(
    None, "--config", help="Configuration file for what is not given; config.yaml of this folder if not given."
)


def preprocess(
    dataset: str | None = typer.Option(None, "--dataset", help="Layout: davis2016, youtube_vos, folder, ..."),
    root: Path | None = ROOT,
    split: str | None = typer.Option(None, "--split", help="Which split, for example train."),
    out: Path | None = OUT,
    size: str | None = typer.Option(
        None, "--size", help="HEIGHTxWIDTH, short:480 (shorter side) or native; the network's size if not given."
    ),
    shards: int | None = typer.Option(None, "--shards", min=1, help="Number of files; about 150 MB each if not given."),
    workers: int | None = typer.Option(None, "--workers", min=0, help=HELP),
    verify: bool = typer.Option(False, "--verify", help="Check every checksum and decode every record."),
    skip_bad: bool = typer.Option(False, "--skip-bad", "--skip_bad", help="Leave out videos with problems."),
    config: Path | None = CONFIG,
    assignments: list[str] = SET,
) -> None:
    """Write a split of a data set as records for training; run it again to continue, or to find it finished."""
    from vos_tf.commands.tf_logging import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.config import folders, layered
    from vos_tf.datasets.registry import open_dataset
    from vos_tf.errors import VosError
    from vos_tf.jobs.run_config import run_config
    from vos_tf.records.manifest import MANIFEST, read_manifest
    from vos_tf.records.preprocess import preprocess as write
    from vos_tf.records.verify import verify_records

    given = {
        "dataset": dataset,
        "root": None if root is None else str(root),
        "split": split,
        "records": None if out is None else str(out),
        "size": size,
        "workers": workers,
    }
    run = run_config(layered(config, None, assignments, {"data": given}))
    if len(folders(run.data.records)) > 1:
        raise VosError(f"data.records: expected one folder to write, found {run.data.records}; say which with --out")
    finished = (run.records / MANIFEST).exists()
    if verify and finished:
        manifest = read_manifest(run.records)
    else:
        opened = open_dataset(run.data.dataset, run.root, run.data.split, **run.data.options)
        for note in opened.notes:
            typer.echo(f"note: {note}", err=True)
        manifest = write(
            opened,
            run.records,
            size=run.record_size,
            shards=shards,
            workers=run.data.workers,
            skip_bad=skip_bad,
        )
    if verify:
        verify_records(manifest, workers=run.data.workers)
    typer.echo(f"records: {run.records}")
    typer.echo(describe(manifest))
    if verify:
        typer.echo("verified: every checksum agrees, and every record decodes")
    elif finished:
        typer.echo("finished before: nothing to do")


def describe(manifest: Manifest) -> str:
    """A manifest in one line."""
    megabytes = sum(shard.bytes for shard in manifest.shards) / 1e6
    text = (
        f"{manifest.dataset} {manifest.split} at {manifest.size}: {counted(len(manifest.videos), 'video')}, "
        f"{counted(manifest.frame_count, 'frame')}, {counted(len(manifest.shards), 'file')}, {megabytes:.1f} MB"
    )
    return text + (f"; left out: {', '.join(manifest.skipped)}" if manifest.skipped else "")


def main() -> None:
    """Entry point of ``preprocess.py``."""
    from vos_tf.commands.exit_codes import run as run_command

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(preprocess)
    run_command(app)
