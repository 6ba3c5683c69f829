"""A network with K heads that is adapted to K objects, again and again, and says where they are in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from vos_tf.inference.adapted import AdaptedStore
from vos_tf.inference.graph import shrink_or_grow
from vos_tf.inference.one_shot_options import Options
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.training.finetune import Finetuner, Values
from vos_tf.training.finetune_osvos import finetuned_groups, finetuning_loss
from vos_tf.training.finetune_samples import AnnotatedFrame, FrameSamples


class OneShotNetwork:
    """See the module. Compiled once for each size of frames, whatever the number of videos.

    Args:
        parent: An `vos_tf.models.osvos.OSVOS` with one head; it is copied.
        objects: K.
        options: See `vos_tf.inference.one_shot_options.Options`.
    """

    def __init__(self, parent: Any, objects: int, options: Options) -> None:
        self.network = parent.with_objects(objects)
        self._options = options
        groups = finetuned_groups(self.network, options.finetune)
        loss = finetuning_loss(self.network, options.finetune)
        self.finetuner = Finetuner(self.network, groups, loss, options.finetune)
        self._present: Values | None = None
        self._compiled = tf.function(self._maps)

    @property
    def traces(self) -> int:
        """How often segmenting was compiled."""
        return int(self._compiled.experimental_get_tracing_count())

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
            size = self.working_size(frames[0].labels.shape)
            scaled = [AnnotatedFrame(resize_image(f.image, size), resize_label_map(f.labels, size)) for f in frames]
            report = self.finetuner.run(FrameSamples(scaled, ids, self._options.finetune), description)
            if store is not None:
                store.save(key, ids, frames, self.network, report)
        self._present = self.finetuner.values()
        return self._present

    def probabilities(self, values: Values, frame: NDArray[np.uint8]) -> Any:
        """Probabilities float32 ``(K, H, W)`` of the objects in a frame uint8 ``(H, W, 3)``, with adapted weights."""
        if values is not self._present:
            self.finetuner.assign(values)
            self._present = values
        return self._compiled(tf.constant(frame[None]))

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
        maps = []
        for scale in self._options.test_scales:
            scaled = shrink_or_grow(image, (max(round(rows * scale), 1), max(round(columns * scale), 1)))
            for flip in (False, True)[: 1 + self._options.test_flip]:
                logits = self.network.fused(scaled[:, :, ::-1] if flip else scaled)
                probabilities = tf.sigmoid(tf.image.resize(logits, (height, width), method="bilinear"))[0]
                maps.append(probabilities[:, ::-1] if flip else probabilities)
        return tf.transpose(tf.add_n(maps) / len(maps), (2, 0, 1))
