"""Online learning of S2S: each object its weights, the same whoever else is there, kept and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import vos_tf
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.options import Options, S2SFinetuneSettings
from vos_tf.methods.s2s.segmenter import S2SSegmenter
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.finetune import Finetuner

SIZE = (32, 48)
FINETUNE = S2SFinetuneSettings(
    steps=3, learning_rate=3e-3, batch_size=1, augment=AugmentOptions(rotation=10, translation=0.1)
)


@pytest.fixture(scope="module")
def network() -> Any:
    keras.utils.set_random_seed(5)
    small = {"size": list(SIZE), "state_filters": 8, "decoder_filters": [8, 6, 4]}
    return get_method("s2s").build(get_method("s2s").resolve_settings("small", small))


@pytest.fixture(scope="module")
def online(network: Any) -> S2SSegmenter:
    return S2SSegmenter(network, options=Options(finetune=FINETUNE))


def frames(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


def labels_of(*ids: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    for index, object_id in enumerate(ids):
        labels[2 + 14 * index : 14 + 14 * index, 8:30] = object_id
    return labels


def test_it_learns_and_leaves_the_parent_alone(network: Any, online: S2SSegmenter) -> None:
    before = network.get_weights()
    plain = list(S2SSegmenter(network).stream(frames(3), first=labels_of(1)))
    learned = list(online.stream(frames(3), first=labels_of(1)))
    assert np.abs(plain[-1].probabilities - learned[-1].probabilities).max() > 1e-3
    np.testing.assert_array_equal(plain[0].labels, learned[0].labels)
    for one, two in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert online.network is network


def test_each_object_has_weights_of_its_own(online: S2SSegmenter) -> None:
    clip = frames(4)
    together = list(online.stream(clip, first=labels_of(1, 2)))
    for index in (1, 2):
        # the other one is background either way
        alone = list(online.stream(clip, first=np.where(labels_of(1, 2) == index, labels_of(1, 2), 0).astype(np.uint8)))
        for one, every in zip(alone, together, strict=True):
            np.testing.assert_allclose(one.probabilities[0], every.probabilities[index - 1], atol=1e-5)


def test_objects_learned_together_come_and_go(network: Any) -> None:
    segmenter = S2SSegmenter(network, options=Options(finetune=FINETUNE, separate=False))
    clip, late = frames(5), np.zeros(SIZE, np.uint8)
    late[4:20, 34:46] = 7
    session = segmenter.session(size=SIZE)
    session.add(labels_of(1, 2))
    session.step(clip[0])
    two = session.step(clip[1])
    session.add(late)
    three = session.step(clip[2])
    assert (two.object_ids, three.object_ids) == ((1, 2), (1, 2, 7))
    session.remove(1)
    left = session.step(clip[3])
    whole = list(segmenter.stream(clip, first=labels_of(1, 2)))
    alone = list(segmenter.stream(clip[2:], first=late))
    np.testing.assert_allclose(left.probabilities[0], whole[3].probabilities[1], atol=1e-5)
    np.testing.assert_allclose(left.probabilities[1], alone[1].probabilities[0], atol=1e-5)
    session.remove(2)
    session.remove(7)
    assert not session.step(clip[4]).labels.any()


def test_weights_are_kept_and_found_again(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options(finetune=FINETUNE, adapted=str(tmp_path))
    runs = []
    run = Finetuner.run
    monkeypatch.setattr(Finetuner, "run", lambda self, *rest: runs.append(1) or run(self, *rest))

    def last(name: str, first: np.ndarray) -> np.ndarray:
        session = S2SSegmenter(network, options=options).session(SIZE, name)
        session.add(first)
        results = [session.step(frame, f"{5 * index:05d}") for index, frame in enumerate(frames(3))]
        return results[-1].probabilities

    wanted = last("car", labels_of(1, 2))
    assert len(runs) == 2
    np.testing.assert_array_equal(last("car", labels_of(1, 2)), wanted)
    assert len(runs) == 2
    segmenter = vos_tf.load(tmp_path / "car" / "00000-object2")
    assert isinstance(segmenter, S2SSegmenter)
    last("car", labels_of(2, 1))  # another mask
    assert len(runs) == 4
