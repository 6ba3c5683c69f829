"""Processes for preprocessing: order, bounds, failures, and scripts without a guarded main part."""

import os
import signal
import subprocess
import sys

import pytest

from vos_tf.errors import VosError
from vos_tf.records.workers import TASKS_AHEAD, Workers, worker_count


def own_id(_):
    return os.getpid()


def die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order(count):
    with Workers(count) as workers:
        assert list(workers.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert list(workers.map(str, [])) == []


def test_one_worker_is_this_process_and_several_are_not():
    with Workers(1) as workers:
        assert set(workers.map(own_id, range(4))) == {os.getpid()}
    with Workers(2) as workers:
        assert os.getpid() not in set(workers.map(own_id, range(40)))


def test_tasks_are_taken_only_as_results_are_used():
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    with Workers(2) as workers:
        results = workers.map(abs, tasks())
        for _ in range(10):
            next(results)
        assert len(taken) <= 10 + 2 * TASKS_AHEAD + 1


def test_a_worker_that_is_killed_is_one_clear_sentence():
    with Workers(2) as workers, pytest.raises(VosError, match=r"ended from outside .* fewer --workers"):
        list(workers.map(die, range(20)))


def test_errors_of_tasks_come_through():
    with Workers(2) as workers, pytest.raises(ValueError, match="invalid literal"):
        list(workers.map(int, ["1", "2", "three"]))


def test_number_of_workers():
    assert worker_count(3) == 3
    assert worker_count(0) == len(os.sched_getaffinity(0))


def test_a_script_needs_no_guarded_main_part_and_its_imports_stay_with_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, statistics\n"
        "from vos_tf.records.workers import Workers\n"
        "print('begin')\n"
        "with Workers(2) as workers:\n"
        "    print(list(workers.map(abs, [-1, -2])))\n"
        "    print(any(workers.map(eval, [\"'statistics' in __import__('sys').modules\"] * 9)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begin", "[1, 2]", "False"]
