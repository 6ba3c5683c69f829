"""EMVOS: a light memory network that follows objects through real video on a CPU."""

from vos_tf.methods.method import Method

METHOD = Method(
    name="emvos",
    title="light memory network: follows objects through real video on a CPU, seconds after the start",
    network="vos_tf.methods.emvos.network:EMVOS",
    default_trunk="efficientnet_lite0",
    settings="vos_tf.methods.emvos.settings:default_settings",
    objective="vos_tf.methods.emvos.objective:EMVOSObjective",
    segmenter="vos_tf.methods.emvos.segmenter:EMVOSSegmenter",
    options="vos_tf.methods.emvos.options:default_options",
    option_types=("vos_tf.methods.emvos.options:Options",),
    finetunes=True,
    small={
        "trunk": "efficientnet_lite0",
        "size": (64, 96),
        "bases": 8,
        "key_channels": 16,
        "filters": (16, 8, 8),
        "first_iterations": 2,
        "solver_steps": 4,
        "radius": 1,
    },
    same_weights=frozenset({"size", "bases", "tau", "first_iterations", "iterations", "forgetting", "ridge"})
    | {"ridge_forgetting", "solver_steps", "radius", "confidence", "area_change"},
    light_recipe="emvos_stage0",
    preference=2,
)
