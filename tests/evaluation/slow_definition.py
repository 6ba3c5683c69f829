"""J and F written down as the papers define them: whole images, no shortcuts. The fast engine must equal this."""

from __future__ import annotations

import math

import numpy as np


def slow_boundary(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    result = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if y == height - 1:
                neighbours = [(y, x + 1)]
            if x == width - 1:
                neighbours = [(y + 1, x)]
            if y == height - 1 and x == width - 1:
                neighbours = []
            result[y, x] = any(mask[y, x] != mask[at] for at in neighbours)
    return result


def slow_dilation(boundary: np.ndarray, radius: int) -> np.ndarray:
    height, width = boundary.shape
    result = np.zeros((height, width), bool)
    for y, x in zip(*np.nonzero(boundary), strict=True):
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                if dx * dx + dy * dy <= radius * radius and inside:
                    result[y + dy, x + dx] = True
    return result


def slow_scores(prediction: np.ndarray, truth: np.ndarray, void: np.ndarray) -> tuple[float, float]:
    prediction, truth = prediction & ~void, truth & ~void
    union = int((prediction | truth).sum())
    similarity = int((prediction & truth).sum()) / union if union else 1.0
    radius = math.ceil(0.008 * float(np.linalg.norm(prediction.shape)))
    predicted, true = slow_boundary(prediction), slow_boundary(truth)
    if not predicted.any() and not true.any():
        precision, recall = 1.0, 1.0
    elif not predicted.any():
        precision, recall = 1.0, 0.0
    elif not true.any():
        precision, recall = 0.0, 1.0
    else:
        precision = int((predicted & slow_dilation(true, radius)).sum()) / int(predicted.sum())
        recall = int((true & slow_dilation(predicted, radius)).sum()) / int(true.sum())
    accuracy = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return similarity, accuracy
