"""Clips of still images with more in them than one picture: pasted, hidden, copied and bent objects.

Such clips are common in the first stage of training of networks that follow objects: objects of one image are pasted
on another (Oh et al., "Fast Video Object Segmentation by Reference-Guided Mask Propagation", CVPR 2018), and each
frame is turned, sheared and bent by itself (Oh et al., "Video Object Segmentation using Space-Time Memory Networks",
ICCV 2019; Cheng et al., "Rethinking Space-Time Networks with Improved Memory Coverage", NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.media.label_maps import BACKGROUND, VOID, LabelMap
from vos_tf.pipeline.motion import (
    OBJECT,
    RIM,
    Layer,
    Matrix,
    Take,
    about,
    cut_out,
    fill_hole,
    path_of,
    warped,
    with_coverage,
)
from vos_tf.pipeline.scenes import Scene
from vos_tf.pipeline.warps import draw_bend

TRIES = 6
"""Places tried for a second object or a copy before it is left out."""
LEAST_SHOWN = 0.55
"""Share of each followed object that others leave visible in the reference frame."""
LEAST_PIXELS = 16
CAMERA_JITTER = 0.25


class Partner(NamedTuple):
    """The other picture, in the clip's size.

    Attributes:
        image: uint8 ``(H, W, 3)``.
        mask: uint8 ``(H, W)``, 1 where its object is, else 0; all 0 where it shows none.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def backdrop_of(scene: Scene, partner: Partner | None) -> NDArray[np.uint8] | None:
    """What the clip's objects are pasted on; ``None``: their own picture.

    Where the partner's object moves by itself, it is taken out of its picture.
    """
    if partner is None or not scene.paste:
        return None
    if not scene.second or not partner.mask.any():
        return partner.image
    return fill_hole(partner.image, cv2.dilate(partner.mask, RIM))


def with_scene(
    take: Take,
    scene: Scene,
    times: Sequence[int],
    view: Matrix,
    partner: Partner | None,
    random: np.random.Generator,
) -> tuple[Take, int]:
    """Let a scene happen in a clip.

    Args:
        take: The clip, with its own objects alone.
        scene: What is to happen.
        times: Of the clip's frames.
        view: What is done to the reference frame, for which objects have to be visible.
        partner: The other picture, if the scene has one.
        random: Source of all chance.

    Returns:
        The clip, and the number of objects with ids it has more than before: 0 or 1.
    """
    moments = np.asarray(times, np.float64)
    extras: list[tuple[Layer, bool]] = []
    added = 0
    if scene.second and partner is not None and partner.mask.any():
        key = max((layer.key for layer in take.layers), default=0) + 1 if scene.followed else BACKGROUND
        placed = _placed(cut_out(partner.image, partner.mask, key), _stack(take, extras), moments, view, random)
        if placed is not None:
            extras.append(placed)
            added = int(scene.followed)
    if scene.copy and take.layers:
        model = take.layers[int(random.integers(len(take.layers)))]
        if not _cut_off(model):
            placed = _placed(model._replace(key=BACKGROUND), _stack(take, extras), moments, view, random)
            extras += [placed] if placed is not None else []
    layers = [_restless(layer, scene, moments, random) for layer in _stack(take, extras)]
    camera = _jittered(take.camera, _middle(take.labels.shape), scene.jitter, CAMERA_JITTER, random)
    if take.layers:
        layers += [_patch(take, partner, moments, random) for _ in range(scene.patches)]
    complete = take.complete and not extras
    return take._replace(camera=camera, layers=layers, complete=complete), added


def _stack(take: Take, extras: Sequence[tuple[Layer, bool]]) -> list[Layer]:
    """All layers, from the lowest: what stands behind the clip's objects, these, and what stands before them."""
    behind = [layer for layer, in_front in extras if not in_front]
    return [*behind, *take.layers, *(layer for layer, in_front in extras if in_front)]


def _placed(
    layer: Layer, others: Sequence[Layer], moments: NDArray[np.float64], view: Matrix, random: np.random.Generator
) -> tuple[Layer, bool] | None:
    """A layer near the topmost of the others, with a path, and whether it is before them; ``None``: no place found."""
    shape, target = layer.mask.shape, others[-1] if others else layer
    size, aim = float(np.sqrt(np.count_nonzero(layer.mask))), float(np.sqrt(np.count_nonzero(target.mask)))
    around = (target.path[0] @ (*target.centre, 1.0))[:2] if others else np.array(layer.centre)
    seen = _seen(others, view, shape)
    in_front = bool(random.uniform() < 0.5)
    # What a side of the picture cuts off stays at that side: the cut must not show.
    anchor, free = _anchor(layer)
    for _ in range(TRIES):
        scale = min(random.uniform(0.6, 1.1), 1.2 * aim / size) if any(free) else 1.0
        angle, distance = random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.3) * (scale * size + aim) / 1.5
        offset = distance * np.array([np.cos(angle), np.sin(angle)]) * free
        passing = random.uniform(0.6, 2.0) if random.uniform() < 0.5 else 0.0
        shift = (around - layer.centre) * free + offset
        start = about(anchor, 0.0, scale, 0.0, shift[0], shift[1])
        right, down, _ = start @ (*layer.centre, 1.0)
        path = path_of(OBJECT, moments, (right, down), min(shape), random, layer.sides)
        steps = np.outer(moments / max(moments[-1], 1.0), -passing * offset)
        path = [about((0, 0), 0, 1, 0, *step) @ way @ start for step, way in zip(steps, path, strict=True)]
        found = layer._replace(path=path)
        inside = 0 <= right < shape[1] and 0 <= down < shape[0]
        if inside and _leaves_enough(_outline(found, view), seen, in_front):
            return found, in_front
    return None


