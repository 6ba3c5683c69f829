"""A network with K heads that is adapted to K objects, again and again, and says where they are in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.inference.graph import shrink_or_grow
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.methods.osvos.finetuning import OSVOSFinetuneSettings, finetuned_groups, finetuning_loss
from vos_tf.methods.osvos.network import OSVOS
from vos_tf.methods.osvos.online_adaptation import online_settings
from vos_tf.methods.osvos.options import Options
from vos_tf.methods.osvos.zoom import Window
from vos_tf.training.finetune import Finetuner, Sample, Values
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples


class Adapted(NamedTuple):
    """What a network has learned: its weights, and what the optimiser remembers; ``None`` before the first update."""

    values: Values
    memory: Values | None = None


class OneShotNetwork:
    """See the module. Compiled once for each size of frames, whatever the number of videos.

    Args:
        parent: An `vos_tf.methods.osvos.network.OSVOS` with one head; it is copied.
        objects: K.
        options: See `vos_tf.methods.osvos.options.Options`.
    """

    def __init__(self, parent: OSVOS, objects: int, options: Options) -> None:
        self.network = parent.with_objects(objects)
        self._options = options
        self.finetuner = self._finetuner(options.finetune)
        self._online: Finetuner | None = None
        self._present: Values | None = None
        self._compiled = tf.function(self._maps)
        self._compiled_window = tf.function(self._window_maps)

    @property
    def traces(self) -> int:
        """How often segmenting was compiled."""
        return int(self._compiled.experimental_get_tracing_count())

    def _finetuner(self, settings: OSVOSFinetuneSettings) -> Finetuner:
        groups, loss = finetuned_groups(self.network, settings), finetuning_loss(self.network, settings)
        return Finetuner(self.network, groups, loss, settings)

    def samples(
        self, ids: Sequence[int], frames: Sequence[AnnotatedFrame], settings: OSVOSFinetuneSettings | None = None
    ) -> FrameSamples:
        """Draws what is learned from ``frames``, which are as large as the video's."""
        size = self.working_size(frames[0].labels.shape)
        scaled = [AnnotatedFrame(resize_image(f.image, size), resize_label_map(f.labels, size)) for f in frames]
        return FrameSamples(scaled, ids, settings or self._options.finetune)

    def adapt(
        self,
        ids: Sequence[int],
        frames: Sequence[AnnotatedFrame],
        description: str,
        store: AdaptedStore | None = None,
        key: str = "",
    ) -> Values:
        """The weights for these objects.

        Args:
            ids: The objects, one for each head.
            frames: To learn from, as large as the video's.
            description: What the user is told.
            store: Where the weights are kept, and taken from if they are there.
            key: Their place in the store.
        """
        if not self._options.finetune.adapts:
            return self.finetuner.start
        self._present = None
        if store is None or not store.restore(key, ids, frames, self.network):
            report = self.finetuner.run(self.samples(ids, frames), description)
            if store is not None:
                store.save(key, ids, frames, self.network, report)
        self._present = self.finetuner.values()
        return self._present

    def learn_on(self, start: Adapted, batches: Sequence[Sample]) -> Adapted:
        """Go on learning from where another frame has left off, one update for each batch."""
        if self._online is None:
            self._online = self._finetuner(online_settings(self._options.finetune, self._options.adaptation))
        self._online.restart(*start)
        for batch in batches:
            self._online.update(batch, self._options.adaptation.learning_rate)
        self._present = self._online.values()
        return Adapted(self._present, self._online.memory)

    def probabilities(self, values: Values, frame: NDArray[np.uint8]) -> Any:
        """Probabilities float32 ``(K, H, W)`` of the objects in a frame uint8 ``(H, W, 3)``, with adapted weights."""
        self._take(values)
        return self._compiled(tf.constant(frame[None]))

    def closer(self, values: Values, frame: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
        """The same in a window, float32 ``(K, h, w)``."""
        self._take(values)
        return np.asarray(self._compiled_window(tf.constant(window.cut(frame)[None])))

    def _take(self, values: Values) -> None:
        if values is not self._present:
            self.finetuner.assign(values)
            self._present = values

    def window_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """``(h, w)`` of windows in frames of this size: as large as what was learned from."""
        height, width = (min(p) for p in zip(self._options.finetune.crop or size, self.working_size(size), strict=True))
        return height, width

    def working_size(self, size: Sequence[int]) -> tuple[int, int]:
        """``(H, W)`` at which the network works on frames of this size."""
        height, width = size
        short = self._options.short_side
        if not short:
            return self.network.settings.size or (height, width)
        shorter = min(height, width)
        return max(round(height * short / shorter), 1), max(round(width * short / shorter), 1)

    def _maps(self, image: Any) -> Any:
        height, width = image.shape[1:3]
        rows, columns = self.working_size((height, width))
        sizes = [(max(round(rows * s), 1), max(round(columns * s), 1)) for s in self._options.test_scales]
        return self._average([shrink_or_grow(image, size) for size in sizes], (height, width))

    def _window_maps(self, image: Any) -> Any:
        return self._average([tf.cast(image, tf.float32)], image.shape[1:3])

    def _average(self, images: Sequence[Any], size: tuple[int, int]) -> Any:
        """Mean probabilities ``(K, H, W)`` over the images ``(1, h, w, 3)``, and their mirror images if asked for."""
        maps = []
        for image in images:
            for flip in (False, True)[: 1 + self._options.test_flip]:
                logits = self.network.fused(image[:, :, ::-1] if flip else image)
                probabilities = tf.sigmoid(tf.image.resize(logits, size, method="bilinear"))[0]
                maps.append(probabilities[:, ::-1] if flip else probabilities)
        return tf.transpose(tf.add_n(maps) / len(maps), (2, 0, 1))
