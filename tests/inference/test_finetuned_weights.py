"""Adapted weights on disk: taken again where all is the same, made anew otherwise; interrupted runs continue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vos_tf
from vos_tf.datasets import Dataset, open_dataset
from vos_tf.errors import VosError
from vos_tf.inference.dataset_run import is_done, result_path, segment_dataset
from vos_tf.methods.osvos.segmenter import OSVOSSession
from vos_tf.methods.registry import get_method
from vos_tf.training.finetune import Finetuner


@pytest.fixture(scope="module")
def parent() -> Any:
    return vos_tf.build("osvos", trunk="small", side_filters=4).network


@pytest.fixture(scope="module")
def world(tiny_world: Path) -> Dataset:
    return open_dataset("synthetic", tiny_world, "valid")


def segmenter_of(parent: Any, folder: Path | str, **finetune: Any) -> Any:
    given = {"finetune": {"steps": 2, "learning_rate": 3e-3, **finetune}, "adapted": str(folder), "short_side": 24}
    return get_method("osvos").make_segmenter(parent, None, get_method("osvos").resolve_options(parent, given))


@pytest.fixture(scope="module")
def finished(parent: Any, world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder in which a whole data set was segmented, with adapted weights."""
    folder = tmp_path_factory.mktemp("finished")
    segment_dataset(segmenter_of(parent, folder / "adapted"), world, folder)
    return folder


def masks(folder: Path, dataset: Dataset) -> list[bytes]:
    return [result_path(folder, v, name).read_bytes() for v in dataset.videos for name in v.frame_names]


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is fine-tuned from here on."""
    runs: list[str] = []
    original = Finetuner.run

    def run(self: Finetuner, draw: Any, description: str) -> Any:
        runs.append(description)
        return original(self, draw, description)

    monkeypatch.setattr(Finetuner, "run", run)
    return runs


def test_each_group_of_objects_has_a_receipt(finished: Path, world: Dataset) -> None:
    for video in world.videos:
        first_frames = {item.first_frame for item in video.objects} - {video.frame_names[-1]}
        for name in first_frames:
            receipt = json.loads((finished / "adapted" / video.name / name / "receipt.json").read_text())
            assert receipt["fine_tuning"]["steps"] == 2
            assert receipt["made_from"]["objects"] == [i.id for i in video.objects if i.first_frame == name]


def test_adapted_weights_are_taken_again(
    parent: Any, finished: Path, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = count_runs(monkeypatch)
    segment_dataset(segmenter_of(parent, finished / "adapted"), world, tmp_path)
    assert runs == []
    assert masks(tmp_path, world) == masks(finished, world)


def test_an_interrupted_run_continues_as_if_it_was_not(
    parent: Any, finished: Path, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = world.videos[-1]
    original = OSVOSSession.step

    def step(self: OSVOSSession, frame: Any, name: str | None = None) -> Any:
        if self._name == last.name and name == last.frame_names[3]:
            raise KeyboardInterrupt
        return original(self, frame, name)

    segmenter = segmenter_of(parent, tmp_path / "adapted")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OSVOSSession, "step", step)
        segment_dataset(segmenter, world, tmp_path)
    assert is_done(tmp_path, world.videos[0])
    assert not is_done(tmp_path, last)
    runs = count_runs(monkeypatch)
    segment_dataset(segmenter, world, tmp_path)
    # of the last video, only objects that joined after the interruption are learned now
    late = {item.first_frame for item in last.objects if item.first_frame >= last.frame_names[3]}
    assert len(runs) == len(late - {last.frame_names[-1]})
    assert all(last.name in description for description in runs)
    assert masks(tmp_path, world) == masks(finished, world)


def test_another_mask_parent_or_setting_is_learned_anew(
    parent: Any, finished: Path, world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = world.videos[0]
    frames = [vos_tf.inference.video_frames.read_frame(video, path) for path in video.frames[:2]]
    labels = vos_tf.inference.video_frames.joining_mask(video, video.frame_names[0])
    assert labels is not None
    runs = count_runs(monkeypatch)
    other_mask = labels.copy()
    other_mask[np.nonzero(labels)[0][0], np.nonzero(labels)[1][0]] = 0
    for finetune, mask, learned in (({}, labels, 0), ({}, other_mask, 1), ({"seed": 1}, labels, 1)):
        runs.clear()
        session = segmenter_of(parent, finished / "adapted", **finetune).session(video.size, video.name)
        monkeypatch.setattr("vos_tf.inference.finetuned_weights.AdaptedStore.save", lambda *_: None)
        session.add(mask)
        for frame, name in zip(frames, video.frame_names, strict=False):
            session.step(frame, name)
        assert len(runs) == learned


def test_a_model_of_adapted_weights_can_be_loaded(finished: Path, world: Dataset) -> None:
    video = world.videos[0]
    name = video.objects[0].first_frame
    loaded = vos_tf.load(finished / "adapted" / video.name / name)
    assert loaded.network.settings.objects == len([i for i in video.objects if i.first_frame == name])


def test_damaged_weights_are_one_sentence(parent: Any, finished: Path, world: Dataset, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "adapted", tmp_path / "adapted")
    for file in (tmp_path / "adapted").rglob("network.weights.h5"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(VosError, match=r"network\.weights\.h5: expected weights of this network, found others"):
        segment_dataset(segmenter_of(parent, tmp_path / "adapted"), world, tmp_path / "results")


def test_a_video_whose_frames_change_size_is_refused_before_any_work(
    parent: Any, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vos_tf.media.images import write_image

    write_image(tmp_path / "small.png", np.zeros((10, 12, 3), np.uint8))
    video = world.videos[0]
    faulty = replace(video, frames=(*video.frames[:5], tmp_path / "small.png", *video.frames[6:]))
    runs = count_runs(monkeypatch)
    with pytest.raises(VosError, match=r"small\.png: expected 64x96 pixels .* like the video, found 10x12"):
        segment_dataset(segmenter_of(parent, ""), replace(world, videos=(faulty,)), tmp_path / "results")
    assert runs == []
    assert not (tmp_path / "results").exists()


def test_a_parent_of_another_trunk_is_one_sentence(parent: Any, tmp_path: Path) -> None:
    parent.save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(VosError, match=r"small\.weights\.h5: expected weights of this network, found others"):
        vos_tf.build("osvos", trunk="mobilenet_v2", weights=tmp_path / "small.weights.h5")


def test_all_annotated_frames_are_learned_from(parent: Any, world: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def run(self: Finetuner, draw: Any, description: str) -> Any:
        counts.append(len(draw._images))

    monkeypatch.setattr(Finetuner, "run", run)
    video = world.videos[0]
    options = get_method("osvos").resolve_options(parent, {"annotated_frames": "all"})
    stream = get_method("osvos").make_segmenter(parent, None, options).stream(video)
    next(stream)
    next(stream)
    assert counts == [len(video.masks)]
