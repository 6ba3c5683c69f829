"""Trunks: image classifiers cut open at every scale, for three channels (an image) or four (an image and a mask).

A trunk is a Keras model from RGB 0..255 ``(N, H, W, 3)``, or with a mask 0..1 as fourth channel, to one feature map
per scale, finest first; it owns its normalisation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vos_tf.errors import VosError
from vos_tf.models.efficientnet_lite import LITE_STRIDES, NORMALIZATION, build_efficientnet_lite0, read_classifier
from vos_tf.models.layers import ImageNormalization
from vos_tf.models.resnet import RESNET_STRIDES, RESNETS, build_resnet

# (filters, number of 3x3 convolutions) of each of VGG16's five blocks (Simonyan and Zisserman 2015, table 1, D)
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# Layers of keras.applications.MobileNetV2 that end a scale: strides 2, 4, 8, 16, 32
MOBILENET_V2_SCALES = (
    "block_1_expand_relu",
    "block_3_expand_relu",
    "block_6_expand_relu",
    "block_13_expand_relu",
    "out_relu",
)
# (filters, convolutions) of each scale of the light trunk that is trained from scratch: strides 2, 4, 8
SMALL_BLOCKS = ((16, 1), (32, 2), (64, 4))


class MissingWeightsError(VosError):
    """Keras has no ImageNet weights for a trunk."""


@dataclass(frozen=True)
class TrunkKind:
    """What is known of a trunk without building it.

    Attributes:
        build: From the number of input channels and a name to the model; of some trunks, from ``first_padding``, too.
        strides: Of the feature maps, finest first.
        imagenet: Builds the three-channel classifier body with ImageNet weights (it downloads them), or ``None``
            where there are no such weights.
        normalization: Of images, see `vos_tf.models.layers.ImageNormalization`.
        read: From an ``.npz`` file as the trunk's authors' weights are kept to a classifier with them; ``None``: there
            is no such file.
    """

    build: Callable[..., Any]
    strides: tuple[int, ...]
    imagenet: Callable[[], Any] | None
    normalization: str = "unit"
    read: Callable[[Path], Any] | None = None


def _vgg16(channels: int, name: str, first_padding: str = "same") -> Any:
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("caffe_bgr", name="normalization")(inputs)
    scales = []
    padding = first_padding
    for block, (filters, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            x = keras.layers.Conv2D(filters, 3, padding=padding, activation="relu", name=f"block{block}_conv{index}")(x)
            padding = "same"
        x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
        scales.append(x)
    return keras.Model(inputs, scales, name=name)


def _mobilenet_v2(channels: int, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        body = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(None, None, channels))
    for layer in body.layers:
        # Published weights come with folded or frozen statistics; small batches of clips would only spoil them.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    features = keras.Model(body.input, [body.get_layer(scale).output for scale in MOBILENET_V2_SCALES])
    inputs = keras.Input((None, None, channels))
    normalized = ImageNormalization("unit", name="normalization")(inputs)
    features.name = "features"
    return keras.Model(inputs, features(normalized), name=name)


def _small(channels: int, name: str, first_padding: str = "same") -> Any:
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization("unit", name="normalization")(inputs)
    scales = []
    padding = first_padding
    for block, (filters, convolutions) in enumerate(SMALL_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                filters,
                3,
                strides=2 if index == 1 else 1,
                padding=padding,
                activation="relu",
                kernel_initializer="he_normal",
                name=f"block{block}_conv{index}",
            )(x)
            padding = "same"
        scales.append(x)
    return keras.Model(inputs, scales, name=name)


def _imagenet_vgg16() -> Any:
    return keras.applications.VGG16(include_top=False, weights="imagenet")


def _imagenet_mobilenet_v2() -> Any:
    return keras.applications.MobileNetV2(include_top=False, weights="imagenet", input_shape=(None, None, 3))


TRUNKS = {
    "vgg16": TrunkKind(_vgg16, (2, 4, 8, 16, 32), _imagenet_vgg16, "caffe_bgr"),
    "mobilenet_v2": TrunkKind(_mobilenet_v2, (2, 4, 8, 16, 32), _imagenet_mobilenet_v2),
    "small": TrunkKind(_small, (2, 4, 8), None),
    "efficientnet_lite0": TrunkKind(build_efficientnet_lite0, LITE_STRIDES, None, NORMALIZATION, read_classifier),
    **{
        f"resnet{depth}": TrunkKind(partial(build_resnet, depth), RESNET_STRIDES, None, "imagenet_rgb")
        for depth in RESNETS
    },
}


def trunk_kind(trunk: str) -> TrunkKind:
    """What is known of the trunk called ``trunk``.

    Raises:
        VosError: There is no such trunk.
    """
    if trunk not in TRUNKS:
        raise VosError(f"trunk: expected one of {', '.join(TRUNKS)}, found {trunk!r}")
    return TRUNKS[trunk]


def build_trunk(trunk: str, channels: int, name: str, **options: Any) -> Any:
    """A trunk with random weights, as a Keras model (see the module).

    Args:
        trunk: Its kind.
        channels: 3 or 4.
        name: Of the model.
        **options: ``first_padding``, ``same`` or ``valid``, of the first convolution of ``vgg16`` and ``small``.
    """
    return trunk_kind(trunk).build(channels, name, **options)


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
        source: ``imagenet`` (through keras.applications), a ``.weights.h5`` file saved from `classifier_body`, or an
            ``.npz`` file where the trunk is kept as one.
        kind: What is known of the trunk, where it is not one of `TRUNKS`.

    Raises:
        MissingWeightsError: Keras has none for the trunk.
        VosError: They cannot be fetched, or the file does not fit.
    """
    layers = _weighted_layers(_classifier(trunk, source, kind or trunk_kind(trunk)))
    for model in models:
        own = {layer.name: layer for layer in _weighted_layers(model)}
        for theirs in layers:
            if theirs.name not in own:
                continue
            mine = own[theirs.name]
            weights = [_fit(old, new) for old, new in zip(mine.get_weights(), theirs.get_weights(), strict=True)]
            mine.set_weights(weights)


def _fit(old: Any, new: Any) -> Any:
    """``new``, with the input channels that only ``old`` has kept from it."""
    if old.shape == new.shape:
        return new
    return np.concatenate([new, old[:, :, new.shape[2] :]], axis=2)


def classifier_body(trunk: str, kind: TrunkKind) -> Any:
    """What a trunk's file of weights is saved from.

    Returns:
        The ``keras.applications`` model (``include_top=False``), or where there is none, the trunk itself.
    """
    applications = {"vgg16": keras.applications.VGG16, "mobilenet_v2": keras.applications.MobileNetV2}
    if trunk in applications:
        return applications[trunk](weights=None, include_top=False, input_shape=(None, None, 3))
    return kind.build(3, trunk)


def _classifier(trunk: str, source: str, kind: TrunkKind) -> Any:
    if source == "imagenet":
        if kind.imagenet is None:
            raise MissingWeightsError(
                f"trunk {trunk}: expected a .weights.h5 file or 'none' (trained from scratch), found 'imagenet': "
                "Keras has no such weights"
            )
        try:
            return kind.imagenet()
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
