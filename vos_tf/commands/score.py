"""``vos-tf score``: official numbers for a folder of result masks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from vos_tf.commands.workers import WORKERS

RESULTS = typer.Argument(..., help="Folder with <sequence>/<frame>.png.", show_default=False)
DATASET = typer.Option(..., "--dataset", help="davis2016, davis2017, youtube-vos, folder or synthetic.")
ROOT = typer.Option(..., "--root", help="Folder of the data set.")
SPLIT = typer.Option(..., "--split", help="Split of the data set: val, valid, train-val.")
PROTOCOL = typer.Option(
    None,
    "--protocol",
    help="davis2016, davis2017, davis2017-unsupervised, youtube-vos or folder; that of the data set if not given.",
)
JSON = typer.Option(None, "--json", help="Write all scores to this file.")
CSV = typer.Option(None, "--csv", help="Write the tables to this file.")
HTML = typer.Option(None, "--html", help="Write a report with plots and pictures to this file.")
MISSING = typer.Option("refuse", "--missing", help="Missing masks: refuse, or zero (score them as empty).")
DECAY = typer.Option("fixed", "--decay", help="fixed, or official (with its 8-bit defect in long videos).")


def score(
    results: Path = RESULTS,
    dataset: str = DATASET,
    root: Path = ROOT,
    split: str = SPLIT,
    protocol: str | None = PROTOCOL,
    json: Path | None = JSON,
    csv: Path | None = CSV,
    html: Path | None = HTML,
    workers: int = WORKERS,
    missing: Literal["refuse", "zero"] = MISSING,
    measures: str = typer.Option("J,F", "--measures", help="Of J, F and T; T (jitter) with davis2016 only, slow."),
    decay: Literal["fixed", "official"] = DECAY,
    explain: str | None = typer.Option(
        None, "--explain", metavar="SEQUENCE", help="Show how the protocols differ on this sequence."
    ),
) -> None:
    """Score a folder of result masks with the official measures, locally."""
    from rich.console import Console

    from vos_tf.datasets import open_dataset
    from vos_tf.evaluation.console import print_explanation, print_preflight, print_table
    from vos_tf.evaluation.scoring import score_results

    console = Console()
    opened = open_dataset(dataset, root, split)
    if explain is not None:
        from vos_tf.evaluation.explanation import explain_sequence

        print_explanation(explain, explain_sequence(results, opened, explain), console)
        return
    table = score_results(
        results,
        opened,
        protocol=protocol,
        workers=workers,
        missing=missing,
        measures=tuple(measure.strip().upper() for measure in measures.split(",")),
        decay=decay,
        on_preflight=lambda found: print_preflight(found, console),
    )
    if json is not None:
        table.write_json(json)
    if csv is not None:
        table.write_csv(csv)
    if html is not None:
        from vos_tf.report.page import write_report

        write_report(table, opened, results, html)
    print_table(table, console)
