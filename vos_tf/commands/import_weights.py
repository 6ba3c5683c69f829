"""``vos-tf import``: a checkpoint of an original project as a model of vos_tf."""

from __future__ import annotations

from pathlib import Path

import typer

from vos_tf.methods.registry import all_methods


def kinds_of_checkpoints() -> str:
    """What can be imported, for help."""
    kinds = {name: note for method in all_methods() for name, note in method.checkpoint_kinds.items()}
    told = [f"{name} ({note})" if note else name for name, note in kinds.items()]
    return f"{', '.join(told)}, or torchvision-trunk (an ImageNet classifier)."


def import_weights(
    checkpoint: Path = typer.Argument(..., help="File or folder of the checkpoint."),
    kind: str = typer.Option(..., "--from", metavar="KIND", help=kinds_of_checkpoints()),
    out: Path = typer.Option(..., "--out", help="Model folder to write."),
    settings: list[str] = typer.Option(
        [],
        "--set",
        metavar="KEY=VALUE",
        help="A setting that the checkpoint does not show: --set model.settings.skip_mode=sum",
    ),
) -> None:
    """Turn a checkpoint of an original project into a model folder for VOS_evaluate.py --run, or trunk weights."""
    from vos_tf.commands.tf_logging import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.config import parse_assignments, refuse_unknown
    from vos_tf.jobs.import_checkpoint import import_checkpoint

    given = parse_assignments(settings)
    refuse_unknown(given, ["model"], "")
    refuse_unknown(given.get("model", {}), ["settings"], "model")
    report = import_checkpoint(kind, checkpoint, out, given.get("model", {}).get("settings"))
    if report.left_out:
        typer.echo(f"not needed: {', '.join(report.left_out[:4])}" + (", ..." if len(report.left_out) > 4 else ""))
    found = ", ".join(f"{name} {value}" for name, value in report.found.items())
    typer.echo(f"{report.title} ({found}), {report.parameters:,} parameters: {report.path}")
