"""COSNet's sessions: references and their features, against the network itself; views; objects of first masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from cosnet_networks import COLOURS, frames_of, lively
from cosnet_networks import SIZE as NETWORK_SIZE
from small_world import make_video

from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.methods.cosnet.network import GROUP, COSNet
from vos_tf.methods.cosnet.references import EarlierReferences, known_frames, random_frames, uniform_frames
from vos_tf.methods.cosnet.segmenter import COSNetSegmenter, Options, default_options
from vos_tf.methods.registry import get_method

SIZE = (60, 80)


@pytest.fixture(scope="module")
def network(tiny_trunk: None) -> COSNet:
    return lively()


@pytest.fixture(scope="module")
def segmenter(network: COSNet) -> COSNetSegmenter:
    return COSNetSegmenter(network, options=Options(references=3))


Variant = Callable[..., COSNetSegmenter]


@pytest.fixture(scope="module")
def variant(network: COSNet, segmenter: COSNetSegmenter) -> Variant:
    """Other options; the compiled encoder is shared."""

    def make(**options: Any) -> COSNetSegmenter:
        other = COSNetSegmenter(network, options=Options(**options))
        other.graph.encode = segmenter.graph.encode
        return other

    return make


def shrunk(frames: np.ndarray, size: tuple[int, int] = NETWORK_SIZE) -> Any:
    return tf.image.resize(frames.astype(np.float32), size, antialias=True)


def by_hand(segmenter: COSNetSegmenter, frames: np.ndarray, index: int, references: list[int], **options: Any) -> Any:
    """The foreground of one frame, from its features and those of others."""
    (features,) = segmenter.graph.encode(tf.constant(frames[[index, *references]]))
    logits = segmenter.network.attend(features[:1], features[1:], **options)
    return tf.sigmoid(tf.image.resize(logits, frames.shape[1:3]))[0, ..., 0].numpy()


def test_features_are_the_networks(network: COSNet, segmenter: COSNetSegmenter) -> None:
    frames = frames_of(2)
    (features,) = segmenter.graph.encode(tf.constant(frames))
    np.testing.assert_allclose(features, network.start(shrunk(frames)).references, atol=1e-4)


def test_each_frame_is_seen_against_the_others(segmenter: COSNetSegmenter) -> None:
    frames = frames_of(7)
    results = list(segmenter.stream(frames))
    for index, result in enumerate(results):
        others = [reference for reference in (1, 3, 5) if reference != index]
        wanted = by_hand(segmenter, frames, index, others)
        np.testing.assert_allclose(result.probabilities[0], wanted, atol=5e-5)
        assert result.object_ids == (1,)
        np.testing.assert_array_equal(result.labels, wanted > 0.5)
    assert np.std([result.probabilities for result in results]) > 0.02
    alone = next(iter(segmenter.stream(frames[:1])))
    np.testing.assert_allclose(alone.probabilities[0], by_hand(segmenter, frames, 0, [0]), atol=5e-5)


def test_a_video_on_disk_is_as_good_as_an_array(segmenter: COSNetSegmenter, tmp_path: Path) -> None:
    video = make_video(tmp_path, "boxes", frames=5, size=SIZE, suffix=".png")
    known = known_frames(video)
    assert known is not None
    frames = np.stack([known.read(index) for index in range(5)])
    for one, other in zip(segmenter.stream(video), segmenter.stream(list(frames)), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.name == f"{5 * int(other.name):05d}"


def test_every_frame_is_encoded_once(segmenter: COSNetSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = segmenter.graph.encode
    monkeypatch.setattr(segmenter.graph, "encode", lambda image: calls.append(1) or encode(image), raising=False)
    list(segmenter.stream(frames_of(7)))
    assert len(calls) == 7


def test_earlier_references(segmenter: COSNetSegmenter, variant: Variant) -> None:
    """All of them, or some evenly spread; frames may come one by one."""
    frames = frames_of(6)
    every = variant(references=0, sampling="streaming")
    some = variant(references=2, sampling="streaming")
    wanted = {0: [0], 1: [0], 2: [0, 1], 5: [0, 1, 2, 3, 4]}
    for index, result in enumerate(every.stream(iter(frames))):
        if index in wanted:
            np.testing.assert_allclose(
                result.probabilities[0], by_hand(segmenter, frames, index, wanted[index]), atol=5e-5
            )
    last = list(some.stream(iter(frames)))[-1]
    np.testing.assert_allclose(last.probabilities[0], by_hand(segmenter, frames, 5, [0, 4]), atol=5e-5)


@pytest.mark.parametrize(("most", "wanted"), [(1, {0}), (3, {0, 8, 16}), (5, {0, 4, 8, 12, 16}), (0, set(range(20)))])
def test_earlier_references_are_spread_and_bounded(most: int, wanted: set[int]) -> None:
    references = EarlierReferences(most)
    for index in range(20):
        references.keep(index, (np.full((1, 1, 1, 1), index, np.float32),))
        held = references.others(index, ())[0].numpy().ravel()
        assert len(held) <= (most or 20)
    assert set(held.astype(int)) == wanted


def test_which_frames_are_references() -> None:
    assert uniform_frames(10, 5) == (1, 3, 5, 7, 9)
    assert uniform_frames(3, 5) == (0, 1, 2)
    assert uniform_frames(100, 1) == (50,)
    drawn = random_frames(50, 5, 0, "bear")
    assert len(set(drawn)) == 5
    assert drawn == random_frames(50, 5, 0, "bear") == tuple(sorted(drawn))
    assert drawn != random_frames(50, 5, 1, "bear") != random_frames(50, 5, 0, "camel") != drawn
    assert random_frames(2, 5, 0, "") == (0, 1)


def test_random_references_go_by_the_seed(segmenter: COSNetSegmenter, variant: Variant) -> None:
    frames = frames_of(9)
    results = list(variant(references=2, sampling="random").stream(frames))
    chosen = list(random_frames(9, 2, 0, ""))
    index = next(index for index in range(9) if index not in chosen)
    np.testing.assert_allclose(results[index].probabilities[0], by_hand(segmenter, frames, index, chosen), atol=5e-5)


@pytest.mark.parametrize("fusion", ["summaries", "joint"])
def test_fusions(segmenter: COSNetSegmenter, variant: Variant, fusion: str) -> None:
    frames = frames_of(4)
    result = next(iter(variant(references=2, fusion=fusion).stream(frames)))
    np.testing.assert_allclose(result.probabilities[0], by_hand(segmenter, frames, 0, [1, 3], fusion=fusion), atol=5e-5)


def test_sizes_and_mirroring_are_averaged(network: COSNet) -> None:
    frames = frames_of(3)
    options = Options(references=1, test_scales=(0.75,), test_flip=True)
    result = next(iter(COSNetSegmenter(network, options=options).stream(frames)))
    maps = []
    for flip in (False, True):
        features = network.encode(shrunk(frames[:2, :, ::-1] if flip else frames[:2], (36, 48)))
        logits = network.attend(features[:1], features[1:], size=(36, 48))
        found = tf.sigmoid(tf.image.resize(logits, SIZE))[0, ..., 0].numpy()
        maps.append(found[:, ::-1] if flip else found)
    np.testing.assert_allclose(result.probabilities[0], np.mean(maps, axis=0), atol=5e-5)
    assert np.abs(maps[0] - maps[1]).max() > 1e-3


class TestGivenObjects:
    """The foreground is shared out among objects of first masks."""

    @pytest.fixture(scope="class")
    def given(self, variant: Variant) -> COSNetSegmenter:
        return variant(references=3, objects="given")

    def halves(self, left: int, right: int) -> np.ndarray:
        labels = np.zeros(SIZE, np.uint8)
        labels[10:50, 5:35], labels[10:50, 45:75] = left, right
        return labels

    def test_together_they_are_the_foreground(self, segmenter: COSNetSegmenter, given: COSNetSegmenter) -> None:
        frames = frames_of(4)
        plain = list(segmenter.stream(frames))
        results = list(given.stream(frames, first=self.halves(3, 9)))
        np.testing.assert_array_equal(results[0].labels, self.halves(3, 9))
        for one, other in zip(results[1:], plain[1:], strict=True):
            assert one.object_ids == (3, 9)
            np.testing.assert_allclose(one.probabilities.max(axis=0), other.probabilities[0], atol=5e-5)
            np.testing.assert_array_equal(one.labels > 0, other.labels > 0)

    def test_a_still_video_keeps_what_is_whose(self, given: COSNetSegmenter) -> None:
        frames = np.repeat(frames_of(1), 4, axis=0)
        first = self.halves(3, 9)
        later = [result.labels for result in given.stream(frames, first=first)][1:]
        known = (first > 0) & (later[0] > 0)
        np.testing.assert_array_equal(later[0][known], first[known])
        for labels in later[1:]:
            np.testing.assert_array_equal(labels, later[0])

    def test_objects_join_late_and_leave(self, given: COSNetSegmenter, tmp_path: Path) -> None:
        frames = frames_of(5)
        session = given.session(SIZE, frames=frames)
        assert session.step(frames[0]).probabilities.shape == (0, *SIZE)
        session.add(self.halves(3, 0))
        session.step(frames[1])
        session.add(self.halves(0, 9))
        assert session.step(frames[2]).object_ids == (3, 9)
        session.remove(3)
        result = session.step(frames[3])
        assert result.object_ids == (9,)
        assert result.probabilities.shape == (1, *SIZE)
        session.remove(9)
        assert not session.step(frames[4]).labels.any()

    def test_a_video_gives_its_own_masks(self, given: COSNetSegmenter, tmp_path: Path) -> None:
        video = make_video(tmp_path, "boxes", frames=5, size=SIZE)
        results = list(given.stream(video))
        assert [result.object_ids for result in results] == [(1,), (1,), (1,), (1, 2), (1, 2)]


def test_colours_become_foreground(network: COSNet) -> None:
    """The Tianchi code's maps: half of a channel is as sure as can be."""
    colours = lively(**COLOURS)
    frames = frames_of(2)
    result = next(COSNetSegmenter(colours).stream(frames))
    state = colours.start(shrunk(frames[1:]))
    logits = colours.attend(colours.encode(shrunk(frames[:1])), state.references)
    maps = tf.sigmoid(tf.image.resize(logits, SIZE))[0].numpy()
    np.testing.assert_allclose(result.probabilities[0], np.minimum(2 * maps.max(axis=-1), 1), atol=5e-5)
    with pytest.raises(VosError, match="fusion: expected predictions or summaries with swapped attention, found joint"):
        COSNetSegmenter(colours, options=Options(fusion="joint"))


