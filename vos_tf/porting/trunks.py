"""ImageNet classifiers of torchvision as trunks: their names, and their import as weights to start training from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError
from vos_tf.files import replacing
from vos_tf.models.backbones import TRUNKS_BEFORE_POOLING, classifier_body
from vos_tf.models.renormalization import for_other_images
from vos_tf.models.resnet import RESNETS
from vos_tf.models.vgg import VGG16_BLOCKS, VGG19_BLOCKS
from vos_tf.porting.assign import assign
from vos_tf.porting.layouts import Array, Entry, NameTable, batch_norm, convolution

TRUNKS = ("resnet34", "resnet50", "resnet101", "vgg16", "vgg19_bn")
# The classifiers themselves, which no trunk has, and counters of batches.
UNUSED = (r"(fc|classifier\.\d)\.(weight|bias)", r".*\.num_batches_tracked")


def resnet_entries(trunk: Any, prefix: str = "") -> dict[str, Entry]:
    """Entries of a trunk of `vos_tf.models.resnet`, whose layers are called after torchvision's modules."""
    entries: dict[str, Entry] = {}
    for layer in trunk.layers:
        ours = layer.name.replace("downsample_conv", "downsample_0").replace("downsample_bn", "downsample_1")
        name = prefix + ours.replace("_", ".")
        if hasattr(layer, "kernel"):
            entries |= convolution(name, layer)
        elif hasattr(layer, "gamma"):
            entries |= batch_norm(name, layer)
    return entries


def vgg_entries(trunk: Any, name: Callable[[int, int], str]) -> dict[str, Entry]:
    """Entries of a VGG trunk with layers ``block1_conv1`` ... and, with batch normalisation, ``block1_bn1`` ...

    Args:
        trunk: VGG16 without or VGG19 with batch normalisation.
        name: From a block, counted from 1, and a layer's position in torchvision's list, which counts convolutions,
            batch normalisations, activations and poolings, to the original's name of the layer.
    """
    layers = {layer.name: layer for layer in trunk.layers}
    entries: dict[str, Entry] = {}
    position = 0
    for block, (_, convolutions) in enumerate(VGG19_BLOCKS if "block1_bn1" in layers else VGG16_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            entries |= convolution(name(block, position), layers[f"block{block}_conv{index}"])
            if f"block{block}_bn{index}" in layers:
                position += 1
                entries |= batch_norm(name(block, position), layers[f"block{block}_bn{index}"])
            position += 2
        position += 1
    return entries


def trunk_entries(kind: str, trunk: Any, prefix: str = "") -> dict[str, Entry]:
    """Entries by torchvision's names for a trunk of one of the kinds `TRUNKS`."""
    if kind.startswith("vgg"):
        return vgg_entries(trunk, lambda _block, position: f"{prefix}features.{position}")
    return resnet_entries(trunk, prefix)


def which_trunk(tensors: Mapping[str, Array], path: Path, prefix: str = "") -> str:
    """Which of `TRUNKS` a classifier is whose tensors' names begin with ``prefix``.

    Raises:
        VosError: None of them.
    """
    if f"{prefix}features.0.weight" in tensors:
        return "vgg19_bn" if f"{prefix}features.1.running_mean" in tensors else "vgg16"
    pattern = re.compile(rf"{re.escape(prefix)}layer(\d)\.\d+\.conv1\.weight")
    stages = [match[1] for name in tensors if (match := pattern.fullmatch(name))]
    counts = tuple(stages.count(stage) for stage in "1234")
    bottleneck = any(name.startswith(f"{prefix}layer") and name.endswith("conv3.weight") for name in tensors)
    for depth, kind in RESNETS.items():
        if (kind.blocks, kind.bottleneck) == (counts, bottleneck):
            return f"resnet{depth}"
    raise VosError(
        f"{path}: expected the trunk to be torchvision's {', '.join(TRUNKS[:-1])} or {TRUNKS[-1]}, found another "
        f"(tensors {', '.join(list(tensors)[:3])}, ...)"
    )


def import_trunk(tensors: Mapping[str, Array], path: Path, folder: Path) -> tuple[str, Path, Any, tuple[str, ...]]:
    """Write torchvision's ImageNet classifier as ``<trunk>.weights.h5``, which `load_trunk_weights` reads.

    Args:
        tensors: Its state dictionary.
        path: Where that was read, for messages.
        folder: Of the new file.

    Returns:
        The kind of trunk, the file, the trunk, and the names of tensors that it has no use for.

    Raises:
        VosError: It is no classifier that we know.
        ProblemsError: Tensors are missing, too many or misshapen.
    """
    kind = which_trunk(tensors, path)
    body = classifier_body(kind, TRUNKS_BEFORE_POOLING[kind])
    table = NameTable(trunk_entries(kind, body), ignored=UNUSED)
    left_out = assign(body, table, tensors, path, f"torchvision's {kind}")
    if kind == "vgg16":
        first = body.get_layer("block1_conv1")
        # torchvision's sees images normalised in another way; the means differ by less than half a grey level.
        kernel, bias = first.get_weights()
        first.set_weights(for_other_images(kernel, bias, "imagenet_rgb", "caffe_bgr"))
    file = folder / f"{kind}.weights.h5"
    with replacing(file) as partial:
        body.save_weights(partial)
    return kind, file, body, left_out
