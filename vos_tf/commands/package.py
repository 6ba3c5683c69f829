"""``vos-tf package``: the zip that evaluation servers and organisers expect, checked before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from vos_tf.commands.score import ROOT

RESULTS = typer.Argument(None, help="Folder with <sequence>/<frame>.png; not with --check.")
SPLIT = typer.Option(..., "--split", help="Split of the data set: val, test-dev, valid, test.")
PROTOCOL = typer.Option(..., "--protocol", help="Whose layout the zip has.")
OUT = typer.Option(None, "--out", help="The zip to write.")
CHECK = typer.Option(None, "--check", help="A zip made by anyone, to be checked instead.")


def package(
    results: Path | None = RESULTS,
    protocol: Literal["davis2017", "youtube-vos", "tianchi"] = PROTOCOL,
    root: Path = ROOT,
    split: str = SPLIT,
    out: Path | None = OUT,
    check: Path | None = CHECK,
) -> None:
    """Write results as a submission zip, or check one: frames, sizes, ids, indexed PNG, folders inside."""
    from vos_tf.datasets import open_dataset
    from vos_tf.errors import VosError
    from vos_tf.evaluation.packages import check_package, write_package

    dataset = open_dataset(protocol, root, split)
    if check is not None and results is None and out is None:
        count = check_package(check, dataset, protocol)
        typer.echo(f"{check}: {count} masks, as {protocol} expects them ({dataset.split}, {dataset.fingerprint})")
    elif check is None and results is not None and out is not None:
        count = write_package(results, dataset, protocol, out)
        typer.echo(f"{out}: {count} masks written ({dataset.split}, {dataset.fingerprint})")
    else:
        raise VosError("package: expected RESULTS with --out, or --check alone")
