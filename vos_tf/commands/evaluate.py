"""``VOS_evaluate.py`` and ``vos-tf evaluate``: segment a data set with a trained model, then score the masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typer

from vos_tf.commands.method_options import with_method_options
from vos_tf.commands.workers import WORKERS


@with_method_options
def evaluate(
    scenario_name: str = typer.Option(
        "validation_results", "--scenario-name", "--scenario_name", help="The masks go to results/NAME."
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
    merge: str = typer.Option("argmax", "--merge", help="argmax, soft_aggregation, last_wins or painted."),
    background: str = typer.Option(
        "0.5", "--background", help="Probability an object has to beat, or the name of an implementation: toghi."
    ),
    workers: int = WORKERS,
    overlay: bool = typer.Option(True, "--overlay/--no-overlay", help="An overlay sheet per video."),
    overlay_frames: bool = typer.Option(False, "--overlay-frames", help="An overlay picture per frame."),
    video: bool = typer.Option(False, "--video", help="An overlay video per video."),
    baseline: bool = typer.Option(
        False, "--baseline", help="Repeat each object's first mask instead of running a model: what has to be beaten."
    ),
    zero_shot: bool = typer.Option(
        False, "--zero-shot", help="Give no first masks: score the proposals of a zero-shot model."
    ),
    matched: bool = typer.Option(
        False, "--matched", help="With --zero-shot: score the proposals that match the objects' first masks."
    ),
    instances: bool = typer.Option(
        False, "--instances", help="Write a mask of each object by itself: results/NAME/instances."
    ),
    save_probabilities: str = typer.Option(
        "", "--save-probabilities", metavar="KIND", help="Write probability maps of each object: png or npz."
    ),
    save_adapted: bool = typer.Option(False, "--save-adapted", help="Keep fine-tuned weights in results/NAME/adapted."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Any option of the method: --set finetune.optimizer=sgd"
    ),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Segment every video of a split and write results/NAME/<video>/<frame>.png, scores, overlays and a report."""
    from vos_tf.commands.tf_logging import quiet_tensorflow

    quiet_tensorflow()
    from vos_tf.config import merge as merge_options
    from vos_tf.config import parse_assignments
    from vos_tf.inference.merging.rules import threshold
    from vos_tf.jobs.evaluate import EvaluationRequest, evaluate_run

    folder = results / scenario_name
    if save_adapted:
        options = {"adapted": str(folder / "adapted"), **options}
    request = EvaluationRequest(
        run=run,
        checkpoint=checkpoint,
        dataset=dataset,
        root=root,
        split=split,
        config=config,
        folder=folder,
        protocol=protocol,
        merge=merge,
        background=threshold(background),
        options=merge_options(parse_assignments(assignments, sections=False), options),
        workers=workers,
        overlay=overlay,
        overlay_frames=overlay_frames,
        overlay_video=video,
        baseline=baseline,
        zero_shot=_shots(zero_shot, matched),
        instances=instances,
        probabilities=save_probabilities,
    )
    evaluate_run(request)


def _shots(zero_shot: bool, matched: bool) -> str:
    """The kind of zero-shot evaluation, empty for none."""
    from vos_tf.errors import VosError

    if matched and not zero_shot:
        raise VosError("--matched names proposals after objects: expected --zero-shot beside it, found none")
    return ("matched" if matched else "proposals") if zero_shot else ""


def main() -> None:
    """Entry point of ``VOS_evaluate.py``."""
    from vos_tf.commands.exit_codes import run as run_command

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(evaluate)
    run_command(app)


if __name__ == "__main__":
    main()
