"""Dense CRF: the lattice against sums over all pairs, the mean field against one on whole matrices."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.errors import VosError
from vos_tf.inference.refinement.crf import mean_field, refine_probabilities
from vos_tf.inference.refinement.permutohedral import PermutohedralFilter
from vos_tf.inference.refinement.settings import CRFSettings

# Widths for images of a few pixels: the widths grow with the shorter side, here 20 of 480.
WIDE = CRFSettings(smooth_width=24.0, place_width=100.0, colour_width=20.0)


def scene(seed: int = 0, objects: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of coloured boxes, their masks, and probabilities that are blurred, shifted and noisy."""
    random = np.random.default_rng(seed)
    image = np.full((20, 30, 3), (60, 90, 70), np.float32) + random.normal(0, 4, (20, 30, 3))
    masks = np.zeros((objects, 20, 30), bool)
    for index in range(objects):
        left = 3 + 9 * index
        masks[index, 4 + index : 14 + index, left : left + 8] = True
        image[masks[index]] += random.uniform(60, 130, 3)
    maps = [np.roll(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2), 1, axis=1) for mask in masks]
    noisy = np.clip(np.stack(maps) + random.normal(0, 0.08, masks.shape), 0.02, 0.98).astype(np.float32)
    return image.clip(0, 255).astype(np.uint8), masks, noisy


def gaussian(features: np.ndarray) -> np.ndarray:
    """``(n, n)``: the kernel between all pairs of points ``(d, n)``."""
    distance = ((features[:, :, None] - features[:, None]) ** 2).sum(axis=0)
    return np.asarray(np.exp(-distance / 2))


def kernel_matrices(image: np.ndarray, settings: CRFSettings) -> list[tuple[float, np.ndarray]]:
    height, width = image.shape[:2]
    scale = min(height, width) / 480
    rows, columns = np.mgrid[:height, :width].reshape(2, -1).astype(np.float64)
    colours = image.reshape(-1, 3).T / settings.colour_width
    place = np.stack([columns, rows]) / scale
    smooth = gaussian(place / settings.smooth_width)
    bilateral = gaussian(np.concatenate([place / settings.place_width, colours]))
    return [(settings.smooth_weight, smooth), (settings.bilateral_weight, bilateral)]


def brute_force(logits: np.ndarray, kernels: list[tuple[float, np.ndarray]], steps: int) -> np.ndarray:
    """Probabilities ``(1 + N, n)`` of background and objects, straight from the formula."""
    unary = np.concatenate([np.zeros((1, len(logits))), logits.T.astype(np.float64)])
    scaled = [(weight, k / np.sqrt(k.sum(axis=0)[:, None] * k.sum(axis=0)[None])) for weight, k in kernels]
    energy = unary
    for step in range(steps + 1):
        shares = np.exp(energy - energy.max(axis=0))
        shares /= shares.sum(axis=0)
        if step < steps:
            energy = unary + sum(weight * shares @ k for weight, k in scaled)
    return shares


def logits_of(maps: np.ndarray) -> np.ndarray:
    flat = maps.reshape(len(maps), -1).T
    return np.asarray(np.log(flat / (1 - flat)), np.float32)


@pytest.mark.parametrize(("dimensions", "tolerance"), [(1, 0.02), (2, 0.02), (5, 0.04)])
def test_lattice_against_all_pairs(dimensions: int, tolerance: float) -> None:
    """The lattice's kernel is near a Gaussian; sums are right up to one factor."""
    random = np.random.default_rng(dimensions)
    points = random.uniform(0, 3, (dimensions, 700)).astype(np.float32)
    values = random.uniform(0, 1, (700, 2)).astype(np.float32)
    wanted = gaussian(points.astype(np.float64)) @ values
    found = PermutohedralFilter(points)(values)
    factor = (wanted * found).sum() / (found**2).sum()
    assert np.abs(factor * found - wanted).mean() < tolerance * wanted.mean()


def test_lattice_is_linear() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(0, 3, (5, 200)).astype(np.float32)
    blur = PermutohedralFilter(points)
    whole = blur(np.eye(200, dtype=np.float32))
    values = random.normal(size=(200, 3)).astype(np.float32)
    np.testing.assert_allclose(blur(values), whole @ values, atol=1e-3)
    assert (whole >= 0).all()


def test_equal_points_share_everything() -> None:
    """On a corner of the lattice, too; a point far away has nothing of it."""
    points = np.zeros((5, 4), np.float32)
    points[:, 3] = 40
    filtered = PermutohedralFilter(points)(np.array([[1], [2], [3], [0]], np.float32))[:, 0]
    np.testing.assert_allclose(filtered[:3], np.full(3, filtered[0]), rtol=1e-5)
    assert filtered[0] > 0
    assert filtered[3] == 0


