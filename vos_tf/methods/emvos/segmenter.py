"""How EMVOS segments videos: as any network with a state does, or after it has learned each object's first frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from vos_tf.config import fill
from vos_tf.datasets.types import Video
from vos_tf.inference.clip_finetuning import ClipFinetunedNetwork, ClipOnlineSession, clip_loss
from vos_tf.inference.finetuned_weights import adapted_store
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.session import ObjectSession, Session
from vos_tf.inference.state_segmenter import StateSegmenter
from vos_tf.inference.state_session import StateSession
from vos_tf.inference.video_frames import Frames
from vos_tf.methods.emvos.network import EMVOS
from vos_tf.methods.emvos.objective import EMVOSObjective, Settings
from vos_tf.methods.emvos.options import Options
from vos_tf.models.parameter_groups import ParameterGroup


class EMVOSSegmenter(StateSegmenter):
    """A trained EMVOS, with everything needed to run it over videos.

    Args:
        network: An `vos_tf.methods.emvos.network.EMVOS`.
        rule: How objects are merged.
        options: See `Options`.
    """

    network: EMVOS
    options: Options

    def __init__(self, network: EMVOS, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        super().__init__(network, rule=rule, options=options or Options())

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> ObjectSession:
        """See `VideoSegmenter.session`."""
        options = self.options
        session: Session
        if options.finetune.adapts:
            network, states = self.finetuned_network, self.states
            session = ClipOnlineSession(network, states, size, self.merging, separate=options.separate, name=name)
        else:
            session = StateSession(self.states(size), size, self.merging)
        session.reach = options.reach
        return session

    @cached_property
    def finetuned_network(self) -> ClipFinetunedNetwork:
        """A copy of the network that learns the objects of each video; made when it is first needed."""
        options, chosen = self.options, self.options.finetune
        store = adapted_store(options.adapted, "emvos", self.network, finetune=asdict(chosen))
        given = fill(Settings, chosen.objective, "training.objective")

        def groups(network: EMVOS) -> Sequence[ParameterGroup]:
            return finetuned_groups(network, keys=chosen.keys)

        def loss(network: EMVOS) -> Any:
            return clip_loss(network, lambda objects: EMVOSObjective(given, objects))

        return ClipFinetunedNetwork(self.network, groups, loss, chosen, store, chosen.scale)


def finetuned_groups(network: EMVOS, *, keys: bool) -> Sequence[ParameterGroup]:
    """The decoder with its values, and the ``keys`` with what the decoder sees of a frame, if they learn, too."""
    parts = [network.decoder, network.values, *([network.encoder] if keys else [])]
    return [ParameterGroup("decoder", [variable for part in parts for variable in part.trainable_variables])]
