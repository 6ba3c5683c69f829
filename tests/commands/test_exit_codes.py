"""How command lines end."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import signal, typer
from vos_tf.commands.exit_codes import run
from vos_tf.errors import IncompleteError, VosError
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

@app.command()
def command(mistake: bool = False, early: bool = False) -> None:
    if mistake:
        raise VosError("file: expected one, found none")
    if early:
        raise IncompleteError("file: expected more, found the end")
    signal.raise_signal(signal.SIGINT)

run(app)
"""


def end_of(*arguments: str) -> tuple[int, str]:
    finished = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    return finished.returncode, finished.stderr


def test_interrupted_commands_say_how_to_go_on() -> None:
    assert end_of() == (130, "interrupted; run the same command again to continue\n")


def test_mistakes_are_one_sentence() -> None:
    assert end_of("--mistake") == (1, "error: file: expected one, found none\n")


def test_input_that_ends_early_is_a_warning() -> None:
    assert end_of("--early") == (3, "warning: file: expected more, found the end\n")
