"""Evaluation of a trained model on a split: masks, overlays, scores, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from vos_tf.config import layered, one_of
from vos_tf.datasets import Dataset, open_dataset
from vos_tf.errors import ProblemsError, VosError
from vos_tf.files import sha256
from vos_tf.inference.baseline import FirstMaskSegmenter
from vos_tf.inference.dataset_run import segment_dataset
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.options import result_options
from vos_tf.inference.results_folder import ExtraOutputs, Provenance, claim_results
from vos_tf.inference.session import VideoSegmenter
from vos_tf.jobs.run_config import RunConfig, read_run_config, run_config
from vos_tf.media.probability_maps import PROBABILITY_KINDS
from vos_tf.media.video_writer import check_video_writing
from vos_tf.methods.load import find_model, load_model
from vos_tf.methods.registry import get_method
from vos_tf.models.video_network import VideoNetwork
from vos_tf.models.weights import CONFIG, WEIGHTS, load_weights
from vos_tf.training.checkpoints import POSITION

VALIDATION_SPLITS = {
    "davis2016": "val",
    "davis2017": "val",
    "youtube_vos": "valid",
    "tianchi": "train-val",
    "synthetic": "valid",
}
DEFAULT_RUN = Path("runs/default")
PROPOSALS_PROTOCOL = "davis2017-unsupervised"


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate; ``None`` means the run's own.

    Attributes:
        run: Run folder.
        checkpoint: Model folder, checkpoint of a run or weights file, instead of the run's final model.
        dataset: Layout.
        root: Its folder.
        split: Its split.
        config: Configuration file for what the run does not say.
        folder: Where results go.
        protocol: How to score.
        merge: Name of the merge rule.
        background: Its background plane.
        options: How the model segments, where it differs from its defaults (`Method.options`).
        workers: Processes for scoring; 0: one per core.
        overlay: Whether to draw an overlay sheet per video.
        overlay_frames: Whether to draw an overlay per frame.
        overlay_video: Whether to write an overlay video per video.
        baseline: Repeat each object's first mask instead of running a model.
        zero_shot: No first masks: ``proposals`` are scored, or those ``matched`` with first masks; empty: one-shot.
        instances: Whether to write a mask of each object by itself.
        probabilities: Kind of the files of probability maps to write, ``png`` or ``npz``; empty: none.
    """

    run: Path | None
    checkpoint: Path | None
    dataset: str | None
    root: Path | None
    split: str | None
    config: Path | None
    folder: Path
    protocol: str | None = None
    merge: str = "argmax"
    background: float = 0.5
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 0
    overlay: bool = True
    overlay_frames: bool = False
    overlay_video: bool = False
    baseline: bool = False
    zero_shot: str = ""
    instances: bool = False
    probabilities: str = ""

    def __post_init__(self) -> None:
        if self.probabilities:
            one_of("--save-probabilities", self.probabilities, PROBABILITY_KINDS)


def evaluate_run(request: EvaluationRequest) -> None:
    """Segment the split, draw overlays, and score where there is ground truth; an interrupted run continues."""
    if request.overlay_video:
        check_video_writing()
    dataset = requested_dataset(request)
    segmenter, scenario = _prepare(request, dataset)
    claim_results(request.folder, scenario)
    for note in dataset.notes:
        sys.stderr.write(f"note: {note}\n")
    extra = ExtraOutputs(request.background if request.instances else None, request.probabilities)
    segment_dataset(segmenter, dataset, request.folder, extra)
    if request.overlay:
        draw_overlays(dataset, request.folder)
    if request.overlay_frames or request.overlay_video:
        draw_products(dataset, request)
    if has_ground_truth(dataset):
        score(request, dataset, PROPOSALS_PROTOCOL if request.zero_shot == "proposals" else segmenter.protocol)
    else:
        sys.stderr.write(f"{dataset.name} {dataset.split} has no masks beyond first frames: nothing to score\n")
    sys.stdout.write(f"masks: {request.folder}\n")


def _prepare(request: EvaluationRequest, dataset: Dataset) -> tuple[VideoSegmenter, Provenance]:
    where = (f"{dataset.name} {dataset.split}", dataset.fingerprint)
    if request.baseline:
        if request.zero_shot:
            raise VosError("--baseline repeats first masks: expected no --zero-shot, found both")
        return FirstMaskSegmenter(), Provenance("first mask repeated", *where, {})
    found = requested_network(request)
    _check_shots(found, request.zero_shot)
    rule = MergeRule(request.merge, request.background)
    given = {**request.options, "objects": request.zero_shot} if request.zero_shot else request.options
    options = get_method(found.model).resolve_options(found.network, given)
    settings = {"merge": rule.name, "background": rule.background, **result_options(options)}
    settings["network"] = found.network.get_config()["settings"]
    segmenter = get_method(found.model).make_segmenter(found.network, rule, options)
    return segmenter, Provenance(sha256(found.weights), *where, settings)


def _check_shots(found: Found, zero_shot: str) -> None:
    """Refuse to give masks to a network that finds objects itself, and the reverse."""
    origin = get_method(found.model).objects_from(found.network.get_config()["settings"])
    if zero_shot and origin == "foreground":
        raise VosError(
            f"--zero-shot: expected a model that proposes objects, found {found.model}, which finds the "
            "foreground without masks anyway: leave the option out; --set objects=given shares the foreground out "
            "among the objects of first masks"
        )
    if origin == "proposals" and not zero_shot:
        raise VosError(
            f"{found.weights}: expected a one-shot network, as objects are given by their first masks, found a "
            "zero-shot one, which finds objects itself: add --zero-shot, or --zero-shot --matched to score the "
            "proposals that match the first masks"
        )
    if zero_shot and origin == "masks":
        raise VosError(
            f"{found.weights}: expected a zero-shot network, as --zero-shot was given, found a one-shot one, which "
            "needs first masks: leave --zero-shot out, or choose a model with mask_input: false"
        )


