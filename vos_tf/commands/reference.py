"""``make reference``: tables of settings in docs/ and comments of config.yaml from what dataclasses say of fields.

A table stands between two comments, of which the first says what of::

    <!-- made by make reference: keys training -->
    <!-- end -->

``keys SECTION``: the keys of a section of the configuration. ``inside SECTION.KEY``: the keys of a key that holds
settings itself. ``network METHOD TRUNK[,TRUNK...] ...``: settings of a
method's network, a column of defaults for each group of trunks that has the same. ``options``: options of methods on
the command line. What stands around them is written by hand.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from vos_tf.commands.method_options import method_options
from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.field_docs import documented_fields

_BLOCK = re.compile(r"(<!-- made by make reference: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_KEY = re.compile(r"  (\w+): (.*?)(?:\s+#.*)?")
WIDTH = 120


def reference(folder: Path) -> dict[Path, str]:
    """The files that hold something made, as they should be.

    Args:
        folder: A checkout of the project.

    Raises:
        VosError: A comment asks for something that there is not.
    """
    made = {folder / "config.yaml": _config_file((folder / "config.yaml").read_text(encoding="utf-8"))}
    for page in sorted((folder / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            made[page] = _BLOCK.sub(lambda found: f"{found[1]}\n{_table(found[2])}\n\n{found[3]}", text)
    return made


def stale(folder: Path) -> list[Path]:
    """The files that are not as they should be: ``make reference`` writes them anew."""
    return [path for path, text in reference(folder).items() if path.read_text(encoding="utf-8") != text]


def _table(request: str) -> str:
    kind, *words = request.split()
    makers: dict[str, Callable[..., str]] = {"keys": _keys, "inside": _inside, "network": _network, "options": _options}
    if kind not in makers:
        raise VosError(f"made by make reference: expected one of {', '.join(makers)}, found {request!r}")
    return makers[kind](*words)


def _keys(section: str) -> str:
    return _rows(("key", "default", "meaning"), _fields(_defaults(section), f"{section}."))


def _inside(key: str) -> str:
    section, name = key.split(".")
    return _rows((f"of `{key}`", "default", "meaning"), _fields(getattr(_defaults(section), name)))


def _fields(defaults: Any, prefix: str = "") -> list[tuple[str, str, str]]:
    """Name, default and meaning of each field of a dataclass."""
    return [
        (f"`{prefix}{name}`", f"`{plain(getattr(defaults, name))}`", _cell(meaning))
        for name, meaning in meanings(type(defaults)).items()
    ]


def _network(name: str, *columns: str) -> str:
    """A column for each group of trunks, those of a group with commas between them."""
    from vos_tf.methods.registry import get_method

    method = get_method(name)
    groups = [column.split(",") for column in columns]
    settings = [method.default_settings(trunks[0]) for trunks in groups]
    rows = [
        (f"`{key}`", *(f"`{plain(getattr(one, key))}`" for one in settings), _cell(meaning))
        for key, meaning in meanings(type(settings[0])).items()
        if key != "trunk"
    ]
    titles = [", ".join(f"`{trunk}`" for trunk in trunks) for trunks in groups]
    return _rows(("setting", *titles, "meaning"), rows)


def _options() -> str:
    rows = []
    for option in method_options():
        spellings = [f"`{name}`" for item in option.spellings for name in item.split("/")]
        methods = "all" if option.shared else ", ".join(option.meanings)
        rows.append((", ".join(spellings), methods, _cell(option.meaning)))
    return _rows(("option", "of", "meaning"), rows)


def meanings(kind: type) -> dict[str, str]:
    """What a dataclass says about its fields, by name."""
    return {item.name: item.meaning for item in documented_fields(f"{kind.__module__}:{kind.__qualname__}")}


def _defaults(section: str) -> Any:
    one_of("made by make reference: section", section, tuple(_sections()))
    return _sections()[section]()


def _sections() -> dict[str, Any]:
    from vos_tf.jobs.run_config import SECTIONS

    return SECTIONS


def plain(value: Any) -> str:
    """A value as YAML writes it, on one line, numbers without exponents.

    >>> plain((1.0, 1e-5)), plain(None), plain("")
    ('[1, 0.00001]', 'null', '""')
    """
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(plain, value))}]"
    if value == "":
        return '""'
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and value == type(value)():
        return "{}"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


def _cell(meaning: str) -> str:
    """A meaning as a cell of a table."""
    return meaning.replace("``None``", "``null``").replace("``", "`").replace("|", "\\|")


def _rows(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = tuple(titles)
    lines = [titles, *rows]
    return "\n".join([f"| {' | '.join(lines[0])} |", f"|{'---|' * len(titles)}", *(_line(row) for row in lines[1:])])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _config_file(text: str) -> str:
    """``config.yaml`` with its values as they are, keys as the dataclasses order them, the meaning of each above it."""
    head, values = _read_config(text)
    lines = [*head]
    for section, kind in _sections().items():
        lines += ["", f"{section}:"]
        defaults = kind()
        for name, meaning in meanings(kind).items():
            comment = textwrap.wrap(meaning.replace("``None``", "null").replace("`", ""), WIDTH - 4)
            value = values.get((section, name), plain(getattr(defaults, name)))
            lines += [*(f"  # {line}" for line in comment), f"  {name}: {value}"]
    return "\n".join(lines) + "\n"


def _read_config(text: str) -> tuple[list[str], dict[tuple[str, str], str]]:
    """The comment at the head, and the values as they are written."""
    lines = text.splitlines()
    head = lines[: next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))]
    values, section = {}, ""
    for line in lines:
        if found := re.fullmatch(r"(\w+):(?:\s+#.*)?", line):
            section = found[1]
        elif found := _KEY.fullmatch(line):
            values[section, found[1]] = found[2]
    return head, values


def main() -> None:
    """Write anew what is stale, in the working folder."""
    for path, text in reference(Path()).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"written: {path}\n")


if __name__ == "__main__":
    main()
