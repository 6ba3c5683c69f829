"""Names of S2S's tensors in the checkpoints of its public implementations: two in PyTorch, one in TensorFlow 1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vos_tf.methods.s2s.network import S2S
from vos_tf.models.vgg import VGG16_BLOCKS
from vos_tf.porting.layouts import AS_IS, CONV, TRANSPOSED, Array, Entry, Layout, NameTable, convolution, transposed
from vos_tf.porting.readers import read_pytorch, read_pytorch_sections, read_tensorflow
from vos_tf.porting.source import Source
from vos_tf.porting.trunks import vgg_entries

# Both networks of the first implementation carry the classifier that they were made from: the same tensors again, and
# the fully connected layers, which nothing used.
CLASSIFIERS = (r"(initializer|encoder)\.pretrained_model\..*",)
# TensorFlow 1's initializer takes the mask as first channel, ours as last.
MASK_FIRST = Layout(lambda array: np.roll(array, -1, axis=2), lambda array: np.roll(array, 1, axis=2))
RS2S_PARTS = ("initializer", "encoder", "decoder", "convlstm", "convlstm_middle", "convlstm_3")
# (original, ours) of RS2S's convolutions beside the trunks.
RS2S_INITIALIZER = {
    "mid_layer.0": "fc6",
    "mid_layer.2": "fc7",
    "h_1": "hidden",
    "c_1": "cell",
    "reduce_conv": "reduced",
    "upsample_conv": "up2",
    "cat_conv": "joined2",
    "h_2": "hidden2",
    "c_2": "cell2",
    "upsample_conv_2": "up3",
    "cat_conv_2": "joined3",
    "h_3": "hidden3",
    "c_3": "cell3",
}
RS2S_DECODER = {
    **{f"conv_{level}{'_' if level == 3 else ''}": f"mix{level}" for level in range(1, 6)},
    **{f"conv_{level}{level}": f"up{level}" for level in range(1, 6)},
    "distance_classifier_": "distance",
    "segmentation_branch_": "segmentation",
    "merge_": "logits",
}


def s2s_pytorch(network: S2S) -> NameTable:
    """Names of the first PyTorch implementation for the preset ``shashankvkt``."""

    def of_initializer(_block: int, position: int) -> str:
        return f"initializer.model.{position - 2}" if position else "initializer.new_layer"

    entries = vgg_entries(network.initializer, of_initializer)
    for theirs, ours in (("c0", "cell"), ("h0", "hidden")):
        entries |= convolution(f"initializer.{theirs}", network.initializer.get_layer(ours))
    entries |= vgg_entries(network.encoder, lambda _block, position: f"encoder.model.{position}")
    entries |= convolution("convlstm.Gates", network.conv_lstm.gates)
    for level in range(1, 5):
        entries |= transposed(f"decoder.deconv{level}", network.decoder.get_layer(f"up{level}"))
    last = network.decoder.get_layer("logits")
    entries |= {
        "decoder.deconv5.weight": Entry(last.up_kernel, TRANSPOSED),
        "decoder.deconv5.bias": Entry(last.up_bias),
        "decoder.conv.weight": Entry(last.kernel, CONV),
        "decoder.conv.bias": Entry(last.bias),
    }
    return NameTable(entries, ignored=CLASSIFIERS)


def s2s_tensorflow(network: S2S) -> NameTable:
    """Names of the TensorFlow 1 implementation for the preset ``toghi``; its forget bias becomes part of the bias."""
    entries: dict[str, Entry] = {}

    def add(scope: str, name: str, layer: Any, layout: Layout = AS_IS) -> None:
        prefix = f"global_name_scope/{scope}/{name}"
        entries[f"{prefix}_filter"] = Entry(layer.kernel, layout)
        entries[f"{prefix}_biases"] = Entry(layer.bias)

    for part, model in (("initializer", network.initializer), ("encoder", network.encoder)):
        for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1):
            for name in (f"conv{block}_{index}" for index in range(1, convolutions + 1)):
                layout = MASK_FIRST if (part, name) == ("initializer", "conv1_1") else AS_IS
                layer = model.get_layer(f"block{block}_{name.replace(f'{block}_', '')}")
                add(f"{part}_scope", f"{part}_{name}/{name}", layer, layout)
    for name, ours in (("conv_h0", "hidden"), ("conv_c0", "cell")):
        add("initializer_scope", f"initializer_{name}/{name}", network.initializer.get_layer(ours))
    add("encoder_scope", "encoder_conv_6/conv_6", network.encoder.get_layer("encoded"))
    for level in range(1, 6):
        name = f"deconv{level}"
        add("decoder_scope", f"decoder_{name}/{name}", network.decoder.get_layer(f"up{level}"))
    add("decoder_scope", "decoderconv_6/conv_6", network.decoder.get_layer("logits"))
    cell = "global_name_scope/convlstm_scope/rnn/conv_lstm_cell"
    entries[f"{cell}/kernel"] = Entry(network.conv_lstm.gates.kernel)
    entries[f"{cell}/biases"] = Entry(network.conv_lstm.gates.bias, _with_forget_bias(network.conv_lstm))
    return NameTable(entries)


def _with_forget_bias(cell: Any) -> Layout:
    """TensorFlow 1 added the forget bias when it ran."""
    added = np.repeat(np.array(list(cell.gate_order)) == "f", cell.filters).astype(np.float32)
    return Layout(lambda bias: bias + added, lambda bias: bias - added)


def rs2s(network: S2S) -> NameTable:
    """Names of RS2S for its preset; each begins with the part of the checkpoint."""
    starts = np.cumsum([0, *(2 * convolutions + 1 for _, convolutions in VGG16_BLOCKS)])
    entries: dict[str, Entry] = {}
    for part, model in (("initializer", network.initializer), ("encoder", network.encoder)):
        entries |= vgg_entries(model, partial(_rs2s_trunk, part, starts))
    for theirs, ours in RS2S_INITIALIZER.items():
        entries |= convolution(f"initializer.{theirs}", network.initializer.get_layer(ours))
    if network.settings.encoder_hidden:
        entries |= convolution("encoder.out.0", network.encoder.get_layer("fc6"))
    entries |= convolution("encoder.out.2", network.encoder.get_layer("encoded"))
    for name, cell in zip(RS2S_PARTS[3:], network.cells, strict=True):
        entries |= convolution(f"{name}.conv", cell.gates)
    for theirs, ours in RS2S_DECODER.items():
        entries |= convolution(f"decoder.{theirs}", network.decoder.get_layer(ours))
    return NameTable(entries)


def _rs2s_trunk(part: str, starts: Array, block: int, position: int) -> str:
    return f"{part}.vgg_backbone.encoder.{block - 1}.{position - starts[block - 1]}"


def _rs2s_settings(tensors: Mapping[str, Array], _path: Path, _given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The encoder's wide layer, which the preset leaves out, belongs to the published weights."""
    wide = tensors.get("encoder.out.0.weight", np.empty((200_704, 0))).shape[0]
    return "vgg16", {"preset": "rs2s", "encoder_hidden": ((wide, 1),)}


SOURCES = {
    "s2s-pytorch": Source(
        title="S2S in PyTorch",
        read=read_pytorch,
        # Its authors took the ConvLSTM's two answers for each other, and trained with that.
        settings=lambda *_: ("vgg16", {"preset": "shashankvkt", "swap_states": True}),
        names=s2s_pytorch,
        telltale=r"convlstm\.Gates\.weight",
    ),
    "s2s-tf1": Source(
        title="S2S in TensorFlow 1",
        read=read_tensorflow,
        # Its authors subtracted the means of B, G, R from R, G, B, and trained with that.
        settings=lambda *_: ("vgg16", {"preset": "toghi", "normalization": "caffe_bgr_means_on_rgb"}),
        names=s2s_tensorflow,
        telltale=r"global_name_scope/(initializer|encoder|convlstm|decoder)_scope/.*",
    ),
    "rs2s": Source(
        title="RS2S",
        read=partial(read_pytorch_sections, sections=RS2S_PARTS),
        settings=_rs2s_settings,
        names=rs2s,
        telltale=r"(initializer|encoder)\.vgg_backbone\..*",
    ),
}
