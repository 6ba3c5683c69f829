"""Worker processes: order, bounds, failures, Ctrl-C, and scripts without a guarded main part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.commands.workers import HELP
from vos_tf.errors import VosError
from vos_tf.workers import TASKS_AHEAD, open_workers, worker_count


def own_id(_: int) -> int:
    return os.getpid()


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_order(count: int) -> None:
    with open_workers(count) as pool:
        assert isinstance(pool, Executor)
        assert list(pool.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert list(pool.map(str, [])) == []
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        assert isinstance(pool.submit(int, "three").exception(), ValueError)


def test_one_worker_is_this_process_and_several_are_not() -> None:
    for pool in (open_workers(1), open_workers(5, tasks=1), open_workers(5, tasks=0)):
        with pool:
            assert set(pool.map(own_id, range(4))) == {os.getpid()}
    with open_workers(2) as pool:
        others = set(pool.map(own_id, range(40)))
        assert os.getpid() not in others
        assert len(others) <= 2


@pytest.mark.parametrize("count", [1, 2])
def test_tasks_are_taken_only_as_results_are_used(count: int) -> None:
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    with open_workers(count) as pool:
        results = pool.map(abs, tasks())
        for _ in range(10):
            next(results)
        assert len(taken) <= 10 + count * TASKS_AHEAD + 1


def test_a_worker_that_is_killed_is_one_clear_sentence() -> None:
    with open_workers(2) as pool, pytest.raises(VosError, match=r"ended from outside .* fewer --workers"):
        list(pool.map(die, range(20)))


def test_errors_of_tasks_come_through() -> None:
    with open_workers(2) as pool, pytest.raises(ValueError, match="invalid literal"):
        list(pool.map(int, ["1", "2", "three"]))


def test_number_of_workers() -> None:
    assert worker_count(3) == 3
    assert worker_count(0) == len(os.sched_getaffinity(0))
    with pytest.raises(VosError, match=r"workers: expected 0 \(one per core\) or more, found -1"):
        open_workers(-1)


def test_a_script_needs_no_guarded_main_part_and_its_imports_stay_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, statistics\n"
        "from vos_tf.workers import open_workers\n"
        "print('begin')\n"
        "with open_workers(2) as pool:\n"
        "    print(list(pool.map(abs, [-1, -2])))\n"
        "    print(any(pool.map(eval, [\"'statistics' in __import__('sys').modules\"] * 9)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begin", "[1, 2]", "False"]


SLEEPING = """
import time
from vos_tf.workers import open_workers
with open_workers(2) as pool:
    for done in pool.map(time.sleep, [0.05] * 400):
        print("done", flush=True)
"""


@pytest.mark.parametrize("moment", ["at the start", "at work"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(moment: str, number: signal.Signals) -> None:
    """Ctrl-C reaches all processes of the terminal; only the parent answers it. SIGKILL reaches the parent alone."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    if moment == "at work":
        assert process.stdout.readline() == "done\n"
    else:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(children.read_text().split()) < 2:  # the tracker of resources, and the first worker
            time.sleep(0.001)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -number
    if number == signal.SIGINT:
        assert errors.count("Traceback") == 1  # the parent's own
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("workers outlived their parent")


@pytest.mark.parametrize("command", ["compare", "convert", "demo", "doctor", "merge", "score", "synthesize"])
def test_commands_say_the_same_of_workers(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    line = next(line for line in shown.splitlines() if "--workers" in line)
    assert HELP in line
    assert "[default: 0]" in line