def _run_config(request: EvaluationRequest) -> RunConfig:
    path = (request.run or DEFAULT_RUN) / "config.yaml"
    return read_run_config(path) if path.is_file() else run_config(layered(request.config, None, [], {}))


def requested_dataset(request: EvaluationRequest) -> Dataset:
    """The split to evaluate on."""
    name, root = request.dataset, request.root
    if name is None or root is None:
        config = _run_config(request)
        name = name or config.data.dataset
        root = root or Path(config.root if name == config.data.dataset else f"data/{name}")
    split = request.split or VALIDATION_SPLITS.get(name.replace("-", "_"), "val")
    return open_dataset(name, root, split, **_annotation(name, root, request))


def _annotation(name: str, root: Path, request: EvaluationRequest) -> dict[str, Any]:
    """Options of the layout: proposals on DAVIS-2017 are scored against annotation of its own, where that is there."""
    own = name.replace("-", "_") == "davis2017" and (root / "Annotations_unsupervised").is_dir()
    proposals = request.zero_shot == "proposals" and request.protocol in (None, PROPOSALS_PROTOCOL)
    return {"unsupervised": True} if own and proposals else {}


class Found(NamedTuple):
    """A network to evaluate: the model's name, the network itself, and its weights file."""

    model: str
    network: VideoNetwork
    weights: Path


def requested_network(request: EvaluationRequest) -> Found:
    """The network to evaluate."""
    checkpoint = request.checkpoint or _configured_checkpoint(request)
    if checkpoint is not None:
        if (checkpoint / POSITION).is_file():
            run = checkpoint.resolve().parent.parent
            return _with_weights(read_run_config(run / "config.yaml"), checkpoint / WEIGHTS)
        if checkpoint.is_file() and not (checkpoint.name == WEIGHTS and (checkpoint.parent / CONFIG).is_file()):
            return _with_weights(_run_config(request), checkpoint)
    folder = find_model(checkpoint or request.run or DEFAULT_RUN)
    return Found(*load_model(folder), folder / WEIGHTS)


def _configured_checkpoint(request: EvaluationRequest) -> Path | None:
    """``configs.checkpoints_path``; not where there is a run, which may have started from it."""
    if request.run is not None or (DEFAULT_RUN / "config.yaml").is_file():
        return None
    configured = _run_config(request).configs.checkpoints_path
    return Path(configured) if configured else None


def _with_weights(config: RunConfig, file: Path) -> Found:
    """The network of a configuration with weights that come without their own."""
    network = config.method.build(config.network_settings)
    load_weights(network, file)
    return Found(config.model.name, network, file)


def has_ground_truth(dataset: Dataset) -> bool:
    """Whether any object has a mask beyond its first frame."""
    return any(
        set(video.masks) - {item.first_frame for item in video.objects} for video in dataset.videos if video.objects
    )


def draw_overlays(dataset: Dataset, folder: Path) -> None:
    """One overlay sheet per video in ``folder/overlays``."""
    from vos_tf.progress import progress
    from vos_tf.report.overlays import write_overlay_sheet

    with progress("drawing overlays", len(dataset.videos), "videos") as bar:
        for video in dataset.videos:
            write_overlay_sheet(video, folder, folder / "overlays" / f"{video.name}.png")
            bar.advance(note=video.name)


def draw_products(dataset: Dataset, request: EvaluationRequest) -> None:
    """Overlay frames ``folder/overlays/<video>/<frame>.jpg`` and videos ``folder/overlays/<video>.mp4``, as asked."""
    from vos_tf.progress import progress
    from vos_tf.report.dataset_overlays import write_products

    with progress("drawing overlay frames", len(dataset.videos), "videos") as bar:
        for video in dataset.videos:
            out = request.folder / "overlays"
            write_products(video, request.folder, out, frames=request.overlay_frames, mp4=request.overlay_video)
            bar.advance(note=video.name)


def score(request: EvaluationRequest, dataset: Dataset, protocol: str | None = None) -> None:
    """Score the masks; print the table, write scores.json, scores.csv and report.html.

    ``protocol`` stands in where the request names none; without either it is that of the data set.
    Videos without objects have nothing to score; annotation that the protocol cannot score is said, not an error: the
    masks are there.
    """
    from vos_tf.evaluation import score_results
    from vos_tf.evaluation.console import print_table
    from vos_tf.report.page import write_report

    empty = [video.name for video in dataset.videos if not video.objects]
    if empty:
        sys.stderr.write(f"note: videos without objects are not scored: {', '.join(empty)}\n")
        dataset = replace(dataset, videos=tuple(video for video in dataset.videos if video.objects))
    try:
        table = score_results(request.folder, dataset, protocol=request.protocol or protocol, workers=request.workers)
    except ProblemsError:
        raise
    except VosError as error:
        if request.protocol:
            raise
        sys.stderr.write(f"not scored: {error}\n")
        return
    table.write_json(request.folder / "scores.json")
    table.write_csv(request.folder / "scores.csv")
    print_table(table)
    write_report(table, dataset, request.folder, request.folder / "report.html")
    sys.stdout.write(f"report: {request.folder / 'report.html'}\n")