def _seen(layers: Sequence[Layer], view: Matrix, shape: tuple[int, ...]) -> LabelMap:
    """Label map of the layers in the reference frame."""
    labels = np.full(shape, BACKGROUND, np.uint8)
    for layer in layers:
        labels[_outline(layer, view)] = layer.key
    return labels


def _outline(layer: Layer, view: Matrix) -> NDArray[np.bool_]:
    """Where a layer is in the reference frame, others aside."""
    outline: NDArray[np.bool_] = warped(layer.mask, view @ layer.path[0], cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) > 0
    return outline


def _leaves_enough(outline: NDArray[np.bool_], seen: LabelMap, in_front: bool) -> bool:
    """Whether enough of one more layer, and of all objects that are there, is seen in the reference frame."""
    whole = int(np.count_nonzero(outline))
    shown = whole if in_front else int(np.count_nonzero(outline & (seen == BACKGROUND)))
    if shown < max(LEAST_PIXELS, LEAST_SHOWN * whole):
        return False
    if not in_front:
        return True
    before = np.bincount(seen.ravel(), minlength=VOID)[1:]
    after = np.bincount(seen[~outline], minlength=VOID)[1:]
    return bool((after >= LEAST_SHOWN * before).all())


def _anchor(layer: Layer) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """The point that stays where it is when a layer is scaled, and 1 for each axis along which it may be shifted."""
    point, free = list(layer.centre), np.ones(2)
    for axis, (low, high) in enumerate(layer.sides):
        if low or high:
            free[axis] = 0
            point[axis] = 0.0 if low else layer.mask.shape[1 - axis] - 1.0
    return (point[0], point[1]), free


def _cut_off(layer: Layer) -> bool:
    return any(map(any, layer.sides))


def _middle(shape: tuple[int, ...]) -> tuple[float, float]:
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def _restless(layer: Layer, scene: Scene, moments: NDArray[np.float64], random: np.random.Generator) -> Layer:
    """A layer with jitter and bends; without jitter where a side cuts it off."""
    path = _jittered(layer.path, layer.centre, scene.jitter, 0.0 if _cut_off(layer) else 1.0, random)
    bend = draw_bend(layer.mask, moments, random) if scene.warp else None
    return layer._replace(path=path, bend=bend, box=cv2.boundingRect(layer.mask) if bend is None else bend.box)


def _jittered(
    path: Sequence[Matrix],
    centre: tuple[float, float],
    jitter: tuple[float, float, float],
    share: float,
    random: np.random.Generator,
) -> list[Matrix]:
    """A path with jitter about a centre, a share of what ``Scene.jitter`` says, in all frames after the first."""
    draws = share * random.uniform(-1, 1, size=(len(path), 3)) * jitter
    if not draws.any():
        return list(path)
    draws[0] = 0
    return [
        way @ about(centre, np.deg2rad(turn), 1 + growth, np.tan(np.deg2rad(shear)))
        for way, (turn, growth, shear) in zip(path, draws, strict=True)
    ]


def _patch(take: Take, partner: Partner | None, moments: NDArray[np.float64], random: np.random.Generator) -> Layer:
    """A patch on one of the clip's objects, from some frame after the first on: one colour, or part of a picture."""
    target = take.layers[int(random.integers(len(take.layers)))]
    index = int(random.integers(1, len(moments)))
    rows, columns = np.nonzero(target.mask)
    chosen = int(random.integers(len(rows)))
    right, down, _ = target.path[index] @ (columns[chosen], rows[chosen], 1.0)
    sides = np.sqrt(len(rows)) * random.uniform(0.2, 0.7, size=2)
    box = ((float(right), float(down)), (float(sides[0]), float(sides[1])), float(random.uniform(0, 180)))
    mask = np.zeros(target.mask.shape, np.uint8)
    if random.uniform() < 0.5:
        cv2.ellipse(mask, box, 1, -1)
    else:
        cv2.fillPoly(mask, [np.rint(cv2.boxPoints(box)).astype(np.int32)], 1)
    colour = random.integers(0, 256, size=3).astype(np.uint8)
    if random.uniform() < 0.5:
        image: NDArray[np.uint8] = take.backdrop if partner is None else partner.image
        image = image[::-1, ::-1]
    else:
        image = np.broadcast_to(colour, (*mask.shape, 3))
    pixels = with_coverage(np.ascontiguousarray(image), mask)
    path = path_of(OBJECT, moments - moments[index], box[0], min(mask.shape), random)
    whole = ((False, False), (False, False))
    return Layer(BACKGROUND, mask, pixels, path, box[0], whole, since=index, box=cv2.boundingRect(mask))
