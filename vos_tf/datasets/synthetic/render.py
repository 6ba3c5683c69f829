"""Painting a scene: sub-frames averaged over the open shutter, exact label maps at the middle of the exposure."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vos_tf.datasets.synthetic.motion import Floats, Generator, time_grid
from vos_tf.datasets.synthetic.scene import Body, Scene, make_scene, video_generator
from vos_tf.datasets.synthetic.settings import SyntheticSettings
from vos_tf.datasets.synthetic.shapes import FULL_TONE
from vos_tf.datasets.types import VideoObject

SUPERSAMPLING = 4
"""Silhouettes are filled this many times finer than the picture, each way."""
MAX_SUBFRAMES = 7
PIXELS_PER_SUBFRAME = 2.0

Canvas = NDArray[np.float32]


class RenderedVideo(NamedTuple):
    """A video in memory.

    Attributes:
        frames: uint8 ``(T, H, W, 3)`` RGB.
        labels: uint8 ``(T, H, W)``, ids 1..K.
        objects: By id; ``frames`` of each are all from its first appearance on.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    objects: tuple[VideoObject, ...]


class Pose(NamedTuple):
    """A body at one instant: centre and radius in pixels, turn and phase in radians."""

    x: float
    y: float
    radius: float
    angle: float
    phase: float


class Cover(NamedTuple):
    """What a body covers at one instant.

    Attributes:
        rows: Of the picture, that the arrays below span.
        columns: Of the picture, that the arrays below span.
        alpha: float32 ``(h, w)``, covered share of each pixel, 0..1.
        tone: float32 ``(h, w)``, brightness of the part seen there.
    """

    rows: slice
    columns: slice
    alpha: Canvas
    tone: Canvas


def frame_name(number: int) -> str:
    """Name of a frame as YouTube-VOS writes it: five digits."""
    return f"{number:05d}"


