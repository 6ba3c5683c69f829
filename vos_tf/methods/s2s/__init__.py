"""S2S (Xu et al., ECCV 2018): a ConvLSTM encoder-decoder that follows each object in a state."""

from vos_tf.methods.method import Method

METHOD = Method(
    name="s2s",
    title="ConvLSTM encoder-decoder that follows each object in a state (Xu et al., ECCV 2018)",
    network="vos_tf.methods.s2s.network:S2S",
    default_trunk="vgg16",
    settings="vos_tf.methods.s2s.settings:default_settings",
    presets=("paper", "paper_fc6", "paper_fc6_7x7", "shashankvkt", "toghi", "rs2s"),
    objective="vos_tf.methods.s2s.objective:S2SObjective",
    segmenter="vos_tf.methods.s2s.segmenter:S2SSegmenter",
    options="vos_tf.methods.s2s.options:default_options",
    option_types=("vos_tf.methods.s2s.options:Options",),
    checkpoints="vos_tf.methods.s2s.checkpoints:SOURCES",
    checkpoint_kinds={"s2s-pytorch": "", "s2s-tf1": "", "rs2s": ""},
    finetunes=True,
    small={"trunk": "small", "size": (32, 48), "state_filters": 8, "decoder_filters": (8, 8, 8)},
    light_recipe="s2s_davis2016",
)
