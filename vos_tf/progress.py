"""One progress bar for all long work: rate, time left; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """What long work reports to."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Say that ``amount`` more units are done; ``note`` is shown behind the numbers."""


class _Lines:
    """Progress for logs and pipes: a line now and then, and one at the end."""

    def __init__(self, description: str, total: int | None, unit: str, done: int) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done = self._first = done
        self._start = self._last = time.monotonic()
        self._note = ""

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        self._note = note or self._note
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say()

    def say(self) -> None:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = (self._done - self._first) / seconds
        line = f"{self._description}: {self._done}"
        if self._total is not None:
            line += f"/{self._total}"
        line += f" {self._unit}, {rate:.2f} {self._unit}/s"
        if self._total is not None and rate > 0:
            line += f", {clock((self._total - self._done) / rate)} left"
        sys.stderr.write(f"{line}  {self._note}".rstrip() + "\n")
        sys.stderr.flush()


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


@contextmanager
def progress(description: str, total: int | None, unit: str = "frames", done: int = 0) -> Iterator[Progress]:
    """Show the progress of ``total`` units of work (``None``: not known), ``done`` of which were done before.

    On a terminal this is a bar with rate and time left; elsewhere a line every ten seconds. Everything goes to
    the error stream, so that results on the output stream can be piped.
    """
    if not sys.stderr.isatty():
        lines = _Lines(description, total, unit, done)
        try:
            yield lines
        finally:
            lines.say()
        return
    with _bar(description, total, unit, done) as bar:
        yield bar


@contextmanager
def _bar(description: str, total: int | None, unit: str, done: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    start = time.monotonic()
    with RichProgress(*columns, console=Console(stderr=True)) as rich_progress:
        task = rich_progress.add_task(description, total=total, completed=done, rate="", note="")

        class _Bar:
            finished = 0

            def advance(self, amount: int = 1, note: str = "") -> None:
                self.finished += amount
                rate = self.finished / max(time.monotonic() - start, 1e-9)
                fields = {"rate": f"{rate:.1f} {unit}/s"} | ({"note": note} if note else {})
                rich_progress.update(task, advance=amount, **fields)  # type: ignore[arg-type]

        yield _Bar()
