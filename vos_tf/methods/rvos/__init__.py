"""RVOS (Ventura et al., CVPR 2019): recurrent over the objects of a frame and over time."""

from collections.abc import Mapping
from typing import Any

from vos_tf.methods.method import Method, ObjectsFrom


def _objects_from(settings: Mapping[str, Any]) -> ObjectsFrom:
    """One-shot networks see masks, zero-shot ones propose objects."""
    return "masks" if settings.get("mask_input", True) else "proposals"


METHOD = Method(
    name="rvos",
    title="all objects together, recurrent over objects and time (Ventura et al., CVPR 2019)",
    network="vos_tf.methods.rvos.network:RVOS",
    default_trunk="resnet101",
    settings="vos_tf.methods.rvos.settings:default_settings",
    objective="vos_tf.methods.rvos.objective:RVOSObjective",
    segmenter="vos_tf.methods.rvos.segmenter:RVOSSegmenter",
    options="vos_tf.methods.rvos.options:default_options",
    option_types=("vos_tf.methods.rvos.options:OneShotOptions", "vos_tf.methods.rvos.options:ZeroShotOptions"),
    exporter="vos_tf.methods.rvos.export:exported",
    checkpoints="vos_tf.methods.rvos.checkpoints:SOURCES",
    checkpoint_kinds={"rvos": "folder with encoder.pt and decoder.pt"},
    objects_from=_objects_from,
    following_masks={"objects": "matched"},
    independent_objects=False,
    small={"trunk": "small", "size": (32, 48), "hidden_size": 16, "slots": 3},
    same_weights=frozenset({"size", "slots", "dropout", "batch_norm", "slot_loop"}),
    light_recipe="rvos_oneshot_davis",
    maskless_recipe="rvos_zeroshot_davis",
)
