"""Work spread over processes: results in the order of the tasks, and never more than a few tasks ahead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from types import ModuleType
from typing import Self, TypeVar

import cv2

from vos_tf.errors import VosError

Task = TypeVar("Task")
Result = TypeVar("Result")
TASKS_AHEAD = 4
"""Tasks in flight for every worker; bounds the memory that waiting results take."""


def worker_count(workers: int) -> int:
    """Number of processes: ``workers``, or one for every core that this process may use if it is 0."""
    if workers > 0:
        return workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Processes that work through tasks; used as a context, at whose end they end.

    Args:
        count: Number of processes; with 1 the work is done in this one.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = cv2.getNumThreads()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._count == 1:
            cv2.setNumThreads(1)
        else:
            # Spawned, not forked: the caller may hold TensorFlow and its threads.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin_worker)
            with _without_main_module():
                for _ in range(self._count):
                    self._pool.submit(int)  # each starts one process
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is None:
            cv2.setNumThreads(self._threads)
        else:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """``function(task)`` for every task, in order.

        Args:
            function: A module-level function; it and the tasks are pickled.
            tasks: Taken only as the results are consumed, so that there may be any number.

        Raises:
            VosError: A worker process was ended from outside.
        """
        if self._pool is None:
            yield from map(function, tasks)
            return
        remaining = iter(tasks)
        try:
            waiting: deque[Future[Result]] = deque(
                self._pool.submit(function, task) for task in islice(remaining, TASKS_AHEAD * self._count)
            )
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(self._pool.submit(function, task) for task in islice(remaining, 1))
                yield result
        except BrokenProcessPool:
            raise VosError(
                "a worker process was ended from outside (often for want of memory): "
                "run the same command again to continue, with fewer --workers"
            ) from None


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Start processes that do not import the script that is run.

    They do not need it: it would start over in each of them if it has no guarded main part, or import TensorFlow.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin_worker() -> None:
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the pool
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """End this process when its parent is gone, even if that was killed and could say nothing."""
    wait([sentinel])
    os._exit(1)
