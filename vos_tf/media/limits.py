"""How large an image may be before it is refused undecoded."""

from __future__ import annotations

from vos_tf.errors import VosError

MAX_PIXELS = 2**27
"""Largest image that is decoded, in pixels (134 million; 0.4 GB as RGB): guards against forged headers."""


def check_pixels(size: tuple[int, int], name: str) -> None:
    """Refuse an image of more than `MAX_PIXELS`, by what its header says.

    Args:
        size: ``(H, W)`` in pixels.
        name: What to call it in the error.

    Raises:
        VosError: It is larger.
    """
    height, width = size
    if height * width > MAX_PIXELS:
        raise VosError(f"{name}: expected at most {MAX_PIXELS} pixels, found {height} x {width}")
