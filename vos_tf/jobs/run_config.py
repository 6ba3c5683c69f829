"""A run: its configuration, its folder and its receipt."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vos_tf.config import DataSettings, ModelChoice, OriginalKeys, TrainingSettings, fill, read_yaml, refuse_unknown
from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.methods.method import Method
from vos_tf.methods.registry import default_method, get_method
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.version import __version__


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run; written, complete, to ``runs/<name>/config.yaml``.

    Attributes:
        configs: The original project's two keys.
        data: Which data set, and its records.
        model: Which network, and what it starts from.
        clips: How training clips are sampled.
        augment: How they are changed.
        training: How the network is trained.
    """

    configs: OriginalKeys = field(default_factory=OriginalKeys)
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelChoice = field(default_factory=ModelChoice)
    clips: ClipOptions = field(default_factory=ClipOptions)
    augment: AugmentOptions = field(default_factory=AugmentOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    @property
    def method(self) -> Method:
        """What is trained."""
        return get_method(self.model.name or default_method())

    @property
    def network_settings(self) -> Any:
        """The network's complete settings."""
        return self.method.resolve_settings(self.model.trunk or None, self.model.settings)

    @property
    def root(self) -> str:
        """Folder of the data set."""
        return self.data.root or self.configs.path or f"data/{self.data.dataset}"

    @property
    def record_size(self) -> str:
        """Size of the stored images, as ``preprocess.py --size`` takes it.

        Raises:
            VosError: Nothing says one: the network works at any size.
        """
        if self.data.size:
            return self.data.size
        if self.network_settings.size is None:
            raise VosError(f"data.size: expected a size, as {self.model.name} works at any (native, say), found none")
        height, width = self.network_settings.size
        return f"{height}x{width}"

    @property
    def records(self) -> Path:
        """Folder of the training records."""
        if self.data.records:
            return Path(self.data.records)
        return Path(f"records/{self.data.dataset}-{self.data.split}-{self.record_size.replace(':', '')}")

    @property
    def clip_size(self) -> tuple[int, int]:
        """``(H, W)`` of the training clips.

        Raises:
            VosError: Nothing says one: the network works at any size.
        """
        size = self.clips.size or self.network_settings.size
        if size is None:
            raise VosError(f"clips.size: expected [height, width], as {self.model.name} works at any, found none")
        height, width = size
        return height, width


SECTIONS = {item.name: item.default_factory for item in dataclasses.fields(RunConfig)}


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """A checked `RunConfig` from nested mappings.

    Raises:
        VosError: An unknown or mistyped key (with the nearest valid name), a wrong type or an impossible value.
    """
    refuse_unknown(values, list(SECTIONS), "")
    sections: dict[str, Any] = {}
    for name, section in SECTIONS.items():
        content = values.get(name) or {}
        if not isinstance(content, Mapping):
            raise VosError(f"{name}: expected keys with values, found {content!r}")
        sections[name] = fill(section, content, name)  # type: ignore[arg-type]
    model = sections["model"]
    method = get_method(model.name or default_method())
    sections["model"] = dataclasses.replace(model, name=method.name, trunk=model.trunk or method.default_trunk)
    config = RunConfig(**sections)
    # Refuse impossible ones now, not after preprocessing: the network's settings, and clips it cannot work at.
    sizes = {} if config.clips.size is None else {"size": config.clips.size}
    network = method.resolve_settings(config.model.trunk, {**config.model.settings, **sizes})
    objective = method.resolve_objective(config.training.objective)
    method.part("objective").check(objective, network, config.clips)
    return config


def plain(config: RunConfig) -> dict[str, Any]:
    """The configuration as mappings and lists, with the network's complete settings."""
    values = dataclasses.asdict(config)
    values["model"]["settings"] = dataclasses.asdict(config.network_settings)
    objective = config.method.resolve_objective(config.training.objective)
    values["training"]["objective"] = dataclasses.asdict(objective)
    return _listed(values)  # type: ignore[no-any-return]


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def write_run_config(path: Path, config: RunConfig) -> None:
    """Write the complete configuration as YAML."""
    write_bytes(path, yaml.safe_dump(plain(config), sort_keys=False).encode())


def read_run_config(path: Path) -> RunConfig:
    """Read what `write_run_config` wrote."""
    return run_config(read_yaml(path))


# What may differ when a run is continued: how long, and how the work is done, but not what is computed.
MAY_CHANGE = {
    "training.n_epochs",
    "training.keep_checkpoints",
    "training.export",
    "training.final_weights",
    "training.patience",
    "data.workers",
    "data.dataset",  # the records decide
    "data.split",
    "data.root",
    "configs.path",
}


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """What a continued run must not change: ``section.key: old -> new``."""
    found = []
    before, after = plain(old), plain(new)
    for section in SECTIONS:
        for key, value in before[section].items():
            name = f"{section}.{key}"
            if name not in MAY_CHANGE and value != after[section][key]:
                found.append(f"{name}: {value!r} -> {after[section][key]!r}")
    return found


def code_version() -> str:
    """The version of vos_tf, with the commit where it runs from a checkout."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{commit}"


def environment() -> dict[str, str]:
    """Versions and device, for the receipt."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return {
        "vos_tf": code_version(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "device": ", ".join(names) or f"CPU {platform.machine()}",
    }
