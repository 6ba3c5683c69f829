"""Configuration: frozen dataclasses filled from YAML files and the command line; unknown keys are refused.

Later sources win: built-in defaults, ``config.yaml`` (or ``--config``), ``--recipe``, ``--set``, options by name.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import yaml
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from vos_tf.errors import VosError

T = TypeVar("T")
RECIPES = Path(__file__).parent / "recipes"
DEFAULT_FILE = Path("config.yaml")


@dataclass(frozen=True)
class OriginalKeys:
    """The two keys of the original project's ``config.yaml``.

    Attributes:
        path: Folder of the data set; ``data.root`` overrides it.
        checkpoints_path: Run folder or weights file to start from, or to evaluate; ``model.weights`` overrides it.
    """

    path: str = ""
    checkpoints_path: str = ""


def _with_commas(value: Any) -> Any:
    """A list of folders as one text."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def folders(text: str) -> tuple[str, ...]:
    """The folders of ``data.records``.

    >>> folders("records/davis, records/coco")
    ('records/davis', 'records/coco')
    """
    return tuple(part for part in map(str.strip, text.split(",")) if part)


def check_shares(shares: Sequence[float], count: int) -> None:
    """Refuse shares that are not one positive number for each of ``count`` folders, or none at all."""
    if shares and len(shares) != count:
        raise VosError(f"data.record_shares: expected one for each of the {count} folders, found {len(shares)}")
    if not all(0 < share < float("inf") for share in shares):
        raise VosError(f"data.record_shares: expected numbers above 0, found {', '.join(map(str, shares))}")


@dataclass(frozen=True)
class DataSettings:
    """Which data set, and its records.

    Attributes:
        dataset: Layout of the data set: ``davis2016``, ``youtube_vos``, ``folder``, ``synthetic``, or another.
        root: Folder of the data set; empty: ``configs.path``, and ``data/<dataset>`` if that is empty too.
        split: Split to train on.
        records: Folder of the records; empty: ``records/<dataset>-<split>-<size>``. Several folders, as a list or
            with commas between them, are trained on together.
        record_shares: Shares of the clips of an epoch, one for each folder, relative to each other; empty: every
            folder gives its own number of clips.
        fraction: Share of the annotated frames of each training video that is used, drawn once with the run's seed;
            at least one frame of each.
        size: Of the stored images: ``HxW``, ``native``, ``short:480``; empty: the network's size.
        validation_records: Records to validate on; empty: some of the training videos are held out.
        validation_fraction: Share of the training videos held out for validation (at least one video unless 0).
        workers: Processes for preprocessing; 0: one per core.
        options: Options of the layout, such as ``min_area`` of ``still_images``.
    """

    dataset: str = "synthetic"
    root: str = ""
    split: str = "train"
    records: Annotated[str, BeforeValidator(_with_commas)] = ""
    record_shares: tuple[float, ...] = ()
    fraction: float = 1.0
    size: str = ""
    validation_records: Annotated[str, BeforeValidator(_with_commas)] = ""
    validation_fraction: float = 0.1
    workers: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        in_range("data.validation_fraction", self.validation_fraction, 0, 1)
        if not 0 < self.fraction <= 1:
            raise VosError(f"data.fraction: expected 0 < x <= 1, found {self.fraction}")
        check_shares(self.record_shares, len(folders(self.records)))


@dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained; the defaults are those of Xu et al. (ECCV 2018) and its TensorFlow port.

    Attributes:
        n_epochs: Passes over the data.
        batch_size: Clips per update, over all devices.
        lr: Learning rate at its highest.
        schedule: ``constant``, ``cosine``, ``polynomial``, ``exponential`` or ``step``.
        schedule_power: Exponent of ``polynomial``; total decay factor of ``exponential``; factor of ``step``.
        schedule_steps: Number of equal stretches of ``step``.
        schedule_every: Epochs of a stretch of ``step``, instead of their number; 0: ``schedule_steps`` equal ones.
        schedule_after: Epochs at the full rate before the schedule begins.
        warmup_epochs: Epochs in which the learning rate rises from 0; may be a fraction.
        optimizer: ``adam``, ``adamw``, ``sgd`` (with ``momentum``) or ``rmsprop``.
        momentum: Of ``sgd``.
        weight_decay: L2 penalty, added to the gradient as in the originals; 0: none. Of ``adamw``, taken from the
            weights themselves, times the learning rate; biases and scales of normalisations have none.
        clip_norm: Largest global norm of the gradient; 0: no limit.
        ema: Decay of moving averages of the weights (0.999), which are validated and kept in the end in their place; 0:
            none.
        objective: Settings of the method's loss that differ from its defaults.
        micro_batches: Parts in which each batch goes through the network, to save memory; the result is the same.
        precision: ``float32``, ``bfloat16`` or ``float16`` (with loss scaling).
        strategy: ``default`` (one device), ``mirrored`` (all devices of this machine) or ``multi_worker``
            (several machines, by ``TF_CONFIG``).
        seed: Of weights, clips and augmentation.
        deterministic: Ask TensorFlow for operations that give the same bits every time.
        jit_compile: Compile the step with XLA (one device only).
        validation: On ``clips`` as those of training, or on ``videos`` that a network with a state per object follows
            from their first mask, with its own masks; then there is no loss.
        validation_clips: Largest number of clips, or videos, to validate on after each epoch; 0: none.
        validation_frames: Of ``videos``, the largest number of frames after the first; 0: all.
        validation_size: Of ``videos``, ``(H, W)`` of the frames; ``None``: that of the clips.
        keep_checkpoints: Number of checkpoints that are kept.
        best_by: What tells the best epoch in validation: ``j``, or ``loss``.
        min_delta: An epoch is better only if it improves on the best so far by more than this.
        patience: Stop when no epoch was better for so many; 0: never.
        final_weights: ``last``, or ``best`` in validation: what ``model/`` holds in the end.
        export: Write a SavedModel when training is done.
    """

    n_epochs: int = 70
    batch_size: int = 2
    lr: float = 1e-5
    schedule: str = "constant"
    schedule_power: float = 0.9
    schedule_steps: int = 3
    schedule_every: float = 0.0
    schedule_after: float = 0.0
    warmup_epochs: float = 0.0
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    objective: Mapping[str, Any] = field(default_factory=dict)
    micro_batches: int = 1
    precision: str = "float32"
    strategy: str = "default"
    seed: int = 0
    deterministic: bool = True
    jit_compile: bool = False
    validation: str = "clips"
    validation_clips: int = 16
    validation_frames: int = 20
    validation_size: tuple[int, int] | None = None
    keep_checkpoints: int = 3
    best_by: str = "j"
    min_delta: float = 0.0
    patience: int = 0
    final_weights: str = "last"
    export: bool = True

    def __post_init__(self) -> None:
        one_of("training.schedule", self.schedule, ("constant", "cosine", "polynomial", "exponential", "step"))
        one_of("training.optimizer", self.optimizer, ("adam", "adamw", "sgd", "rmsprop"))
        one_of("training.precision", self.precision, ("float32", "bfloat16", "float16"))
        one_of("training.strategy", self.strategy, ("default", "mirrored", "multi_worker"))
        one_of("training.final_weights", self.final_weights, ("last", "best"))
        one_of("training.best_by", self.best_by, ("j", "loss"))
        one_of("training.validation", self.validation, ("clips", "videos"))
        if self.validation == "videos" and self.best_by == "loss":
            raise VosError("training.best_by loss: expected training.validation clips with it, found videos")
        if self.validation_size is not None and min(self.validation_size) < 1:
            raise VosError(f"training.validation_size: expected height and width, found {self.validation_size}")
        for name in ("n_epochs", "batch_size", "micro_batches", "keep_checkpoints", "schedule_steps"):
            if getattr(self, name) < 1:
                raise VosError(f"training.{name}: expected at least 1, found {getattr(self, name)}")
        if self.batch_size % self.micro_batches:
            raise VosError(
                f"training.micro_batches: expected a divisor of the batch size {self.batch_size}, "
                f"found {self.micro_batches}"
            )
        rates = ("schedule_power", "schedule_every", "schedule_after", "warmup_epochs", "clip_norm", "weight_decay")
        for name in (*rates, "min_delta", "seed", "validation_clips", "validation_frames", "patience"):
            at_least(f"training.{name}", getattr(self, name), 0)
        for name in ("momentum", "ema"):
            in_range(f"training.{name}", getattr(self, name), 0, 1)
        if not self.lr > 0:
            raise VosError(f"training.lr: expected a number above 0, found {self.lr}")


@dataclass(frozen=True)
class ModelChoice:
    """Which network, and what it starts from.

    Attributes:
        name: Name of the method; empty: the first one that ``vos-tf train --help`` lists.
        trunk: ``vgg16``, ``mobilenet_v2``, ``small``, or another that the network has; empty: the method's own.
        trunk_weights: ``imagenet``, a ``.weights.h5`` file, ``none``, or ``auto``: ImageNet where the trunk has such
            weights and they can be fetched, with a warning where not.
        weights: Run folder, model folder, ``.weights.h5`` file or the name of a model that comes with vos_tf, to start
            from; empty or ``none``: start anew.
        settings: Settings of the network that differ from the defaults of model and trunk.
    """

    name: str = ""
    trunk: str = ""
    trunk_weights: str = "auto"
    weights: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def one_of(key: str, value: str, choices: Collection[str]) -> None:
    """Refuse ``value`` unless it is one of ``choices``."""
    if value not in choices:
        raise VosError(f"{key}: expected one of {', '.join(choices)}, found {value!r}{nearest(value, choices)}")


def at_least(key: str, value: float, least: float) -> None:
    """Refuse a number below ``least``, and nan."""
    if not value >= least:
        raise VosError(f"{key}: expected {least} or more, found {value}")


def in_range(key: str, value: float, least: float, bound: float) -> None:
    """Refuse a number unless ``least <= value < bound``."""
    if not least <= value < bound:
        raise VosError(f"{key}: expected {least} <= x < {bound}, found {value}")


def nearest(name: str, known: Collection[str]) -> str:
    """A hint for a mistyped name: ``; did you mean 'x'?``, or nothing.

    >>> nearest("n_epoch", ["n_epochs", "lr"])
    "; did you mean 'n_epochs'?"
    """
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refuse_unknown(values: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Raise a VosError that names the first key that is not ``known``."""
    for key in values:
        if key not in known:
            prefix = f"{where}." if where else ""
            raise VosError(f"unknown key {prefix}{key}{nearest(str(key), known)} (known: {', '.join(known)})")


