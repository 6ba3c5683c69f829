"""The synthetic world: procedural videos with exact masks, for trials and tests without any download."""

from vos_tf.datasets.synthetic.layout import open_synthetic
from vos_tf.datasets.synthetic.render import RenderedVideo, render_video
from vos_tf.datasets.synthetic.settings import SyntheticSettings, with_changes
from vos_tf.datasets.synthetic.writing import generate

__all__ = ["RenderedVideo", "SyntheticSettings", "generate", "open_synthetic", "render_video", "with_changes"]
