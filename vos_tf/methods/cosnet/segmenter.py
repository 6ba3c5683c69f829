"""How COSNet segments videos: without any mask, by reference frames of the same video (Lu et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.graph import FRAME
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.inference.test_time_augmentation import View, mean_of, views
from vos_tf.inference.video_frames import Frames
from vos_tf.media.label_maps import LabelMap
from vos_tf.methods.cosnet.assignment import ObjectAssigner
from vos_tf.methods.cosnet.network import COSNet
from vos_tf.methods.cosnet.options import Options, default_options
from vos_tf.methods.cosnet.references import (
    EarlierReferences,
    Features,
    FixedReferences,
    KnownFrames,
    References,
    known_frames,
    random_frames,
    uniform_frames,
)
from vos_tf.models.folding import folded

FOREGROUND_ID = 1


class COSNetGraph(tf.Module):
    """A network's encoder and attention for frames of any size, in several views at once.

    Args:
        network: A `vos_tf.methods.cosnet.network.COSNet`; the weights of its trunk are used as they are now.
        seen: The views.
        fusion: How references act together.
    """

    def __init__(self, network: COSNet, seen: Sequence[View], fusion: str) -> None:
        super().__init__(name="cosnet_graph")
        self.network = network
        self._trunk = folded(network.trunk)
        least = 2 * network.settings.output_stride
        self._views = [(view, view.size(network.settings.size, least)) for view in seen]
        self._fusion = fusion
        self._segment: Any = None

    @tf.function(input_signature=[FRAME])
    def encode(self, image: Any) -> Features:
        """Features ``(B, h, w, C)`` of frames uint8 ``(B, H, W, 3)``, for each view."""
        return tuple(self.network.encode(view.see(image, size), trunk=self._trunk) for view, size in self._views)

    def segment(self, features: Features, references: Features, size: tuple[int, int]) -> Any:
        """Probability of the foreground, float32 ``(H, W)``, in a frame of that size."""
        if self._segment is None:
            # One graph for any number of references.
            own = self.encode.get_concrete_function().structured_outputs
            one, many = (
                tuple(tf.TensorSpec([count, *part.shape[1:]], part.dtype) for part in own) for count in (1, None)
            )
            side = tf.TensorSpec([], tf.int32)
            self._segment = tf.function(self._foreground, input_signature=[one, many, side, side])
        return self._segment(features, references, *map(tf.constant, size))

    def _foreground(self, features: Features, references: Features, height: Any, width: Any) -> Any:
        maps = []
        for (view, size), own, others in zip(self._views, features, references, strict=True):
            logits = self.network.attend(own, others, size=size, fusion=self._fusion)
            maps.append(view.probabilities(logits, (height, width)))
        mean = mean_of(maps)
        if self.network.settings.outputs == 1:
            return mean[..., 0]
        # Colours of palette masks: those of the first objects reach one half in a channel, background is black.
        return tf.minimum(2.0 * tf.reduce_max(mean, axis=-1), 1.0)


class COSNetSession(Session):
    """A session that needs no mask: each frame is seen against reference frames.

    Args:
        segmenter: Where the graph and the options are.
        size: ``(H, W)`` of the video's frames.
        references: The reference frames. Where they are of a known video, its frames have to come in order.
    """

    every_frame = True

    def __init__(self, segmenter: COSNetSegmenter, size: tuple[int, int], references: References) -> None:
        super().__init__(size, segmenter.merging)
        self._graph = segmenter.graph
        self._references = references
        self._assigner = ObjectAssigner() if segmenter.needs_masks else None
        if self._assigner is None:
            self._ids = (FOREGROUND_ID,)

    def add(self, labels: LabelMap) -> None:
        """Give the masks of objects that the foreground is shared out among.

        Raises:
            VosError: The foreground is one object, or as `Session.add`.
        """
        if self._assigner is None:
            raise VosError(
                "mask: expected none, as the model finds the foreground itself, found one; leave it out, or choose "
                "objects='given' to share the foreground out among the objects of first masks"
            )
        super().add(labels)

    def _advance(self, frame: NDArray[np.uint8]) -> Any:
        features = self._references.known(self._frames)
        if features is None:
            features = self._graph.encode(tf.constant(frame[None]))
        others = self._references.others(self._frames, features)
        foreground = self._graph.segment(features, others, self.size)
        self._references.keep(self._frames, features)
        if self._assigner is None:
            return foreground[None] if self._ids else tf.zeros((0, *self.size))
        return tf.constant(self._assigner.assign(frame, foreground.numpy()))

    def _join(self, frame: NDArray[np.uint8], labels: LabelMap, ids: tuple[int, ...], name: str) -> None:
        if self._assigner is not None:
            self._assigner.join([labels == i for i in ids])

    def _keep(self, indices: Sequence[int]) -> None:
        if self._assigner is not None:
            self._assigner.keep(indices)


class COSNetSegmenter(VideoSegmenter):
    """A trained COSNet, with everything needed to run it over videos.

    Args:
        network: A `vos_tf.methods.cosnet.network.COSNet`.
        rule: How objects are merged; its ``background`` is the probability from which a pixel is foreground.
        options: Those that suit the network if not given.

    Raises:
        VosError: The network's attention cannot be ``joint``.
    """

    network: COSNet
    options: Options

    def __init__(self, network: COSNet, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        chosen = options or default_options(network)
        self.needs_masks = chosen.objects == "given"
        self.protocol = None if self.needs_masks else "davis2016"
        super().__init__(network, rule=rule, options=chosen)
        if chosen.fusion == "joint" and network.settings.attention == "legacy_swapped":
            raise VosError("fusion: expected predictions or summaries with swapped attention, found joint")
        self.graph = COSNetGraph(network, views(chosen.test_scales, chosen.test_flip), chosen.fusion)

    def session(
        self,
        size: tuple[int, int],
        name: str | None = None,
        *,
        frames: Frames | None = None,
        video: Video | None = None,
    ) -> COSNetSession:
        """See `VideoSegmenter.session`; references are taken of a `Video`, a list or an array of frames.

        Raises:
            VosError: References are to be taken from frames that are yet to come.
        """
        if self.options.sampling == "streaming":
            return COSNetSession(self, size, EarlierReferences(self.options.references))
        known = known_frames(frames if video is None else video)
        if known is None:
            raise VosError(
                f"sampling: expected 'streaming' for frames that come one by one, found {self.options.sampling!r}, "
                "which needs the whole video: give stream() a Video, a list or an array of frames, or choose "
                "sampling='streaming'"
            )
        return COSNetSession(self, size, FixedReferences(known, self._chosen(known), self._encode))

    def _encode(self, frame: NDArray[np.uint8]) -> Features:
        encoded: Features = self.graph.encode(tf.constant(frame[None]))
        return encoded

    def _chosen(self, frames: KnownFrames) -> tuple[int, ...]:
        options = self.options
        if options.sampling == "random":
            return random_frames(frames.length, options.references, options.seed, frames.name)
        return uniform_frames(frames.length, options.references)