def fill(section: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from plain values: unknown keys and wrong types are refused with the key's full name."""
    names = [item.name for item in dataclasses.fields(section)]  # type: ignore[arg-type]
    refuse_unknown(values, names, where)
    for name, kind in get_type_hints(section).items():
        if dataclasses.is_dataclass(kind) and isinstance(values.get(name), Mapping):
            refuse_unknown(values[name], [item.name for item in dataclasses.fields(kind)], f"{where}.{name}")
    try:
        return TypeAdapter(section).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([where, *(str(part) for part in first["loc"])])
        raise VosError(f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        VosError: No such file, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VosError(f"{path}: expected a configuration file, found no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VosError(f"{path}: expected YAML, found {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise VosError(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
    return content


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with vos_tf."""
    return tuple(sorted(path.stem for path in RECIPES.glob("*.yaml")))


def read_recipe(name: str) -> dict[str, Any]:
    """A recipe by its name, or by the path of a YAML file."""
    if name.endswith((".yaml", ".yml")):
        return read_yaml(Path(name))
    if name not in recipe_names():
        raise VosError(
            f"--recipe {name}: expected one of {', '.join(recipe_names())}, or a .yaml file"
            + nearest(name, recipe_names())
        )
    return read_yaml(RECIPES / f"{name}.yaml")


def parse_assignments(assignments: Sequence[str], *, sections: bool = True) -> dict[str, Any]:
    """``["training.lr=1e-4"]`` to nested mappings; values are YAML. ``sections``: every key has to be in one.

    >>> parse_assignments(["training.lr=0.5", "clips.objects=all"])
    {'training': {'lr': 0.5}, 'clips': {'objects': 'all'}}
    """
    result: dict[str, Any] = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or (sections and "." not in key):
            expected = "section.key=value, for example training.lr=1e-4" if sections else "key=value"
            raise VosError(f"--set {assignment}: expected {expected}")
        *outer, name = key.strip().split(".")
        try:
            nested: dict[str, Any] = {name: number_or_yaml(value)}
        except yaml.YAMLError:
            raise VosError(f"--set {assignment}: expected a value as YAML writes it, found {value!r}") from None
        for section in reversed(outer):
            nested = {section: nested}
        result = merge(result, nested)
    return result


def number_or_yaml(text: str) -> Any:
    """A value as YAML writes it; ``1e-4`` too, which YAML 1.1 takes for a word."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings of mappings, later ones over earlier ones."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            result[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result


def layered(
    config: Path | None, recipe: str | None, assignments: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """All sources of configuration as one mapping, in the order given at the top of this module.

    Args:
        config: ``--config``; ``None``: ``config.yaml`` of the working folder if there is one.
        recipe: ``--recipe``.
        assignments: ``--set``.
        options: Options by name, as nested mappings; ``None`` values mean not given.
    """
    base = read_yaml(config) if config else (read_yaml(DEFAULT_FILE) if DEFAULT_FILE.is_file() else {})
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in options.items()
    }
    return merge(base, read_recipe(recipe) if recipe else {}, parse_assignments(assignments), given)
