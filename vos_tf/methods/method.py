"""What a method is: the five things that its room holds, and what it can do, in one declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from vos_tf.errors import VosError

if TYPE_CHECKING:
    from vos_tf.export.steps import ExportedModel
    from vos_tf.inference.merging.rules import MergeRule
    from vos_tf.inference.session import VideoSegmenter
    from vos_tf.models.video_network import VideoNetwork

ObjectsFrom = Literal["masks", "proposals", "foreground"]
Part = str | Any
"""Something, or where it is: ``package.module:name``, which is imported when it is first needed."""


def _follows_masks(settings: Mapping[str, Any]) -> ObjectsFrom:
    return "masks"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of video object segmentation.

    Its defaults make the smallest method one network file, one recipe and one line in the registry. Parts are imported
    late, so that the registry, and help texts with it, answer at once.

    Attributes:
        name: In the configuration, on the command line, and beside weights.
        title: What it is, in a few words, with its source.
        network: The class of its networks, a `vos_tf.models.video_network.VideoNetwork`.
        default_trunk: The trunk unless another is asked for.
        settings: From a trunk (and, by name, a ``preset``) to the network's default settings; if not given, the
            network's ``Settings(trunk=...)``.
        presets: Names of published variants that ``settings`` knows.
        objective: The class of its training objective, a `vos_tf.training.objective.Objective`.
        segmenter: From a network, and by name ``rule`` and ``options``, to its segmenter.
        options: From a network to the default options of its segmenter, a frozen dataclass.
        option_types: All dataclasses that ``options`` gives, for help texts.
        exporter: From a network and a merge rule to what is exported, a `vos_tf.export.steps.ExportedModel`.
        checkpoints: Readers of the originals' checkpoints, `vos_tf.porting.source.Source` by name.
        checkpoint_kinds: The names in ``checkpoints``, each with what helps to tell it, for help texts.
        objects_from: From a network's settings (plain values) to where its objects come from: first ``masks``, its own
            ``proposals``, or the ``foreground`` as one object.
        following_masks: Options that make a network follow given masks which finds objects itself otherwise.
        without_lookahead: Options for video of which no frame is known before its turn.
        averages_views: Whether its segmenter averages over views (``test_scales``, ``test_flip``) itself.
        finetunes: Whether its segmenter learns from each video, and keeps what it learned in the folder ``adapted``.
        independent_objects: Whether each object gives the same alone as together with others.
        small: Settings (and, with its key, the ``trunk``) of a network that is built in a moment, for tests.
        same_weights: Settings of the network that may change without changing what weights mean.
        light_recipe: Recipe of a light network for real video.
        maskless_recipe: The same for work without masks.
        preference: Among methods with weights that come with vos_tf, the one with the highest is taken by default.
    """

    name: str
    title: str
    network: Part
    default_trunk: str = "small"
    settings: Part = ""
    presets: tuple[str, ...] = ()
    objective: Part = "vos_tf.training.objective:UnrolledObjective"
    segmenter: Part = "vos_tf.inference.state_segmenter:StateSegmenter"
    options: Part = "vos_tf.inference.options:default_state_options"
    option_types: tuple[Part, ...] = ("vos_tf.inference.options:StateOptions",)
    exporter: Part = "vos_tf.export.steps:ExportedModel"
    checkpoints: Part = ""
    checkpoint_kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    objects_from: Callable[[Mapping[str, Any]], ObjectsFrom] = _follows_masks
    following_masks: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    without_lookahead: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    averages_views: bool = False
    finetunes: bool = False
    independent_objects: bool = True
    small: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"trunk": "small", "size": (32, 48)})
    same_weights: frozenset[str] = frozenset({"size"})
    light_recipe: str = ""
    maskless_recipe: str = ""
    preference: int = 0

    def part(self, name: str) -> Any:
        """The part in an attribute, imported if need be."""
        return imported(getattr(self, name))

    def default_settings(self, trunk: str | None = None, **preset: str) -> Any:
        """The settings of a network with a trunk (the method's own if not given), and of a ``preset``."""
        trunk = trunk or self.default_trunk
        return self.part("settings")(trunk, **preset) if self.settings else self.part("network").Settings(trunk=trunk)

    def resolve_settings(self, trunk: str | None, changes: Mapping[str, Any]) -> Any:
        """The settings for ``trunk`` (``None``: the method's own) with ``changes``, checked.

        Among the changes, ``preset`` is no setting: it names a published variant whose settings all others change.

        Raises:
            VosError: No such trunk, preset or setting, or a value that does not fit.
        """
        from vos_tf.config import fill

        preset = {}
        if "preset" in changes and self.presets:
            preset = {"preset": changes["preset"]}
            changes = {key: value for key, value in changes.items() if key != "preset"}
        base = self.default_settings(trunk, **preset)
        if changes.get("trunk", base.trunk) != base.trunk:
            raise VosError(
                f"model.settings.trunk: expected {base.trunk!r} like model.trunk, found {changes['trunk']!r}"
            )
        values = {item.name: getattr(base, item.name) for item in dataclasses.fields(base)}
        return fill(type(base), {**values, **changes}, "model.settings")

    def build(self, settings: Any) -> Any:
        """A network with new weights."""
        return self.part("network")(settings)

    def resolve_objective(self, values: Mapping[str, Any]) -> Any:
        """The complete settings of the objective from those that differ from its defaults, checked.

        Raises:
            VosError: An unknown or mistyped key, a wrong type or an impossible value.
        """
        from vos_tf.config import fill

        return fill(self.part("objective").Settings, values, "training.objective")

    def make_objective(self, values: Mapping[str, Any], objects: int) -> Any:
        """The objective for clips with ``objects`` slots, from the settings that differ from its defaults."""
        return self.part("objective")(self.resolve_objective(values), objects)

    def resolve_options(self, network: VideoNetwork, given: Mapping[str, Any]) -> Any:
        """The complete options of the segmenter from those that differ from its defaults, checked.

        Args:
            network: The network, as the defaults may depend on its trunk.
            given: Options, those of sections as nested mappings: ``{"finetune": {"steps": 100}}``.

        Raises:
            VosError: The method has no such option, a wrong type or an impossible value.
        """
        from vos_tf.config import fill, merge

        defaults: Any = self.part("options")(network)
        _refuse_foreign(self.name, given, defaults, "")
        return fill(type(defaults), merge(dataclasses.asdict(defaults), given), f"{self.name} options")

    def make_segmenter(
        self, network: VideoNetwork, rule: MergeRule | None = None, options: Any = None
    ) -> VideoSegmenter:
        """The segmenter of a network.

        Args:
            network: The network.
            rule: How objects are merged; arg-max against 0.5 if not given.
            options: What `resolve_options` gave; the defaults if not given.
        """
        from vos_tf.inference.merging.rules import MergeRule
        from vos_tf.inference.test_time_augmentation import segmenter_over_views

        chosen = options or self.resolve_options(network, {})
        make = partial(self.part("segmenter"), rule=rule or MergeRule(), options=chosen)
        made: VideoSegmenter = make(network) if self.averages_views else segmenter_over_views(make, network, chosen)
        made.method = self.name
        return made

    def export(self, network: VideoNetwork, rule: MergeRule | None = None) -> ExportedModel:
        """What is exported of a network.

        Raises:
            VosError: Networks with these settings cannot be exported.
        """
        module: ExportedModel = self.part("exporter")(network, rule)
        return module

    def needs_masks(self, settings: Mapping[str, Any]) -> bool:
        """Whether a network with these settings cannot work without first masks."""
        return self.objects_from(settings) == "masks"


def __getattr__(name: str) -> Any:
    """`VideoNetwork`, the base of all networks, which waits for Keras."""
    if name == "VideoNetwork":
        from vos_tf.models.video_network import VideoNetwork

        return VideoNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def imported(part: Part) -> Any:
    """A part, imported if only its place is given."""
    if not isinstance(part, str):
        return part
    module, _, name = part.partition(":")
    return getattr(import_module(module), name)


def _refuse_foreign(method: str, given: Mapping[str, Any], options: Any, prefix: str) -> None:
    """Name the first given option that the method does not have, at any depth."""
    from vos_tf.config import nearest

    known = [item.name for item in dataclasses.fields(options)]
    for key, value in given.items():
        if key not in known:
            raise VosError(
                f"option {prefix}{key}: expected an option of {method} ({', '.join(prefix + name for name in known)}), "
                f"found one that it does not have{nearest(key, known)}"
            )
        section = getattr(options, key)
        if dataclasses.is_dataclass(section) and isinstance(value, Mapping):
            _refuse_foreign(method, value, section, f"{prefix}{key}.")
