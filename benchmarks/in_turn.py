"""Work of several sides, each in a process of its own, measured in turn; for the benchmarks against PyTorch.

So threads and peak memory are each side's own, and what else happens on the machine meets all of them. Sides whose
names begin with ``torch`` are PyTorch's; they are left out where it is not installed.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Work = Callable[[], Any]
# Of RVOS and S2S: ours, and PyTorch in both memory formats, of which the quicker counts.
SIDES = ("ours", "torch", "torch_channels_last")
_SGEMM = "sgemm"
# Work that takes fewer seconds is done once before it is measured in its turn: until then the idle threads of the side
# before still turn, and caches hold its data. A video's frames come one after the other.
_SHORT = 2.0


class Measured(NamedTuple):
    """What was seen of a side.

    Attributes:
        times: Seconds of each repeat, on the clock and of all processors, ``(repeats, 2)``.
        peak: Peak memory in MiB.
        growth: How much of it came after the work was prepared.
    """

    times: np.ndarray
    peak: float
    growth: float


def measure(make: Callable[[str], Work], sides: Sequence[str], repeats: int) -> tuple[dict[str, Measured], int]:
    """Measure sides in turn.

    Args:
        make: Prepares the work of a side, in that side's process; can be pickled.
        sides: Their names.
        repeats: Of each side.

    Returns:
        What was seen of each side, and the rate of a 4096^3 matrix product beside them, in GFLOP/s.
    """
    context = multiprocessing.get_context("spawn")
    lines, processes = {}, []
    chosen = [side for side in sides if find_spec("torch") or not side.startswith("torch")]
    for side in [*chosen, _SGEMM]:
        lines[side], theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, make, side))
        process.start()
        theirs.close()  # so that a process that fails ends the wait for it
        processes.append(process)
        lines[side].recv()
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in lines}
    for _ in range(repeats):
        for side, line in lines.items():
            line.send(True)
            times[side].append(line.recv())
    found = {}
    for side, line in lines.items():
        line.send(False)
        found[side] = Measured(np.array(times[side]), *line.recv())
    for process in processes:
        process.join()
    return found, round(2 * 4096**3 / float(np.median(found.pop(_SGEMM).times[:, 0])) / 1e9)


def table(found: dict[str, Measured], frames: int = 1) -> dict[str, int]:
    """Milliseconds per frame of each side, on the clock and of processors, and its memory in MiB."""
    rows: dict[str, int] = {}
    for side, seen in found.items():
        wall, cpu = 1000 * np.median(seen.times, axis=0) / frames
        rows |= {f"{side}_ms": round(wall), f"{side}_cpu_ms": round(cpu)}
        rows |= {f"{side}_peak_mib": round(seen.peak), f"{side}_mib": round(seen.growth)}
    return rows


def ratios(found: dict[str, Measured]) -> dict[str, float]:
    """Of the first side to the better of PyTorch's, and to each other side of our own."""
    first, *others = found
    ours, report = found[first], {}
    theirs = [side for side in others if side.startswith("torch")]
    for clock, name in enumerate(("ratio", "cpu_ratio")):
        if theirs:
            best = min(theirs, key=lambda side: np.median(found[side].times[:, clock]))
            report[name] = round(float(np.median(ours.times[:, clock] / found[best].times[:, clock])), 3)
        for side in others:
            if side not in theirs:
                pairs = ours.times[:, clock] / found[side].times[:, clock]
                report[f"{name}_to_{side}"] = round(float(np.median(pairs)), 3)
    if theirs:
        report["memory_ratio"] = round(ours.growth / min(found[side].growth for side in theirs), 3)
    return report


def _serve(connection: Any, make: Callable[[str], Work], side: str) -> None:
    """Answer each request with the seconds that one piece of work took; in the end comes what memory it needed."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    work = _sgemm() if side == _SGEMM else make(side)
    before = _forget_peak()
    work()
    connection.send(True)
    seconds = np.zeros(2)
    while connection.recv():
        if seconds[0] < _SHORT:
            work()
        start = _clocks()
        work()
        seconds = _clocks() - start
        connection.send(tuple(seconds))
    connection.send((_peak(), _peak() - before))


def _clocks() -> np.ndarray:
    """Seconds on the clock and of all processors."""
    return np.array([time.perf_counter(), time.process_time()])


def _sgemm() -> Work:
    x = np.random.default_rng(0).standard_normal((4096, 4096)).astype(np.float32)
    return lambda: x @ x


def _peak() -> float:
    """Peak memory of this process since it was last forgotten, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _forget_peak() -> float:
    """Take the present memory for the peak; what it is, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()
