"""OSVOS (Caelles et al., CVPR 2017): a network that is fine-tuned on the first frame of each video."""

from vos_tf.methods.method import Method

METHOD = Method(
    name="osvos",
    title="fine-tuned on the first frame of each object (Caelles et al., CVPR 2017)",
    network="vos_tf.methods.osvos.network:OSVOS",
    default_trunk="vgg16",
    settings="vos_tf.methods.osvos.network:default_settings",
    objective="vos_tf.methods.osvos.objective:OSVOSObjective",
    segmenter="vos_tf.methods.osvos.segmenter:OSVOSSegmenter",
    options="vos_tf.methods.osvos.options:default_options",
    option_types=("vos_tf.methods.osvos.options:Options",),
    exporter="vos_tf.methods.osvos.export:ExportedForward",
    checkpoints="vos_tf.methods.osvos.checkpoints:SOURCES",
    checkpoint_kinds={"osvos-pytorch": "", "osvos-tensorflow": "", "osvos-seed": "its VGG19 port"},
    averages_views=True,
    finetunes=True,
    small={"trunk": "small", "side_filters": 4},
    light_recipe="osvos_parent_light",
    preference=1,
)
