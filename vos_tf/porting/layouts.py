r"""How an original's tensors lie in memory and how Keras wants them, and the table of names that says which is which.

A table is written with the functions here, on the layers of a built network::

    def names(network):
        entries = {
            **convolution("conv1", network.conv1),           # conv1.weight, conv1.bias
            **batch_norm("bn1", network.bn1),                # bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var
            **transposed("up", network.up),                  # up.weight, up.bias when the layer has one
        }
        return NameTable(entries, ignored=(r"fc\..*",))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """The order of a tensor's axes in a checkpoint, as a way to Keras and back.

    Attributes:
        to_keras: From the checkpoint's array to the Keras variable's. An array of another rank comes back unchanged,
            so that the comparison of shapes can say what is wrong with it.
        from_keras: The inverse.
    """

    to_keras: Callable[[Array], Array]
    from_keras: Callable[[Array], Array]


def _permuted(*axes: int) -> Layout:
    back = tuple(int(axis) for axis in np.argsort(axes))

    def to_keras(array: Array) -> Array:
        return array.transpose(axes) if array.ndim == len(axes) else array

    return Layout(to_keras, lambda array: array.transpose(back))


# As in Keras: vectors everywhere, and every TensorFlow 1 tensor (its transposed convolutions, too).
AS_IS = Layout(lambda array: array, lambda array: array)
# PyTorch Conv2d (out, in, h, w) to Keras (h, w, in, out).
CONV = _permuted(2, 3, 1, 0)
# PyTorch ConvTranspose2d (in, out, h, w) to Keras (h, w, out, in): the same permutation, and no flip.
TRANSPOSED = _permuted(2, 3, 1, 0)
# PyTorch Linear (out, in) to Keras (in, out).
LINEAR = _permuted(1, 0)


def prelu(channels: int) -> Layout:
    """PyTorch's single PReLU slope to one per channel, as Keras' ``PReLU(shared_axes=[1, 2])`` holds it."""
    return Layout(
        lambda slope: np.broadcast_to(slope, (1, 1, channels)) if slope.shape == (1,) else slope,
        lambda slopes: slopes.reshape(-1)[:1],
    )


@dataclass(frozen=True)
class Entry:
    """Where one tensor of a checkpoint goes.

    Attributes:
        variable: The Keras variable.
        layout: How the tensor lies in the checkpoint.
    """

    variable: Any
    layout: Layout = AS_IS


@dataclass(frozen=True)
class NameTable:
    """What each tensor of an original's checkpoint is to one of our networks.

    Attributes:
        entries: By the original's name, for every tensor that is loaded. All of them must be there.
        fixed: Tensors that never trained, in the original's layout: they are not loaded, but where a checkpoint
            holds one it must be this one.
        ignored: Regular expressions; other tensors whose whole name one of them matches are of no use to us.
        constant: Our variables that no checkpoint holds and that stay as they are built.
    """

    entries: Mapping[str, Entry]
    fixed: Mapping[str, Array] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    constant: tuple[Any, ...] = ()

    def is_ignored(self, name: str) -> bool:
        """Whether the tensor called ``name`` is known to be of no use."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


def convolution(name: str, layer: Any, layout: Layout = CONV) -> dict[str, Entry]:
    """PyTorch's ``name.weight`` and, where the layer has one, ``name.bias`` for a Keras layer with a kernel."""
    entries = {f"{name}.weight": Entry(layer.kernel, layout)}
    if layer.use_bias:
        entries[f"{name}.bias"] = Entry(layer.bias)
    return entries


def transposed(name: str, layer: Any) -> dict[str, Entry]:
    """`convolution` for a Keras ``Conv2DTranspose``."""
    return convolution(name, layer, TRANSPOSED)


def linear(name: str, layer: Any) -> dict[str, Entry]:
    """`convolution` for a Keras ``Dense``."""
    return convolution(name, layer, LINEAR)


def batch_norm(name: str, layer: Any) -> dict[str, Entry]:
    """PyTorch's four tensors of a batch normalisation called ``name``."""
    return {
        f"{name}.weight": Entry(layer.gamma),
        f"{name}.bias": Entry(layer.beta),
        f"{name}.running_mean": Entry(layer.moving_mean),
        f"{name}.running_var": Entry(layer.moving_variance),
    }


def tensorflow_convolution(name: str, layer: Any) -> dict[str, Entry]:
    """TensorFlow-Slim's ``name/weights`` and ``name/biases`` for a convolution, transposed or not."""
    entries = {f"{name}/weights": Entry(layer.kernel)}
    if layer.use_bias:
        entries[f"{name}/biases"] = Entry(layer.bias)
    return entries
