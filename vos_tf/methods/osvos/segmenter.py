"""One-shot segmentation: the network is fine-tuned on the frame in which objects join, then looks at each frame alone.

OSVOS (Caelles et al., CVPR 2017). Objects that join together are learned together, one head each on a shared trunk, or
by a network of their own, as its authors advise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.inference.finetuned_weights import AdaptedStore, weights_digest
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.refinement.snapping import snap_label_map
from vos_tf.inference.session import Session, VideoSegmenter, read_frame, read_labels
from vos_tf.media.label_maps import LabelMap, object_ids
from vos_tf.methods.osvos.finetuned_network import Adapted, OneShotNetwork
from vos_tf.methods.osvos.gating import keep_near
from vos_tf.methods.osvos.network import OSVOS
from vos_tf.methods.osvos.online_adaptation import certain_labels, own_masks_settings
from vos_tf.methods.osvos.options import Options, default_options
from vos_tf.methods.osvos.zoom import window_around
from vos_tf.training.finetune import Values
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples

# Samples of the first frame that are drawn while learning goes on are others than those before.
FIRST_ONLINE_SAMPLE = 1 << 32


class _Group:
    """Objects that are learned together, when the first frame after theirs comes.

    ``members`` are the heads whose objects are still followed.
    """

    def __init__(self, ids: tuple[int, ...], key: str, frames: Callable[[], Sequence[AnnotatedFrame]]) -> None:
        self.ids = ids
        self.key = key
        self.frames: Callable[[], Sequence[AnnotatedFrame]] | None = frames
        self.members = list(range(len(ids)))
        self.learned = Adapted(())
        # Drawn from again when learning goes on, with this number of samples so far.
        self.samples: FrameSamples | None = None
        self.drawn = 0

    @property
    def followed(self) -> tuple[int, ...]:
        """The objects that are still followed."""
        return tuple(self.ids[member] for member in self.members)


class OneShotSession(Session):
    """A session that fine-tunes a network whenever objects have joined; its memory does not grow with the video.

    Args:
        segmenter: Where the networks are.
        size: ``(H, W)`` of the video's frames.
        name: Of the video: adapted weights are kept under it; ``None``: they are not kept.
        known: Reads the frames to learn from, beside those in which objects join.
    """

    def __init__(
        self,
        segmenter: OneShotSegmenter,
        size: tuple[int, int],
        name: str | None,
        known: Callable[[], Sequence[tuple[str, AnnotatedFrame]]],
    ) -> None:
        super().__init__(size, segmenter.merging)
        self._segmenter = segmenter
        self._name = name
        self._known = known
        self._groups: list[_Group] = []
        self._last: LabelMap | None = None

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        def frames() -> list[AnnotatedFrame]:
            others = [known for stem, known in self._known() if stem != name]
            return [AnnotatedFrame(frame, labels), *others]

        if self._segmenter.options.separate:
            self._groups += [_Group((i,), f"{name}-object{i}", frames) for i in ids]
        else:
            self._groups.append(_Group(ids, name, frames))

    def _keep(self, indices: Sequence[int]) -> None:
        first = 0
        for group in self._groups:
            count = len(group.members)
            group.members = [m for place, m in enumerate(group.members, first) if place in indices]
            first += count
        self._groups = [group for group in self._groups if group.members]

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        maps = []
        for group in self._groups:
            network = self._segmenter.one_shot_network(len(group.ids))
            if group.frames is not None:
                frames = group.frames()
                group.learned = Adapted(self._learn(network, group.ids, group.key, frames))
                if self._segmenter.options.learns_on:
                    group.samples = network.samples(group.ids, frames)
                group.frames = None
            every = network.probabilities(group.learned.values, frame)
            whole = every if len(group.members) == len(group.ids) else tf.gather(every, group.members)
            maps.append(self._with_closer_views(network, group, frame, whole))
        return tf.concat(maps, axis=0)

    def _with_closer_views(self, network: OneShotNetwork, group: _Group, frame: NDArray[np.uint8], whole: Any) -> Any:
        """Average each object's plane with what a window around its last mask shows."""
        zoom = self._segmenter.options.zoom
        if not zoom.share or self._last is None:
            return whole
        size, scale = network.window_size(self.size), network.working_size(self.size)[0] / self.size[0]
        planes = np.array(whole)
        for plane, member in zip(planes, group.members, strict=True):
            window = window_around(self._last == group.ids[member], size, zoom, scale)
            if window is not None:
                closer = network.closer(group.learned.values, frame, window)[member]
                plane[...] = window.blend(closer, plane, zoom.share)
        return planes

    def _label(self, frame: NDArray[np.uint8], probabilities: Any, given: LabelMap) -> LabelMap:
        options = self._segmenter.options
        if options.reach and self._last is not None:
            probabilities = keep_near(np.asarray(probabilities), self._last, self._ids, options.reach)
        labels = super()._label(frame, probabilities, given)
        if options.learns_on and self._frames % options.adaptation.every == 0:
            self._learn_on(frame, np.asarray(probabilities), labels)
        if options.snap:
            snapped = snap_label_map(frame, labels, options.snapping)
            # Masks that are given lose no pixel, and win none.
            labels = np.where((given > 0) | np.isin(snapped, object_ids(given)), labels, snapped)
        self._last = labels
        return labels

    def _learn_on(self, frame: NDArray[np.uint8], probabilities: NDArray[np.float32], labels: LabelMap) -> None:
        """Let each group learn from what it is certain of in this frame, and from its first frame again."""
        options, first = self._segmenter.options, 0
        for group in self._groups:
            planes = probabilities[first : first + len(group.members)]
            first += len(group.members)
            if group.samples is None:
                continue  # its objects join in this frame
            certain = certain_labels(planes, labels, group.followed, options.adaptation)
            if not np.isin(certain, group.followed).any():
                continue
            network = self._segmenter.one_shot_network(len(group.ids))
            own = network.samples(group.ids, [AnnotatedFrame(frame, certain)], own_masks_settings(options.finetune))
            batches = []
            for _ in range(options.adaptation.steps):
                number = FIRST_ONLINE_SAMPLE + group.drawn
                batches.append(tuple(np.stack(pair) for pair in zip(group.samples(number), own(number), strict=True)))
                group.drawn += 1
            group.learned = network.learn_on(group.learned, batches)

    def _learn(
        self, network: OneShotNetwork, ids: tuple[int, ...], key: str, frames: Sequence[AnnotatedFrame]
    ) -> Values:
        what = f"object {ids[0]}" if len(ids) == 1 else f"{len(ids)} objects"
        where = f"{self._name}: " if self._name else ""
        store = self._segmenter.store if self._name else None
        return network.adapt(ids, frames, f"{where}fine-tuning {what}", store, f"{self._name}/{key}")


