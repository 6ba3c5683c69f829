"""Work that overlaps: what comes next is made ahead in one thread, what is done is put away behind in another.

In both, one piece comes after the other, in order, and only a few wait, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WAITING = 2

T = TypeVar("T")
_END = object()


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next few are made in a thread while the caller is busy with one. Errors keep their place."""
    pool = ThreadPoolExecutor(1)
    coming: deque[Future[T | object]] = deque(pool.submit(next, items, _END) for _ in range(WAITING))
    try:
        while (item := coming.popleft().result()) is not _END:
            coming.append(pool.submit(next, items, _END))
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class BackgroundWriter:
    """Does pieces of work in a thread while the caller goes on; all are done when its block ends, however it ends."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def put(self, work: Callable[[], None]) -> None:
        """Add a piece; errors of earlier ones come up here, or at the end of the block if that ends well."""
        self._waiting.append(self._pool.submit(work))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            for work in self._waiting:
                work.result()
