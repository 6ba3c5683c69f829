"""Co-attention between frames (Lu et al., CVPR 2019, section 3.2): every pixel of one looks at every pixel of others.

With features Va, Vb of two frames as rows of N pixels, the affinity is ``S = Va W Vb^T``, N x N. Frame a is summarised
by ``softmax_b(S) Vb``, frame b by ``softmax_a(S)^T Va``. A row of a softmax needs its own row of the affinity only, so
a few rows at a time do, whatever N is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

ATTENTIONS = ("official", "legacy_swapped")


def in_tiles(
    function: Callable[..., Any], tile: int, pairs: tuple[Any, Any], width: int, rows: Any, *others: Any
) -> Any:
    """``function(rows, *others)``, at most ``tile`` rows at a time, one tile after the other.

    What the function makes in between is not kept for the gradient either, but made again.

    Args:
        function: From ``(B, R or 1, n, C)`` and the others to ``(B, R, n, width)``, each row for itself.
        tile: Largest n; 0: all rows at once.
        pairs: B and R of the result.
        width: Channels of the result.
        rows: ``(B, R or 1, N, C)``.
        *others: Tensors.

    Returns:
        ``(B, R, N, width)``.
    """
    count = ops.shape(rows)[-2]
    if tile == 0 or (isinstance(count, int) and count <= tile):
        return function(rows, *others)
    tiles = -(-count // tile)
    rows = ops.pad(rows, ((0, 0), (0, 0), (0, tiles * tile - count), (0, 0)))
    rows = ops.moveaxis(ops.reshape(rows, (*ops.shape(rows)[:2], tiles, tile, rows.shape[-1])), 2, 0)
    checkpointed = keras.remat(function)
    # Nothing is carried from tile to tile, but TensorFlow's scan reads the shape of a result from there.
    carry = ops.zeros((*pairs, tile, width), rows.dtype)
    _, results = ops.scan(lambda state, x: (state, checkpointed(x, *others)), carry, rows)
    return ops.reshape(ops.moveaxis(results, 0, 2), (*pairs, tiles * tile, width))[:, :, :count]


def attention(query: Any, key: Any, value: Any, tile: int = 0, *, double_softmax: bool = False) -> Any:
    """``softmax(query key^T) value``; the softmax runs over the keys.

    Args:
        query: ``(B, R or 1, N, C)``.
        key: ``(B or 1, R or 1, M, C)``.
        value: ``(B or 1, R or 1, M, D)``.
        tile: Most queries whose affinities, M for each of B x R pairs, are held at once; 0: all.
        double_softmax: Take a softmax over the queries first, as the published group model does; what the second
            one makes of numbers between 0 and 1 is nearly uniform.

    Returns:
        ``(B, R, N, D)``.
    """
    batch, references = (
        _larger(*sizes) for sizes in zip(*(ops.shape(x)[:2] for x in (query, key, value)), strict=True)
    )
    pairs, width = (batch, references), value.shape[-1]
    columns = ops.swapaxes(key, -1, -2)
    if not double_softmax:
        return in_tiles(_attend_rows, tile, pairs, width, query, columns, value)
    totals = in_tiles(_total_rows, tile, pairs, 1, key, ops.swapaxes(query, -1, -2))
    return in_tiles(_attend_rows_again, tile, pairs, width, query, columns, ops.swapaxes(totals, -1, -2), value)


def _attend_rows(query: Any, columns: Any, value: Any) -> Any:
    return ops.matmul(ops.softmax(ops.matmul(query, columns), axis=-1), value)


def _total_rows(key: Any, columns: Any) -> Any:
    """Logarithm of what each key's softmax over the queries is divided by, one channel."""
    return ops.logsumexp(ops.matmul(key, columns), axis=-1, keepdims=True)


def _attend_rows_again(query: Any, columns: Any, totals: Any, value: Any) -> Any:
    once = ops.exp(ops.matmul(query, columns) - totals)
    return ops.matmul(ops.softmax(once, axis=-1), value)


def _larger(*sizes: Any) -> Any:
    """The size that sizes of 1 broadcast to."""
    other = [size for size in sizes if not (isinstance(size, int) and size == 1)]
    return other[0] if other else 1


@keras.saving.register_keras_serializable("vos_tf")
class CoAttention(keras.layers.Layer):
    """What frames say of each other: affinity by a learned matrix W, then a gate (the paper's equations 1 to 5).

    Args:
        channels: Of the features, C.
        attention: ``official``; or ``legacy_swapped``, which takes each frame's summary by the other direction's
            softmax, as the Tianchi code does by mistake (it lies on the wrong frame's grid).
        orthogonal: Start W as a random rotation, for training with
            `vos_tf.methods.cosnet.losses.orthogonality_penalty`.
        double_softmax: See `attention`.
        tile: See `attention`.
    """

    def __init__(
        self,
        channels: int,
        attention: str = "official",
        *,
        orthogonal: bool = False,
        double_softmax: bool = False,
        tile: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attention = attention
        self.double_softmax = double_softmax
        self.tile = tile
        initializer = (
            keras.initializers.Orthogonal() if orthogonal else keras.initializers.VarianceScaling(1 / 3, mode="fan_in")
        )
        self.affinity = keras.layers.Dense(channels, use_bias=False, kernel_initializer=initializer, name="affinity")
        self.affinity.build((None, channels))
        self.gate = keras.layers.Conv2D(1, 1, use_bias=False, name="gate")
        self.gate.build((None, None, None, channels))
        self.built = True

    def call(self, target: Any, references: Any, *, joint: bool = False) -> Any:
        """Gated summaries of references on the grid of their targets.

        Args:
            target: Features ``(B, h, w, C)``.
            references: Features ``(B or 1, R, h, w, C)``.
            joint: One softmax over the pixels of all references instead of one for each.

        Returns:
            ``(B, R, h, w, C)``, or ``(B, 1, h, w, C)`` if joint.
        """
        height, width, channels = ops.shape(target)[1:]
        rows = ops.reshape(target, (-1, 1, height * width, channels))
        others = _as_rows(references, joint)
        projected = self.affinity(rows)
        summaries = self._attend(projected, others, others)
        return self._gated(summaries, (height, width))

    def reverse(self, target: Any, reference: Any) -> Any:
        """The gated summary of the target on the grid of the one reference ``(B, 1, h, w, C)``, of the same shape."""
        height, width, channels = ops.shape(target)[1:]
        rows = ops.reshape(target, (-1, 1, height * width, channels))
        others = _as_rows(reference, joint=False)
        summaries = self._attend(others, self.affinity(rows), rows)
        return self._gated(summaries, tuple(ops.shape(reference)[2:4]))

    def _attend(self, query: Any, key: Any, value: Any) -> Any:
        if self.attention == "legacy_swapped":
            query, key = key, query
        return attention(query, key, value, self.tile, double_softmax=self.double_softmax)

    def _gated(self, summaries: Any, size: tuple[Any, Any]) -> Any:
        pairs, channels = ops.shape(summaries)[:2], summaries.shape[-1]
        maps = ops.reshape(summaries, (-1, *size, channels))
        return ops.reshape(maps * ops.sigmoid(self.gate(maps)), (*pairs, *size, channels))


def _as_rows(references: Any, joint: bool) -> Any:
    """``(B, R, h, w, C)`` to ``(B, R, h w, C)``, or ``(B, 1, R h w, C)`` if joint."""
    batch, count, height, width, channels = ops.shape(references)
    if joint:
        return ops.reshape(references, (batch, 1, count * height * width, channels))
    return ops.reshape(references, (batch, count, height * width, channels))
