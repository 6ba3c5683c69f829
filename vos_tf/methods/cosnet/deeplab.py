"""DeepLabV3 features: a trunk whose last strides became dilations, and atrous spatial pyramid pooling on top.

Chen et al. 2017 (arXiv 1706.05587), in the form that COSNet builds on: ResNets with the stride in the first 1x1
convolution of a stage, batch normalisation whose weights are fixed in the branches that change the number of channels,
a pyramid with rates 6, 12, 18 and the mean over the image.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import ops

from vos_tf.models.backbones import TrunkKind
from vos_tf.models.batch_norm import BatchNorm
from vos_tf.models.mobilenet_v2 import build_mobilenet_v2
from vos_tf.models.resnet import RESNET_STRIDES, build_resnet, weights_of_keras

OUTPUT_STRIDES = (8, 16)
RATES = (6, 12, 18)
# Their last map alone is used.
DEEPLAB_TRUNKS = {
    **{
        f"resnet{depth}": TrunkKind(
            partial(build_resnet, depth, deeplab=True), RESNET_STRIDES, f"ResNet{depth}", "caffe_bgr", weights_of_keras
        )
        for depth in (101, 50)
    },
    "mobilenet_v2": TrunkKind(partial(build_mobilenet_v2, scales=("block_16_project_BN",)), (32,), "MobileNetV2"),
}


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