def render_video(settings: SyntheticSettings, seed: int, index: int, *, split: str = "train") -> RenderedVideo:
    """Render one video in memory; equal arguments give equal bytes.

    Args:
        settings: Of the world.
        seed: Of the data set.
        index: Of the video within its split.
        split: Each split has a stream of its own, so that no video is shared.
    """
    rng = video_generator(seed, split, index)
    scene = make_scene(settings, rng)
    shape = (settings.frames, settings.height, settings.width)
    frames, labels = np.empty((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    for number in range(settings.frames):
        _render_frame(scene, number, frames[number], labels[number], rng)
    return RenderedVideo(frames, *_numbered(scene, labels))


def _numbered(scene: Scene, labels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[VideoObject, ...]]:
    """Leave out objects that never show and number the rest 1..K."""
    families = {body.id: body.silhouette.family for body in scene.bodies if body.id}
    names = [frame_name(number) for number in range(len(labels))]
    new_ids = np.zeros(256, np.uint8)
    objects: list[VideoObject] = []
    for old in sorted(families):
        seen = np.flatnonzero((labels == old).any(axis=(1, 2)))
        if len(seen):
            first = int(seen[0])
            new_ids[old] = len(objects) + 1
            objects.append(VideoObject(len(objects) + 1, families[old], names[first], tuple(names[first:])))
    return new_ids[labels], tuple(objects)


def _instants(scene: Scene, number: int) -> Floats:
    """The times at which a frame is painted: an odd number within its exposure, enough for the fastest thing."""
    shutter = scene.settings.motion_blur
    if shutter == 0:
        return np.array([float(number)])
    ends = np.array([number - shutter / 2, number + shutter / 2])
    times = time_grid(scene.settings.frames)
    curves = [(body.path.x, body.path.y) for body in scene.bodies] + [(scene.camera.x, scene.camera.y)]
    way = max(math.hypot(*(float(np.ptp(np.interp(ends, times, curve))) for curve in pair)) for pair in curves)
    count = min(1 + 2 * math.ceil(way / PIXELS_PER_SUBFRAME / 2), MAX_SUBFRAMES)
    return np.asarray(number + shutter * ((np.arange(count) + 0.5) / count - 0.5))


def _render_frame(
    scene: Scene, number: int, frame: NDArray[np.uint8], labels: NDArray[np.uint8], rng: Generator
) -> None:
    settings = scene.settings
    times = time_grid(settings.frames)
    instants = _instants(scene, number)
    light_total = np.zeros((settings.height, settings.width, 3), np.float32)
    for order, instant in enumerate(instants):
        canvas = _paint_backdrop(scene, instant)
        middle = order == len(instants) // 2
        for body in scene.bodies:
            pose = Pose(*(float(np.interp(instant, times, curve)) for curve in body.path))
            cover = _cover(body, pose, settings)
            if cover is None:
                continue
            _paint_body(canvas, scene, body, pose, cover)
            if middle:
                labels[cover.rows, cover.columns][cover.alpha >= 0.5] = body.id
        light_total += canvas
    gain = np.array([np.interp(number, times, scene.light[:, channel]) for channel in range(3)]) / len(instants)
    image = light_total * gain.astype(np.float32)
    if settings.noise > 0:
        image += rng.standard_normal(image.shape, np.float32) * np.float32(settings.noise * 255)
    frame[...] = np.clip(image + np.float32(0.5), 0, 255).astype(np.uint8)


def _paint_backdrop(scene: Scene, instant: float) -> Canvas:
    """The backdrop as the camera sees it, float32 ``(H, W, 3)``."""
    times = time_grid(scene.settings.frames)
    camera = scene.camera
    x, y, zoom, roll = (float(np.interp(instant, times, c)) for c in (camera.x, camera.y, camera.zoom, camera.roll))
    height, width = scene.settings.height, scene.settings.width
    cos, sin = math.cos(roll) / zoom, math.sin(roll) / zoom
    # screen -> backdrop: undo the shift, then roll and zoom about the middle
    sx, sy = width / 2 + x - 0.5, height / 2 + y - 0.5
    bx, by = scene.backdrop.shape[1] / 2 - 0.5, scene.backdrop.shape[0] / 2 - 0.5
    matrix = np.array([[cos, sin, bx - cos * sx - sin * sy], [-sin, cos, by + sin * sx - cos * sy]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(scene.backdrop, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.float32)


def _cover(body: Body, pose: Pose, settings: SyntheticSettings) -> Cover | None:
    """What the body covers, or ``None`` when it is out of the picture."""
    reach = pose.radius * (1.35 if settings.shadows > 0 else 1.0) + 2
    top, bottom = max(int(pose.y - reach), 0), min(int(pose.y + reach) + 1, settings.height)
    left, right = max(int(pose.x - reach), 0), min(int(pose.x + reach) + 1, settings.width)
    if top >= bottom or left >= right:
        return None
    fine = np.zeros(((bottom - top) * SUPERSAMPLING, (right - left) * SUPERSAMPLING), np.uint8)
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    matrix = pose.radius * np.array([[cos, sin], [-sin, cos]])
    shift = np.array([pose.x - left, pose.y - top])
    for part in body.silhouette.parts(pose.phase):
        points = (part.outline @ matrix + shift) * SUPERSAMPLING - 0.5
        cv2.fillPoly(fine, [(points * 16).round().astype(np.int32)], part.tone, cv2.LINE_8, 4)
    size = (right - left, bottom - top)
    alpha = cv2.resize((fine > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    tone = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    tone /= np.maximum(alpha, 1e-3) * np.float32(FULL_TONE)
    return Cover(slice(top, bottom), slice(left, right), alpha, tone)


def _paint_body(canvas: Canvas, scene: Scene, body: Body, pose: Pose, cover: Cover) -> None:
    """Paint shadow and body onto ``canvas``, in place."""
    view = canvas[cover.rows, cover.columns]
    height, width = cover.alpha.shape
    kernel = 2 * int(pose.radius * 0.22) + 3
    soft = cv2.blur(cv2.blur(cover.alpha, (kernel, kernel)), (kernel, kernel))
    sun_x, sun_y = scene.sun
    if scene.settings.shadows > 0:
        offset = np.array([[1, 0, -0.25 * pose.radius * sun_x], [0, 1, -0.25 * pose.radius * sun_y]])
        shadow = cv2.warpAffine(soft, offset, (width, height))
        view *= (1 - np.float32(0.6 * scene.settings.shadows) * shadow)[..., None]
    slope_x = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=pose.radius / 8)
    slope_y = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=pose.radius / 8)
    # the blurred silhouette serves as height: bright towards the sun, dark away from it
    shade = cover.tone * np.clip(1 - 0.45 * (sun_x * slope_x + sun_y * slope_y), 0.35, 1.6)
    side = body.texture.shape[0]
    cos, sin = (side / 2 / pose.radius * part for part in (math.cos(pose.angle), math.sin(pose.angle)))
    x = pose.x - cover.columns.start - 0.5
    y = pose.y - cover.rows.start - 0.5
    matrix = np.array([[cos, sin, side / 2 - cos * x - sin * y], [-sin, cos, side / 2 + sin * x - cos * y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    skin = cv2.warpAffine(body.texture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    skin = np.minimum(skin * shade[..., None], np.float32(255))
    view += cover.alpha[..., None] * (skin - view)
