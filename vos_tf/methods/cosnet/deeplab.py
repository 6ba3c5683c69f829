"""DeepLabV3 features: a trunk whose last strides became dilations, and atrous spatial pyramid pooling on top.

Chen et al. 2017 (arXiv 1706.05587), in the form that COSNet builds on: ResNets with the stride in the first 1x1
convolution of a stage, batch normalisation whose weights are fixed in the branches that change the number of channels,
a pyramid with rates 6, 12, 18 and the mean over the image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.models.backbones import TrunkKind, load_trunk_weights
from vos_tf.models.layers import ImageNormalization
from vos_tf.models.resnet import RESNETS, BatchNorm

OUTPUT_STRIDES = (8, 16)
RATES = (6, 12, 18)
# Blocks of MobileNetV2 that lose their stride, by output stride.
MOBILENET_V2_UNSTRIDED = {8: (6, 13), 16: (13,)}


@keras.saving.register_keras_serializable("vos_tf")
class FixedBatchNorm(BatchNorm):
    """`BatchNorm` whose weights never train; in training its statistics follow the batches all the same."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the four vectors for inputs ``(N, h, w, C)``."""
        names = {"gamma": "ones", "beta": "zeros", "moving_mean": "zeros", "moving_variance": "ones"}
        for name, initializer in names.items():
            weight = self.add_weight(
                shape=input_shape[-1:], initializer=initializer, name=name, trainable=False, autocast=False
            )
            setattr(self, name, weight)


def _convolve(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1, dilation: int = 1) -> Any:
    """Convolution without bias, padded on all sides alike."""
    if kernel > 1 and stride > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )(x)


def _bottleneck(x: Any, width: int, stride: int, dilation: int, name: str) -> Any:
    shortcut = x
    if x.shape[-1] != 4 * width:
        shortcut = _convolve(x, 4 * width, 1, f"{name}_downsample_conv", stride=stride)
        shortcut = FixedBatchNorm(name=f"{name}_downsample_bn")(shortcut)
    plan = ((width, 1, stride, 1), (width, 3, 1, dilation), (4 * width, 1, 1, 1))
    for index, (filters, kernel, step, rate) in enumerate(plan, start=1):
        x = _convolve(x, filters, kernel, f"{name}_conv{index}", stride=step, dilation=rate)
        x = BatchNorm(name=f"{name}_bn{index}")(x)
        if index < len(plan):
            x = keras.layers.ReLU(name=f"{name}_relu{index}")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, shortcut]))


def _resnet(depth: int, output_stride: int, normalization: str, name: str) -> Any:
    inputs = keras.Input((None, None, 3))
    x = ImageNormalization(normalization, name="normalization")(inputs)
    x = keras.layers.ReLU(name="relu")(BatchNorm(name="bn1")(_convolve(x, 64, 7, "conv1", stride=2)))
    # An odd size n becomes (n + 1) / 2, an even one n / 2 + 1. After a ReLU, zeros are as good as minus infinity.
    x = keras.layers.ZeroPadding2D(((1, 2), (1, 2)), name="maxpool_pad")(x)
    x = keras.layers.MaxPooling2D(3, 2, name="maxpool")(x)
    total, dilation = 4, 1
    for stage, blocks in enumerate(RESNETS[depth].blocks):
        stride = 1 if stage == 0 else 2
        if total * stride > output_stride:
            stride, dilation = 1, 2 * dilation
        total *= stride
        for block in range(blocks):
            x = _bottleneck(x, 64 * 2**stage, stride if block == 0 else 1, dilation, f"layer{stage + 1}_{block}")
    return keras.Model(inputs, x, name=name)


def _mobilenet_v2(output_stride: int, normalization: str, name: str) -> Any:
    """keras.applications.MobileNetV2 up to its last block, 320 channels, with its names and its weights' shapes."""
    body = _application("MobileNetV2")
    body = keras.Model(body.input, body.get_layer("block_16_project_BN").output)
    body = keras.models.clone_model(
        body, clone_function=partial(_dilated, unstrided=MOBILENET_V2_UNSTRIDED[output_stride])
    )
    body.name = "features"
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, body(ImageNormalization(normalization, name="normalization")(inputs)), name=name)


