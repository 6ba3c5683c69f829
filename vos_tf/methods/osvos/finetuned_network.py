"""A network with K heads that is adapted to K objects, and says where they are in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.finetuned_network import FinetunedNetwork
from vos_tf.inference.finetuned_weights import AdaptedStore
from vos_tf.inference.test_time_augmentation import View, mean_of, views
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.methods.osvos.finetuning import finetuned_groups, finetuning_loss
from vos_tf.methods.osvos.network import OSVOS
from vos_tf.methods.osvos.online_adaptation import online_settings
from vos_tf.methods.osvos.options import Options, OSVOSFinetuneSettings
from vos_tf.methods.osvos.zoom import Window
from vos_tf.training.finetune import Finetuner, Sample, Values
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples


class OSVOSFinetunedNetwork(FinetunedNetwork):
    """See `FinetunedNetwork`. Compiled once for each size of frames, whatever the number of videos.

    Args:
        parent: An `vos_tf.methods.osvos.network.OSVOS` with one head; it is copied.
        objects: K.
        options: See `vos_tf.methods.osvos.options.Options`.
        store: Where adapted weights are kept; ``None``: nowhere.
    """

    def __init__(self, parent: OSVOS, objects: int, options: Options, store: AdaptedStore | None = None) -> None:
        network, settings = parent.with_objects(objects), options.finetune
        loss = finetuning_loss(network, settings)
        super().__init__(network, finetuned_groups(network, settings), loss, settings, store)
        self._options = options
        self._online: Finetuner | None = None
        order = options.test_scales.index  # all views of one size after the other
        self._views = sorted(views(options.test_scales, options.test_flip), key=lambda view: order(view.scale))
        self._compiled = tf.function(self._maps)
        self._compiled_window = tf.function(self._window_maps)

    @property
    def traces(self) -> int:
        """How often segmenting was compiled."""
        return int(self._compiled.experimental_get_tracing_count())

    def samples(
        self, ids: Sequence[int], frames: Sequence[AnnotatedFrame], settings: OSVOSFinetuneSettings | None = None
    ) -> FrameSamples:
        """Draws what is learned from ``frames``, which are as large as the video's."""
        size = self.working_size(frames[0].labels.shape)
        scaled = [AnnotatedFrame(resize_image(f.image, size), resize_label_map(f.labels, size)) for f in frames]
        return FrameSamples(scaled, ids, settings or self._options.finetune)

    def learn_on(self, values: Values, memory: Values | None, batches: Sequence[Sample]) -> tuple[Values, Values]:
        """Go on learning from where another frame has left off, one update for each batch.

        Args:
            values: The weights.
            memory: What the optimiser remembers; ``None`` before the first update.
            batches: What is learned.

        Returns:
            Both afterwards.
        """
        if self._online is None:
            settings = online_settings(self._options.finetune, self._options.adaptation)
            loss = finetuning_loss(self.network, settings)
            self._online = Finetuner(self.network, finetuned_groups(self.network, settings), loss, settings)
        self._online.restart(values, memory)
        for batch in batches:
            self._online.update(batch, self._options.adaptation.learning_rate)
        self._present = self._online.values()
        return self._present, self._online.memory

    def probabilities(self, values: Values, frame: NDArray[np.uint8]) -> Any:
        """Probabilities float32 ``(K, H, W)`` of the objects in a frame uint8 ``(H, W, 3)``, with adapted weights."""
        self.take(values)
        return self._compiled(tf.constant(frame[None]))

    def closer(self, values: Values, frame: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
        """The same in a window, float32 ``(K, h, w)``."""
        self.take(values)
        return np.asarray(self._compiled_window(tf.constant(window.cut(frame)[None])))

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
        size = self.working_size(image.shape[1:3])
        return self._average(image, [(view, view.size(size)) for view in self._views])

    def _window_maps(self, image: Any) -> Any:
        return self._average(image, [(view, None) for view in views((1.0,), self._options.test_flip)])

    def _average(self, image: Any, seen: Sequence[tuple[View, tuple[int, int] | None]]) -> Any:
        """Mean probabilities ``(K, H, W)`` over views of an image ``(1, H, W, 3)``, each at its size."""
        size = image.shape[1:3]
        maps = [view.probabilities(self.network.fused(view.see(image, at)), size) for view, at in seen]
        return tf.transpose(mean_of(maps), (2, 0, 1))
