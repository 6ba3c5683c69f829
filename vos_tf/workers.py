"""Work spread over processes. Who uses it gets a `concurrent.futures.Executor`, which may be of other machines, too.

Results come in the order of the tasks, and ``map`` is never more than a few tasks ahead of who takes them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import cv2
import numpy as np

from vos_tf.errors import VosError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
TASKS_AHEAD = 4
"""Tasks in flight for every worker; bounds the memory that waiting results take."""
_LARGE_BLOCK = 2**24  # bytes; well above a mask, and never touched


def worker_count(workers: int) -> int:
    """Number of processes: ``workers``, or one for every core that this process may use if it is 0.

    Raises:
        VosError: ``workers`` is negative.
    """
    if workers < 0:
        raise VosError(f"workers: expected 0 (one per core) or more, found {workers}")
    return workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def open_workers(workers: int = 0, *, tasks: int | None = None) -> Executor:
    """Who does the work; to be used as a context, at whose end (or error, or Ctrl-C) no process is left.

    Functions that are given to it must be of a module; they and the tasks are pickled. ``map`` takes tasks only as
    results are consumed, so that there may be any number, and raises `VosError` where a worker was killed.

    Args:
        workers: Number of processes; 0: one for every core that this process may use. With 1 the work is done in this
            process.
        tasks: Their number, if it is known: no more processes than that are started.

    Raises:
        VosError: ``workers`` is negative.
    """
    count = worker_count(workers)
    count = count if tasks is None else max(1, min(count, tasks))
    return _Here() if count == 1 else _Processes(count)


class _Here(Executor):
    """Does the work in this process, at once; as a worker would, without threads of OpenCV."""

    def __init__(self) -> None:
        self._threads = cv2.getNumThreads()
        _prepare()

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future's to raise
            future.set_exception(error)
        return future

    def map(
        self, fn: Callable[..., Result], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Result]:
        return map(fn, *iterables)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        cv2.setNumThreads(self._threads)


class _Processes(ProcessPoolExecutor):
    def __init__(self, count: int) -> None:
        super().__init__(count, mp_context=_Context(), initializer=_begin_worker)
        self._ahead = TASKS_AHEAD * count

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        with _interrupted_later():  # it may start a process, and the thread that ends it
            return super().submit(fn, *args, **kwargs)

    def map(
        self, fn: Callable[..., Result], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Result]:
        remaining = zip(*iterables, strict=False)
        try:
            waiting = deque(self.submit(fn, *task) for task in islice(remaining, self._ahead))
            while waiting:
                result = waiting.popleft().result(timeout)
                waiting.extend(self.submit(fn, *task) for task in islice(remaining, 1))
                yield result
        except BrokenProcessPool:
            raise VosError(
                "a worker process was ended from outside (often for want of memory): "
                "run the same command again to continue, with fewer --workers"
            ) from None

    def __exit__(self, *_: object) -> None:
        self.shutdown(cancel_futures=True)


class _Process(SpawnProcess):
    """A process that does not import the script that is run.

    It does not need it: the script would start over in each if it has no guarded main part, or import TensorFlow.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Let Ctrl-C wait until a process is started and looked after; that process itself never sees it."""
    waiting: list[int] = []
    here = threading.current_thread() is threading.main_thread()  # the only one that Ctrl-C interrupts
    handler = signal.signal(signal.SIGINT, lambda number, _: waiting.append(number)) if here else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if here:
            signal.signal(signal.SIGINT, handler)
    if waiting:
        signal.raise_signal(signal.SIGINT)


class _Context(SpawnContext):
    """Spawned, not forked: the caller may hold TensorFlow and its threads."""

    Process = _Process


def _begin_worker() -> None:
    _prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends the pool
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _prepare() -> None:
    cv2.setNumThreads(1)
    # Once a large block was freed, glibc keeps blocks up to that size instead of handing each mask back to the
    # system and fetching it again page by page: a sixth of a worker's time. Elsewhere this does nothing.
    np.empty(_LARGE_BLOCK, np.uint8)


def _end_with(sentinel: int) -> None:
    """End this process when its parent is gone, even if that was killed and could say nothing."""
    wait([sentinel])
    os._exit(1)
