"""vos_tf: video object segmentation in TensorFlow and Keras.

`load` and `build` give a segmenter; they import TensorFlow when first used, everything else here is light.
"""

from typing import TYPE_CHECKING, Any

from vos_tf.version import __version__

if TYPE_CHECKING:
    from vos_tf.api import build, load

__all__ = ["__version__", "build", "load"]


def __getattr__(name: str) -> Any:
    if name in ("build", "load"):
        from vos_tf import api

        return getattr(api, name)
    raise AttributeError(f"module 'vos_tf' has no attribute {name!r}")