def _dilated(layer: Any, unstrided: tuple[int, ...]) -> Any:
    """A copy of a MobileNetV2's layer; the stride of the blocks ``unstrided`` becomes dilation of those after them."""
    config = layer.get_config()
    found = re.match(r"block_(\d+)_", layer.name)
    block = int(found[1]) if found else 0
    dilation = 2 ** sum(block > other for other in unstrided)
    if isinstance(layer, keras.layers.ZeroPadding2D) and block in unstrided:
        config["padding"] = dilation
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        config["dilation_rate"] = dilation
        config["strides"] = 1 if block in unstrided else layer.strides
    copied = type(layer).from_config(config)
    # As in `vos_tf.models.backbones`: small batches would only spoil the published statistics.
    copied.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    return copied


def _application(name: str, weights: str | None = None) -> Any:
    return getattr(keras.applications, name)(weights=weights, include_top=False, input_shape=(None, None, 3))


@dataclass(frozen=True)
class DeepLabTrunk:
    """What is known of a trunk without building it.

    Attributes:
        build: From output stride, normalisation and name to a Keras model, RGB 0..255 ``(N, H, W, 3)`` to one map.
        application: Name of the model in keras.applications whose weights fit.
    """

    build: Callable[[int, str, str], Any]
    application: str


DEEPLAB_TRUNKS = {
    "resnet101": DeepLabTrunk(partial(_resnet, 101), "ResNet101"),
    "resnet50": DeepLabTrunk(partial(_resnet, 50), "ResNet50"),
    "mobilenet_v2": DeepLabTrunk(_mobilenet_v2, "MobileNetV2"),
}


def deeplab_trunk(trunk: str) -> DeepLabTrunk:
    """What is known of the trunk called ``trunk``.

    Raises:
        VosError: There is no such trunk.
    """
    if trunk not in DEEPLAB_TRUNKS:
        raise VosError(f"trunk: expected one of {', '.join(DEEPLAB_TRUNKS)}, found {trunk!r}")
    return DEEPLAB_TRUNKS[trunk]


def dilated_convolution(x: Any, kernel: Any, rate: int) -> Any:
    """3x3 convolution with dilation, zeros around the map, as one matrix product for each row of the kernel.

    With dilations as large as half the map the convolutions that TensorFlow has for CPUs are several times slower,
    and spend time on zeros: here rows of the kernel see only those rows of the map that are there.

    Args:
        x: ``(N, h, w, C)``.
        kernel: ``(3, 3, C, F)``.
        rate: The dilation.

    Returns:
        ``(N, h, w, F)``.
    """
    batch, height, width, channels = ops.shape(x)
    filters = kernel.shape[-1]
    parts = []
    for row, shift in enumerate((-rate, 0, rate)):
        count = height - abs(shift)
        if isinstance(count, int) and count <= 0:
            continue
        count = count if isinstance(count, int) else ops.maximum(count, 0)
        start = max(shift, 0)
        weights = ops.reshape(ops.transpose(kernel[row], (1, 0, 2)), (channels, 3 * filters))
        products = ops.matmul(ops.reshape(x[:, start : start + count], (-1, channels)), weights)
        products = ops.reshape(products, (batch, count, width, 3 * filters))
        products = ops.pad(products, ((0, 0), (0, 0), (rate, rate), (0, 0)))
        left, middle, right = (
            products[:, :, i * rate : i * rate + width, i * filters : (i + 1) * filters] for i in range(3)
        )
        outside = (height - count, 0) if shift < 0 else (0, height - count)
        parts.append(ops.pad(left + middle + right, ((0, 0), outside, (0, 0), (0, 0))))
    return sum(parts[1:], start=parts[0])


