"""What dataclasses say about their fields, read from source: nothing is imported, so that help answers at once."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError


@dataclass(frozen=True)
class DocumentedField:
    """A field of a dataclass.

    Attributes:
        name: Its name.
        annotation: Its type, as the source writes it.
        meaning: What the section "Attributes:" of the class says about it, on one line; empty if nothing.
        metadata: Its metadata, where the source writes them as plain values.
        home: Module in which the annotation holds.
    """

    name: str
    annotation: str
    meaning: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    home: str = ""

    @property
    def section(self) -> str:
        """Where the class is that the field holds, ``module:Name``; empty if it is no class of a package's own."""
        return _definition(self.home, self.annotation) if self.annotation.isidentifier() else ""


@cache
def documented_fields(place: str) -> tuple[DocumentedField, ...]:
    """The fields of a dataclass, those of its bases first, each with what the most derived class says about it.

    Args:
        place: ``module:Name``.

    Raises:
        VosError: There is no such class.
    """
    module, _, name = place.partition(":")
    home, _, name = _definition(module, name).partition(":")
    node = _classes(home).get(name) if home else None
    if node is None:
        raise VosError(f"{place}: expected a class in this module, found none")
    found: dict[str, DocumentedField] = {}
    for base in node.bases:
        where = _definition(home, base.id) if isinstance(base, ast.Name) else ""
        found.update({item.name: item for item in (documented_fields(where) if where else ())})
    meanings = attribute_docs(ast.get_docstring(node) or "")
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            known = found.get(item.target.id)
            meaning = meanings.get(item.target.id, known.meaning if known else "")
            kind = ast.unparse(item.annotation)
            found[item.target.id] = DocumentedField(item.target.id, kind, meaning, _metadata(item.value), home)
    return tuple(found.values())


def attribute_docs(docstring: str) -> dict[str, str]:
    r"""What the section "Attributes:" of a docstring says, by name, each on one line.

    >>> attribute_docs("A box.\n\nAttributes:\n    width: In pixels;\n        0: none.")
    {'width': 'In pixels; 0: none.'}
    """
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    section = re.split(r"^(?=\S)", section, maxsplit=1, flags=re.MULTILINE)[0]
    entries = re.findall(r"^    (\w+): *((?:.*)(?:\n(?: {5,}.*)?)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _metadata(value: ast.expr | None) -> Mapping[str, Any]:
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg == "metadata":
                try:
                    metadata = ast.literal_eval(keyword.value)
                except ValueError:
                    return {}
                return metadata if isinstance(metadata, dict) else {}
    return {}


def _definition(module: str, name: str) -> str:
    """Where a class is defined that a module knows by ``name``; empty if no module with source defines it."""
    if name in _classes(module):
        return f"{module}:{name}"
    home, original = _imports(module).get(name, ("", ""))
    return _definition(home, original) if home else ""


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _body(module) if isinstance(node, ast.ClassDef)}


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    """What a module imports from others: module and name there by name here."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in _body(module)
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for alias in node.names
    }


@cache
def _body(module: str) -> tuple[ast.stmt, ...]:
    """Statements of a module; nothing where there is no source."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if inner:
        stems = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
        candidates = [path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py")]
    else:
        candidates = [Path(spec.origin)] if spec.origin else []
    for path in candidates:
        if path.is_file() and path.suffix == ".py":
            return tuple(ast.parse(path.read_text(encoding="utf-8")).body)
    return ()
