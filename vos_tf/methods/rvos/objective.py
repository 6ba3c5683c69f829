"""Training RVOS: soft IoU over clips, one-shot with masks fed back, zero-shot with objects matched to slots.

Ventura et al., CVPR 2019, arXiv 1903.05612, section 3; numbers that the paper leaves open are those of its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf
from keras import ops

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.losses import loss_weights, object_targets
from vos_tf.methods.rvos.losses import class_costs, emptiness, matching_costs, mean_of_valid, soft_iou_costs, stop_costs
from vos_tf.methods.rvos.matching import match_slots
from vos_tf.methods.rvos.settings import RVOSSettings
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.models.video_network import VideoNetwork
from vos_tf.pipeline.clips import ClipBatch
from vos_tf.pipeline.options import ClipOptions
from vos_tf.training.objective import Objective, Outcome

_CHOICES = {
    "feedback": ("prediction", "truth"),
    "matching": ("first_slots", "any_slot"),
    "absent_objects": ("count", "skip"),
    "average": ("clip", "batch"),
}


@dataclass(frozen=True)
class Settings:
    """What decides the loss, and which weights learn how quickly.

    Attributes:
        feedback: One-shot: the previous mask of a slot is the network's own ``prediction`` (no gradient passes
            through it), or the ``truth``. The first frame of a clip gets its own true masks.
        matching: Zero-shot: the n objects of a clip's first frame are matched with the ``first_slots``, n of them in
            any order (the original), or with ``any_slot``. The match is kept for the clip.
        first_frame: Whether the first frame of a clip counts, as in the original; with masks given it is a copy task.
        absent_objects: A frame that does not show an object of the clip: ``count`` its cost of 1 (the original on
            YouTube-VOS), or ``skip`` it (on DAVIS). It has no gradient, but counts in the mean.
        average: Of the costs of a frame: over each ``clip`` by itself, or over all objects of the ``batch`` (the
            original), which is the part of a batch that one device has.
        iou_weight: Of the soft IoU loss.
        empty_weight: Of the cross-entropy of slots that have nothing to show, against nothing; not from the paper.
        stop_weight: Of RSIS's stop loss; needs ``stop_head`` of the network.
        stop_start: Share of the run's updates after which the stop loss counts.
        class_weight: Of RSIS's class loss; needs ``class_count`` of the network and ``classes`` of the clips.
        class_start: Share of the run's updates after which the class loss counts.
        trunk_rate: Learning rate of the trunk as a multiple of the run's.
        finetune_after: Epochs after which the trunk is trained, too; -1: never.
        duplicate_updates: Learn as quickly as the original's optimiser, in which the same weight of a trunk occurs
            up to four times (ResNets: 3, shortcuts 4, the first layer 1; VGG16: 2).
    """

    feedback: str = "prediction"
    matching: str = "first_slots"
    first_frame: bool = True
    absent_objects: str = "count"
    average: str = "clip"
    iou_weight: float = 1.0
    empty_weight: float = 0.0
    stop_weight: float = 0.0
    stop_start: float = 0.0
    class_weight: float = 0.0
    class_start: float = 0.0
    trunk_rate: float = 1e-3
    finetune_after: int = 0
    duplicate_updates: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            name, value = f"training.objective.{item.name}", getattr(self, item.name)
            if item.name in _CHOICES:
                one_of(name, value, _CHOICES[item.name])
            elif item.name == "finetune_after":
                if value < -1:
                    raise VosError(f"{name}: expected 0 or more, or -1 for never, found {value}")
            elif not value >= 0:
                raise VosError(f"{name}: expected 0 or more, found {value}")
        if self.stop_weight and self.matching == "any_slot":
            raise VosError("training.objective.stop_weight: expected matching first_slots, where objects come first")


class _Slots(NamedTuple):
    """What each slot shall show.

    Attributes:
        targets: 0 or 1, ``(B, T, S, H, W)``.
        pixels: 0 where a pixel does not count, ``(B, T, 1, H, W)``.
        objects: Which slots have an object, float32 ``(B, S)``.
        valid: Which costs count in the mean over slots, float32 ``(B, T, S)``.
        annotated: float32 ``(B, T)``.
        classes: What each slot's object is, int32 ``(B, S)``, -1 where that is not known; ``()`` without classes.
    """

    targets: Any
    pixels: Any
    objects: Any
    valid: Any
    annotated: Any
    classes: Any


@dataclass(frozen=True)
class RVOSObjective(Objective):
    """See the module; ``objects`` is the largest number of objects of a clip."""

    Settings: ClassVar[Any] = Settings

    @classmethod
    def check(cls, settings: Settings, network: RVOSSettings, clips: ClipOptions) -> None:
        """Refuse a class loss without a class head, without classes, or with another number of them.

        Raises:
            VosError: It is one.
        """
        if not settings.class_weight:
            return
        if not network.class_count:
            raise VosError(
                "training.objective.class_weight: expected a network with model.settings.class_count, found none"
            )
        if not clips.classes:
            raise VosError(
                "training.objective.class_weight: expected clips.classes, the names of the classes, found none"
            )
        if network.class_count != len(clips.classes):
            raise VosError(
                f"model.settings.class_count: expected {len(clips.classes)}, the number of clips.classes, found "
                f"{network.class_count}"
            )

    def groups(self, network: VideoNetwork) -> Sequence[ParameterGroup]:
        """The decoder with the skip convolutions, and the trunk.

        Raises:
            VosError: The network has fewer slots than clips have objects, or lacks a head that is to be trained.
        """
        self._check(network)
        trunk = {id(variable) for variable in network.trunk.trainable_variables}
        decoder = [variable for variable in network.trainable_variables if id(variable) not in trunk]
        groups = [ParameterGroup("decoder", decoder)]
        if self.settings.finetune_after < 0:
            return groups
        parts: dict[int, list[Any]] = {}
        for variable in network.trunk.trainable_variables:
            times = occurrences(network.settings.trunk, variable.path) if self.settings.duplicate_updates else 1
            parts.setdefault(times, []).append(variable)
        for times, variables in sorted(parts.items()):
            rate = self.settings.trunk_rate * times
            name = "trunk" if times == 1 else f"trunk x{times}"
            groups.append(ParameterGroup(name, variables, rate=rate, first_epoch=self.settings.finetune_after))
        return groups

    def _check(self, network: VideoNetwork) -> None:
        slots = network.settings.slots
        if self.objects > slots:
            raise VosError(
                f"clips.max_objects: expected at most the {slots} slots of the network (model.settings.slots), "
                f"found {self.objects}"
            )
        if self.settings.stop_weight and not network.settings.stop_head:
            raise VosError(
                "training.objective.stop_weight: expected a network with model.settings.stop_head, found none"
            )

    def outcome(self, network: VideoNetwork, batch: ClipBatch, progress: Any, *, training: bool) -> Outcome:
        """Unroll the clips; in validation as in inference, whatever ``feedback`` says."""
        one_shot = network.settings.mask_input
        slots = self._slots(batch, self._slot_count(network))
        previous = self.settings.feedback if training else "inference"
        clip = network.unroll(
            ops.cast(batch.frames, "float32"),
            (slots.targets if previous == "truth" else slots.targets[:, :1]) if one_shot else None,
            previous=previous,
            slots=None if one_shot else slots.targets.shape[2],
            training=training,
        )
        if not one_shot:
            slots = self._matched(clip.logits, slots)
        losses = self._losses(clip.logits, slots)
        if self.settings.stop_weight:
            started = ops.cast(progress >= self.settings.stop_start, "float32")
            losses += self.settings.stop_weight * started * self._stop_losses(clip.stops, slots)
        if self.settings.class_weight:
            started = ops.cast(progress >= self.settings.class_start, "float32")
            losses += self.settings.class_weight * started * self._class_losses(clip.classes, slots)
        weights = slots.pixels * (slots.objects[:, None] * slots.annotated[..., None])[..., None, None]
        shown = slice(1 if one_shot else 0, None)  # the first frame of a one-shot clip is given
        return Outcome(losses, clip.logits[:, shown], slots.targets[:, shown], weights[:, shown])

    def _slot_count(self, network: VideoNetwork) -> int:
        free = not network.settings.mask_input and self.settings.matching == "any_slot"
        return int(network.settings.slots) if free else self.objects

    def _slots(self, batch: ClipBatch, count: int) -> _Slots:
        """Slot s shall show object s + 1 of the clip."""
        pixels = loss_weights(batch.labels, batch.annotated, ops.ones_like(batch.object_count), 1)
        objects = ops.arange(count, dtype="int32")[None] < ops.cast(batch.object_count, "int32")[:, None]
        objects, annotated = ops.cast(objects, "float32"), ops.cast(batch.annotated, "float32")
        targets = object_targets(batch.labels, count)
        valid = objects[:, None] * annotated[..., None]
        if self.settings.absent_objects == "skip":
            valid = valid * ops.max(targets * pixels, axis=(-2, -1))
        classes = batch.object_classes
        if self.settings.class_weight:
            classes = ops.pad(classes, ((0, 0), (0, count - self.objects)), constant_values=-1)
        return _Slots(targets, pixels, objects, valid, annotated, classes)

    def _matched(self, logits: Any, slots: _Slots) -> _Slots:
        """What each slot shall show, judged by the first frame of each clip."""
        first_slots = self.settings.matching == "first_slots"
        costs = matching_costs(
            ops.stop_gradient(logits[:, 0]),
            slots.targets[:, 0],
            slots.valid[:, 0],
            slots.pixels[:, 0],
            first_slots=first_slots,
        )
        order = match_slots(costs)
        return slots._replace(
            targets=tf.gather(slots.targets, order, axis=2, batch_dims=1),
            objects=tf.gather(slots.objects, order, axis=1, batch_dims=1),
            valid=tf.gather(slots.valid, order, axis=2, batch_dims=1),
            classes=tf.gather(slots.classes, order, axis=1, batch_dims=1) if self.settings.class_weight else (),
        )

    def _losses(self, logits: Any, slots: _Slots) -> Any:
        """Soft IoU, and emptiness, float32 ``(B,)``: means over slots, sums over frames."""
        s = self.settings
        costs = soft_iou_costs(logits, slots.targets, slots.pixels)
        if s.average == "batch":
            any_annotated = ops.max(slots.annotated, axis=0, keepdims=True)
            means = mean_of_valid(costs, slots.valid, axis=(0, 2))[None] * any_annotated
        else:
            means = mean_of_valid(costs, slots.valid, axis=2) * slots.annotated
        frames = s.iou_weight * ops.broadcast_to(means, ops.shape(slots.annotated))
        if s.empty_weight:
            frames += s.empty_weight * ops.mean(emptiness(logits, slots.targets, slots.pixels), axis=2)
        return ops.sum(frames if s.first_frame else frames[:, 1:], axis=1)

    def _stop_losses(self, stops: Any, slots: _Slots) -> Any:
        """RSIS's stop loss over the objects' slots and the one behind them, float32 ``(B,)``."""
        objects = ops.broadcast_to(slots.objects[:, None], ops.shape(stops))
        costs = stop_costs(stops, objects, axis=None if self.settings.average == "batch" else (1, 2))
        behind = ops.pad(slots.objects[:, :-1], ((0, 0), (1, 0)), constant_values=1)
        return ops.sum(mean_of_valid(costs, ops.broadcast_to(behind[:, None], ops.shape(stops)), axis=2), axis=1)

    def _class_losses(self, logits: Any, slots: _Slots) -> Any:
        """RSIS's class loss, float32 ``(B,)``: means over slots with an object of a known class, sums over frames."""
        classes = ops.broadcast_to(slots.classes[:, None], ops.shape(slots.valid))
        counts = slots.valid * ops.cast(classes >= 0, "float32")
        axis = (0, 2) if self.settings.average == "batch" else 2
        costs = ops.sum(class_costs(logits, classes) * counts, axis=axis)
        means = costs / ops.maximum(ops.sum(counts, axis=axis), 1.0)
        return ops.sum(ops.broadcast_to(means, ops.shape(slots.annotated)), axis=1)


def occurrences(trunk: str, path: str) -> int:
    """How often the original's optimiser holds the weight ``path`` of a trunk, and so updates it in each step."""
    layer = path.split("/")[-2]
    if trunk.startswith("resnet"):
        return 4 if "downsample" in layer else 3 if layer.startswith("layer") else 1
    return 2 if trunk == "vgg16" else 1
