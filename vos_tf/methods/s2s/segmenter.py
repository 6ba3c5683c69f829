"""How S2S segments videos: as any network with a state does, or with online learning of each object."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property

from vos_tf.datasets.types import Video
from vos_tf.inference.clip_finetuning import ClipFinetunedNetwork, ClipOnlineSession
from vos_tf.inference.finetuned_weights import adapted_store
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.session import ObjectSession
from vos_tf.inference.state_segmenter import StateSegmenter
from vos_tf.inference.video_frames import Frames
from vos_tf.methods.s2s.finetuning import finetuned_network
from vos_tf.methods.s2s.network import S2S
from vos_tf.methods.s2s.options import Options, default_options


class S2SSegmenter(StateSegmenter):
    """A trained S2S, with everything needed to run it over videos.

    Args:
        network: A `vos_tf.methods.s2s.network.S2S`.
        rule: How objects are merged.
        options: See `Options`; those that suit the network if not given.
    """

    network: S2S
    options: Options

    def __init__(self, network: S2S, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        super().__init__(network, rule=rule, options=options or default_options(network))

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
        if not options.finetune.adapts:
            return super().session(size, name)
        network, states = self.finetuned_network, self.states
        return ClipOnlineSession(network, states, size, self.merging, separate=options.separate, name=name)

    @cached_property
    def finetuned_network(self) -> ClipFinetunedNetwork:
        """A copy of the network that learns the objects of each video; made when it is first needed."""
        options = self.options
        store = adapted_store(options.adapted, "s2s", self.network, finetune=asdict(options.finetune))
        return finetuned_network(self.network, options.finetune, store)
