"""A mask given later for an object that is followed: the next frames follow it, and the first mask is still known."""

from __future__ import annotations

import numpy as np
from emvos_networks import SIZE, masks, network

from vos_tf.methods.emvos import memory
from vos_tf.methods.emvos.network import EMVOS
from vos_tf.methods.emvos.segmenter import EMVOSSegmenter

RED, BLUE, GROUND = (220, 30, 30), (30, 30, 220), (60, 140, 60)
LEFT, RIGHT = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
LEFT[16:48, 8:40], RIGHT[16:48, 56:88] = True, True


def picture(left: tuple[int, ...], right: tuple[int, ...]) -> np.ndarray:
    """A square on the left and one on the right, with a little noise."""
    frame = np.random.default_rng(0).integers(-8, 9, (*SIZE, 3)) + np.array(GROUND)
    frame[LEFT] += np.array(left) - GROUND
    frame[RIGHT] += np.array(right) - GROUND
    return np.clip(frame, 0, 255).astype(np.uint8)


def seen(made: EMVOS, state: object, frame: np.ndarray) -> np.ndarray:
    """What the permanent bases say of a frame, ``(h, w)`` at stride 8."""
    keys = np.asarray(made.encode(frame[None].astype(np.float32)).keys)
    found = memory.read(keys.reshape(1, -1, keys.shape[-1]), state.permanent, made.settings.tau)  # type: ignore[attr-defined]
    return np.asarray(found.probability).reshape(keys.shape[1:3])


def test_both_appearances_are_known_after_a_correction() -> None:
    made = network()
    red, blue = picture(RED, GROUND), picture(GROUND, BLUE)
    first = made.start(red[None].astype(np.float32), masks(LEFT))
    both = made.correct(blue[None].astype(np.float32), masks(RIGHT), first)
    small = [mask[4::8, 4::8] for mask in (LEFT, RIGHT)]
    for frame, where in ((red, small[0]), (blue, small[1])):
        said = seen(made, both, frame)
        assert said[where].mean() > 0.8 and said[~where].mean() < 0.35
    assert seen(made, first, blue)[small[1]].mean() < seen(made, both, blue)[small[1]].mean()


def test_nothing_that_was_seen_is_lost_when_bases_are_united() -> None:
    made = network()
    states = [made.start(picture(RED, BLUE)[None].astype(np.float32), masks(mask)) for mask in (LEFT, RIGHT)]
    one, other = (state.permanent for state in states)
    for total, first, second in zip(memory.united(one, other, 3, 0.05), one, other, strict=True):
        np.testing.assert_allclose(
            np.sum(total, axis=2), np.sum(first, axis=2) + np.sum(second, axis=2), rtol=1e-3, atol=1e-3
        )


def test_the_frame_after_a_correction_follows_it() -> None:
    segmenter = EMVOSSegmenter(network())
    frame = picture(RED, BLUE)
    session = segmenter.session(SIZE)
    session.add(np.where(LEFT, 3, 0).astype(np.uint8))
    session.step(frame)
    assert session.step(frame).probabilities[0][LEFT].mean() > 0.5
    session.add(np.where(RIGHT, 3, 0).astype(np.uint8))
    corrected = session.step(frame)
    assert corrected.object_ids == (3,)
    np.testing.assert_array_equal(corrected.labels == 3, RIGHT)
    after = session.step(frame).probabilities[0]
    assert after[RIGHT].mean() > 0.5
