"""Commands, links and tables of the documentation: every option, page, key and default exists as it is written."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from command_rules import made_small, reason_not_to_run
from docs_pages import DOCS, PAGES, RECIPES, REPOSITORY, commands, prose, table_rows

from vos_tf.commands.main import app
from vos_tf.config import layered, parse_assignments
from vos_tf.datasets.registry import dataset_names
from vos_tf.inference.options import SharedOptions
from vos_tf.jobs.run_config import SECTIONS, run_config
from vos_tf.methods.cosnet.options import Options as COSNetOptions
from vos_tf.methods.osvos.options import Options as OSVOSOptions
from vos_tf.methods.osvos.options import default_options
from vos_tf.methods.registry import get_method
from vos_tf.methods.rvos.options import OneShotOptions, ZeroShotOptions
from vos_tf.methods.s2s.options import Options as S2SOptions
from vos_tf.pipeline.scene_options import SceneOptions

SCRIPTS = {"VOS.py": "train", "VOS_evaluate.py": "evaluate", "preprocess.py": "preprocess"}
ROOT: Any = typer.main.get_command(app)


def all_commands() -> list[Any]:
    pages = (*PAGES, *RECIPES)
    return [pytest.param(line, id=f"{page.name}: {line}") for page in pages for line in commands(page)]


def parse(arguments: list[str]) -> dict[str, Any]:
    """Parameters of a command of ``vos-tf``, as it would be called with them."""
    if arguments[0].startswith("-"):
        with pytest.raises(typer.Exit):  # --version and --help say something and end
            ROOT.make_context("vos-tf", arguments)
        return {}
    name, *rest = arguments
    assert name in ROOT.commands, f"there is no command {name}"
    parameters: dict[str, Any] = ROOT.commands[name].make_context(name, rest).params
    return parameters


@pytest.mark.parametrize("line", all_commands())
def test_commands_exist_with_all_their_options(line: str) -> None:
    check_command(line)


@pytest.mark.parametrize("line", all_commands())
def test_commands_made_small_exist_with_all_their_options(line: str) -> None:
    if reason_not_to_run(line) is None:
        check_command(made_small(line))


def check_command(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "vos-tf":
        check_own_command(arguments)
    elif program == "python" and arguments[0] in SCRIPTS:
        check_own_command([SCRIPTS[arguments[0]], *arguments[1:]])
    elif program == "python" and arguments[0] != "-m":
        assert (REPOSITORY / arguments[0]).is_file()
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets)
    elif program == "pip":
        extras = re.findall(r"\[(\w+)\]", line)
        assert set(extras) <= set(re.findall(r'^ +"(\w+)": \[', (REPOSITORY / "setup.py").read_text(), re.MULTILINE))
    elif program == "export":
        assert set(json.loads(arguments[0].partition("=")[2])) == {"cluster", "task"}
    else:
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        assert line in ("python -m venv .venv", ". .venv/bin/activate") or shutil.which(program, path=programs)


def check_own_command(arguments: list[str]) -> None:
    parameters = parse(arguments)
    if parameters.get("dataset"):
        assert parameters["dataset"].replace("-", "_") in dataset_names()
    if set(arguments[:1]) & {"evaluate", "segment"}:
        assert set(parse_assignments(parameters["assignments"], sections=False)) <= segmenting_options()
    elif "assignments" in parameters:
        model = {"model": {"name": parameters.get("model"), "trunk": parameters.get("trunk")}}
        assert run_config(layered(None, parameters.get("recipe"), parameters["assignments"], model))


def segmenting_options() -> set[str]:
    """Names of all options that any model has when it segments."""
    kinds = (OneShotOptions, ZeroShotOptions, OSVOSOptions, S2SOptions, COSNetOptions, SharedOptions)
    return {item.name for kind in kinds for item in dataclasses.fields(kind)}


def test_there_are_commands_to_check() -> None:
    pages = {page.name for page in PAGES if commands(page)}
    assert {"README.md", "getting_started.md", "training.md", "segmenting.md", "exporting.md"} <= pages


def options(command: str) -> set[str]:
    named = (name for item in ROOT.commands[command].params for name in (*item.opts, *item.secondary_opts))
    return {name for name in named if name.startswith("-")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_named_in_the_text_exist(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", prose(page))
    named = {option for span in spans for option in re.findall(r"(?<![\w-])--[A-Za-z][\w-]*", span)}
    known = {"--help", "--version"}.union(*(options(name) for name in ROOT.commands))
    assert named <= known


@pytest.mark.parametrize(
    ("page", "command"), [("training.md", "train"), ("segmenting.md", "evaluate"), ("own_video.md", "segment")]
)
def test_every_option_is_explained(page: str, command: str) -> None:
    explained = set(re.findall(r"--[A-Za-z][\w-]*", " ".join(row[0] for row in table_rows(DOCS / page, "option"))))
    assert explained == options(command) - {"--help"}


@pytest.mark.parametrize(("trunk", "column"), [("vgg16", 1), ("vgg19_bn", 2), ("mobilenet_v2", 3), ("small", 3)])
def test_tables_of_one_shot_options_have_the_defaults(trunk: str, column: int) -> None:
    rows = table_rows(DOCS / "osvos.md", "option | `vgg16`")
    options = dataclasses.asdict(
        default_options(get_method("osvos").build(get_method("osvos").resolve_settings(trunk, {})))
    )
    assert len(rows) > 8
    published = trunk.startswith("vgg")  # one column for both in the smaller tables
    for title, section in (("closer view", "zoom"), ("learning on", "adaptation")):
        settings = {row[0].strip("`"): row[1 if published else 2] for row in table_rows(DOCS / "osvos.md", title)}
        assert set(settings) == {f"{section}.{name}" for name in options[section]}
        rows += [[name, *["", "", "", ""][: column - 1], value] for name, value in settings.items()]
    for row in rows:
        section, name = row[0].strip("`").split(".")
        wanted = options[section][name]
        assert yaml.safe_load(row[column].strip("`")) == (list(wanted) if isinstance(wanted, tuple) else wanted), name


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_index_leads_to_every_page() -> None:
    links = set(re.findall(r"\]\(([\w.]+)\)", prose(DOCS / "index.md")))
    assert links == {page.name for page in DOCS.glob("*.md")} - {"index.md"}


def every_key() -> set[str]:
    return {
        f"{name}.{item.name}"
        for name, section in SECTIONS.items()
        for item in dataclasses.fields(section)  # type: ignore[arg-type]
    }


def test_table_of_keys_is_complete_and_has_the_defaults() -> None:
    rows = table_rows(DOCS / "configuration.md", "key")
    table = {row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in rows}
    assert len(rows) == len(table)
    assert set(table) == every_key()
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for key, value in table.items():
        section, name = key.split(".")
        values[section][name] = value
    assert run_config(values) == run_config({})


def test_table_of_scene_options_is_complete_and_has_the_defaults() -> None:
    rows = table_rows(DOCS / "configuration.md", "of `clips.scene`")
    assert {row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in rows} == dataclasses.asdict(SceneOptions())


def test_config_file_of_the_project_has_every_key_and_the_defaults() -> None:
    content = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    assert {f"{section}.{name}" for section, values in content.items() for name in values} == every_key()
    assert run_config(content) == run_config({})


@pytest.mark.parametrize(("trunk", "column"), [("vgg16", 1), ("mobilenet_v2", 1), ("small", 2)])
def test_table_of_network_settings_has_the_defaults(trunk: str, column: int) -> None:
    rows = table_rows(DOCS / "configuration.md", "setting")
    table = {row[0].strip("`"): yaml.safe_load(row[column].strip("`")) for row in rows}
    wanted = dataclasses.asdict(get_method("s2s").default_settings(trunk))
    del wanted["trunk"]
    assert table == {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}
