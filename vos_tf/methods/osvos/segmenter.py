"""One-shot segmentation: the network is fine-tuned on the frame in which objects join, then looks at each frame alone.

OSVOS (Caelles et al., CVPR 2017). Objects that join together are learned together, one head each on a shared trunk, or
by a network of their own, as its authors advise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.inference.finetuned_weights import adapted_store
from vos_tf.inference.gating import gate_by_distance
from vos_tf.inference.grouped_session import Group, GroupedSession
from vos_tf.inference.merging.rules import MergeRule
from vos_tf.inference.refinement.snapping import snap_label_map
from vos_tf.inference.session import VideoSegmenter
from vos_tf.inference.video_frames import Frames, read_frame, read_labels
from vos_tf.media.label_maps import LabelMap, object_ids
from vos_tf.methods.osvos.finetuned_network import OSVOSFinetunedNetwork
from vos_tf.methods.osvos.network import OSVOS
from vos_tf.methods.osvos.online_adaptation import certain_labels, own_masks_settings
from vos_tf.methods.osvos.options import Options, default_options
from vos_tf.methods.osvos.zoom import window_around
from vos_tf.training.finetune import Values
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples

# Samples of the first frame that are drawn while learning goes on are others than those before.
FIRST_ONLINE_SAMPLE = 1 << 32


class _Group(Group):
    """Objects that were learned together, and may be learned on.

    Attributes:
        memory: What the optimiser remembers of learning on.
        samples: Drawn from again when learning goes on.
        drawn: Number of these samples so far.
    """

    memory: Values | None = None
    samples: FrameSamples | None = None
    drawn = 0


class OSVOSSession(GroupedSession[_Group]):
    """See `GroupedSession`.

    Args:
        segmenter: Where the networks are.
        size: ``(H, W)`` of the video's frames.
        name: Of the video, or ``None``.
        video: Whose other annotated frames are learned from, too; ``None``: there are none.
    """

    group = _Group

    def __init__(self, segmenter: OSVOSSegmenter, size: tuple[int, int], name: str | None, video: Video | None) -> None:
        super().__init__(size, segmenter.merging, separate=segmenter.options.separate, name=name)
        self._network = segmenter.finetuned_network
        self._options = segmenter.options
        self._learns_on = segmenter.options.learns_on
        self._video = video
        self._last: LabelMap | None = None

    def _other_frames(self, name: str) -> list[AnnotatedFrame]:
        video = self._video
        if video is None:
            return []
        annotated = [path for path in video.frames if path.stem in video.masks and path.stem != name]
        return [AnnotatedFrame(read_frame(video, path), read_labels(video, path.stem)) for path in annotated]

    def _learn(self, group: _Group, frames: Sequence[AnnotatedFrame]) -> None:
        network = self._network(len(group.ids))
        group.values = network.adapt(group.ids, frames, self._name, group.key)
        if self._learns_on:
            group.samples = network.samples(group.ids, frames)

    def _maps(self, group: _Group, frame: NDArray[np.uint8]) -> Any:
        network = self._network(len(group.ids))
        every = network.probabilities(group.values, frame)
        whole = every if len(group.members) == len(group.ids) else tf.gather(every, group.members)
        return self._with_closer_views(network, group, frame, whole)

    def _with_closer_views(
        self, network: OSVOSFinetunedNetwork, group: _Group, frame: NDArray[np.uint8], whole: Any
    ) -> Any:
        """Average each object's plane with what a window around its last mask shows."""
        zoom = self._options.zoom
        if not zoom.share or self._last is None:
            return whole
        size, scale = network.window_size(self.size), network.working_size(self.size)[0] / self.size[0]
        planes = np.array(whole)
        for plane, member in zip(planes, group.members, strict=True):
            window = window_around(self._last == group.ids[member], size, zoom, scale)
            if window is not None:
                closer = network.closer(group.values, frame, window)[member]
                plane[...] = window.blend(closer, plane, zoom.share)
        return planes

    def _label(self, frame: NDArray[np.uint8], probabilities: Any, given: LabelMap) -> LabelMap:
        options = self._options
        if options.reach and self._last is not None:
            probabilities = gate_by_distance(np.asarray(probabilities), self._last, self._ids, options.reach)
        labels = super()._label(frame, probabilities, given)
        if self._learns_on and self._frames % options.adaptation.every == 0:
            self._learn_on(frame, np.asarray(probabilities), labels)
        if options.snap:
            snapped = snap_label_map(frame, labels, options.snapping)
            if given.any():  # masks that are given lose no pixel, and win none
                snapped = np.where((given > 0) | np.isin(snapped, object_ids(given)), labels, snapped)
            labels = snapped
        self._last = labels
        return labels

    def _learn_on(self, frame: NDArray[np.uint8], probabilities: NDArray[np.float32], labels: LabelMap) -> None:
        """Let each group learn from what it is certain of in this frame, and from its first frame again."""
        options, first = self._options, 0
        for group in self._groups:
            planes = probabilities[first : first + len(group.members)]
            first += len(group.members)
            if group.samples is None:
                continue  # its objects join in this frame
            certain = certain_labels(planes, labels, group.followed, options.adaptation)
            if not np.isin(certain, group.followed).any():
                continue
            network = self._network(len(group.ids))
            own = network.samples(group.ids, [AnnotatedFrame(frame, certain)], own_masks_settings(options.finetune))
            batches = []
            for _ in range(options.adaptation.steps):
                number = FIRST_ONLINE_SAMPLE + group.drawn
                batches.append(tuple(np.stack(pair) for pair in zip(group.samples(number), own(number), strict=True)))
                group.drawn += 1
            group.values, group.memory = network.learn_on(group.values, group.memory, batches)


class OSVOSSegmenter(VideoSegmenter):
    """A parent network that learns the objects of each video from their first frames.

    Args:
        network: The parent, an `vos_tf.methods.osvos.network.OSVOS` with one head; it stays as it is.
        rule: How objects are merged; its ``background`` is the threshold that an object has to beat.
        options: See `Options`; those that suit the trunk if not given.
    """

    network: OSVOS
    options: Options

    def __init__(self, network: OSVOS, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        super().__init__(network, rule=rule, options=options or default_options(network))
        self._networks: dict[int, OSVOSFinetunedNetwork] = {}

    def finetuned_network(self, objects: int) -> OSVOSFinetunedNetwork:
        """The network with as many heads, made once."""
        if objects not in self._networks:
            options = asdict(self.options)
            decisive = {name: options[name] for name in ("finetune", "annotated_frames", "short_side")}
            folder = self.options.adapted if self.options.finetune.adapts else ""
            store = adapted_store(folder, "osvos", self.network, **decisive)
            self._networks[objects] = OSVOSFinetunedNetwork(self.network, objects, self.options, store)
        return self._networks[objects]

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> OSVOSSession:
        """See `VideoSegmenter.session`; a video of a data set may have more than one annotated frame."""
        return OSVOSSession(self, size, name, video if self.options.annotated_frames == "all" else None)
