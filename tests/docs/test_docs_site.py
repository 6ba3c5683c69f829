"""The documentation as a site: every page in the navigation, every name of the reference there, nothing fetched."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import DOCS, REPOSITORY, prose, table_rows

SITE = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = sorted(DOCS.rglob("*.md"))
REFERENCE = sorted((DOCS / "reference").glob("*.md"))
NAMES = [name for page in REFERENCE for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)]


def pages_of(entry: Any) -> list[str]:
    """Pages of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for item in inner for page in pages_of(item)]


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(pages_of(SITE["nav"])) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@cache
def module(name: str) -> ast.Module | None:
    """The source of a module, without importing it."""
    path = REPOSITORY.joinpath(*name.split("."))
    file = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
    return ast.parse(file.read_text(encoding="utf-8")) if file else None


def definition(name: str) -> ast.FunctionDef | ast.ClassDef:
    """What a name of the reference means, through packages that pass it on."""
    home, _, last = name.rpartition(".")
    tree = module(home)
    assert tree is not None, f"{name}: there is no module {home}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == last:
            return node
        if isinstance(node, ast.ImportFrom) and last in {item.name for item in node.names}:
            return definition(f"{node.module}.{last}")
    raise AssertionError(f"{name}: {home} has no {last}")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_reference_exist_and_say_what_they_are(name: str) -> None:
    found = definition(name)
    text = ast.get_docstring(found)
    assert text
    # Outside of such a section, examples are shown as quotations.
    assert ">>>" not in text or re.search(r"^Examples:\n    .*>>>", text, re.M | re.S)


def test_nothing_is_in_the_reference_twice() -> None:
    assert len(NAMES) > 100
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.name)
def test_links_of_the_reference_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        assert (page.parent / link.partition("#")[0]).is_file(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_lists_are_lists_on_the_site(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # Unlike other renderers it wants an empty line before a list, and four spaces before what an item holds.
    assert not re.search(r"^(?![*-] |\d+\. | |#|$).+\n(\* |- |1\. )", prose(page), re.M)
    assert not re.search(r"^ {1,3}```", text, re.M)


def test_every_recipe_is_listed() -> None:
    listed = " ".join(row[0] for row in table_rows(DOCS / "configuration.md", "recipe"))
    recipes = (REPOSITORY / "vos_tf" / "recipes").glob("*.yaml")
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(recipe.stem for recipe in recipes)


def test_pictures_are_used_and_small() -> None:
    texts = " ".join(page.read_text(encoding="utf-8") for page in [*PAGES, REPOSITORY / "README.md"])
    for picture in (DOCS / "images").iterdir():
        assert f"images/{picture.name})" in texts
        assert picture.stat().st_size < 250_000


def test_nothing_is_fetched_from_other_hosts() -> None:
    assert SITE["theme"]["font"] is False
    assert "extra_javascript" not in SITE
    for sheet in SITE["extra_css"]:
        assert "//" not in (DOCS / sheet).read_text(encoding="utf-8")
    for page in PAGES:
        assert not re.search(r"!\[[^]]*\]\(\w+://", prose(page)), page.name
