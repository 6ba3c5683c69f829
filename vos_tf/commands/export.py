"""``vos-tf export``: a trained model as SavedModel, for plain TensorFlow."""

from __future__ import annotations

from pathlib import Path

import typer


def export(
    run: Path = typer.Argument(..., help="Run or model folder."),
    out: Path = typer.Option(..., "--out", help="Folder of the SavedModel; replaced if it exists."),
    merge: str = typer.Option("argmax", "--merge", help="argmax, soft_aggregation or last_wins."),
    background: float = typer.Option(0.5, "--background", help="Probability an object has to beat."),
) -> None:
    """Write a SavedModel with the signatures start, step and serving_default, and check it against the segmenter."""
    from vos_tf.commands.tf_logging import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.api import load
    from vos_tf.inference.merging.rules import MergeRule
    from vos_tf.jobs.export import export_checked

    segmenter = load(run, rule=MergeRule(merge, background))
    report = export_checked(segmenter, out)
    typer.echo(f"SavedModel: {out}")
    typer.echo(
        f"against the segmenter: largest difference {report.probability_difference:.2g} in probability, "
        f"{report.pixels_different} of {report.pixels} pixels differ"
    )
