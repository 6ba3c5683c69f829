"""How RVOS segments videos: one-shot from first masks, zero-shot by proposals."""

from __future__ import annotations

from dataclasses import dataclass

from vos_tf.config import one_of
from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.methods.rvos.network import RVOS
from vos_tf.methods.rvos.one_shot import OneShotSlotSession, SlotGraph
from vos_tf.methods.rvos.zero_shot import ProposalSession


@dataclass(frozen=True)
class OneShotOptions:
    """What can be chosen when one-shot RVOS segments.

    Attributes:
        decode: Slots that go through the decoder: those of the objects ``present``, or ``all`` as in the original,
            where object i has slot i - 1.
        joining: An object that appears later has a slot that is ``started`` in its first frame as those of the first
            objects are, or ``carried`` on from what the empty slot has come to, as in the original (with ``all``).
    """

    decode: str = "present"
    joining: str = "started"

    def __post_init__(self) -> None:
        one_of("decode", self.decode, ("present", "all"))
        one_of("joining", self.joining, ("started", "carried"))
        if self.joining == "carried" and self.decode != "all":
            raise VosError("joining: expected started where only present objects are decoded, found carried")


@dataclass(frozen=True)
class ZeroShotOptions:
    """What can be chosen when zero-shot RVOS segments.

    Attributes:
        objects: The ``proposals`` themselves, or those ``matched`` with first masks.
        min_area: Share of a frame below which a proposal is left out of its label map, 0..1.
    """

    objects: str = "proposals"
    min_area: float = 0.0

    def __post_init__(self) -> None:
        one_of("objects", self.objects, ("proposals", "matched"))
        if not 0 <= self.min_area <= 1:
            raise VosError(f"min_area: expected a share of the frame, 0 to 1, found {self.min_area}")
        if self.min_area and self.objects == "matched":
            raise VosError("min_area: expected 0 for matched objects, which are shown whatever their size")


Options = OneShotOptions | ZeroShotOptions


class RVOSSegmenter(VideoSegmenter):
    """A trained RVOS network, with everything needed to run it over videos.

    Args:
        network: A `vos_tf.methods.rvos.network.RVOS`.
        rule: How objects are merged.
        options: Those that suit the network if not given.

    Raises:
        VosError: Plain proposals were to be painted in the order of their fit with first masks.
    """

    def __init__(self, network: RVOS, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        self.options = options or default_options(network)
        self.needs_masks = not isinstance(self.options, ZeroShotOptions) or self.options.objects == "matched"
        self.paints = self.needs_masks
        super().__init__(network, rule)
        self._graph = SlotGraph(network, self.rule)

    def session(self, size: tuple[int, int], name: str | None = None) -> Session:
        """A session for one video of frames ``(H, W)``."""
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


def default_options(network: RVOS) -> Options:
    """By whether the network sees masks."""
    return OneShotOptions() if network.settings.mask_input else ZeroShotOptions()