class OneShotSegmenter(VideoSegmenter):
    """A parent network that learns the objects of each video from their first frames.

    Args:
        network: The parent, an `vos_tf.methods.osvos.network.OSVOS` with one head; it stays as it is.
        rule: How objects are merged; its ``background`` is the threshold that an object has to beat.
        options: See `Options`; those that suit the trunk if not given.
    """

    def __init__(self, network: OSVOS, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        super().__init__(network, rule)
        self.options = options or default_options(network)
        self._networks: dict[int, OneShotNetwork] = {}

    def one_shot_network(self, objects: int) -> OneShotNetwork:
        """The network with as many heads, made once."""
        if objects not in self._networks:
            self._networks[objects] = OneShotNetwork(self.network, objects, self.options)
        return self._networks[objects]

    @cached_property
    def store(self) -> AdaptedStore | None:
        """Where adapted weights are kept."""
        if not self.options.adapted or not self.options.finetune.adapts:
            return None
        options = asdict(self.options)
        decide = {name: options[name] for name in ("finetune", "annotated_frames", "short_side")}
        origin = {"parent": weights_digest(self.network), "network": self.network.get_config()["settings"], **decide}
        return AdaptedStore(Path(self.options.adapted), "osvos", origin)

    def session(self, size: tuple[int, int], name: str | None = None) -> OneShotSession:
        """A session for one video of frames ``(H, W)``."""
        return OneShotSession(self, size, name, lambda: ())

    def session_for(self, video: Video) -> OneShotSession:
        """A session for a video of a data set, which may have more than one annotated frame."""
        return OneShotSession(self, video.size, video.name, lambda: self._annotated(video))

    def _annotated(self, video: Video) -> list[tuple[str, AnnotatedFrame]]:
        if self.options.annotated_frames == "first":
            return []
        return [
            (path.stem, AnnotatedFrame(read_frame(video, path), read_labels(video, path.stem)))
            for path in video.frames
            if path.stem in video.masks
        ]
