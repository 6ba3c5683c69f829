"""From the size of frames to the size at which a network works, and back."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def in_proportion(size: Any, pixels: int, stride: int) -> Any:
    """The size that has about ``pixels`` pixels in the proportions of ``size`` ``(H, W)``, in multiples of a stride."""
    sides = tf.cast(size, tf.float32)
    ideal = sides * tf.sqrt(pixels / (sides[0] * sides[1]))
    return stride * tf.maximum(tf.cast(tf.round(ideal / stride), tf.int32), 1)


def shrink_or_grow(image: Any, size: Any) -> Any:
    """Images ``(N, H, W, C)`` to float32 at ``size``: bilinear, antialiased when shrinking; ``None`` keeps the size."""
    image = tf.cast(image, tf.float32)
    if size is None:
        return image
    return tf.image.resize(image, size, method="bilinear", antialias=True)


def nearest(mask: Any, size: Any) -> Any:
    """Masks ``(N, H, W, 1)`` to float32 at ``size``, nearest neighbour with half-pixel centres."""
    if size is not None:
        mask = tf.image.resize(mask, size, method="nearest")
    return tf.cast(mask, tf.float32)


def to_frame_size(logits: Any, height: Any, width: Any) -> Any:
    """Logits ``(N, h, w, 1)`` to probabilities ``(N, H, W)`` at the frame's own size."""
    return tf.sigmoid(tf.image.resize(tf.cast(logits, tf.float32), (height, width), method="bilinear"))[..., 0]
