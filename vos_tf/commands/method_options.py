"""Options of methods on the command line, made from their typed options: name, type and help are written once.

Every plain field of a method's options has an option of its name, ``short_side`` is ``--short-side``. A field of a
section has one if its metadata gives it a spelling, ``field(default=0, metadata={"option": "--steps"})``, beside
``--finetune-steps``. All other fields are reached by ``--set``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import typer

from vos_tf.errors import VosError
from vos_tf.field_docs import DocumentedField, documented_fields
from vos_tf.methods.method import Method
from vos_tf.methods.registry import all_methods

SHARED = "vos_tf.inference.options:SharedOptions"
"""What every method has."""
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class MethodOption:
    """An option of one or more methods.

    Attributes:
        path: Names of the section, if it is of one, and the field.
        spellings: As typer takes them: ``--reach``, ``--snap/--no-snap``.
        kind: Type, as the source writes it, without ``None``.
        meanings: What it means by method.
        shared: Whether every method has it.
    """

    path: tuple[str, ...]
    spellings: tuple[str, ...]
    kind: str
    meanings: Mapping[str, str]
    shared: bool = False

    @property
    def parameter(self) -> str:
        """Name of the parameter of a command."""
        return "__".join(("method", *self.path))

    @property
    def panel(self) -> str:
        """Title of its group in help."""
        return "Options of all methods" if self.shared else f"Options of {', '.join(self.meanings)}"

    @property
    def meaning(self) -> str:
        """What it means; where methods say different things, each method's words."""
        if len(set(self.meanings.values())) == 1 or self.shared:
            return next(iter(self.meanings.values()))
        return " ".join(f"{name}: {text}" for name, text in self.meanings.items())

    def parse(self, value: Any) -> Any:
        """The value of the option from what typer read."""
        from vos_tf.config import number_or_yaml

        if self.kind in _PLAIN:
            return value
        return number_or_yaml(f"[{value}]" if self.kind.startswith("tuple") else value)


def method_options() -> tuple[MethodOption, ...]:
    """The options of all methods; what several share is one. Those that all have come first."""
    found = {option.path: replace(option, shared=True) for option in _options("", SHARED)}
    for method in all_methods():
        for option in _of_method(method):
            known = found.get(option.path)
            found[option.path] = _joined(known, option) if known else option
    return _without_clashes(found.values())


def with_method_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command that has the options of all methods; those given come as nested mappings in its last parameter.

    Spellings of the command itself win over those of methods.

    Args:
        command: A function for typer whose last parameter, ``options``, takes the mapping.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    taken = {name for item in own for spelling in item.default.param_decls or () for name in spelling.split("/")}
    made = {option.parameter: option for option in _without_clashes(method_options(), taken)}

    def with_options(**values: Any) -> None:
        given: dict[str, Any] = {}
        for name, option in made.items():
            value = values.pop(name, None)
            if value is not None:
                section = given
                for key in option.path[:-1]:
                    section = section.setdefault(key, {})
                section[option.path[-1]] = option.parse(value)
        command(**values, options=given)

    parameters = [*own, *map(_parameter, made.values())]
    with_options.__name__, with_options.__doc__ = command.__name__, command.__doc__
    with_options.__module__ = command.__module__
    with_options.__annotations__ = {item.name: item.annotation for item in parameters}
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_options


def _of_method(method: Method) -> Iterator[MethodOption]:
    for part in method.option_types:
        place = part if isinstance(part, str) else f"{part.__module__}:{part.__qualname__}"
        try:
            yield from _options(method.name, place)
        except VosError:  # without source
            continue


def _options(method: str, place: str) -> Iterator[MethodOption]:
    for item in documented_fields(place):
        if item.section:
            for inner in documented_fields(item.section):
                if "option" in inner.metadata:
                    yield _option(method, (item.name, inner.name), inner)
        elif not item.annotation.startswith(("Mapping", "dict")):
            yield _option(method, (item.name,), item)


def _option(method: str, path: tuple[str, ...], item: DocumentedField) -> MethodOption:
    kind = re.sub(r"\s*\|\s*None$", "", item.annotation)
    long = "--" + "-".join(path).replace("_", "-")
    given = tuple(str(item.metadata.get("option", "")).split())
    if kind == "bool":
        spellings = given or (f"{long}/--no-{long[2:]}",)
    else:
        spellings = (long, *(spelling for spelling in given if spelling != long))
    return MethodOption(path, spellings, kind, {method: item.meaning})


def _joined(one: MethodOption, other: MethodOption) -> MethodOption:
    """An option that two methods have."""
    return replace(
        one,
        spellings=tuple(dict.fromkeys((*one.spellings, *other.spellings))),
        kind=one.kind if one.kind == other.kind else "Any",
        meanings={**one.meanings, **other.meanings},
    )


def _without_clashes(options: Iterable[MethodOption], taken: Iterable[str] = ()) -> tuple[MethodOption, ...]:
    """The options without spellings that another before has; those without any are left to ``--set``."""
    known = set(taken)
    kept = []
    for option in options:
        spellings = tuple(spelling for spelling in option.spellings if not known & set(spelling.split("/")))
        known.update(name for spelling in spellings for name in spelling.split("/"))
        if spellings:
            kept.append(replace(option, spellings=spellings))
    return tuple(kept)


def _parameter(option: MethodOption) -> inspect.Parameter:
    kind: Any = _PLAIN.get(option.kind, str)
    metavar = "A,B,..." if option.kind.startswith("tuple") else None
    text = re.sub(r"\[(?=[a-z#/@])", r"\\[", option.meaning.replace("`", ""))
    default = typer.Option(None, *option.spellings, help=text, metavar=metavar, rich_help_panel=option.panel)
    return inspect.Parameter(
        option.parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind | None
    )
