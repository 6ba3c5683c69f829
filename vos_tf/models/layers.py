"""Small layers that Keras lacks, and the shape helpers that the networks share."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Mean of ImageNet in B, G, R order, 0..255: what the VGG weights of Keras were trained with.
CAFFE_BGR_MEAN = (103.939, 116.779, 123.68)
# The same with the digits of Caelles et al. (CVPR 2017).
CAELLES_BGR_MEAN = (104.00699, 116.66877, 122.67892)
# Of ImageNet in R, G, B order, 0..1: what the weights of torchvision were trained with.
IMAGENET_RGB_MEAN = (0.485, 0.456, 0.406)
IMAGENET_RGB_DEVIATION = (0.229, 0.224, 0.225)
NORMALIZATIONS = (
    "unit",
    "caffe_bgr",
    "osvos_bgr",
    "caffe_bgr_means_on_rgb",
    "imagenet_rgb",
    "imagenet_rgb_unit_mask",
    "bgr_unit",
    "rgb_127",
)


@keras.saving.register_keras_serializable("vos_tf")
class ImageNormalization(keras.layers.Layer):
    """RGB 0..255 to what a trunk expects; a fourth channel, a mask 0..1, is brought to the same range.

    ``unit``: ``x / 127.5 - 1``, mask to -1..1. ``caffe_bgr`` and ``osvos_bgr``: channels reversed to B, G, R,
    ImageNet mean subtracted, mask to 0..255. ``caffe_bgr_means_on_rgb``: the same means subtracted, but channels stay
    R, G, B (a slip of a port of Xu et al., ECCV 2018). ``imagenet_rgb``: ``(x / 255 - mean) / deviation``, mask to
    -1..1;
    ``imagenet_rgb_unit_mask``: mask as it is. ``bgr_unit``: channels reversed, ``x / 255``, mask as it is.
    ``rgb_127``: ``(x - 127) / 128``, mask to -1..1.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in NORMALIZATIONS:
            raise ValueError(f"`kind` is one of {NORMALIZATIONS}. Received: kind={kind!r}")
        self.kind = kind

    def call(self, x: Any) -> Any:
        """Normalise ``(N, H, W, 3 or 4)``."""
        image, mask = x[..., :3], x[..., 3:]
        if self.kind == "unit":
            image, mask = image / 127.5 - 1.0, mask * 2.0 - 1.0
        elif self.kind == "rgb_127":
            image, mask = (image - 127.0) / 128.0, mask * 2.0 - 1.0
        elif self.kind == "bgr_unit":
            image = image[..., ::-1] / 255.0
        elif self.kind.startswith("imagenet_rgb"):
            mean, deviation = (_constant(v, x) for v in (IMAGENET_RGB_MEAN, IMAGENET_RGB_DEVIATION))
            image = (image / 255.0 - mean) / deviation
            mask = mask * 2.0 - 1.0 if self.kind == "imagenet_rgb" else mask
        else:
            mean = CAELLES_BGR_MEAN if self.kind == "osvos_bgr" else CAFFE_BGR_MEAN
            image = image if self.kind == "caffe_bgr_means_on_rgb" else image[..., ::-1]
            image, mask = image - _constant(mean, x), mask * 255.0
        return image if x.shape[-1] == 3 else ops.concatenate([image, mask], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "kind": self.kind}


def _constant(values: tuple[float, ...], like: Any) -> Any:
    return ops.convert_to_tensor(values, dtype=like.dtype)


def fold_time(x: Any) -> Any:
    """``(B, T, ...)`` to ``(B * T, ...)``: time as batch, which exports exactly (unlike TimeDistributed)."""
    shape = ops.shape(x)
    return ops.reshape(x, (-1, *shape[2:]))


def unfold_time(x: Any, steps: int) -> Any:
    """``(B * T, ...)`` back to ``(B, T, ...)``."""
    return ops.reshape(x, (-1, steps, *ops.shape(x)[1:]))


def match_batch(x: Any, like: Any) -> Any:
    """Give ``x`` (batch 1 or N) the batch size N of ``like``, so that one image serves all its objects."""
    return ops.broadcast_to(x, (ops.shape(like)[0], *ops.shape(x)[1:]))
