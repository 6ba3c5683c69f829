"""RVOS's checkpoints: ``encoder.pt`` and ``decoder.pt`` in one folder.

Names here are ``encoder.<name in encoder.pt>`` and ``decoder.<name in decoder.pt>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos_tf.errors import VosError
from vos_tf.methods.rvos.network import RVOS
from vos_tf.porting.layouts import Array, NameTable, batch_norm, convolution
from vos_tf.porting.readers import read_pytorch_parts
from vos_tf.porting.source import Source
from vos_tf.porting.trunks import trunk_entries, which_trunk

# The classifier that every checkpoint carries; the stop head of its ancestor RSIS that old ones carry; counters of
# batches that newer PyTorch versions write.
IGNORED = (
    r"encoder\.base\.fc\..*",
    r"encoder\.base\.classifier\..*",
    r"decoder\.fc_stop\..*",
    r".*\.num_batches_tracked",
)


def rvos_names(network: RVOS) -> NameTable:
    """Names of the authors' checkpoints for an `RVOS` with one of the four published trunks."""
    entries = trunk_entries(network.settings.trunk, network.trunk, "encoder.base.")
    for level, (skip, norm) in enumerate(zip(network.skips, network.skip_norms, strict=True)):
        entries |= convolution(f"encoder.sk{5 - level}", skip)
        entries |= batch_norm(f"encoder.bn{5 - level}", norm)
    for level, cell in enumerate(network.cells):
        entries |= convolution(f"decoder.clstm_list.{level}.Gates", cell)
    entries |= convolution("decoder.conv_out", network.conv_out)
    # The authors' network has none of RSIS's heads.
    constant = tuple(weight for head in network.heads.values() for weight in head.weights)
    return NameTable(entries, ignored=IGNORED, constant=constant)


def rvos_settings(tensors: Mapping[str, Array], path: Path, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Trunk and settings that the shapes of the tensors show; ``recurrence`` is not among them.

    Raises:
        VosError: Tensors that decide are missing or of other shapes than the network has with any settings, or
            ``skip_mode`` has to be given: of its values, shapes show ``concat`` only.
    """
    trunk = which_trunk(tensors, path, "encoder.base.")
    hidden, _, kernel, _ = _shape(tensors, path, "encoder.sk5.weight")
    first = _shape(tensors, path, "decoder.clstm_list.0.Gates.weight")[1]
    second = _shape(tensors, path, "decoder.clstm_list.1.Gates.weight")[1]
    mask = first - 3 * hidden
    concatenated = second - mask == 3 * hidden
    if mask not in (0, 1) or not (concatenated or second - mask == 2 * hidden):
        raise VosError(
            f"{path}: expected gates with {3 * hidden} input channels (zero-shot) or {3 * hidden + 1} (one-shot), "
            f"found {first} at the first level and {second} at the second"
        )
    if not concatenated and "skip_mode" not in given:
        raise VosError(
            f"{path}: expected to be told how skip connections were joined, which the tensors do not show: "
            "--set model.settings.skip_mode=sum, mul or none"
        )
    found: dict[str, Any] = {"hidden_size": hidden, "kernel_size": kernel, "mask_input": bool(mask)}
    if trunk == "vgg16":
        found["normalization"] = "imagenet_rgb"
    return trunk, found


def _shape(tensors: Mapping[str, Array], path: Path, name: str) -> tuple[int, ...]:
    if name not in tensors or tensors[name].ndim != 4:
        found = f"one of shape {tensors[name].shape}" if name in tensors else "none"
        raise VosError(f"{path}: expected a tensor {name} with four axes, found {found}")
    return tensors[name].shape


SOURCES = {
    "rvos": Source(
        title="RVOS",
        read=lambda folder: read_pytorch_parts(folder, ("encoder", "decoder")),
        settings=rvos_settings,
        names=rvos_names,
        telltale=r"encoder\.sk\d\.weight|decoder\.clstm_list\..*",
    )
}
