"""Which of several processes this is, from the cluster's description."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tensorflow as tf

from vos_tf.training.strategy import is_chief, make_strategy, worker


def in_cluster(cluster: dict[str, list[str]], task_type: str, task_id: int) -> SimpleNamespace:
    resolver = SimpleNamespace(cluster_spec=lambda: tf.train.ClusterSpec(cluster), task_type=task_type, task_id=task_id)
    return SimpleNamespace(cluster_resolver=resolver)


@pytest.mark.parametrize(
    ("cluster", "task", "wanted"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), (0, 2)),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), (1, 2)),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, ("chief", 0), (0, 3)),
        ({"chief": ["c:1"], "worker": ["a:1", "b:1"]}, ("worker", 1), (2, 3)),
    ],
)
def test_position_in_a_cluster(cluster: dict[str, list[str]], task: tuple[str, int], wanted: tuple[int, int]) -> None:
    strategy = in_cluster(cluster, *task)
    assert worker(strategy) == wanted
    assert is_chief(strategy) == (wanted[0] == 0)


def test_one_device_is_the_chief_of_one() -> None:
    assert worker(make_strategy("default")) == (0, 1)
    assert is_chief(make_strategy("default"))
