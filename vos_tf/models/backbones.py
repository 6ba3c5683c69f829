"""Trunks (papers say backbone, too): image classifiers cut open at every scale, for three or four channels.

A trunk is a Keras model from RGB 0..255 ``(N, H, W, 3)``, or with a mask 0..1 as fourth channel, to one feature map
per scale, finest first; it owns its normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vos_tf.errors import VosError
from vos_tf.models.efficientnet_lite import LITE_STRIDES, NORMALIZATION, build_efficientnet_lite0, read_classifier
from vos_tf.models.mobilenet_v2 import build_mobilenet_v2
from vos_tf.models.resnet import RESNET_STRIDES, RESNETS, build_resnet
from vos_tf.models.vgg import SMALL_BLOCKS, VGG16_BLOCKS, VGG19_BLOCKS, build_vgg


class MissingWeightsError(VosError):
    """Keras has no ImageNet weights for a trunk."""


def _of_same_name(layer: Any, theirs: Mapping[str, Any]) -> list[Any] | None:
    return theirs[layer.name].get_weights() if layer.name in theirs else None


@dataclass(frozen=True)
class TrunkKind:
    """What is known of a trunk without building it.

    Attributes:
        build: From the number of input channels and a name to the model; further options are the builder's.
        strides: Of the feature maps, finest first.
        application: Name of the model in keras.applications whose ImageNet weights fit, or ``None``.
        normalization: Of images, as those weights expect it, see `vos_tf.models.layers.ImageNormalization`.
        transfer: From a layer and the classifier's layers by name to the layer's weights; ``None``: it keeps its own.
        read: From an ``.npz`` file as the trunk's authors' weights are kept to a classifier with them; ``None``: there
            is no such file.
    """

    build: Callable[..., Any]
    strides: tuple[int, ...]
    application: str | None = None
    normalization: str = "unit"
    transfer: Callable[[Any, Mapping[str, Any]], list[Any] | None] = _of_same_name
    read: Callable[[Path], Any] | None = None


TRUNKS = {
    "vgg16": TrunkKind(partial(build_vgg, VGG16_BLOCKS), (2, 4, 8, 16, 32), "VGG16", "caffe_bgr"),
    "mobilenet_v2": TrunkKind(build_mobilenet_v2, (2, 4, 8, 16, 32), "MobileNetV2"),
    "efficientnet_lite0": TrunkKind(
        build_efficientnet_lite0, LITE_STRIDES, normalization=NORMALIZATION, read=read_classifier
    ),
    "small": TrunkKind(partial(build_vgg, SMALL_BLOCKS, normalization="unit", scales="strided"), (2, 4, 8)),
    **{
        f"resnet{depth}": TrunkKind(partial(build_resnet, depth), RESNET_STRIDES, None, "imagenet_rgb")
        for depth in RESNETS
    },
}
VGG_STRIDES_BEFORE_POOLING = (1, 2, 4, 8, 16)
# With the scales of VGG as Caelles et al. (CVPR 2017) take them; VGG16 with the digits of their means.
TRUNKS_BEFORE_POOLING = {
    **TRUNKS,
    "vgg16": TrunkKind(
        partial(build_vgg, VGG16_BLOCKS, normalization="osvos_bgr", scales="unpooled", pooling="same"),
        VGG_STRIDES_BEFORE_POOLING,
        "VGG16",
        "caffe_bgr",
    ),
    "vgg19_bn": TrunkKind(
        partial(build_vgg, VGG19_BLOCKS, normalization="imagenet_rgb", scales="unpooled", batch_norm=True),
        VGG_STRIDES_BEFORE_POOLING,
        None,
        "imagenet_rgb",
    ),
}


def trunk_kind(trunk: str, kinds: Mapping[str, TrunkKind] = TRUNKS) -> TrunkKind:
    """What is known of the trunk called ``trunk``, one of ``kinds``.

    Raises:
        VosError: There is no such trunk.
    """
    if trunk not in kinds:
        raise VosError(f"trunk: expected one of {', '.join(kinds)}, found {trunk!r}")
    return kinds[trunk]


def build_trunk(
    trunk: str,
    channels: int,
    name: str,
    *,
    kinds: Mapping[str, TrunkKind] = TRUNKS,
    normalization: str = "",
    **options: Any,
) -> Any:
    """A trunk with random weights, as a Keras model (see the module).

    Args:
        trunk: Its kind.
        channels: 3 or 4.
        name: Of the model.
        kinds: The kinds there are.
        normalization: Of images, where it is not the trunk's own.
        **options: Of the kind's builder: ``first_padding`` of ``vgg16`` and ``small``, ``output_stride`` of
            ``mobilenet_v2`` and the ResNets.
    """
    model = trunk_kind(trunk, kinds).build(channels, name, **options)
    if normalization:
        model.get_layer("normalization").kind = normalization
    return model


def _weighted_layers(model: Any) -> list[Any]:
    """All layers with weights, nested models opened, in order of their construction."""
    found: list[Any] = []
    for layer in model.layers:
        found += _weighted_layers(layer) if hasattr(layer, "layers") else ([layer] if layer.weights else [])
    return found


def load_trunk_weights(models: Sequence[Any], trunk: str, source: str, kind: TrunkKind | None = None) -> None:
    """Give trunks (with three or four input channels) the weights of a classifier.

    The first convolution of a four-channel trunk keeps its own random filters for the mask.

    Args:
        models: Trunks made by `build_trunk`, or models that hold one or its first scales; other layers are left
            alone.
        trunk: Their kind.
        source: ``imagenet`` (through keras.applications), a ``.weights.h5`` file saved from `classifier_body`,
            or an ``.npz`` file where the kind reads one.
        kind: What is known of the trunk, where it is not one of `TRUNKS`.

    Raises:
        MissingWeightsError: Keras has none for the trunk.
        VosError: They cannot be fetched, or the file does not fit.
    """
    kind = kind or trunk_kind(trunk)
    theirs = {layer.name: layer for layer in _weighted_layers(_classifier(trunk, source, kind))}
    for model in models:
        for layer in _weighted_layers(model):
            weights = kind.transfer(layer, theirs)
            if weights is not None:
                layer.set_weights([_fit(old, new) for old, new in zip(layer.get_weights(), weights, strict=True)])


def _fit(old: Any, new: Any) -> Any:
    """``new``, with the input channels that only ``old`` has kept from it."""
    if old.shape == new.shape:
        return new
    return np.concatenate([new, old[:, :, new.shape[2] :]], axis=2)


def classifier_body(trunk: str, kind: TrunkKind, weights: str | None = None) -> Any:
    """What a trunk's file of weights is saved from.

    Args:
        trunk: Its name.
        kind: What is known of it.
        weights: ``imagenet`` (a download), if keras.applications has the trunk; else they are random.

    Returns:
        The ``keras.applications`` model (``include_top=False``), or where there is none, the trunk itself.
    """
    if kind.application is None:
        return kind.build(3, trunk)
    application = getattr(keras.applications, kind.application)
    return application(weights=weights, include_top=False, input_shape=(None, None, 3))


def _classifier(trunk: str, source: str, kind: TrunkKind) -> Any:
    if source == "imagenet":
        if kind.application is None:
            raise MissingWeightsError(
                f"trunk {trunk}: expected a .weights.h5 file or 'none' (trained from scratch), found 'imagenet': "
                "Keras has no such weights"
            )
        try:
            return classifier_body(trunk, kind, "imagenet")
        except Exception as error:  # keras raises a bare Exception when a download fails
            raise VosError(
                f"trunk {trunk}: the ImageNet weights cannot be fetched ({error}); "
                "give a local .weights.h5 file with --trunk-weights, or 'none'"
            ) from None
    if not Path(source).is_file():
        raise VosError(f"{source}: expected a .weights.h5 file for the trunk {trunk}, found no such file")
    if kind.read is not None and source.endswith(".npz"):
        return kind.read(Path(source))
    body = classifier_body(trunk, kind)
    try:
        body.load_weights(source)
    except (ValueError, OSError, KeyError) as error:
        raise VosError(
            f"{source}: expected weights of the {trunk} trunk, found a file that does not fit ({error})"
        ) from None
    return body
