"""How COSNet segments videos: without any mask, by reference frames of the same video (Lu et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.config import one_of
from vos_tf.datasets.types import Video
from vos_tf.errors import VosError
from vos_tf.inference.graph import FRAME, shrink_or_grow
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.refinement.crf import CRFSettings
from vos_tf.inference.session import Session, VideoSegmenter
from vos_tf.inference.test_time_augmentation import View, check_scales, views
from vos_tf.media.label_maps import LabelMap
from vos_tf.methods.cosnet.assignment import ObjectAssigner
from vos_tf.methods.cosnet.network import FUSIONS
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
SAMPLINGS = ("uniform", "random", "streaming")


@dataclass(frozen=True)
class Options:
    """What can be chosen when COSNet segments.

    Attributes:
        references: Number of reference frames; 0: all earlier frames (with ``streaming``).
        sampling: Reference frames are spread over the video (``uniform``), drawn from it once (``random``), or spread
            over the frames before (``streaming``), for video of which no more is known.
        seed: Of ``random`` sampling.
        fusion: How references act together: the mean of the ``predictions`` from each, the mean of the attention's
            ``summaries``, or one ``joint`` attention, see `vos_tf.methods.cosnet.network.COSNetSettings`.
        objects: The ``foreground`` as one object, id 1, without any mask; or objects ``given`` by first masks, among
            which it is shared out (`vos_tf.methods.cosnet.assignment`).
        test_scales: Each frame is segmented at these multiples of the working size, and the probabilities are averaged.
        test_flip: Average with the mirrored frame, too.
        crf: Refinement of the probabilities by a dense CRF; as its authors do, they are stretched first.
    """

    references: int = 5
    sampling: str = "uniform"
    seed: int = 0
    fusion: str = "predictions"
    objects: str = "foreground"
    test_scales: tuple[float, ...] = (1.0,)
    test_flip: bool = False
    crf: CRFSettings = field(default_factory=lambda: CRFSettings(stretch=True))

    def __post_init__(self) -> None:
        one_of("sampling", self.sampling, SAMPLINGS)
        one_of("fusion", self.fusion, FUSIONS)
        one_of("objects", self.objects, ("foreground", "given"))
        check_scales(self.test_scales)
        least = 0 if self.sampling == "streaming" else 1
        if self.references < least:
            raise VosError(f"references: expected {least} or more with {self.sampling}, found {self.references}")
        if self.seed < 0:
            raise VosError(f"seed: expected 0 or more, found {self.seed}")


class COSNetGraph(tf.Module):
    """A network's encoder and attention for frames of any size, in several views at once.

    Args:
        network: A `vos_tf.methods.cosnet.network.COSNet`; the weights of its trunk are used as they are now.
        looks: The views.
        fusion: How references act together.
    """

    def __init__(self, network: Any, looks: Sequence[View], fusion: str) -> None:
        super().__init__(name="cosnet_graph")
        self.network = network
        self._trunk = folded(network.trunk)
        self._looks = tuple(looks)
        self._fusion = fusion
        least = 2 * network.settings.output_stride
        self._sizes = [tuple(max(round(look.scale * side), least) for side in network.settings.size) for look in looks]
        self._segment: Any = None

    @tf.function(input_signature=[FRAME])
    def encode(self, image: Any) -> Features:
        """Features ``(B, h, w, C)`` of frames uint8 ``(B, H, W, 3)``, for each view."""
        found = []
        for look, size in zip(self._looks, self._sizes, strict=True):
            scaled = shrink_or_grow(image, size)
            found.append(self.network.encode(scaled[:, :, ::-1] if look.flip else scaled, trunk=self._trunk))
        return tuple(found)

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
        for look, size, own, others in zip(self._looks, self._sizes, features, references, strict=True):
            logits = self.network.attend(own, others, size=size, fusion=self._fusion)
            found = tf.sigmoid(tf.image.resize(tf.cast(logits, tf.float32), (height, width), method="bilinear"))[0]
            maps.append(found[:, ::-1] if look.flip else found)
        mean = tf.add_n(maps) / len(maps)
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

    def __init__(self, network: Any, *, rule: MergeRule | None = None, options: Options | None = None) -> None:
        self.options = options or default_options(network)
        self.needs_masks = self.options.objects == "given"
        self.protocol = None if self.needs_masks else "davis2016"
        super().__init__(network, rule)
        if self.options.fusion == "joint" and network.settings.attention == "legacy_swapped":
            raise VosError("fusion: expected predictions or summaries with swapped attention, found joint")
        looks = views(self.options.test_scales, self.options.test_flip)
        self.graph = COSNetGraph(network, looks, self.options.fusion)

    def session(self, size: tuple[int, int], name: str | None = None) -> COSNetSession:
        """A session for a video of which nothing is known but its size ``(H, W)``.

        Raises:
            VosError: References are to be taken from frames that are yet to come.
        """
        if self.options.sampling != "streaming":
            raise VosError(
                f"sampling: expected 'streaming' for frames that come one by one, found {self.options.sampling!r}, "
                "which needs the whole video: give stream() a Video, a list or an array of frames, or choose "
                "sampling='streaming'"
            )
        return COSNetSession(self, size, EarlierReferences(self.options.references))

    def session_for(self, video: Video) -> COSNetSession:
        """A session for a video of a data set, whose frames are then stepped through in order."""
        return self.session_through(video, video.size)

    def session_through(
        self, video: Video | Iterable[NDArray[np.uint8]], size: tuple[int, int], name: str | None = None
    ) -> COSNetSession:
        """A session for a `Video`, a list or an array of frames; others are as in `session`."""
        frames = known_frames(video)
        if frames is None or self.options.sampling == "streaming":
            return self.session(size)
        references = FixedReferences(frames, self._chosen(frames), self._encode)
        return COSNetSession(self, size, references)

    def _encode(self, frame: NDArray[np.uint8]) -> Features:
        encoded: Features = self.graph.encode(tf.constant(frame[None]))
        return encoded

    def _chosen(self, frames: KnownFrames) -> tuple[int, ...]:
        options = self.options
        if options.sampling == "random":
            return random_frames(frames.length, options.references, options.seed, frames.name)
        return uniform_frames(frames.length, options.references)


def default_options(network: Any) -> Options:
    """The network's own fusion; references as the authors take: 5, or 3 for a joint attention."""
    fusion = network.settings.fusion
    return Options(references=3 if fusion == "joint" else 5, fusion=fusion)
