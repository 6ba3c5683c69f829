"""Memory of batches, used again and again: fresh memory costs the kernel a tenth of the time of decoding into it."""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np
from numpy.typing import NDArray

TENSOR_ALIGNMENT = 64
"""Bytes. TensorFlow takes an array that begins at a multiple of it without a copy."""
MOST_FREE = 4


class BatchMemory:
    """Room for batches of clips, each of at most ``pixels`` pixels over all frames.

    A piece of memory is given out again only when nothing holds an array in it any more, be it NumPy or TensorFlow.
    """

    def __init__(self, pixels: int) -> None:
        self._bytes = 4 * pixels + 3 * TENSOR_ALIGNMENT
        self._free: deque[NDArray[np.uint8]] = deque(maxlen=MOST_FREE)

    def take(self, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Uninitialised arrays for frames, uint8 ``(*shape, 3)``, and for labels, uint8 ``shape``."""
        try:
            piece = self._free.pop()
        except IndexError:
            piece = np.empty(self._bytes, np.uint8)
        # All arrays in the piece are views of this one, which knows the piece only as foreign memory.
        whole = np.frombuffer(piece.data, np.uint8)
        weakref.finalize(whole, self._free.append, piece).atexit = False
        frames, end = _cut(whole, 0, (*shape, 3))
        labels, _ = _cut(whole, end, shape)
        return frames, labels


def _cut(whole: NDArray[np.uint8], start: int, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], int]:
    """An aligned array inside ``whole``, from ``start`` on, and where it ends."""
    start += -(whole.ctypes.data + start) % TENSOR_ALIGNMENT
    end = start + math.prod(shape)
    return whole[start:end].reshape(shape), end
