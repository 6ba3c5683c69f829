"""``VOS.py`` and ``vos-tf train``: train a network; records are made first where they don't exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vos_tf.field_docs import documented_fields
from vos_tf.methods.registry import method_names

if TYPE_CHECKING:
    from vos_tf.training.history import EpochRecord

CONFIG = typer.Option(None, "--config", help="Configuration file; config.yaml of this folder if not given.")
RECIPE = typer.Option(None, "--recipe", help="A recipe that comes with vos_tf, or a .yaml file.")
RUN = typer.Option(Path("runs/default"), "--run", help="Run folder; a run begun before is continued.")
SET = typer.Option([], "--set", metavar="KEY=VALUE", help="Any key of the configuration: --set clips.objects=all")


def _key(key: str, *spellings: str) -> Any:
    """An option for a key of the configuration; its help is what the settings say about it."""
    section, name = key.split(".")
    place = next(item.section for item in documented_fields("vos_tf.jobs.run_config:RunConfig") if item.name == section)
    meaning = next(item.meaning for item in documented_fields(place) if item.name == name)
    return typer.Option(None, *spellings, help=meaning.replace("`", ""))


RECORDS = _key("data.records", "--records")
ROOT = _key("data.root", "--root")


def train(
    n_epochs: int | None = _key("training.n_epochs", "--n_epochs", "--n-epochs"),
    batch_size: int | None = _key("training.batch_size", "--batch_size", "--batch-size", "--batch_Size"),
    lr: float | None = _key("training.lr", "--lr"),
    config: Path | None = CONFIG,
    recipe: str | None = RECIPE,
    run: Path = RUN,
    resume: bool = typer.Option(False, "--resume", help="Insist on continuing: fail if there is no checkpoint."),
    records: Path | None = RECORDS,
    dataset: str | None = _key("data.dataset", "--dataset"),
    root: Path | None = ROOT,
    split: str | None = _key("data.split", "--split"),
    fraction: float | None = _key("data.fraction", "--fraction"),
    model: str | None = typer.Option(None, "--model", help=f"Which method: {', '.join(method_names())}."),
    trunk: str | None = _key("model.trunk", "--trunk"),
    trunk_weights: str | None = _key("model.trunk_weights", "--trunk-weights", "--trunk_weights"),
    weights: str | None = _key("model.weights", "--weights"),
    clip_length: str | None = _key("clips.clip_length", "--clip-length", "--clip_length"),
    strategy: str | None = _key("training.strategy", "--strategy"),
    precision: str | None = _key("training.precision", "--precision"),
    seed: int | None = _key("training.seed", "--seed"),
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
