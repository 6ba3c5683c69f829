"""The segmenter and its session: objects join and leave, together = one by one, memory of the state is constant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vos_tf
from vos_tf.datasets import Dataset, open_dataset
from vos_tf.errors import VosError
from vos_tf.inference.baseline import FirstMaskSegmenter
from vos_tf.inference.dataset_run import is_done, result_path, segment_dataset
from vos_tf.inference.results_folder import Provenance, claim_results
from vos_tf.media.label_maps import read_label_map, write_label_map
from vos_tf.methods.s2s.options import Options
from vos_tf.methods.s2s.segmenter import S2SSegmenter

SIZE = (45, 70)


@pytest.fixture(scope="module")
def segmenter() -> S2SSegmenter:
    return vos_tf.build("s2s", trunk="small", size=(32, 48), state_filters=8, decoder_filters=(8, 6, 4))


def frames(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


def labels_of(*ids: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    for index, object_id in enumerate(ids):
        labels[4 + 12 * index : 14 + 12 * index, 10:40] = object_id
    return labels


def test_first_frame_is_the_given_mask_at_the_videos_own_size(segmenter: S2SSegmenter) -> None:
    results = list(segmenter.stream(frames(3), first=labels_of(3, 9)))
    np.testing.assert_array_equal(results[0].labels, labels_of(3, 9))
    assert [result.name for result in results] == ["0", "1", "2"]
    for result in results:
        assert result.labels.shape == SIZE
        assert result.labels.dtype == np.uint8
        assert result.object_ids == (3, 9)
        assert result.probabilities.shape == (2, *SIZE)
        assert set(np.unique(result.labels)) <= {0, 3, 9}


def test_objects_together_equal_objects_one_by_one(segmenter: S2SSegmenter) -> None:
    clip = frames(4)
    together = list(segmenter.stream(clip, first=labels_of(1, 2, 5)))
    for index, object_id in enumerate((1, 2, 5)):
        mask = np.where(labels_of(1, 2, 5) == object_id, np.uint8(object_id), np.uint8(0))
        alone = list(segmenter.stream(clip, first=mask))
        for one, every in zip(alone, together, strict=True):
            np.testing.assert_allclose(one.probabilities[0], every.probabilities[index], atol=1e-5)


@pytest.mark.parametrize("objects_per_call", [1, 2, 5])
def test_chunks_of_objects_change_nothing(segmenter: S2SSegmenter, objects_per_call: int) -> None:
    clip = frames(3)
    chunked = S2SSegmenter(segmenter.network, options=Options(objects_per_call=objects_per_call))
    for one, other in zip(
        segmenter.stream(clip, first=labels_of(1, 2, 3)), chunked.stream(clip, first=labels_of(1, 2, 3)), strict=True
    ):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_a_late_object_joins_without_changing_the_others(segmenter: S2SSegmenter) -> None:
    clip = frames(4)
    alone = list(segmenter.stream(clip, first=labels_of(4)))
    late = np.zeros(SIZE, np.uint8)
    late[30:40, 45:65] = 8
    joined = list(segmenter.stream(clip, masks={"0": labels_of(4), "2": late}))
    assert [result.object_ids for result in joined] == [(4,), (4,), (4, 8), (4, 8)]
    assert (joined[2].labels[late == 8] == 8).all()
    for one, other in zip(alone, joined, strict=True):
        np.testing.assert_allclose(one.probabilities[0], other.probabilities[0], atol=1e-6)


def test_a_known_object_starts_anew_from_a_new_mask(segmenter: S2SSegmenter) -> None:
    clip = frames(3)
    session = segmenter.session(size=SIZE)
    session.add(labels_of(6, 7))
    session.step(clip[0])
    corrected = np.where(labels_of(9, 7) == 7, np.uint8(7), np.uint8(0))
    session.add(corrected)
    session.step(clip[1])
    assert session.object_ids == (6, 7)
    fresh = segmenter.session(size=SIZE)
    fresh.add(corrected)
    fresh.step(clip[1])
    np.testing.assert_allclose(session.step(clip[2]).probabilities[1], fresh.step(clip[2]).probabilities[0], atol=1e-5)


def test_removed_objects_are_forgotten(segmenter: S2SSegmenter) -> None:
    clip = frames(3)
    session = segmenter.session(size=SIZE)
    session.add(labels_of(1, 2))
    session.step(clip[0])
    session.remove(1)
    result = session.step(clip[1])
    assert result.object_ids == (2,)
    assert 1 not in result.labels
    session.remove(2)
    empty = session.step(clip[2])
    assert empty.object_ids == ()
    assert not empty.labels.any()
    with pytest.raises(VosError, match=r"object 2: expected one of the objects \[\]"):
        session.remove(2)


def test_void_in_a_first_mask_is_no_object(segmenter: S2SSegmenter) -> None:
    labels = labels_of(1)
    labels[:3] = 255
    result = next(iter(segmenter.stream(frames(1), first=labels)))
    assert result.object_ids == (1,)
    assert 255 not in result.labels


def test_sizes_that_do_not_fit_are_one_clear_sentence(segmenter: S2SSegmenter) -> None:
    session = segmenter.session(size=SIZE)
    with pytest.raises(VosError, match="mask: expected uint8 45x70 like the frames, found uint8 20x20"):
        session.add(np.zeros((20, 20), np.uint8))
    with pytest.raises(VosError, match="frame 0: expected uint8 45x70x3, found uint8 10x10x3"):
        session.step(np.zeros((10, 10, 3), np.uint8))


def test_a_size_may_come_from_yaml_or_numpy(segmenter: S2SSegmenter) -> None:
    session = segmenter.session(size=[np.int64(side) for side in SIZE])  # type: ignore[arg-type]
    session.add(labels_of(1))
    assert [session.step(frame).labels.shape for frame in frames(2)] == [SIZE, SIZE]


def test_state_does_not_grow_with_the_video(segmenter: S2SSegmenter) -> None:
    session = segmenter.session(size=SIZE)
    session.add(labels_of(1, 2))
    sizes = set()
    for frame in frames(12):
        session.step(frame)
        sizes.add(tuple(tuple(part.shape) for part in session._states._state))
    assert sizes == {((2, 4, 6, 8), (2, 4, 6, 8))}


def test_the_image_is_encoded_once_per_frame(segmenter: S2SSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = S2SSegmenter(segmenter.network, options=Options(objects_per_call=1))
    calls: list[tuple[int, ...]] = []
    encode = counted._graph.encode

    def count(image: np.ndarray) -> object:
        calls.append(tuple(image.shape))
        return encode(image)

    monkeypatch.setattr(counted._graph, "encode", count)
    list(counted.stream(frames(3), first=labels_of(1, 2, 3)))
    assert calls == [(1, *SIZE, 3)] * 2


def test_dataset_run_writes_every_frame_and_continues(
    segmenter: S2SSegmenter, tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset("synthetic", tiny_world, "valid")
    segment_dataset(segmenter, dataset, tmp_path / "whole")
    for video in dataset.videos:
        assert is_done(tmp_path / "whole", video)
        for item in video.objects:
            # what a session is told it must repeat
            given = video.read_mask(item.first_frame) == item.id
            written = read_label_map(result_path(tmp_path / "whole", video, item.first_frame))
            assert (written[given] == item.id).all()
    removed = dataset.videos[1]
    before = {name: result_path(tmp_path / "whole", removed, name).read_bytes() for name in removed.frame_names}
    result_path(tmp_path / "whole", removed, removed.frame_names[-1]).unlink()
    opened = []
    original = S2SSegmenter.session

    def session(self: S2SSegmenter, size: tuple[int, int], name: str | None = None, **known: object) -> object:
        opened.append(size)
        return original(self, size, name)

    monkeypatch.setattr(S2SSegmenter, "session", session)
    segment_dataset(segmenter, dataset, tmp_path / "whole")
    assert len(opened) == 1
    assert before == {name: result_path(tmp_path / "whole", removed, name).read_bytes() for name in removed.frame_names}


def test_results_of_two_models_never_mix(tmp_path: Path) -> None:
    scenario = Provenance("abc", "synthetic valid", "0123", {"merge": "argmax"})
    claim_results(tmp_path, scenario)
    claim_results(tmp_path, scenario)
    with pytest.raises(VosError, match="found those of other weights; choose another --scenario-name"):
        claim_results(tmp_path, Provenance("xyz", "synthetic valid", "0123", {"merge": "argmax"}))


def test_masks_of_unknown_origin_are_never_taken_for_results(tmp_path: Path) -> None:
    write_label_map(tmp_path / "video" / "00000.png", labels_of(1))
    with pytest.raises(VosError, match=r"expected an empty folder or one with scenario.json, found video"):
        claim_results(tmp_path, Provenance("abc", "synthetic valid", "0123", {}))
    (tmp_path / "empty").mkdir()
    claim_results(tmp_path / "empty", Provenance("abc", "synthetic valid", "0123", {}))


def test_files_of_another_size_are_named(segmenter: S2SSegmenter, tiny_world: Path, tmp_path: Path) -> None:
    video = open_dataset("synthetic", tiny_world, "valid").videos[0]
    small = tmp_path / "small.png"
    write_label_map(small, np.ones((10, 12), np.uint8))
    wrong = {
        "frame": replace(video, frames=(video.frames[0], small, *video.frames[2:])),
        "mask": replace(video, masks={**video.masks, video.objects[0].first_frame: small}),
    }
    for name, faulty in wrong.items():
        with pytest.raises(VosError, match=r"small\.png: expected 64x96 pixels .* like the video, found 10x12"):
            segment_dataset(segmenter, Dataset("folder", "all", (faulty,), tiny_world), tmp_path / name)
        with pytest.raises(VosError, match=r"small\.png"):
            list(segmenter.stream(faulty))


def test_frames_without_any_mask_are_refused(segmenter: S2SSegmenter) -> None:
    with pytest.raises(VosError, match="expected a mask of the first frame, or masks by frame, found neither"):
        next(segmenter.stream(frames(1)))


def test_baseline_repeats_first_masks_and_adds_late_ones() -> None:
    session = FirstMaskSegmenter().session(SIZE)
    session.add(labels_of(2))
    np.testing.assert_array_equal(session.step(frames(1)[0]).labels, labels_of(2))
    late = np.zeros(SIZE, np.uint8)
    late[6:10, 12:20] = 5
    session.add(late)
    result = session.step(frames(1)[0])
    assert result.object_ids == (2, 5)
    np.testing.assert_array_equal(result.labels, np.where(late > 0, late, labels_of(2)))
