"""Validation on videos that a network follows: against the unrolled network, frame counts and failure paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig, run_config
from vos_tf.jobs.train import train_run
from vos_tf.methods.registry import get_method
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import ClipRequest
from vos_tf.pipeline.videos import FOREGROUND, clip_videos
from vos_tf.records.manifest import Manifest, read_manifest
from vos_tf.training.video_validation import VideoValidation

SIZE = (32, 48)


@pytest.fixture
def manifest(tiny_records: Path) -> Manifest:
    return read_manifest(tiny_records)


@pytest.fixture
def network() -> Any:
    settings = {"size": SIZE, "state_filters": 8, "decoder_filters": [8, 6, 4]}
    method = get_method("s2s")
    return method.build(method.resolve_settings("small", settings))


class Copyist:
    """A network without weights that says the first mask again and again; its state is the mask."""

    settings = SimpleNamespace(size=None)

    def start(self, image: Any, mask: Any) -> Any:
        return mask

    def step(self, image: Any, state: Any) -> tuple[Any, Any]:
        return 2 * state - 1, state


def foreground() -> ClipOptions:
    return ClipOptions(clip_length=2, objects="foreground")


def test_stepping_gives_what_the_unrolled_network_gives(manifest: Manifest, network: Any) -> None:
    found = VideoValidation(network, manifest, foreground(), SIZE, videos=3, frames=4)()
    wanted = []
    reader = ClipReader(manifest, SIZE)
    for index, video in enumerate(clip_videos(manifest)[:3]):
        first = next(frame for frame, ids in enumerate(video.mask_ids) if ids)
        frames = tuple(range(first, min(first + 5, len(video.mask_ids))))
        clip = reader.read(ClipRequest(0, index, (FOREGROUND,), frames, (True,) * len(frames), 0))
        masks = tf.constant((clip.labels[:1] == 1)[None], tf.float32)
        logits = network(tf.constant(clip.frames[None], tf.float32), masks).numpy()[0, :, 0]
        for said, labels in zip(logits > 0, clip.labels[1:], strict=True):
            said, there = said & (labels != 255), labels == 1
            union = (said | there).sum()
            wanted.append((said & there).sum() / union if union else 1.0)
    assert found == pytest.approx(np.mean(wanted), abs=1e-3)


@pytest.mark.parametrize("objects", ["one", "all"])
def test_several_objects_are_followed_at_once(manifest: Manifest, objects: str) -> None:
    options = ClipOptions(clip_length=2, objects=objects)
    validation: Any = VideoValidation(Copyist(), manifest, options, SIZE, videos=99, frames=0)
    wanted = []
    for run in validation._runs:
        first = validation._frame(run, run.first).labels[0]
        for index in range(run.first + 1, run.end):
            labels = validation._frame(run, index).labels[0]
            for key in range(1, len(run.objects) + 1):
                union = ((first == key) | (labels == key)).sum()
                wanted.append(((first == key) & (labels == key)).sum() / union if union else 1.0)
    assert max(len(run.objects) for run in validation._runs) > 1
    assert validation() == pytest.approx(np.mean(wanted), abs=1e-6)


def test_frames_without_a_mask_are_seen_but_do_not_count(manifest: Manifest) -> None:
    video = manifest.videos[0]
    masks = [list(record.masks) for record in video]
    blind = replace(
        video[0],
        masks=tuple((place, 0 if index == 2 else size) for index, (place, size) in enumerate(masks[0])),
        mask_ids=tuple(() if index == 2 else ids for index, ids in enumerate(video[0].mask_ids)),
    )
    others = tuple(record for record in manifest.records if record is not video[0])
    scores = []
    for records in (manifest.records, (blind, *others)):
        validation: Any = VideoValidation(
            Copyist(), replace(manifest, records=records), foreground(), SIZE, videos=1, frames=0
        )
        scores.append(list(validation._follow(validation._runs[0])))
    assert scores[1] == scores[0][:1] + scores[0][2:]


def test_training_is_judged_by_videos(tiny_run: RunConfig, tmp_path: Path) -> None:
    training = replace(tiny_run.training, validation="videos", validation_frames=3, n_epochs=2, ema=0.5, patience=5)
    result = train_run(replace(tiny_run, training=training), tmp_path / "run")
    assert all(row.validation_j is not None and 0 <= row.validation_j <= 1 for row in result.history)
    assert all(row.validation_loss is None for row in result.history)
    assert (tmp_path / "run" / "best.network.weights.h5").is_file()


def test_what_cannot_be_validated_is_refused(manifest: Manifest, network: Any, tiny_run: RunConfig) -> None:
    with pytest.raises(VosError, match=r"training\.validation videos: expected a network that keeps a state"):
        VideoValidation(object(), manifest, foreground(), SIZE, videos=1, frames=0)
    record = manifest.records[0]
    item = next(item for item in record.objects if 0 in item.frames)
    lone = replace(
        record,
        masks=(record.masks[0], *((place, 0) for place, _ in record.masks[1:])),
        mask_ids=((item.id,), *((),) * (len(record.masks) - 1)),
        objects=(replace(item, frames=(0,)),),
    )
    with pytest.raises(VosError, match="expected videos with an annotated frame behind a first mask"):
        VideoValidation(network, replace(manifest, records=(lone,)), foreground(), SIZE, videos=1, frames=0)
    for values, words in (
        ({"validation": "films"}, "training.validation: expected one of clips, videos"),
        ({"validation": "videos", "best_by": "loss"}, "training.best_by loss: expected training.validation clips"),
        ({"validation_size": [0, 5]}, "training.validation_size: expected height and width"),
    ):
        with pytest.raises(VosError, match=words):
            run_config({"training": values})
