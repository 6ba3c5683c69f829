"""Networks, Keras only: they run and can be checked on any Keras backend."""

from vos_tf.models.registry import build_network, model_names

__all__ = ["build_network", "model_names"]
