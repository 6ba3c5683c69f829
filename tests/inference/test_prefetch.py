"""Threads ahead and behind: order, bounds, errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vos_tf.inference.prefetch import WAITING, BackgroundWriter, prefetch


def test_items_come_in_order_and_only_a_few_are_made_ahead() -> None:
    made: list[int] = []
    threads = set()

    def items() -> Iterator[int]:
        for index in range(30):
            made.append(index)
            threads.add(threading.get_ident())
            yield index

    for taken, item in enumerate(prefetch(items())):
        assert item == taken
        assert len(made) <= taken + 1 + WAITING
    assert taken == 29
    assert threading.get_ident() not in threads
    assert len(threads) == 1


def test_errors_keep_their_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"):
        for item in prefetch(items()):
            taken.append(item)
    assert taken == [1, 2]


def test_nothing_is_made_after_the_caller_has_stopped() -> None:
    made: list[int] = []
    items = prefetch(made.append(index) or index for index in range(100))  # type: ignore[func-returns-value]
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    count = len(made)
    assert count <= WAITING + 1
    assert threading.active_count() >= 1
    assert len(made) == count


def test_none_is_an_item_and_nothing_gives_nothing() -> None:
    assert list(prefetch(iter([None, 0, None]))) == [None, 0, None]
    assert list(prefetch(iter(()))) == []


def test_work_is_done_in_order_and_before_the_block_ends() -> None:
    done: list[int] = []
    with BackgroundWriter() as behind:
        for index in range(20):
            behind.put(lambda index=index: done.append(index))  # type: ignore[misc]
            assert len(done) >= index - WAITING
    assert done == list(range(20))


def test_work_waits_for_the_one_before() -> None:
    goes_on = threading.Event()
    done: list[int] = []
    with BackgroundWriter() as behind:
        behind.put(lambda: (goes_on.wait(5), done.append(0))[1])
        behind.put(lambda: done.append(1))
        assert done == []
        goes_on.set()
    assert done == [0, 1]


def test_errors_of_work_come_up() -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"), BackgroundWriter() as behind:
        behind.put(fail)
    started = 0
    with pytest.raises(OSError, match="full"), BackgroundWriter() as behind:
        behind.put(fail)
        for started in range(100):  # noqa: B007
            behind.put(lambda: done.append(1))
    assert started <= WAITING


def test_what_waits_is_done_when_the_block_is_broken_off() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), BackgroundWriter() as behind:
        for index in range(3):
            behind.put(lambda index=index: done.append(index))  # type: ignore[misc]
        raise KeyboardInterrupt
    assert done == [0, 1, 2]
