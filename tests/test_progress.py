"""The progress bar, as a terminal shows it."""

from __future__ import annotations

import io

import pytest

from vos_tf import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_with_brackets_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    with progress.progress("segmenting [a]", 2, "frames") as bar:
        bar.advance(note="clip [1]")
        bar.advance(note="clip [/1]")
    shown = terminal.getvalue()
    assert "segmenting [a]" in shown
    assert "clip [/1]" in shown
    assert "2/2" in shown
