"""The memory of EMVOS: bases by weighted EM, ridge regression, and the match with the last frame. keras.ops only.

A cell is a place of a map at stride 8; ``P`` cells, ``C`` channels of a key, ``K`` bases of each of two classes, object
and background, ``V`` channels of a value. Every object has its own memory: the object axis is the batch.

Bases: Lin et al., "SWEM: Towards Real-Time Video Object Segmentation with Sequential Weighted
Expectation-Maximization", CVPR 2022, section 3. Ridge regression as a target model: Robinson et al., "Learning Fast and
Robust Target Models for Video Object Segmentation", CVPR 2020.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

TINY = 1e-6
LEAST_SHARE = 1e-3
"""A basis that stands for less than this share of what the mean basis of its class does counts as one that has it."""


class Bases(NamedTuple):
    """What a class looks like, as sums over all that was seen of it.

    Attributes:
        keys: Weighted sums of keys, ``(N, 2, K, C)``; their directions are the bases.
        values: Weighted sums of values, ``(N, 2, K, V)``.
        mass: Sums of the weights, ``(N, 2, K)``.
    """

    keys: Any
    values: Any
    mass: Any


class Equations(NamedTuple):
    """Normal equations of a regression from a key and a constant 1 to +1 (object) and -1 (background).

    Attributes:
        matrix: ``(N, C + 1, C + 1)``.
        vector: ``(N, C + 1, 1)``.
    """

    matrix: Any
    vector: Any


class Reading(NamedTuple):
    """What bases say of cells.

    Attributes:
        probability: Of the object, ``(N, P, 1)``.
        values: Mean value, ``(N, P, V)``.
        similarities: To the nearest basis of the object, of the background, and their difference, ``(N, P, 3)``.
    """

    probability: Any
    values: Any
    similarities: Any


def unit(x: Any) -> Any:
    """Vectors along the last axis, of length 1; those that are 0 stay."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + TINY**2)


def class_weights(probability: Any) -> Any:
    """Probabilities ``(N, P)`` to the weights of each cell for object and background, ``(N, 2, P)``."""
    return ops.stack([probability, 1.0 - probability], axis=1)


def seeds(keys: Any, weights: Any, count: int) -> Any:
    """First bases: the keys of cells at equal steps of each class's weight, in the order of the rows.

    Args:
        keys: ``(N, P, C)``.
        weights: ``(N, 2, P)``.
        count: K. Where a class has fewer cells, they are taken more than once.

    Returns:
        ``(N, 2, K, C)``.
    """
    reached = ops.cumsum(weights, axis=-1)
    steps = (ops.arange(count, dtype="float32") + 0.5) / count
    wanted = reached[..., -1:] * steps
    index = ops.sum(ops.cast(reached[:, :, None] < wanted[..., None], "int32"), axis=-1)
    index = ops.minimum(index, ops.shape(keys)[1] - 1)
    flat = ops.reshape(index, (-1, 2 * count, 1))
    return ops.reshape(ops.take_along_axis(keys, flat, axis=1), (-1, 2, count, keys.shape[-1]))


def _log_shares(mass: Any) -> Any:
    """How much less than the mean of its class a basis stands for, as a logarithm; 0 for all that stand for more."""
    mean = ops.mean(mass, axis=-1, keepdims=True)
    return ops.log(ops.clip(mass / (mean + TINY), LEAST_SHARE, 1.0))


def _scores(keys: Any, directions: Any) -> Any:
    """Similarities ``(N, P, 2, K)`` of keys ``(N, P, C)`` to bases ``(N, 2, K, C)``."""
    _, classes, count, channels = directions.shape
    flat = ops.reshape(directions, (-1, classes * count, channels))
    scores = ops.matmul(keys, ops.transpose(flat, (0, 2, 1)))
    return ops.reshape(scores, (-1, ops.shape(keys)[1], classes, count))


