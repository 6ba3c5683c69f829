"""The loop of online fine-tuning: from the same start each time, compiled once, in order, within its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from vos_tf.errors import VosError
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.training.finetune import Finetuner
from vos_tf.training.finetune_settings import FinetuneSettings

SETTINGS = FinetuneSettings(steps=6, learning_rate=0.05)


def make_finetuner(settings: FinetuneSettings = SETTINGS, **given: Any) -> Finetuner:
    """A line through points."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    groups = [ParameterGroup("all", network.trainable_variables)]
    return Finetuner(network, groups, lambda x, y: ops.mean((network(x) - y) ** 2), settings, **given)


def points(number: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    x = random.normal(size=(2,)).astype(np.float32)
    return x, (x[:1] * 2 - x[1:] + shift).astype(np.float32)


def ticking(*times: float) -> Callable[[], float]:
    """A clock that says these times, then one second more each time."""

    def every() -> Iterator[float]:
        yield from times
        last = times[-1]
        while True:
            last += 1.0
            yield last

    clock = every()
    return lambda: next(clock)


def test_each_run_begins_from_the_parent() -> None:
    finetuner = make_finetuner()
    finetuner.run(points, "first")
    first = finetuner.values()
    finetuner.run(lambda number: points(number, shift=5.0), "another video")
    assert any((one != two).any() for one, two in zip(first, finetuner.values(), strict=True))
    finetuner.run(points, "first again")
    for one, two in zip(first, finetuner.values(), strict=True):
        np.testing.assert_array_equal(one, two)
    fresh = make_finetuner()
    fresh.run(points, "fresh")
    for one, two in zip(first, fresh.values(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_step_is_compiled_once_for_all_videos_of_one_size() -> None:
    finetuner = make_finetuner()
    for shift in range(3):
        finetuner.run(lambda number: points(number, shift=float(shift)), "video")  # noqa: B023
    assert finetuner.traces == 1


def test_the_speed_of_the_threads_changes_nothing() -> None:
    def slowly(number: int) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.02 * ((number * 7) % 3))
        return points(number)

    finetuner = make_finetuner(FinetuneSettings(steps=5, learning_rate=0.05, batch_size=2))
    finetuner.run(points, "quickly")
    quick = finetuner.values()
    finetuner.run(slowly, "slowly")
    for one, two in zip(quick, finetuner.values(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_batch_is_as_many_samples_in_order() -> None:
    seen: list[np.ndarray] = []
    keras.utils.set_random_seed(3)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    settings = FinetuneSettings(steps=2, batch_size=3)
    groups = [ParameterGroup("all", network.trainable_variables)]
    finetuner = Finetuner(network, groups, lambda x, y: ops.mean((network(x) - y) ** 2), settings)
    compiled = finetuner._compiled
    finetuner._compiled = lambda batch: (seen.append(batch[0].numpy()), compiled(batch))[1]  # type: ignore[assignment]
    finetuner.run(points, "batches")
    np.testing.assert_array_equal(np.concatenate(seen), np.stack([points(number)[0] for number in range(6)]))


def test_no_steps_leave_the_parent_and_draw_nothing() -> None:
    finetuner = make_finetuner(FinetuneSettings(steps=0))
    report = finetuner.run(lambda number: pytest.fail("drawn"), "nothing")
    assert report.steps == 0
    assert finetuner.values() == finetuner.start


def test_values_that_did_not_change_are_shared_with_the_start() -> None:
    finetuner = make_finetuner()
    frozen = Finetuner(
        finetuner.network,
        [ParameterGroup("bias", [finetuner.network.trainable_variables[1]])],
        lambda x, y: ops.mean((finetuner.network(x) - y) ** 2),
        SETTINGS,
    )
    frozen.run(points, "bias only")
    kernel, bias = frozen.values()
    assert kernel is frozen.start[0]
    assert (bias != frozen.start[1]).any()


def test_weights_that_the_loss_does_not_reach_stay_despite_decay() -> None:
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    apart = keras.layers.Dense(1)
    apart.build((None, 2))
    group = ParameterGroup("all", [*network.trainable_variables, apart.kernel])
    before = np.array(ops.convert_to_numpy(apart.kernel))
    settings = FinetuneSettings(steps=3, weight_decay=0.1)
    Finetuner(network, [group], lambda x, y: ops.mean((network(x) - y) ** 2), settings).run(points, "decay")
    np.testing.assert_array_equal(ops.convert_to_numpy(apart.kernel), before)


@pytest.mark.parametrize(
    ("times", "seconds", "steps"),
    [
        ((0.0,), 5.0, 5),  # a second each: the fifth ends with the budget
        ((0.0, 4.0), 6.5, 3),  # the first compiles
        ((0.0, 9.0), 2.0, 1),  # the first is done whatever it takes
    ],
)
def test_the_time_budget_includes_compiling(times: tuple[float, ...], seconds: float, steps: int) -> None:
    finetuner = make_finetuner(FinetuneSettings(seconds=seconds, steps=0), clock=ticking(*times))
    report = finetuner.run(points, "in time")
    assert report.steps == steps
    assert report.seconds <= max(seconds, times[-1])


def test_the_expected_time_is_said_before_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    finetuner = make_finetuner(FinetuneSettings(steps=64), clock=ticking(0.0, 38.0))
    finetuner.run(points, "fine-tuning 2 objects")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "fine-tuning 2 objects: 64 steps, about 1:41"
    budget = make_finetuner(FinetuneSettings(seconds=30), clock=ticking(0.0, 10.0))
    budget.run(points, "fine-tuning object 1")
    assert capsys.readouterr().err.splitlines()[0] == "fine-tuning object 1: 21 steps, about 0:30"


def test_the_cosine_ends_near_zero() -> None:
    finetuner = make_finetuner(FinetuneSettings(steps=4, learning_rate=0.5, schedule="cosine"))
    rates = []
    step = finetuner.update
    finetuner.update = lambda batch, rate, number: (rates.append(rate), step(batch, rate, number))[1]  # type: ignore
    finetuner.run(points, "cosine")
    np.testing.assert_allclose(rates, [0.5, 0.5 * (0.5 + 0.5**1.5), 0.25, 0.5 * (0.5 - 0.5**1.5)])


def test_a_loss_that_is_not_finite_is_one_sentence() -> None:
    def broken(number: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = points(number)
        return x, y * np.float32(np.nan if number == 2 else 1)

    with pytest.raises(VosError, match=r"found nan at step 3; choose a lower learning rate than 0\.05"):
        make_finetuner().run(broken, "broken")


def test_an_interruption_leaves_nothing_behind() -> None:
    def interrupted(number: int) -> tuple[np.ndarray, np.ndarray]:
        if number == 4:
            raise KeyboardInterrupt
        return points(number)

    finetuner = make_finetuner()
    with pytest.raises(KeyboardInterrupt):
        finetuner.run(interrupted, "interrupted")
    finetuner.run(points, "again")
    fresh = make_finetuner()
    fresh.run(points, "fresh")
    for one, two in zip(finetuner.values(), fresh.values(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": -1}, "finetune.steps: expected 0 or more, found -1"),
        ({"seconds": 0.0}, "finetune.seconds: expected a number above 0, found 0.0"),
        ({"learning_rate": float("nan")}, "finetune.learning_rate: expected a number above 0, found nan"),
        ({"optimizer": "adamm"}, "did you mean 'adam'"),
        ({"scales": ()}, "finetune.scales: expected factors"),
        ({"crop": (0, 5)}, "finetune.crop: expected height and width"),
    ],
)
def test_impossible_settings_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        FinetuneSettings(**values)
