"""Work over many small tasks, in this process or in several."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from vos_tf.errors import VosError

Task = TypeVar("Task")
Result = TypeVar("Result")

_LARGE_BLOCK = 2**24  # bytes; well above a mask, and never touched


class Workers:
    """Applies functions to tasks, here or in other processes; see `open_workers`."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Give ``function(task)`` for every task, in the order of the tasks."""
        if self._pool is None:
            yield from map(function, tasks)
            return
        try:
            yield from self._pool.map(function, tasks)
        except BrokenProcessPool:
            raise VosError(
                "workers: a worker process ended early (out of memory, or a script that calls this without "
                "`if __name__ == '__main__':`); one worker needs neither"
            ) from None


@contextmanager
def open_workers(count: int) -> Iterator[Workers]:
    """Start ``count`` processes (1: work here). They end with the block, at once on an error or Ctrl-C.

    New processes are spawned, not forked: the caller may hold TensorFlow and its threads. Therefore a script that
    asks for more than one must guard its main part with ``if __name__ == "__main__":``.

    Raises:
        VosError: ``count`` is less than 1.
    """
    if count < 1:
        raise VosError(f"workers: expected 1 or more, found {count}")
    if count == 1:
        _keep_freed_memory()
        yield Workers(None)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        yield Workers(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches all processes of a terminal; the parent alone answers it, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    # Once a large block was freed, glibc keeps blocks up to that size instead of handing each mask back to the
    # system and fetching it again page by page: a sixth of a worker's time. Elsewhere this does nothing.
    np.empty(_LARGE_BLOCK, np.uint8)