def gathered(keys: Any, values: Any, weights: Any, bases: Bases, tau: float) -> Bases:
    """One iteration of weighted EM: the sums over cells, each cell going to the bases that are like it.

    No gradient passes through the responsibilities.

    Args:
        keys: ``(N, P, C)``.
        values: ``(N, P, V)``.
        weights: ``(N, 2, P)``.
        bases: Those that cells are compared with.
        tau: Temperature.
    """
    scores = _scores(ops.stop_gradient(keys), ops.stop_gradient(unit(bases.keys))) / tau
    responsibilities = ops.softmax(scores + ops.stop_gradient(_log_shares(bases.mass))[:, None], axis=-1)
    shares = ops.stop_gradient(responsibilities * ops.transpose(weights, (0, 2, 1))[..., None])
    count, channels = bases.keys.shape[2:]
    shares = ops.reshape(shares, (-1, ops.shape(keys)[1], 2 * count))
    sums = ops.matmul(ops.transpose(shares, (0, 2, 1)), ops.concatenate([keys, values], axis=-1))
    sums = ops.reshape(sums, (-1, 2, count, channels + values.shape[-1]))
    mass = ops.reshape(ops.sum(shares, axis=1), (-1, 2, count))
    return Bases(sums[..., :channels], sums[..., channels:], mass)


def first_bases(keys: Any, values: Any, weights: Any, count: int, iterations: int, tau: float) -> Bases:
    """Bases of a frame alone; only the last iteration has a gradient."""
    start = seeds(ops.stop_gradient(keys), weights, count)
    bases = Bases(start, ops.zeros_like(start[..., : values.shape[-1]]), ops.ones_like(start[..., 0]))
    for last in [False] * (iterations - 1) + [True]:
        seen = (keys, values) if last else (ops.stop_gradient(keys), ops.stop_gradient(values)[..., :0])
        bases = gathered(*seen, weights, bases, tau)
    return bases


def moved_bases(
    bases: Bases, keys: Any, values: Any, weights: Any, iterations: int, forgetting: float, tau: float
) -> Bases:
    """Bases that have forgotten a part, and learned a frame."""
    moved = bases
    for last in [False] * (iterations - 1) + [True]:
        seen = (keys, values) if last else (ops.stop_gradient(keys), ops.stop_gradient(values))
        new = gathered(*seen, weights, moved, tau)
        moved = Bases(*(forgetting * old + x for old, x in zip(bases, new, strict=True)))
    return moved


def united(one: Bases, other: Bases, iterations: int, tau: float) -> Bases:
    """As many bases as each of two memories has, for what both have seen: EM over their bases, by their sums.

    Every second basis of each is where EM begins, so that neither is lost.
    """
    sums = [ops.concatenate([bases.keys, bases.values, bases.mass[..., None]], axis=-1) for bases in (one, other)]
    points = ops.concatenate(sums, axis=2)
    channels = one.keys.shape[-1]
    keys = unit(points[..., :channels])
    found = ops.concatenate([sums[0][:, :, ::2], sums[1][:, :, 1::2]], axis=2)
    for _ in range(iterations):
        scores = ops.matmul(keys, ops.transpose(unit(found[..., :channels]), (0, 1, 3, 2))) / tau
        shares = ops.softmax(scores + _log_shares(found[..., -1])[:, :, None], axis=-1)
        found = ops.matmul(ops.transpose(shares, (0, 1, 3, 2)), points)
    return Bases(found[..., :channels], found[..., channels:-1], found[..., -1])


def read(keys: Any, bases: Bases, tau: float) -> Reading:
    """What bases say of cells with ``keys`` ``(N, P, C)``."""
    scores = _scores(keys, unit(bases.keys))
    nearest = ops.max(scores, axis=-1)
    _, _, classes, count = scores.shape
    logits = scores / tau + _log_shares(bases.mass)[:, None]
    weights = ops.softmax(ops.reshape(logits, (-1, ops.shape(keys)[1], classes * count)), axis=-1)
    values = bases.values / (bases.mass[..., None] + TINY)
    values = ops.reshape(values, (-1, classes * count, values.shape[-1]))
    probability = ops.sum(weights[..., :count], axis=-1, keepdims=True)
    difference = nearest[..., :1] - nearest[..., 1:]
    return Reading(probability, ops.matmul(weights, values), ops.concatenate([nearest, difference], axis=-1))


