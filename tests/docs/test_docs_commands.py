"""Every command of the pages and of the recipes' headers is run, in the order in which readers come to it."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_pages import PAGES as STATES
from command_rules import EXCEPTIONS, EXIT_CODES, RULES, made_small, reason_not_to_run
from docs_pages import PAGES, RECIPES, REPOSITORY, code_blocks, commands
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.jobs import demo

CHECKOUT = ("VOS.py", "VOS_evaluate.py", "preprocess.py", "benchmarks", "config.yaml")
SCRIPTS = {"VOS.py": "train", "VOS_evaluate.py": "evaluate", "preprocess.py": "preprocess"}
ON_PAGES = {page.name: commands(page) for page in PAGES}
IN_RECIPES = {recipe.name: commands(recipe) for recipe in RECIPES}
EVERY = [line for lines in (*ON_PAGES.values(), *IN_RECIPES.values()) for line in lines]


def to_run() -> dict[str, list[str]]:
    """Commands by page or recipe; recipes whose commands all stand on pages are not run once more."""
    known = {line for lines in ON_PAGES.values() for line in lines}
    chosen = ON_PAGES | {name: lines for name, lines in IN_RECIPES.items() if not known.issuperset(lines)}
    found = {name: [line for line in lines if not reason_not_to_run(line)] for name, lines in chosen.items()}
    return {name: lines for name, lines in found.items() if lines}


RUN = to_run()


def run(command: str) -> str:
    """Run a command in the working folder, made small; what it prints."""
    words = shlex.split(made_small(command))
    if words[0] == "python" and words[1] in SCRIPTS:
        words = ["vos-tf", SCRIPTS[words[1]], *words[2:]]
    if words[0] == "vos-tf":
        code, output = _in_this_process(words[1:])
    else:
        code, output = _in_another(words)
    assert code == EXIT_CODES.get(command, 0), f"{command}\nas {shlex.join(words)}\n{output}"
    for place in places(words):
        files = [file for file in (place, *place.rglob("*")) if file.is_file()]
        assert any(file.stat().st_size for file in files), f"{command}: left nothing in {place}"
    return output


def _in_this_process(arguments: list[str]) -> tuple[int, str]:
    """TensorFlow takes seconds to start, so it starts once."""
    import keras

    result = CliRunner().invoke(app, arguments)
    keras.backend.clear_session()
    return result.exit_code, f"{result.output}{result.exception!r}"


def _in_another(words: list[str]) -> tuple[int, str]:
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def places(words: list[str]) -> list[Path]:
    """Files and folders that a command names for what it makes."""
    options = ["--out", "--html", "--json", "--csv"]
    options += ["--run"] if words[1] == "train" else ["--video"] if words[1] == "segment" else []
    given = dict(itertools.pairwise(words))
    results = [Path(given.get("--results", "results"), given["--scenario-name"])] if "--scenario-name" in given else []
    return [*(Path(given[option]) for option in options if option in given), *results]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """What makers make, once each."""
    store = tmp_path_factory.mktemp("world")
    known: dict[Callable[[Path], object], Path] = {}

    def get(name: str, maker: Callable[[Path], object]) -> Path:
        if maker not in known:
            place = store / str(len(known)) / Path(name).name
            place.parent.mkdir()
            maker(place)
            known[maker] = place
        return known[maker]

    return get


@pytest.mark.docs
@pytest.mark.parametrize("page", RUN)
def test_commands_run(
    page: str,
    made: Callable[[str, Callable[[Path], object]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_run", lambda *words: run(shlex.join(["vos-tf", *words])))
    for name in CHECKOUT:
        (tmp_path / name).symlink_to(REPOSITORY / name)
    for name, maker in STATES[page].files.items():
        source, target = made(name, maker), tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            target.symlink_to(source)
    for command in (*STATES[page].before, *RUN[page]):
        run(command)


def test_every_command_is_run_or_an_exception() -> None:
    assert set(STATES) == set(RUN)
    run_lines = {line for lines in RUN.values() for line in lines}
    assert all((line in run_lines) != (reason_not_to_run(line) is not None) for line in EVERY)


def test_no_rule_is_superfluous() -> None:
    pages = (*RUN.values(), *(state.before for state in STATES.values()))
    lines = [line for page in pages for line in page]
    assert all(any(re.search(rule.commands, line) for line in lines) for rule in RULES)
    assert set(EXIT_CODES) <= set(lines)


def test_no_exception_is_superfluous() -> None:
    assert all(any(re.fullmatch(pattern, line) for line in EVERY) for pattern in EXCEPTIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_in_blocks_that_say_so(page: Path) -> None:
    others = "\n".join(block.text for block in code_blocks(page) if block.language in ("", "sh", "shell", "console"))
    assert not re.search(r"^(\$ )?(vos-tf|python|pip|make) ", others, re.MULTILINE)
