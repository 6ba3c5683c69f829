"""Options of methods on the command line: made from what their typed options say, every old spelling among them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.commands.method_options import method_options, with_method_options
from vos_tf.errors import VosError
from vos_tf.field_docs import attribute_docs, documented_fields
from vos_tf.methods import registry
from vos_tf.methods.method import Method

# Everything that could be said before options were made, with what it says.
OLD = {
    "--batch_size 3": {"objects_per_call": 3},
    "--batch-size 3": {"objects_per_call": 3},
    "--restart-every 7": {"restart_every": 7},
    "--steps 5": {"finetune": {"steps": 5}},
    "--online-steps 5": {"finetune": {"steps": 5}},
    "--seconds 1.5": {"finetune": {"seconds": 1.5}},
    "--learning-rate 1e-4": {"finetune": {"learning_rate": 1e-4}},
    "--trainable head": {"finetune": {"trainable": "head"}},
    "--separate": {"separate": True},
    "--together": {"separate": False},
    "--annotated-frames all": {"annotated_frames": "all"},
    "--short-side 480": {"short_side": 480},
    "--test-scales 0.75,1,1.25": {"test_scales": [0.75, 1, 1.25]},
    "--test-flip": {"test_flip": True},
    "--no-test-flip": {"test_flip": False},
    "--reach 0.5": {"reach": 0.5},
    "--snap": {"snap": True},
    "--no-snap": {"snap": False},
    "--crf": {"crf": {"enabled": True}},
    "--no-crf": {"crf": {"enabled": False}},
    "--adapted folder": {"adapted": "folder"},
    "--steps 5 --seconds 2 --crf": {"finetune": {"steps": 5, "seconds": 2.0}, "crf": {"enabled": True}},
    "": {},
}
NEW = {
    "--finetune-steps 5": {"finetune": {"steps": 5}},
    "--finetune-learning-rate 1e-4": {"finetune": {"learning_rate": 1e-4}},
    "--references 3 --sampling streaming": {"references": 3, "sampling": "streaming"},
}


@with_method_options
def echo(frames: int = typer.Option(0, "--frames"), *, options: Mapping[str, Any]) -> None:
    """Say what was given."""
    typer.echo(repr((frames, options)))


def said(arguments: str) -> Any:
    small = typer.Typer()
    small.command()(echo)
    result = CliRunner().invoke(small, arguments.split())
    assert result.exit_code == 0, result.output
    return eval(result.output)


@pytest.mark.parametrize("arguments", [*OLD, *NEW])
def test_every_spelling_says_what_it_said(arguments: str) -> None:
    assert said(f"{arguments} --frames 2") == (2, {**OLD, **NEW}[arguments])


@pytest.mark.parametrize("command", ["evaluate", "segment"])
def test_both_commands_that_segment_have_them_in_groups(command: str) -> None:
    help_text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    spellings = {name for option in method_options() for item in option.spellings for name in item.split("/")}
    assert all(name in help_text for name in spellings)
    assert {name for arguments in OLD for name in arguments.split() if name.startswith("--")} <= spellings
    panels = {option.panel for option in method_options()}
    assert len(panels) > 4
    assert all(panel in help_text for panel in panels)


def test_every_option_says_what_it_means_and_is_one() -> None:
    options = method_options()
    assert all(text for option in options for text in option.meanings.values())
    assert len({option.path for option in options}) == len(options)
    spellings = [name for option in options for item in option.spellings for name in item.split("/")]
    assert len(set(spellings)) == len(spellings)


def test_a_method_of_another_package_has_its_own_and_a_broken_one_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text(
        '"""A method."""\n\nfrom dataclasses import dataclass\n\nfrom vos_tf.inference.options import SharedOptions\n'
        "from vos_tf.methods.method import Method\n\n\n@dataclass(frozen=True)\nclass Options(SharedOptions):\n"
        '    """Options.\n\n    Attributes:\n        memory: Frames that are\n            kept [at most].\n'
        '        reach: Of the memory.\n        frames: Taken by the command.\n    """\n\n'
        "    memory: int | None = None\n    reach: float = 1.0\n    frames: int = 1\n\n\n"
        'METHOD = Method(name="mine", title="", network="", option_types=(Options,))\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    places = {**registry.METHODS, "mine": "elsewhere:METHOD", "broken": "nowhere:METHOD"}
    monkeypatch.setattr(registry, "_places", lambda: places)
    found = {option.path: option for option in method_options()}
    assert found["memory",].meaning == "Frames that are kept [at most]."
    assert (found["memory",].kind, found["memory",].panel) == ("int", "Options of mine")
    assert found["reach",].panel == "Options of osvos, emvos, mine"
    assert isinstance(registry.get_method("mine"), Method)
    with pytest.raises(VosError):
        registry.get_method("broken")

    @with_method_options
    def command(frames: int = typer.Option(0, "--frames"), *, options: Mapping[str, Any]) -> None:
        """Its own option wins."""
        typer.echo(repr((frames, options)))

    small = typer.Typer()
    small.command()(command)
    result = CliRunner().invoke(small, ["--memory", "4", "--frames", "3"])
    assert eval(result.output) == (3, {"memory": 4})


def test_fields_of_bases_come_first_and_the_derived_class_has_the_last_word() -> None:
    fields = {item.name: item for item in documented_fields("vos_tf.methods.osvos.options:Options")}
    assert fields["reach"].meaning.startswith("How far an object's pixels may be")
    inner = {item.name: item for item in documented_fields(fields["finetune"].section)}
    assert next(iter(inner)) == "steps"  # of the base
    assert inner["trainable"].metadata == {"option": "--trainable"}
    assert inner["steps"].meaning
    with pytest.raises(VosError, match="expected a class"):
        documented_fields("vos_tf.methods.osvos.options:None")


def test_docs_of_attributes_end_where_their_section_does() -> None:
    text = (
        "Box.\n\n    Attributes:\n        a: One,\n            two.\n        b: Three.\n\n    Raises:\n        c: No."
    )
    assert attribute_docs(text) == {"a": "One, two.", "b": "Three."}
    assert attribute_docs("Box.") == {}


def test_help_of_options_needs_no_tensorflow() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from vos_tf.commands.main import app\n"
        "assert '--finetune-steps' in CliRunner().invoke(app, ['segment', '--help'], env={'COLUMNS': '200'}).output\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'vos_tf.config'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