def with_constant(keys: Any) -> Any:
    """Keys ``(N, P, C)`` with a constant 1 behind them."""
    return ops.concatenate([keys, ops.ones_like(keys[..., :1])], axis=-1)


def equations(keys: Any, weights: Any) -> Equations:
    """Normal equations of a frame in which object and background weigh the same.

    Args:
        keys: ``(N, P, C)``.
        weights: ``(N, 2, P)``.
    """
    balanced = 0.5 * weights / (ops.sum(weights, axis=-1, keepdims=True) + TINY)
    inside, outside = balanced[:, 0, :, None], balanced[:, 1, :, None]
    x = with_constant(keys)
    weighted = ops.transpose(x * (inside + outside), (0, 2, 1))
    return Equations(
        ops.matmul(weighted, x),
        ops.matmul(ops.transpose(x, (0, 2, 1)), inside - outside),
    )


def solved(problem: Equations, ridge: float, steps: int) -> Any:
    """Weights ``(N, C + 1, 1)`` of ridge regression, by conjugate gradients from 0.

    Args:
        problem: The normal equations.
        ridge: Penalty of each weight.
        steps: Of conjugate gradients.
    """

    def dot(a: Any, b: Any) -> Any:
        return ops.sum(a * b, axis=1, keepdims=True)

    residual = direction = problem.vector
    solution, size = ops.zeros_like(residual), dot(residual, residual)
    for _ in range(steps):
        image = ops.matmul(problem.matrix, direction) + ridge * direction
        length = size / (dot(direction, image) + TINY**2)
        solution = solution + length * direction
        residual = residual - length * image
        smaller = dot(residual, residual)
        direction = residual + smaller / (size + TINY**2) * direction
        size = smaller
    return solution


def local_match(keys: Any, last_keys: Any, last_probability: Any, radius: int, tau: float) -> Any:
    """Where the cells of a frame were in the last one, looked for in a window around each.

    Args:
        keys: ``(N, h, w, C)``.
        last_keys: Of the last frame, the same shape.
        last_probability: Of the object in the last frame, ``(N, h, w, 1)``.
        radius: Of the window.
        tau: Temperature.

    Returns:
        ``(N, h, w, 3)``: the probability that the best places had; the greatest similarity to the object, and to the
        background.
    """
    window = 2 * radius + 1
    _, height, width, _ = ops.shape(keys)
    sides = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    last_keys, last = ops.pad(last_keys, sides), ops.pad(last_probability, sides)[..., 0]
    known = ops.pad(ops.ones_like(last_probability), sides)[..., 0]
    wide = width + 2 * radius
    scores, objects, inside = [], [], []
    for row in range(window):
        lines = ops.transpose(last_keys[:, row : row + height], (0, 1, 3, 2))
        # Every cell of a line with every cell of another; those of its window lie on diagonals, which one cell more
        # in each line makes upright.
        pairs = ops.reshape(ops.matmul(keys, lines), (-1, height, width * wide))
        pairs = ops.pad(pairs, ((0, 0), (0, 0), (0, width)))
        scores.append(ops.reshape(pairs, (-1, height, width, wide + 1))[..., :window])
        for column in range(window):
            part = (slice(None), slice(row, row + height), slice(column, column + width))
            objects.append(last[part])
            inside.append(known[part])
    similarity = ops.concatenate(scores, axis=-1)
    objects, inside = ops.stack(objects, axis=-1), ops.stack(inside, axis=-1)
    weights = ops.softmax(similarity / tau - 1e3 * (1.0 - inside), axis=-1)
    found = ops.sum(weights * objects, axis=-1)
    near_object = ops.max(similarity * objects, axis=-1)
    near_background = ops.max(similarity * (inside - objects), axis=-1)
    return ops.stack([found, near_object, near_background], axis=-1)
