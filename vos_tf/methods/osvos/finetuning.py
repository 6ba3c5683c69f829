"""How OSVOS learns its objects online: which weights, which loss (Caelles et al., CVPR 2017, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keras import ops

from vos_tf.config import one_of
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.media.label_maps import VOID
from vos_tf.models.parameter_groups import ParameterGroup
from vos_tf.training.finetune import FinetuneSettings


@dataclass(frozen=True)
class OSVOSFinetuneSettings(FinetuneSettings):
    """How OSVOS is adapted to a video.

    Attributes:
        trainable: What is fine-tuned: ``all``, or ``head``: the trunk stays as it is.
        rates: Learning rates. ``authors``: biases twice as fast as weights, the fusing convolution a hundred times
            slower. ``equal``.
        loss: ``class_balanced``: the authors', summed over pixels. ``balanced_mean``: the mean over the pixels of the
            object and the mean over the others, half each, whatever the size of the object. ``balanced_batch``: the
            same over all samples of a batch together, so that those that show more of the object count more. ``mean``:
            over all pixels.
    """

    trainable: str = field(default="all", metadata={"option": "--trainable"})
    rates: str = "equal"
    loss: str = "balanced_mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("finetune.trainable", self.trainable, ("all", "head"))
        one_of("finetune.rates", self.rates, ("authors", "equal"))
        one_of("finetune.loss", self.loss, ("class_balanced", "balanced_mean", "balanced_batch", "mean"))


def finetuned_groups(network: Any, settings: OSVOSFinetuneSettings) -> Sequence[ParameterGroup]:
    """The weights of an `vos_tf.methods.osvos.network.OSVOS` that online fine-tuning trains."""
    return [
        group if settings.rates == "authors" else replace(group, rate=1.0)
        for group in network.parameter_groups()
        if group.variables and not (settings.trainable == "head" and group.name.startswith("trunk"))
    ]


def finetuning_loss(network: Any, settings: OSVOSFinetuneSettings) -> Callable[[Any, Any], Any]:
    """The loss of the fused logits: a function of images uint8 ``(N, H, W, 3)`` and targets uint8 ``(N, H, W)``.

    The targets hold 1..K, one number per head, 0 elsewhere, and void where nothing counts. The sum over the heads,
    the mean over the images.

    Args:
        network: An `vos_tf.methods.osvos.network.OSVOS` with K heads.
        settings: Which loss.
    """

    def loss(images: Any, targets: Any) -> Any:
        features = network.features(ops.cast(images, "float32"), training=settings.trainable == "all")
        logits = network.fused_logits(features)
        targets = ops.cast(targets, "int32")[..., None]
        counts = ops.cast(targets != VOID, "float32")
        masks = ops.cast(targets == ops.arange(1, network.settings.objects + 1, dtype="int32"), "float32")
        return ops.mean(_losses(settings.loss, logits, masks, counts))

    return loss


def _losses(kind: str, logits: Any, masks: Any, counts: Any) -> Any:
    """One loss per image."""
    if kind == "class_balanced":
        return class_balanced_cross_entropy(logits, masks, counts)
    surprise = ops.softplus(ops.where(masks > 0, -logits, logits))
    if kind == "mean":
        return ops.sum(_mean(surprise, ops.broadcast_to(counts, ops.shape(masks))), axis=-1)
    if kind == "balanced_batch":
        parts = [_mean(surprise, weights, (0, 1, 2)) for weights in (masks * counts, (1.0 - masks) * counts)]
        return ops.sum(0.5 * (parts[0] + parts[1]), axis=-1, keepdims=True)
    return ops.sum(0.5 * (_mean(surprise, masks * counts) + _mean(surprise, (1.0 - masks) * counts)), axis=-1)


def _mean(values: Any, weights: Any, axes: tuple[int, ...] = (1, 2)) -> Any:
    """Weighted mean over the pixels, ``(N, K)``, or ``(K,)`` with the images among the axes; 0 where nothing counts."""
    return ops.sum(values * weights, axis=axes) / ops.maximum(ops.sum(weights, axis=axes), 1.0)
