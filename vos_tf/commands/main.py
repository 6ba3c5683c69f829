"""The command ``vos-tf``. Only the sub-command that is asked for is imported, so that ``--help`` answers at once."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from vos_tf.commands.exit_codes import run
from vos_tf.version import __version__

# Each is the function of the same name in a module of the same name, but for one that Python reserves.
COMMANDS = (
    "demo",
    "train",
    "evaluate",
    "preprocess",
    "export",
    "segment",
    "score",
    "show",
    "compare",
    "convert",
    "doctor",
    "merge",
    "package",
    "split",
    "plot",
    "import",
    "synthesize",
)
_FUNCTIONS = {"import": "import_weights"}


def build_app(asked: str | None = None) -> typer.Typer:
    """The application with all commands; of those not ``asked`` for, if one is, nothing but their help is there."""
    app = typer.Typer(
        name="vos-tf",
        help="Video object segmentation in TensorFlow and Keras.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in COMMANDS:
        app.command(name)(_described(name) if asked is not None and asked != name else _imported(name))
    app.callback()(_root)
    return app


def _imported(name: str) -> Callable[..., None]:
    function = _FUNCTIONS.get(name, name)
    command: Callable[..., None] = getattr(import_module(f"vos_tf.commands.{function}"), function)
    return command


def _described(name: str) -> Callable[..., None]:
    """What stands for a command that is not asked for: its help, read from its source."""
    function = _FUNCTIONS.get(name, name)
    tree = ast.parse((Path(__file__).parent / f"{function}.py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)

    def command() -> None:
        raise NotImplementedError(name)

    command.__doc__ = ast.get_docstring(found)
    return command


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"vos-tf {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def __getattr__(name: str) -> Any:
    """``app``, with all commands, when it is first needed."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = globals()["app"] = build_app()
    return app


def main() -> None:
    """Entry point of the console command ``vos-tf``."""
    run(build_app(next((word for word in sys.argv[1:] if not word.startswith("-")), "")))
