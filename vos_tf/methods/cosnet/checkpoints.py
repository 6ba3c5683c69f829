"""Checkpoints of COSNet's authors (pair and group model) and of the Tianchi co-attention code.

The authors' files are dictionaries of ``epoch`` and ``model``, with names that begin with ``module.``; the reader takes
both off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError
from vos_tf.methods.cosnet.network import GROUP, PAIR, TIANCHI, COSNet, COSNetSettings
from vos_tf.porting.layouts import Array, Entry, NameTable, batch_norm, convolution, linear, prelu
from vos_tf.porting.readers import read_pytorch
from vos_tf.porting.source import Source
from vos_tf.porting.trunks import resnet_entries

COUNTERS = (r".*\.num_batches_tracked",)
# Blocks of the third stage by trunk: the trunks differ in nothing else.
DEPTHS = {6: "resnet50", 23: "resnet101"}


def encoder_entries(network: COSNet, prefix: str = "encoder.") -> dict[str, Entry]:
    """Entries of trunk and spatial pyramid, which both projects name alike."""
    entries = resnet_entries(network.trunk, prefix)
    pyramid = network.pyramid
    names = ["conv", *(f"conv2d_{i}" for i in range(len(pyramid.convolutions) - 1))]
    norms = ["bn_x", *(f"bn_{i}" for i in range(len(pyramid.convolutions) - 1))]
    for name, norm, convolution_layer, norm_layer in zip(
        names, norms, pyramid.convolutions, pyramid.norms, strict=True
    ):
        entries |= convolution(f"{prefix}layer5.{name}", convolution_layer)
        entries |= batch_norm(f"{prefix}layer5.{norm}", norm_layer)
    entries |= convolution(f"{prefix}layer5.bottleneck", pyramid.fuse)
    entries |= batch_norm(f"{prefix}layer5.bn", pyramid.fuse_norm)
    entries[f"{prefix}layer5.prelu.weight"] = Entry(pyramid.prelu.alpha, prelu(1))
    if network.side_head is not None:
        entries |= convolution(f"{prefix}main_classifier", network.side_head)
    return entries


def cosnet_names(network: COSNet) -> NameTable:
    """Names of the authors' checkpoints for `vos_tf.methods.cosnet.network.COSNet` on a ResNet."""
    entries = encoder_entries(network)
    entries |= linear("linear_e", network.co_attention.affinity)
    entries |= convolution("gate", network.co_attention.gate)
    for number, head in enumerate(network.heads, start=1):
        entries |= convolution(f"conv{number}", head.conv)
        entries |= batch_norm(f"bn{number}", head.norm)
        entries |= convolution(f"main_classifier{number}", head.classifier)
    # The group model's checkpoints have the second head, too, which nothing ever used.
    unused = () if len(network.heads) == 2 else (r"(conv|bn|main_classifier)2\..*",)
    return NameTable(entries, ignored=(*COUNTERS, *unused))


def tianchi_names(network: COSNet) -> NameTable:
    """Names of the Tianchi code's checkpoints for `vos_tf.methods.cosnet.network.COSNet` with its settings."""
    entries = encoder_entries(network)
    entries |= linear("co_att.linear", network.co_attention.affinity)
    entries |= convolution("co_att.gate", network.co_attention.gate)
    for number, head in enumerate(network.heads, start=1):
        entries |= convolution(f"seg.conv{number}", head.conv)
        entries |= batch_norm(f"seg.bn{number}", head.norm)
        entries |= convolution(f"seg.classifier{number}", head.classifier)
    return NameTable(entries, ignored=COUNTERS)


def cosnet_settings(tensors: Mapping[str, Array], path: Path, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Trunk and settings of a checkpoint of the authors.

    Pair and group model have the same tensors: it is the pair model unless the given ``fusion`` is ``joint``.

    Raises:
        VosError: The trunk is neither ResNet-50 nor ResNet-101, or tensors that decide are missing.
    """
    group = given.get("fusion") == GROUP.fusion
    return _depth(tensors, path), {**_differences(GROUP if group else PAIR), **_widths(tensors, path)}


def tianchi_settings(tensors: Mapping[str, Array], path: Path, _given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Trunk and settings of a checkpoint of the Tianchi code.

    Raises:
        VosError: As `cosnet_settings`.
    """
    return _depth(tensors, path), {**_differences(TIANCHI), **_widths(tensors, path)}


def _differences(settings: COSNetSettings) -> dict[str, Any]:
    """Where settings are not the pair model's; the trunk left out."""
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    return {name: value for name, value in values.items() if name != "trunk" and value != getattr(PAIR, name)}


def _depth(tensors: Mapping[str, Array], path: Path) -> str:
    blocks = sum(name.startswith("encoder.layer3.") and name.endswith(".conv3.weight") for name in tensors)
    if blocks not in DEPTHS:
        raise VosError(
            f"{path}: expected a trunk with 6 (ResNet-50) or 23 (ResNet-101) blocks encoder.layer3.*, found {blocks}"
        )
    return DEPTHS[blocks]


def _widths(tensors: Mapping[str, Array], path: Path) -> dict[str, int]:
    names = {"pyramid_filters": "encoder.layer5.conv.weight", "feature_filters": "encoder.layer5.bottleneck.weight"}
    for name in names.values():
        if name not in tensors or tensors[name].ndim != 4:
            found = f"one of shape {tensors[name].shape}" if name in tensors else "none"
            raise VosError(f"{path}: expected a tensor {name} with four axes, found {found}")
    return {setting: tensors[name].shape[0] for setting, name in names.items()}


SOURCES = {
    "cosnet": Source(
        title="COSNet",
        read=read_pytorch,
        settings=cosnet_settings,
        names=cosnet_names,
        telltale=r"linear_e\.weight",
    ),
    "tianchi-coattention": Source(
        title="the Tianchi co-attention network",
        read=read_pytorch,
        settings=tianchi_settings,
        names=tianchi_names,
        telltale=r"co_att\.linear\.weight",
    ),
}
