"""Names of OSVOS's tensors in the checkpoints of its authors' PyTorch and TensorFlow versions and of the VGG19 port."""

from __future__ import annotations

from typing import Any

import numpy as np

from vos_tf.methods.osvos.network import OSVOS
from vos_tf.models.vgg import VGG16_BLOCKS
from vos_tf.porting.layouts import (
    Array,
    Entry,
    Layout,
    NameTable,
    convolution,
    tensorflow_convolution,
)
from vos_tf.porting.readers import read_pytorch, read_tensorflow
from vos_tf.porting.source import Source
from vos_tf.porting.trunks import vgg_entries

# A 1x1 convolution to one channel, (1, C, 1, 1) in PyTorch and (1, 1, C, 1) in TensorFlow, to one head's (1, C).
TORCH_MIXTURE = Layout(
    lambda array: array.reshape(array.shape[:2]) if array.ndim == 4 else array,
    lambda array: array[:, :, None, None],
)
TENSORFLOW_MIXTURE = Layout(
    lambda array: array.reshape(array.shape[2:]).T if array.ndim == 4 else array,
    lambda array: array.T[None, None],
)
# PyTorch ConvTranspose2d (in, out, h, w) to one head's (1, h, w, out, in).
TORCH_UPSAMPLING = Layout(
    lambda array: array.transpose(2, 3, 1, 0)[None] if array.ndim == 4 else array,
    lambda array: array[0].transpose(3, 2, 0, 1),
)


def bilinear_kernel(channels: int, stride: int) -> Array:
    """The fixed up-sampling kernel, float32 ``(channels, channels, 2s, 2s)``; each channel for itself."""
    profile = 1.0 - np.abs(np.arange(2 * stride) - (stride - 0.5)) / stride
    return (np.eye(channels)[:, :, None, None] * np.outer(profile, profile)).astype(np.float32)


def _mixture(weight: str, bias: str, layer: Any, layout: Layout) -> dict[str, Entry]:
    return {weight: Entry(layer.kernel, layout), bias: Entry(layer.bias)}


def osvos_pytorch(network: OSVOS) -> NameTable:
    """Names of OSVOS-PyTorch for the canonical `vos_tf.methods.osvos.network.OSVOS` with ``vgg16`` and one head."""
    entries: dict[str, Entry] = {}
    fixed: dict[str, Array] = {}
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS):
        for index in range(convolutions):
            position = 2 * index + (block > 0)
            layer = network.trunk.get_layer(f"block{block + 1}_conv{index + 1}")
            entries |= convolution(f"stages.{block}.{position}", layer)
    for index, stride in enumerate(network.settings.sides):
        entries |= convolution(f"side_prep.{index}", network.side_prep[index])
        name = f"score_dsn.{index}"
        entries |= _mixture(f"{name}.weight", f"{name}.bias", network.score[index], TORCH_MIXTURE)
        fixed[f"upscale.{index}.weight"] = bilinear_kernel(network.settings.side_filters, stride)
        fixed[f"upscale_.{index}.weight"] = bilinear_kernel(1, stride)
    entries |= _mixture("fuse.weight", "fuse.bias", network.fuse, TORCH_MIXTURE)
    return NameTable(entries, fixed)


def osvos_tensorflow(network: OSVOS) -> NameTable:
    """Names of OSVOS-TensorFlow for the canonical `vos_tf.methods.osvos.network.OSVOS` with ``vgg16`` and one head."""
    entries: dict[str, Entry] = {}
    fixed: dict[str, Array] = {}
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            layer = network.trunk.get_layer(f"block{block}_conv{index}")
            entries |= tensorflow_convolution(f"osvos/conv{block}/conv{block}_{index}", layer)
    for index, stride in enumerate(network.settings.sides):
        block = index + 2
        side = f"osvos/conv{block}_{VGG16_BLOCKS[block - 1][1]}_16"
        entries |= tensorflow_convolution(side, network.side_prep[index])
        name = f"osvos/score-dsn_{block}"
        entries |= _mixture(f"{name}/weights", f"{name}/biases", network.score[index], TENSORFLOW_MIXTURE)
        kernels = (bilinear_kernel(channels, stride) for channels in (network.settings.side_filters, 1))
        names = (f"osvos/score-multi{block}-up/weights", f"{name}-up/weights")
        fixed |= {name: kernel.transpose(2, 3, 1, 0) for name, kernel in zip(names, kernels, strict=True)}
    name = "osvos/upscore-fuse"
    entries |= _mixture(f"{name}/weights", f"{name}/biases", network.fuse, TENSORFLOW_MIXTURE)
    return NameTable(entries, fixed)


def osvos_vgg19bn(network: OSVOS) -> NameTable:
    """Names of the VGG19 port for an `OSVOS` with ``vgg19_bn``, its default settings, one head."""
    entries = vgg_entries(network.trunk, lambda block, position: f"seq{block}.{position}")
    for index in range(len(network.settings.sides)):
        entries |= convolution(f"side_prep{index + 1}", network.side_prep[index])
        name = f"score_dsn{index + 1}"
        entries |= _mixture(f"{name}.weight", f"{name}.bias", network.score[index], TORCH_MIXTURE)
    for index, (up, score) in enumerate(zip(network.upsample, network.score_upsample, strict=True), start=1):
        entries[f"up{index}.weight"] = Entry(up.kernel, TORCH_UPSAMPLING)
        entries[f"up{index}_.weight"] = Entry(score.kernel, TORCH_UPSAMPLING)
    entries |= _mixture("fuse.weight", "fuse.bias", network.fuse, TORCH_MIXTURE)
    return NameTable(entries, ignored=(r"side_prep_p2\.(weight|bias)", r".*\.num_batches_tracked"))


SOURCES = {
    "osvos-pytorch": Source(
        title="OSVOS-PyTorch",
        read=read_pytorch,
        settings=lambda *_: ("vgg16", {}),
        names=osvos_pytorch,
        telltale=r"stages\.\d\.\d\.weight",
    ),
    "osvos-tensorflow": Source(
        title="OSVOS-TensorFlow",
        read=read_tensorflow,
        settings=lambda *_: ("vgg16", {}),
        names=osvos_tensorflow,
        telltale=r"osvos/conv\d/.*",
    ),
    "osvos-seed": Source(
        title="OSVOS with VGG19 and batch normalisation",
        read=read_pytorch,
        settings=lambda *_: ("vgg19_bn", {}),
        names=osvos_vgg19bn,
        telltale=r"seq\d\.\d+\.weight",
    ),
}
