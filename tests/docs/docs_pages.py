"""The pages of the documentation, taken apart: code blocks, commands, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = (REPOSITORY / "README.md", *sorted(DOCS.glob("*.md")))
RECIPES = tuple(sorted((REPOSITORY / "vos_tf" / "recipes").glob("*.yaml")))
RUN_BY_A_TEST_OF_ITS_OWN = DOCS / "adding_a_method.md"
"""Its commands need the files that it shows: ``test_adding_a_method_page.py`` writes them first."""

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_RECIPE_HEADER = re.compile(r"^# Command:(.*?)^# [A-Z]\w+:", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block: its page, its language (empty if not named) and its text."""

    page: Path
    language: str
    text: str


def code_blocks(page: Path) -> list[Block]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(page, language, dedent(text)) for _, language, text in found]


def python_blocks(page: Path) -> list[str]:
    return [block.text for block in code_blocks(page) if block.language == "python"]


def commands(page: Path) -> list[str]:
    """Commands of a page's shell blocks, or of the header of a recipe, one line each, without comments."""
    if page.suffix == ".yaml":
        return _recipe_commands(page)
    if page == RUN_BY_A_TEST_OF_ITS_OWN:
        return []
    blocks = [block.text for block in code_blocks(page) if block.language == "bash"]
    lines = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks)).splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*$", "", line) for line in lines) if line]


def _recipe_commands(recipe: Path) -> list[str]:
    """Continued lines are further in than those that they belong to; remarks stand in parentheses."""
    header = _RECIPE_HEADER.search(recipe.read_text(encoding="utf-8"))
    assert header, f"{recipe.name}: no commands in its header"
    text = dedent(re.sub("^#", " ", "#         " + header[1], flags=re.MULTILINE))
    lines = re.sub(r"\s*\\?\n +", " ", text).splitlines()
    return [line for line in (re.sub(r"(^|\s+)\(.*\)$", "", line) for line in lines) if line]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """Cells of the rows of the first table whose header begins with ``heading``; of all such tables of the page."""
    rows: list[list[str]] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith(f"| {heading} |"):
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows
