"""From a configuration to a trained run: records, network, training, SavedModel, receipt."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vos_tf.api import load
from vos_tf.config import TrainingSettings, folders
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.files import write_json
from vos_tf.jobs.export import export_checked
from vos_tf.jobs.run_config import RunConfig, differences, environment, read_run_config, write_run_config
from vos_tf.methods.load import find_model, load_model
from vos_tf.models.backbones import MissingWeightsError
from vos_tf.models.video_network import VideoNetwork
from vos_tf.models.weights import load_weights
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.sampling import usable_videos
from vos_tf.pipeline.sources import join_manifests, keep_fraction
from vos_tf.records.manifest import Manifest, read_manifest
from vos_tf.records.preprocess import preprocess
from vos_tf.training.checkpoints import list_checkpoints
from vos_tf.training.loop import Trainer, TrainingData, TrainingResult, prepare_process
from vos_tf.training.strategy import is_chief, make_strategy, set_precision


def say(message: str) -> None:
    """Tell the user something about the work, on the error stream."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def train_run(config: RunConfig, run: Path, *, resume: bool = False) -> TrainingResult:
    """Train what ``config`` says in the folder ``run``; a run begun before is continued.

    Args:
        config: The checked configuration.
        run: Run folder; holds ``config.yaml``, ``history.csv``, ``checkpoints``, ``model``, ``saved_model`` and
            ``receipt.json`` in the end.
        resume: Insist on a checkpoint to continue from.

    Raises:
        VosError: The run was begun with another configuration, there is nothing to resume, or the data is faulty.
    """
    _check_continuation(config, run, resume)
    # Before anything else touches TensorFlow: several workers must be connected first.
    strategy = make_strategy(config.training.strategy)
    prepare_process(config.training)
    set_precision(config.training.precision)
    _check_devices(config.training, strategy)
    data = training_data(config, chief=is_chief(strategy))
    # What evaluation takes for the run's own data set, however the records were named.
    config = replace(config, data=replace(config.data, dataset=data.training.dataset, split=data.training.split))
    objective = config.method.make_objective(config.training.objective, data.clips.objects_per_clip)
    trainer = Trainer(run, config.model.name, network_builder(config), objective, data, config.training, strategy)
    if is_chief(strategy):
        write_run_config(run / "config.yaml", config)
    position = trainer.resume()
    if position is not None:
        say(f"continuing {run} after epoch {position.epoch}, {position.updates} updates")
    result = trainer.train()
    set_precision("float32")
    if result.finished and is_chief(strategy):
        _write_receipt(run, config, data, result)
        if config.training.export:
            _export(run)
    return result


def _export(run: Path) -> None:
    """The final model as SavedModel, checked; in float32 whatever the precision of training was."""
    segmenter = load(run)
    export_checked(segmenter, run / "saved_model")


def _check_continuation(config: RunConfig, run: Path, resume: bool) -> None:
    begun = (run / "config.yaml").is_file() and list_checkpoints(run / "checkpoints")
    if resume and not begun:
        raise VosError(f"{run}: expected a run with checkpoints to resume, found none")
    if begun:
        changed = differences(read_run_config(run / "config.yaml"), config)
        if changed:
            raise VosError(
                f"{run}: expected the settings this run was begun with, found others ({'; '.join(changed)}); "
                "choose another --run, or continue with the old settings"
            )


def _check_devices(settings: TrainingSettings, strategy: Any) -> None:
    replicas, micro_batches = strategy.num_replicas_in_sync, settings.micro_batches
    if settings.batch_size % (replicas * micro_batches):
        raise VosError(
            f"training.batch_size: expected a multiple of {replicas * micro_batches} "
            f"({replicas} devices, {micro_batches} micro-batches), found {settings.batch_size}"
        )


def training_data(config: RunConfig, *, chief: bool = True) -> TrainingData:
    """Manifests to train and validate on; the records are made first where they don't exist yet.

    Of several folders of records, each gives its own share of videos to validate on.

    Raises:
        VosError: Records are missing and cannot be made, or none of their videos has a clip.
    """
    clips = replace(config.clips, size=config.clip_size)
    parts = _read_or_make(config, chief)
    held: list[Manifest | None] = [None] * len(parts)
    if config.data.validation_records:
        held = [read_manifest(folder) for folder in folders(config.data.validation_records)]
    else:
        pairs = [hold_out(part, config.data.validation_fraction, clips) for part in parts]
        parts, held = [training for training, _ in pairs], [validation for _, validation in pairs]
    parts = [keep_fraction(part, config.data.fraction, config.training.seed) for part in parts]
    validation = [part for part in held if part is not None]
    return TrainingData(
        join_manifests(parts, config.data.record_shares),
        join_manifests(validation) if validation else None,
        clips,
        config.augment,
    )