@keras.saving.register_keras_serializable("vos_tf")
class AtrousPyramid(keras.layers.Layer):
    """Atrous spatial pyramid pooling: the mean over the image, a 1x1 and three dilated 3x3 convolutions, put together.

    Args:
        channels: Of the trunk's map.
        filters: Of each branch.
        outputs: Channels of the result.
        rates: Dilations of the 3x3 convolutions.
    """

    def __init__(
        self, channels: int, filters: int, outputs: int, rates: tuple[int, ...] = RATES, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        kinds = [("image", 1, 1), ("branch0", 1, 1), *((f"branch{i}", 3, rate) for i, rate in enumerate(rates, 1))]
        self.convolutions = [
            _built(
                keras.layers.Conv2D(
                    filters, kernel, padding="same", dilation_rate=rate, kernel_initializer="he_normal", name=name
                ),
                channels,
            )
            for name, kernel, rate in kinds
        ]
        self.norms = [_built(BatchNorm(name=f"{name}_bn"), filters) for name, _, _ in kinds]
        fuse = keras.layers.Conv2D(outputs, 3, padding="same", kernel_initializer="he_normal", name="fuse")
        self.fuse = _built(fuse, filters * len(kinds))
        self.fuse_norm = _built(BatchNorm(name="fuse_bn"), outputs)
        # PyTorch's PReLU: one slope for all channels.
        slope = keras.layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2, 3], name="prelu")
        self.prelu = _built(slope, outputs)
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Map ``(N, h, w, channels)`` to ``(N, h, w, outputs)``."""
        image = ops.mean(x, axis=(1, 2), keepdims=True)
        maps = [
            self.convolutions[0](image),
            self.convolutions[1](x),
            *(self._dilated(x, c) for c in self.convolutions[2:]),
        ]
        branches = [ops.relu(norm(y, training=training)) for norm, y in zip(self.norms, maps, strict=True)]
        branches[0] = ops.broadcast_to(branches[0], ops.shape(branches[1]))
        return self.prelu(self.fuse_norm(self.fuse(ops.concatenate(branches, axis=-1)), training=training))

    def _dilated(self, x: Any, layer: Any) -> Any:
        kernel, bias = (ops.cast(weight, x.dtype) for weight in (layer.kernel, layer.bias))
        return dilated_convolution(x, kernel, layer.dilation_rate[0]) + bias


def _built(layer: Any, channels: int) -> Any:
    layer.build((None, None, None, channels))
    return layer


def load_classifier_weights(model: Any, trunk: str, source: str) -> None:
    """Give a trunk made here the weights of a classifier of keras.applications.

    Args:
        model: The trunk.
        trunk: Its kind.
        source: ``imagenet`` (a download), or a ``.weights.h5`` file saved from the keras.applications model
            (``include_top=False``).

    Raises:
        VosError: The weights cannot be fetched, or the file does not fit.
    """
    application = partial(_application, deeplab_trunk(trunk).application)
    body = application()
    kind = TrunkKind(lambda _channels, _name: application(), (), partial(application, "imagenet"))
    load_trunk_weights([body], trunk, source, kind)
    theirs = {layer.name: layer for layer in body.layers}
    inner = model.get_layer("features") if trunk == "mobilenet_v2" else model
    for layer in inner.layers:
        if layer.weights:
            layer.set_weights(_fitting_weights(layer, theirs, trunk))


def _fitting_weights(layer: Any, theirs: Mapping[str, Any], trunk: str) -> list[Any]:
    if trunk == "mobilenet_v2":
        return list(theirs[layer.name].get_weights())
    name = _application_name(layer.name)
    if name.endswith("_conv"):
        return [theirs[name].get_weights()[0]]
    # Their convolutions have biases, and their batch normalisation another epsilon: our statistics take up both.
    gamma, beta, mean, variance = theirs[name].get_weights()
    bias = theirs[name.removesuffix("bn") + "conv"].get_weights()[1]
    return [gamma, beta, mean - bias, variance + (theirs[name].epsilon - layer.epsilon)]


def _application_name(name: str) -> str:
    """``layer1_0_conv2`` as keras.applications calls it: ``conv2_block1_2_conv``."""
    if found := re.fullmatch(r"layer(\d)_(\d+)_downsample_(conv|bn)", name):
        return f"conv{int(found[1]) + 1}_block{int(found[2]) + 1}_0_{found[3]}"
    if found := re.fullmatch(r"layer(\d)_(\d+)_(conv|bn)(\d)", name):
        return f"conv{int(found[1]) + 1}_block{int(found[2]) + 1}_{found[4]}_{found[3]}"
    return {"conv1": "conv1_conv", "bn1": "conv1_bn"}[name]
