"""``VOS.py`` and ``vos-tf train``: train a network; records are made first where they don't exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vos_tf.methods.registry import method_names

if TYPE_CHECKING:
    from vos_tf.training.history import EpochRecord

CONFIG = typer.Option(None, "--config", help="Configuration file; config.yaml of this folder if not given.")
RECIPE = typer.Option(None, "--recipe", help="A recipe that comes with vos_tf, or a .yaml file.")
RUN = typer.Option(Path("runs/default"), "--run", help="Run folder; a run begun before is continued.")
SET = typer.Option([], "--set", metavar="KEY=VALUE", help="Any key of the configuration: --set clips.objects=all")


def train(
    n_epochs: int | None = typer.Option(None, "--n_epochs", "--n-epochs", help="Passes over the data."),
    batch_size: int | None = typer.Option(
        None, "--batch_size", "--batch-size", "--batch_Size", help="Clips per update, over all devices."
    ),
    lr: float | None = typer.Option(None, "--lr", help="Learning rate."),
    config: Path | None = CONFIG,
    recipe: str | None = RECIPE,
    run: Path = RUN,
    resume: bool = typer.Option(False, "--resume", help="Insist on continuing: fail if there is no checkpoint."),
    records: Path | None = typer.Option(None, "--records", help="Folder of the records; several with commas."),
    dataset: str | None = typer.Option(None, "--dataset", help="Layout to preprocess if there are no records."),
    root: Path | None = typer.Option(None, "--root", help="Folder of the data set."),
    split: str | None = typer.Option(None, "--split", help="Split to train on."),
    fraction: float | None = typer.Option(None, "--fraction", help="Share of each video's annotated frames to use."),
    model: str | None = typer.Option(None, "--model", help=f"Which method: {', '.join(method_names())}."),
    trunk: str | None = typer.Option(None, "--trunk", help="vgg16, mobilenet_v2, small or another."),
    trunk_weights: str | None = typer.Option(
        None, "--trunk-weights", "--trunk_weights", help="imagenet, auto, none, or a .weights.h5 file."
    ),
    weights: str | None = typer.Option(None, "--weights", help="Run, model folder or .weights.h5 to start from."),
    clip_length: str | None = typer.Option(
        None, "--clip-length", "--clip_length", help="Frames of a clip after the first: 7, or a range: 5-11."
    ),
    strategy: str | None = typer.Option(None, "--strategy", help="default, mirrored or multi_worker."),
    precision: str | None = typer.Option(None, "--precision", help="float32, bfloat16 or float16."),
    seed: int | None = typer.Option(None, "--seed", help="Of weights, clips and augmentation."),
    assignments: list[str] = SET,
) -> None:
    """Train a network, and leave it with its history, checkpoints and SavedModel in the run folder."""
    from vos_tf.commands.tf_logging import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.config import layered
    from vos_tf.jobs.run_config import run_config
    from vos_tf.jobs.train import say, train_run

    options = {
        "training": {
            "n_epochs": n_epochs,
            "batch_size": batch_size,
            "lr": lr,
            "strategy": strategy,
            "precision": precision,
            "seed": seed,
        },
        "data": {
            "records": _text(records),
            "dataset": dataset,
            "root": _text(root),
            "split": split,
            "fraction": fraction,
        },
        "model": {"name": model, "trunk": trunk, "trunk_weights": trunk_weights, "weights": weights},
        "clips": {"clip_length": clip_length},
    }
    result = train_run(run_config(layered(config, recipe, assignments, options)), run, resume=resume)
    if not result.finished:
        say(f"stopped; run the same command again to continue {run}")
        return
    typer.echo(_outcome(result.history[-1]) if result.history else "trained before; its history.csv is missing")
    typer.echo(f"model: {run / 'model'}")
    if (run / "saved_model").is_dir():
        typer.echo(f"SavedModel: {run / 'saved_model'}")


def _outcome(last: EpochRecord) -> str:
    score = "" if last.validation_j is None else f", validation J {last.validation_j:.3f}"
    return f"trained {last.epoch} epochs: loss {last.loss:.4f}{score}"


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def main() -> None:
    """Entry point of ``VOS.py``."""
    from vos_tf.commands.exit_codes import run as run_command

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    run_command(app)


if __name__ == "__main__":
    main()
