"""How RVOS segments videos: one-shot from first masks, zero-shot by proposals."""

from __future__ import annotations

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.inference.video_frames import Frames
from vos_tf.methods.rvos.network import RVOS
from vos_tf.methods.rvos.one_shot import OneShotSlotSession, SlotGraph
from vos_tf.methods.rvos.options import Options, ZeroShotOptions, default_options
from vos_tf.methods.rvos.zero_shot import ProposalSession


class RVOSSegmenter(VideoSegmenter):
    """A trained RVOS network, with everything needed to run it over videos.

    Args:
        network: A `vos_tf.methods.rvos.network.RVOS`.
        rule: How objects are merged.
        options: Those that suit the network if not given.

    Raises:
        VosError: Plain proposals were to be painted in the order of their fit with first masks.
    """

    network: RVOS
    options: Options

    def __init__(self, network: RVOS, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        chosen = options or default_options(network)
        self.needs_masks = not isinstance(chosen, ZeroShotOptions) or chosen.objects == "matched"
        self.paints = self.needs_masks
        super().__init__(network, rule=rule, options=chosen)
        self._graph = SlotGraph(network, self.rule)

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> Session:
        """See `VideoSegmenter.session`."""
        options = self.options
        if isinstance(options, ZeroShotOptions):
            matched = options.objects == "matched"
            return ProposalSession(self._graph, size, self.merging, matched=matched, min_area=options.min_area)
        every, carry = options.decode == "all", options.joining == "carried"
        return OneShotSlotSession(self._graph, size, self.merging, every_slot=every, carry=carry)

    def check_video(self, video: Video) -> None:
        """Refuse a video with more objects than the network has slots.

        Raises:
            VosError: It is one.
        """
        slots = self.network.settings.slots
        if self.needs_masks and len(video.objects) > slots:
            raise VosError(
                f"{video.name}: expected at most {slots} objects (the slots of this network), found "
                f"{len(video.objects)}; the same weights fit a network with more (model.settings.slots)"
            )
