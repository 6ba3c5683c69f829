"""What S2S learns from online: clips of the first frame, and all weights but the ConvLSTM's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from vos_tf.errors import VosError
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.finetuning import finetuned_groups, finetuning_loss
from vos_tf.methods.s2s.options import S2SFinetuneSettings
from vos_tf.pipeline.options import AugmentOptions
from vos_tf.training.clip_samples import ClipSamples
from vos_tf.training.finetune import Finetuner
from vos_tf.training.finetune_samples import AnnotatedFrame

SIZE = (32, 48)
MOVES = AugmentOptions(rotation=20, scale=0.2, translation=0.1)


def annotated() -> AnnotatedFrame:
    """A red and a blue rectangle, ids 4 and 9, and some void."""
    labels = np.zeros(SIZE, np.uint8)
    labels[6:20, 8:22], labels[10:26, 28:40] = 9, 4
    labels[0] = 255
    image = np.random.default_rng(0).integers(60, 110, (*SIZE, 3), dtype=np.uint8)
    image[labels == 9] = (220, 30, 30)
    image[labels == 4] = (30, 30, 220)
    return AnnotatedFrame(image, labels)


def samples(ids: tuple[int, ...] = (9, 4), size: tuple[int, int] = SIZE, **settings: Any) -> ClipSamples:
    return ClipSamples(annotated(), ids, S2SFinetuneSettings(**settings), size)


def test_the_first_frame_is_as_it_is_and_the_others_move() -> None:
    draw = samples(augment=MOVES, clip_length=3)
    frames, labels, slots = draw(5)
    assert (frames.shape, frames.dtype, labels.shape, labels.dtype) == ((4, *SIZE, 3), np.uint8, (4, *SIZE), np.uint8)
    np.testing.assert_array_equal(slots, [1, 2])
    np.testing.assert_array_equal(frames[0], annotated().image)
    table = np.zeros(256, np.uint8)
    table[[9, 4, 255]] = 1, 2, 255
    np.testing.assert_array_equal(labels[0], table[annotated().labels])
    changed = [np.mean(labels[index] != labels[0]) for index in range(4)]
    assert changed == sorted(changed)
    assert changed[1] > 0


@pytest.mark.parametrize("settings", [{"augment": MOVES}, {"motion": 1.0}, {"augment": AugmentOptions(flip=1.0)}])
def test_labels_move_with_the_image(settings: dict[str, Any]) -> None:
    draw = samples(clip_length=4, **settings)
    for number in range(6):
        frames, labels, _ = draw(number)
        for frame, shown in zip(frames, labels, strict=True):
            red = (frame[..., 0].astype(int) - frame[..., 2]) > 120
            blue = (frame[..., 2].astype(int) - frame[..., 0]) > 120
            for colour, slot in ((red, 1), (blue, 2)):
                mask = (shown == slot) & (shown != 255)
                colour &= shown != 255
                assert (mask & colour).sum() >= 0.75 * max((mask | colour).sum(), 1) - 6


def test_only_the_objects_asked_for_have_a_slot() -> None:
    frames, labels, slots = samples(ids=(4,))(0)
    assert slots.tolist() == [1]
    assert set(np.unique(labels)) <= {0, 1, 255}
    np.testing.assert_array_equal(frames[0][labels[0] == 1][:, 2] > 200, True)


def test_equal_numbers_draw_equal_samples() -> None:
    settings = {"augment": replace(MOVES, flip=0.5, brightness=0.3, saturation=0.3), "motion": 0.5, "clip_length": 2}
    one, two, other = samples(**settings), samples(**settings), samples(**settings, seed=1)
    for number in range(4):
        for a, b in zip(one(number), two(number), strict=True):
            np.testing.assert_array_equal(a, b)
    assert any((one(number)[0] != other(number)[0]).any() for number in range(4))
    assert (one(0)[0] != one(1)[0]).any()


def test_colours_and_flip_are_those_of_the_whole_clip() -> None:
    frames, labels, _ = samples(augment=AugmentOptions(flip=1.0, brightness=0.5), clip_length=3)(0)
    for index in range(1, 4):
        np.testing.assert_array_equal(frames[index], frames[0])
        np.testing.assert_array_equal(labels[index], labels[0])
    assert labels[0][12, 30] == 1  # mirrored
    assert abs(float(frames[0].mean()) - float(annotated().image.mean())) > 3


def test_samples_have_the_networks_size() -> None:
    frames, labels, _ = samples(size=(16, 40), augment=MOVES)(0)
    assert (frames.shape, labels.shape) == ((2, 16, 40, 3), (2, 16, 40))


@pytest.fixture(scope="module")
def network() -> Any:
    keras.utils.set_random_seed(2)
    small = {"size": list(SIZE), "state_filters": 8, "decoder_filters": [8, 6, 4]}
    return get_method("s2s").build(get_method("s2s").resolve_settings("small", small))


def test_the_cell_stays_and_all_else_learns(network: Any) -> None:
    settings = S2SFinetuneSettings(steps=8, learning_rate=3e-3, batch_size=2, objective={"jaccard_weight": 0.25})
    tuner = Finetuner(network, finetuned_groups(network), finetuning_loss(network, settings), settings.loop)
    for ids in ((9,), (9, 4)):
        report = tuner.run(ClipSamples(annotated(), ids, settings, SIZE), "two numbers of objects")
        assert report.last_loss < report.first_loss
    assert tuner.traces == 2
    cell = {id(variable) for variable in network.conv_lstm.variables}
    for variable, before, after in zip(network.variables, tuner.start, tuner.values(), strict=True):
        assert np.array_equal(before, after) == (id(variable) in cell), variable.path
    tuner.assign(tuner.start)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clip_length": 0}, r"finetune\.clip_length: expected 1 or more, found 0"),
        ({"steps": -1}, r"finetune\.steps: expected 0 or more, found -1"),
        ({"schedule": "fast"}, r"finetune\.schedule: expected one of constant, cosine"),
        ({"motion": 2}, r"finetune\.motion: expected 0 <= x <= 1, found 2"),
        ({"augment": AugmentOptions(window=(0.5, 1))}, r"finetune\.augment: expected no window and not each_frame"),
        ({"objective": {"jacard_weight": 1}}, "did you mean 'jaccard_weight'"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(VosError, match=words):
        S2SFinetuneSettings(**values)
