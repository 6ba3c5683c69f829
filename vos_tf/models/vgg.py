"""VGG trunks (Simonyan and Zisserman 2015, arXiv 1409.1556), and a light one that is built alike."""

from __future__ import annotations

from typing import Any

import keras

from vos_tf.models.batch_norm import FrozenBatchNormalization
from vos_tf.models.layers import ImageNormalization

# (filters, number of 3x3 convolutions) of each block: table 1, D and E
VGG16_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
VGG19_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
# Of the light trunk that is trained from scratch.
SMALL_BLOCKS = ((16, 1), (32, 2), (64, 4))


def build_vgg(
    blocks: tuple[tuple[int, int], ...],
    channels: int,
    name: str,
    *,
    normalization: str = "caffe_bgr",
    scales: str = "pooled",
    pooling: str = "valid",
    batch_norm: bool = False,
    first_padding: str = "same",
) -> Any:
    """Blocks of 3x3 convolutions ``block1_conv1`` ..., each at half the size of the one before.

    Args:
        blocks: Filters and number of convolutions of each.
        channels: Of the input, RGB 0..255 (or RGB and a mask 0..1).
        name: Of the model.
        normalization: See `vos_tf.models.layers.ImageNormalization`.
        scales: Where they end: ``pooled`` behind a block's pooling (strides 2, 4, ...), ``unpooled`` before it (1, 2,
            ...); ``strided``: there is no pooling, the first convolution of each block has stride 2.
        pooling: An odd size is rounded down with ``valid``, up with ``same`` (Caffe's rule).
        batch_norm: Normalise behind each convolution; then no weight trains, but statistics follow the batches.
        first_padding: Of the first convolution, ``same`` or ``valid``.

    Returns:
        A Keras model from ``(N, H, W, channels)`` to one map for each block.
    """
    inputs = keras.Input((None, None, channels))
    x = ImageNormalization(normalization, name="normalization")(inputs)
    strided, maps = scales == "strided", []
    for block, (filters, convolutions) in enumerate(blocks, start=1):
        for index in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                filters,
                3,
                strides=2 if strided and index == 1 else 1,
                padding=first_padding if block == index == 1 else "same",
                activation=None if batch_norm else "relu",
                kernel_initializer="he_normal" if strided else "glorot_uniform",
                trainable=not batch_norm,
                name=f"block{block}_conv{index}",
            )(x)
            if batch_norm:
                x = FrozenBatchNormalization(name=f"block{block}_bn{index}")(x)
                x = keras.layers.ReLU(name=f"block{block}_relu{index}")(x)
        unpooled = x
        if scales == "pooled" or (scales == "unpooled" and block < len(blocks)):
            x = keras.layers.MaxPooling2D(padding=pooling, name=f"block{block}_pool")(x)
        maps.append(x if scales == "pooled" else unpooled)
    return keras.Model(inputs, maps, name=name)