def _read_or_make(config: RunConfig, chief: bool) -> list[Manifest]:
    """The manifests of the training records; of a single folder that does not exist yet, the records are made."""
    several = folders(config.data.records)
    if len(several) > 1:
        return [read_manifest(folder) for folder in several]
    records = config.records
    if not (records / "manifest.json").is_file():
        if not chief:
            raise VosError(f"{records}: expected records, found none; run preprocess.py once before several workers")
        say(f"no records in {records} yet: preprocessing {config.data.dataset} ({config.data.split}) first")
        dataset = open_dataset(config.data.dataset, config.root, config.data.split, **config.data.options)
        preprocess(dataset, records, size=config.record_size, workers=config.data.workers)
    return [read_manifest(records)]


def hold_out(manifest: Manifest, fraction: float, clips: ClipOptions) -> tuple[Manifest, Manifest | None]:
    """Split off every n-th video for validation: at least one unless ``fraction`` is 0, never all of them.

    Only videos that clips can be cut from are counted.
    """
    videos = usable_videos(manifest, clips)
    count = min(max(1, round(len(videos) * fraction)), len(videos) - 1) if fraction > 0 else 0
    if count < 1:
        return manifest, None
    stride = len(videos) / count
    held = {videos[int((index + 0.5) * stride)] for index in range(count)}
    keep = [record for record in manifest.records if record.video not in held]
    away = [record for record in manifest.records if record.video in held]
    return replace(manifest, records=tuple(keep)), replace(manifest, records=tuple(away))


def network_builder(config: RunConfig) -> Callable[[], Any]:
    """A function that builds the network with the weights it starts from."""

    def build() -> Any:
        network = config.method.build(config.network_settings)
        start = config.model.weights or config.configs.checkpoints_path
        if start and start != "none":
            _start_from(network, Path(start), config.method.same_weights)
        else:
            _load_trunk(network, config.model.trunk_weights)
        return network

    return build


def _start_from(network: VideoNetwork, path: Path, same_weights: frozenset[str]) -> None:
    if path.name.endswith(".weights.h5"):
        load_weights(network, path)
        return
    name, other = load_model(find_model(path))
    if type(other) is not type(network):
        raise VosError(f"{path}: expected a model of the kind of this run, found {name}")
    ours, theirs = network.get_config()["settings"], other.get_config()["settings"]
    changed = [key for key in ours if ours[key] != theirs[key] and key not in same_weights]
    if changed:
        others = "; ".join(f"{key} {theirs[key]}, here {ours[key]}" for key in changed)
        raise VosError(f"{path}: expected a model with the settings of this run, found others ({others})")
    network.set_weights(other.get_weights())


def _load_trunk(network: VideoNetwork, source: str) -> None:
    if source == "none":
        return
    try:
        network.load_trunk_weights("imagenet" if source == "auto" else source)
    except VosError as error:
        if source != "auto":
            raise
        if isinstance(error, MissingWeightsError):
            return
        warnings.warn(f"training starts from random weights: {error}", stacklevel=2)


def _write_receipt(run: Path, config: RunConfig, data: TrainingData, result: TrainingResult) -> None:
    last = result.history[-1] if result.history else None
    write_json(
        run / "receipt.json",
        {
            "environment": environment(),
            "dataset": {
                "name": data.training.dataset,
                "split": data.training.split,
                "fingerprint": data.training.fingerprint,
                "sources": [
                    {"name": source.dataset, "split": source.split, "fingerprint": source.fingerprint}
                    for source in data.training.sources
                ],
                "training_videos": len({record.video for record in data.training.records}),
                "validation_videos": len({record.video for record in data.validation.records})
                if data.validation
                else 0,
            },
            "seed": config.training.seed,
            "deterministic": config.training.deterministic,
            "clips": asdict(data.clips),
            "epochs": len(result.history),
            "last_epoch": asdict(last) if last else None,
            "scores": {"validation_j": last.validation_j if last else None},
            "protocol": "mean J over validation clips at the network's size, threshold 0.5",
        },
    )
