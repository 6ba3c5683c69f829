"""How S2S learns its objects online (Xu et al., ECCV 2018, online learning): from clips made of their first frame.

The first frame and its mask are moved by affine transformations, and the network learns to follow; the ConvLSTM stays
as it is. The paper names neither the steps nor the ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vos_tf.config import fill
from vos_tf.inference.clip_finetuning import ClipFinetunedNetwork, clip_loss
from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.methods.s2s.network import S2S
from vos_tf.methods.s2s.objective import S2SObjective, Settings
from vos_tf.methods.s2s.options import S2SFinetuneSettings
from vos_tf.models.parameter_groups import ParameterGroup


def finetuned_groups(network: S2S) -> Sequence[ParameterGroup]:
    """All weights of an `vos_tf.methods.s2s.network.S2S` but those of its ConvLSTMs."""
    fixed = {id(variable) for cell in network.cells for variable in cell.trainable_variables}
    learned = [variable for variable in network.trainable_variables if id(variable) not in fixed]
    return [ParameterGroup("initializer, encoder and decoder", learned)]


def finetuning_loss(network: S2S, settings: S2SFinetuneSettings) -> Callable[[Any, Any, Any], Any]:
    """See `clip_loss`."""
    given = fill(Settings, settings.objective, "training.objective")
    return clip_loss(network, lambda objects: S2SObjective(given, objects))


def finetuned_network(parent: S2S, settings: S2SFinetuneSettings, store: AdaptedStore | None) -> ClipFinetunedNetwork:
    """A copy of ``parent`` that learns the objects of each video."""
    return ClipFinetunedNetwork(
        parent, finetuned_groups, lambda network: finetuning_loss(network, settings), settings, store
    )
