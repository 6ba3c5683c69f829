"""COSNet (Lu et al., CVPR 2019): co-attention between frames finds the object without any mask."""

from collections.abc import Mapping
from typing import Any

from vos_tf.methods.method import Method, ObjectsFrom


def _objects_from(settings: Mapping[str, Any]) -> ObjectsFrom:
    return "foreground"


METHOD = Method(
    name="cosnet",
    title="finds the foreground by co-attention between frames, without any mask (Lu et al., CVPR 2019)",
    network="vos_tf.methods.cosnet.network:COSNet",
    default_trunk="resnet101",
    settings="vos_tf.methods.cosnet.network:default_settings",
    objective="vos_tf.methods.cosnet.objective:COSNetObjective",
    segmenter="vos_tf.methods.cosnet.segmenter:COSNetSegmenter",
    options="vos_tf.methods.cosnet.options:default_options",
    option_types=("vos_tf.methods.cosnet.options:Options",),
    exporter="vos_tf.methods.cosnet.export:ExportedForeground",
    checkpoints="vos_tf.methods.cosnet.checkpoints:SOURCES",
    checkpoint_kinds={"cosnet": "", "tianchi-coattention": ""},
    objects_from=_objects_from,
    following_masks={"objects": "given"},
    without_lookahead={"sampling": "streaming"},
    averages_views=True,
    small={"trunk": "mobilenet_v2", "size": (64, 96), "pyramid_filters": 8, "feature_filters": 8},
    same_weights=frozenset({"size", "output_stride", "attention_tile", "fusion"}),
    light_recipe="cosnet_light",
    maskless_recipe="cosnet_light",
)
