"""``VOS_evaluate.py`` and ``vos-tf evaluate``: segment a data set with a trained model, then score the masks."""

from __future__ import annotations

from pathlib import Path

import typer


def evaluate(
    scenario_name: str = typer.Option(
        "validation_results", "--scenario-name", "--scenario_name", help="The masks go to results/NAME."
    ),
    batch_size: int | None = typer.Option(
        None, "--batch_size", "--batch-size", help="Objects that go through the network together; 0: all of a video."
    ),
    run: Path | None = typer.Option(None, "--run", help="Run folder of the model."),
    checkpoint: Path | None = typer.Option(
        None,
        "--checkpoint",
        help="Model folder, one of a run's checkpoints or a .weights.h5 file, instead of --run's final model.",
    ),
    dataset: str | None = typer.Option(None, "--dataset", help="Layout of the data set; the run's own if not given."),
    root: Path | None = typer.Option(None, "--root", help="Folder of the data set; the run's own if not given."),
    split: str | None = typer.Option(None, "--split", help="Split; the layout's validation split if not given."),
    config: Path | None = typer.Option(None, "--config", help="Configuration file for what is not given."),
    results: Path = typer.Option(Path("results"), "--results", help="Folder of all scenarios."),
    protocol: str | None = typer.Option(None, "--protocol", help="How to score; the layout's own if not given."),
    merge: str = typer.Option("argmax", "--merge", help="argmax, soft_aggregation or last_wins."),
    background: float = typer.Option(0.5, "--background", help="Probability an object has to beat."),
    workers: int = typer.Option(0, "--workers", help="Processes for scoring; 0: one per core."),
    overlay: bool = typer.Option(True, "--overlay/--no-overlay", help="An overlay sheet per video."),
    baseline: bool = typer.Option(
        False, "--baseline", help="Repeat each object's first mask instead of running a model: what has to be beaten."
    ),
) -> None:
    """Segment every video of a split and write results/NAME/<video>/<frame>.png, scores, overlays and a report."""
    from vos_tf.commands.quiet import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.jobs.evaluate import EvaluationRequest, evaluate_run

    request = EvaluationRequest(
        run=run,
        checkpoint=checkpoint,
        dataset=dataset,
        root=root,
        split=split,
        config=config,
        folder=results / scenario_name,
        protocol=protocol,
        merge=merge,
        background=background,
        options={} if batch_size is None else {"objects_per_call": batch_size},
        workers=workers,
        overlay=overlay,
        baseline=baseline,
    )
    evaluate_run(request)


def main() -> None:
    """Entry point of ``VOS_evaluate.py``."""
    from vos_tf.commands.running import run as run_command

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(evaluate)
    run_command(app)


if __name__ == "__main__":
    main()
