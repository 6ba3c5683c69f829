"""Stages of training: clips that grow with the epochs, annotated frames before all frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.pipeline.clips import clip_batches, steps_per_epoch
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.sampling import count_clips, plan_epoch
from vos_tf.records.manifest import Manifest, read_manifest
from vos_tf.records.preprocess import preprocess


@pytest.fixture(scope="module")
def manifest(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Records of videos of which every third frame is annotated."""
    dataset = open_dataset("synthetic", tiny_world, "train")
    thinned = []
    for video in dataset.videos:
        kept = {name: path for name, path in video.masks.items() if video.frame_names.index(name) % 3 == 0}
        shown = {frame: np.unique(video.read_mask(frame)) for frame in kept}
        objects = []
        for item in video.objects:
            frames = [frame for frame in video.frame_names if frame in item.frames]
            first = next((frame for frame in frames if frame in kept and item.id in shown[frame]), None)
            if first is not None:
                objects.append(replace(item, first_frame=first, frames=tuple(frames[frames.index(first) :])))
        thinned.append(replace(video, masks=kept, objects=tuple(objects)))
    folder = tmp_path_factory.mktemp("thinned") / "records"
    preprocess(replace(dataset, videos=tuple(thinned)), folder, size="16x24", workers=1)
    return read_manifest(folder)


def lengths_of(manifest: Manifest, options: ClipOptions, epoch: int) -> set[int]:
    plan = plan_epoch(manifest, options, batch_size=1, seed=3, epoch=epoch)
    return {len(request.frames) - 1 for request in plan}


def test_clips_grow_by_one_and_are_drawn_in_the_end(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=(2, 4), grow_every=10, clips_per_object=4)
    assert [lengths_of(manifest, options, epoch) for epoch in (0, 9, 10, 19, 20, 29)] == [{2}, {2}, {3}, {3}, {4}, {4}]
    assert lengths_of(manifest, options, 30) == {2, 3, 4}


def test_clips_up_to_what_is_reached(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=(2, 4), grow_every=2, growth="up_to", clips_per_object=4)
    found = [lengths_of(manifest, options, epoch) for epoch in (0, 2, 4, 40)]
    assert found == [{2}, {2, 3}, {2, 3, 4}, {2, 3, 4}]


def test_batches_of_an_epoch_have_the_length_of_its_stage(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=(1, 3), grow_every=1)
    for epoch, time in enumerate((2, 3, 4)):
        batches = clip_batches(manifest, options, batch_size=2, seed=0, epoch=epoch)
        assert batches.element_spec.frames.shape[1] == time
        assert next(iter(batches)).frames.shape[1] == time
    drawn = clip_batches(manifest, options, batch_size=2, seed=0, epoch=3)
    assert drawn.element_spec.frames.shape[1] is None


def test_annotated_frames_come_first_then_all(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=3, frames="all", annotated_epochs=2)
    for epoch in range(4):
        plan = plan_epoch(manifest, options, batch_size=2, seed=0, epoch=epoch)
        whole = [flag for request in plan for flag in request.annotated[: len(request.annotated) - request.repeated]]
        steps = {b - a for request in plan for a, b in zip(request.frames, request.frames[1:], strict=False) if b > a}
        if epoch < 2:
            assert all(whole)
            assert steps == {3}
        else:
            assert not all(whole)  # seen, but they do not count
            assert steps == {1}


def test_a_stage_is_what_it_would_be_without_stages(manifest: Manifest) -> None:
    staged = ClipOptions(clip_length=(3, 4), grow_every=5, frames="all", annotated_epochs=7)
    plain = ClipOptions(clip_length=4, clips_per_epoch=count_clips(manifest, staged))
    settings = {"batch_size": 2, "seed": 1, "epoch": 6}
    assert plan_epoch(manifest, staged, **settings) == plan_epoch(manifest, plain, **settings)


def test_every_epoch_has_the_same_number_of_batches(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=(3, 5), grow_every=2, frames="all", annotated_epochs=3, clips_per_frame=1)
    steps = steps_per_epoch(manifest, options, batch_size=2)
    for epoch in range(7):
        assert len(plan_epoch(manifest, options, batch_size=2, seed=0, epoch=epoch)) // 2 == steps
        assert int(clip_batches(manifest, options, batch_size=2, seed=0, epoch=epoch).cardinality()) == steps


def test_validation_has_no_stages(manifest: Manifest) -> None:
    options = ClipOptions(clip_length=(2, 4), grow_every=3, frames="all", annotated_epochs=5).for_validation()
    assert (options.lengths, options.grow_every, options.annotated_epochs, options.frames) == ((4, 4), 0, 0, "all")
    assert options.in_epoch(0).lengths == (4, 4)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"grow_every": -1}, r"clips\.grow_every: expected 0 or more epochs, found -1"),
        ({"grow_every": 3, "clip_length": 5}, r"clips\.grow_every: expected a range as clip_length, .* found 5"),
        ({"growth": "slowly"}, r"clips\.growth: expected one of exact, up_to"),
        ({"annotated_epochs": 3}, r"clips\.annotated_epochs: expected frames 'all' .* found 'annotated'"),
    ],
)
def test_impossible_stages_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(VosError, match=words):
        ClipOptions(**values)  # type: ignore[arg-type]
