"""The command ``vos-tf``. Sub-commands import what they need when they run, so that ``--help`` answers at once."""

from __future__ import annotations

import typer

from vos_tf.commands.compare import compare
from vos_tf.commands.convert import convert
from vos_tf.commands.demo import demo
from vos_tf.commands.doctor import doctor
from vos_tf.commands.evaluate import evaluate
from vos_tf.commands.exit_codes import run
from vos_tf.commands.export import export
from vos_tf.commands.import_weights import import_weights
from vos_tf.commands.merge import merge
from vos_tf.commands.package import package
from vos_tf.commands.plot import plot
from vos_tf.commands.preprocess import preprocess
from vos_tf.commands.score import score
from vos_tf.commands.segment import segment
from vos_tf.commands.show import show
from vos_tf.commands.split import split
from vos_tf.commands.synthesize import synthesize
from vos_tf.commands.train import train
from vos_tf.version import __version__

app = typer.Typer(
    name="vos-tf",
    help="Video object segmentation in TensorFlow and Keras.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name, _function in (
    ("demo", demo),
    ("train", train),
    ("evaluate", evaluate),
    ("preprocess", preprocess),
    ("export", export),
    ("segment", segment),
    ("score", score),
    ("show", show),
    ("compare", compare),
    ("convert", convert),
    ("doctor", doctor),
    ("merge", merge),
    ("package", package),
    ("split", split),
    ("plot", plot),
    ("import", import_weights),
    ("synthesize", synthesize),
):
    app.command(_name)(_function)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"vos-tf {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """Entry point of the console command ``vos-tf``."""
    run(app)
