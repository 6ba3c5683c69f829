"""Any network with a state can segment, at the size of the frames, too; segmenters and results can be pickled."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.baseline import FirstMaskSegmenter
from vos_tf.inference.options import StateOptions
from vos_tf.inference.state_segmenter import StateSegmenter
from vos_tf.inference.test_time_augmentation import resized

SIZE = (21, 30)


class State(NamedTuple):
    """The mask before, at the network's size."""

    mask: Any


@dataclass(frozen=True)
class Settings:
    """Of `Repeating`."""

    size: tuple[int, int] | None = None


class Repeating(keras.Model):
    """The smallest network with a state: brightness decides how far the last mask is believed."""

    def __init__(self, settings: Settings, stride: int = 1) -> None:
        super().__init__()
        self.settings, self.stride = settings, stride
        self.gain = self.add_weight(shape=(), initializer="ones")

    def get_config(self) -> dict[str, Any]:
        return {"settings": asdict(self.settings), "stride": self.stride}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(Settings(**config["settings"]), config["stride"])

    def encode(self, image: Any) -> Any:
        return ops.average_pool(image / 255.0, self.stride) if self.stride > 1 else image / 255.0

    def start(self, image: Any, mask: Any) -> State:
        return State(ops.average_pool(mask, self.stride) if self.stride > 1 else mask)

    def advance(self, features: Any, state: State) -> tuple[Any, State]:
        logits = self.gain * 8.0 * (state.mask - 0.5) + ops.mean(features, axis=-1, keepdims=True)
        return logits, State(ops.sigmoid(logits))


def frames(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


def labels() -> np.ndarray:
    found = np.zeros(SIZE, np.uint8)
    found[4:14, 5:20] = 3
    return found


def test_a_network_without_a_size_sees_frames_as_they_are() -> None:
    network, clip = Repeating(Settings()), frames(3)
    results = list(StateSegmenter(network).stream(clip, first=labels()))
    state = network.start(None, (labels() == 3)[None, ..., None].astype(np.float32))
    for frame, result in zip(clip[1:], results[1:], strict=True):
        logits, state = network.advance(network.encode(frame[None].astype(np.float32)), state)
        np.testing.assert_allclose(result.probabilities[0], ops.sigmoid(logits)[0, ..., 0], atol=1e-6)


@pytest.mark.parametrize("settings", [Settings(), Settings((24, 32))])
def test_sizes_are_multiples_of_the_stride_and_masks_as_large_as_frames(settings: Settings) -> None:
    segmenter = StateSegmenter(Repeating(settings, stride=8))
    seen = []
    original = segmenter.network.encode
    segmenter.network.encode = lambda image: seen.append(tuple(image.shape)) or original(image)
    results = list(segmenter.stream(frames(3), first=labels()))
    np.testing.assert_array_equal(results[0].labels, labels())
    assert results[2].probabilities.shape == (1, *SIZE)
    assert (results[2].labels[6:12, 8:16] == 3).all()
    assert not results[2].labels[:, 26:].any()


def test_objects_join_and_chunks_change_nothing() -> None:
    late = np.zeros(SIZE, np.uint8)
    late[16:20, 20:29] = 9
    masks = {"0": labels(), "2": late}
    runs = [
        list(StateSegmenter(Repeating(Settings((16, 24)), 8), options=options).stream(frames(5), masks=masks))
        for options in (StateOptions(), StateOptions(objects_per_call=1))
    ]
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
    assert runs[0][-1].object_ids == (3, 9)


def test_other_scales_need_a_size() -> None:
    network: Any = SimpleNamespace(settings=Settings())
    with pytest.raises(VosError, match="test_scales: expected 1 for a network that works at the video's own size"):
        resized(network, 0.5)


def test_results_can_be_sent_elsewhere() -> None:
    for segmenter in (StateSegmenter(Repeating(Settings())), FirstMaskSegmenter()):
        for result in segmenter.stream(frames(3), first=labels()):
            sent = pickle.loads(pickle.dumps(result))
            assert (sent.object_ids, sent.name) == (result.object_ids, result.name)
            np.testing.assert_array_equal(sent.labels, result.labels)
            np.testing.assert_array_equal(sent.probabilities, result.probabilities)
            np.testing.assert_array_equal(sent.confidences, result.confidences)


SMALL: dict[str, dict[str, Any]] = {
    "s2s": {"trunk": "small", "size": (32, 48), "state_filters": 8, "decoder_filters": (8, 6, 4)},
    "osvos": {"trunk": "small", "side_filters": 4, "options": {"finetune": {"steps": 0}}},
    "rvos": {"trunk": "small", "size": (64, 96), "hidden_size": 16, "options": {"test_flip": True}},
    "cosnet": {"trunk": "mobilenet_v2", "size": (64, 96), "options": {"objects": "given", "crf": {"enabled": True}}},
}


@pytest.mark.parametrize("name", SMALL)
def test_segmenters_can_be_sent_elsewhere(name: str) -> None:
    segmenter = vos_tf.build(name, **SMALL[name])
    sent = pickle.loads(pickle.dumps(segmenter))
    assert (type(sent), sent.method, sent.options) == (type(segmenter), segmenter.method, segmenter.options)
    assert (sent.merging.refine is None) == (segmenter.merging.refine is None)
    for one, other in zip(
        segmenter.stream(frames(3), first=labels()), sent.stream(frames(3), first=labels()), strict=True
    ):
        np.testing.assert_array_equal(one.labels, other.labels)