def test_too_narrow_kernels_are_refused() -> None:
    with pytest.raises(VosError, match="dense CRF: expected wider kernels"):
        PermutohedralFilter(np.random.default_rng(0).uniform(0, 1e5, (5, 10)).astype(np.float32))


@pytest.mark.parametrize("objects", [1, 3])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_mean_field_with_whole_kernels_is_the_formula(objects: int, steps: int) -> None:
    image, _, maps = scene(objects=objects)
    kernels = kernel_matrices(image, WIDE)
    wanted = brute_force(logits_of(maps), kernels, steps)
    as_functions = [(weight, lambda x, k=k: (k @ x).astype(np.float32)) for weight, k in kernels]
    found = mean_field(logits_of(maps), as_functions, steps)  # type: ignore[arg-type]
    np.testing.assert_allclose(1 / (1 + np.exp(-found.T)), wanted[1:] / (wanted[1:] + wanted[:1]), atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("objects", [1, 3])
def test_refined_maps_against_brute_force(objects: int, seed: int) -> None:
    image, _, maps = scene(seed, objects)
    wanted = brute_force(logits_of(maps), kernel_matrices(image, WIDE), WIDE.steps)
    found = refine_probabilities(image, maps, WIDE).reshape(objects, -1)
    labels = np.concatenate([np.full((1, found.shape[1]), 0.5), found]).argmax(axis=0)
    assert (labels != wanted.argmax(axis=0)).mean() < 0.01
    assert np.abs(found - wanted[1:] / (wanted[1:] + wanted[:1])).mean() < 0.01


@pytest.mark.parametrize("objects", [1, 3])
def test_masks_get_better(objects: int) -> None:
    image, masks, maps = scene(objects=objects)
    before = (maps > 0.5) != masks
    after = (refine_probabilities(image, maps, WIDE) > 0.5) != masks
    assert after.sum() < 0.3 * before.sum()


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(0, 2**31 - 1))
def test_without_weights_nothing_changes(objects: int, seed: int) -> None:
    """What is read as odds is given back as odds, whatever the number of objects."""
    random = np.random.default_rng(seed)
    maps = random.uniform(0.001, 0.999, (objects, 5, 6)).astype(np.float32)
    image = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    found = refine_probabilities(image, maps, CRFSettings(smooth_weight=0, bilateral_weight=0))
    np.testing.assert_allclose(found, maps, atol=1e-5)


def test_certain_and_absent_objects_stay_finite() -> None:
    image, masks, _ = scene()
    maps = np.concatenate([masks, np.zeros_like(masks)]).astype(np.float32)
    found = refine_probabilities(image, maps, WIDE)
    assert np.isfinite(found).all()
    assert ((found[0] > 0.5) == masks[0]).mean() > 0.97
    assert found[1].max() < 0.01
    assert refine_probabilities(image, maps[:0]).shape == (0, 20, 30)


def test_stretching_finds_what_is_faint() -> None:
    image, masks, maps = scene()
    faint = (0.3 * maps).astype(np.float32)
    assert not (refine_probabilities(image, faint, WIDE) > 0.5).any()
    found = refine_probabilities(image, faint, replace(WIDE, stretch=True)) > 0.5
    assert (found & masks).sum() / (found | masks).sum() > 0.9
    flat = np.full_like(faint, 0.2)
    assert not (refine_probabilities(image, flat, replace(WIDE, stretch=True)) > 0.5).any()


def test_widths_grow_with_the_frame() -> None:
    """A frame twice as large, its kernels twice as wide: about the same answer."""
    image, _, maps = scene()
    large = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    large_maps = np.repeat(np.repeat(maps, 2, axis=1), 2, axis=2)
    one, other = refine_probabilities(image, maps, WIDE), refine_probabilities(large, large_maps, WIDE)
    assert ((one > 0.5) != (other[:, ::2, ::2] > 0.5)).mean() < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"smooth_width": 0.0}, r"crf\.smooth_width: expected a number above 0, found 0"),
        ({"colour_width": float("nan")}, r"crf\.colour_width: expected a number above 0, found nan"),
        ({"steps": -1}, r"crf\.steps: expected 0 or more, found -1"),
        ({"bilateral_weight": -1.0}, r"crf\.bilateral_weight: expected 0 or more, found -1"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(VosError, match=message):
        replace(CRFSettings(), **change)  # type: ignore[arg-type]


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="must have one size"):
        refine_probabilities(np.zeros((4, 5, 3), np.uint8), np.zeros((1, 4, 4), np.float32))