def test_the_crf_refines_and_the_threshold_binarises(network: COSNet) -> None:
    frames = frames_of(2)
    options = get_method("cosnet").resolve_options(network, {"crf": {"enabled": True}})
    segmenter = get_method("cosnet").make_segmenter(network, MergeRule(background=0.4), options)
    refine, segmenter.merging.refine = segmenter.merging.refine, None
    plain = next(segmenter.stream(frames))
    segmenter.merging.refine = refine
    refined = next(segmenter.stream(frames))
    np.testing.assert_array_equal(plain.labels, plain.probabilities[0] > 0.4)
    np.testing.assert_array_equal(refined.labels, refined.probabilities[0] > 0.4)
    sure = [np.abs(result.probabilities - 0.5).mean() for result in (plain, refined)]
    assert sure[1] > sure[0]


def test_frames_ahead_cannot_be_looked_at_where_there_are_none(network: COSNet, segmenter: COSNetSegmenter) -> None:
    def camera() -> Iterator[np.ndarray]:
        yield from frames_of(2)

    for call in (lambda: next(segmenter.stream(camera())), lambda: segmenter.session(SIZE)):
        with pytest.raises(VosError, match="sampling: expected 'streaming' for frames that come one by one"):
            call()
    with pytest.raises(VosError, match="mask: expected none, as the model finds the foreground itself"):
        next(segmenter.stream(frames_of(2), first=np.ones(SIZE, np.uint8)))


def test_options_suit_the_network(network: COSNet) -> None:
    group: Any = SimpleNamespace(settings=GROUP)
    assert default_options(network) == Options()
    assert default_options(group) == Options(references=3, fusion="joint")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"references": 0}, "references: expected 1 or more with uniform, found 0"),
        ({"references": -1, "sampling": "streaming"}, "references: expected 0 or more with streaming, found -1"),
        ({"sampling": "all"}, "sampling: expected one of uniform, random, streaming, found 'all'"),
        ({"fusion": "mean"}, "fusion: expected one of predictions, summaries, joint, found 'mean'"),
        ({"objects": "matched"}, "objects: expected one of foreground, given, found 'matched'"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"test_scales": [0]}, "test_scales: expected factors from 0.05 to 20"),
        ({"reference": 2}, r"option reference: expected an option of cosnet .*did you mean 'references'"),
        ({"crf": {"width": 2}}, r"option crf\.width: expected an option of cosnet \(crf\.enabled, "),
    ],
)
def test_impossible_options_are_refused(network: COSNet, given: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        get_method("cosnet").resolve_options(network, given)
