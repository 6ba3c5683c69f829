"""The step of a network with a state per object as TensorFlow functions, ready to be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from vos_tf.inference.graph import VideoGraph
from vos_tf.inference.merging.graph import MergeRule, merge_objects
from vos_tf.inference.resizing import nearest, shrink_or_grow
from vos_tf.inference.session import VideoSegmenter
from vos_tf.media.label_maps import VOID, object_ids
from vos_tf.models.video_network import VideoNetwork

FRAMES = tf.TensorSpec([None, None, None, None, 3], tf.uint8, name="frames")
LABELS = tf.TensorSpec([None, None, None], tf.uint8, name="labels")
IMAGE = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
MASK = tf.TensorSpec([None, None, None, 1], tf.float32, name="mask")
LABEL_MAPS = tf.TensorSpec([None, None, None], tf.uint8)


class ExportedModel(tf.Module):
    """What a SavedModel of vos_tf holds.

    * ``start``: ``image`` float32 ``(N or 1, H, W, 3)`` RGB 0..255 and ``mask`` float32 ``(N, H, W, 1)`` 0 or 1 give
      the state's tensors by name; several of one name are numbered.
    * ``step``: ``image`` and the state's tensors give ``logits`` float32 ``(N, H, W, 1)`` at the image's size, and the
      new state's tensors.
    * ``serving_default``: ``frames`` uint8 ``(B, T, H, W, 3)`` and ``labels`` uint8 ``(B, H, W)``, the label maps of
      the first frames, give ``labels`` uint8 ``(B, T, H, W)``.
    """

    def __init__(self, network: VideoNetwork, rule: MergeRule | None = None) -> None:
        super().__init__(name="vos_tf")
        self.network = network
        self.rule = rule or MergeRule()
        self._graph = VideoGraph(network, rule)

    def signatures(self) -> dict[str, Any]:
        """Concrete functions by signature name."""
        return {
            "start": tf.function(self._start, input_signature=[IMAGE, MASK]).get_concrete_function(),
            "step": tf.function(self._step).get_concrete_function(IMAGE, **self._state_specs(None)),
            "serving_default": tf.function(self._clip, input_signature=[FRAMES, LABELS]).get_concrete_function(),
        }

    def replay(self, signatures: Any, frames: Any, labels: Any) -> Iterator[Any]:
        """Run a clip through the signatures ``start`` and ``step`` of what was saved.

        Args:
            signatures: As `tf.saved_model.load` gives them.
            frames: uint8 ``(T, H, W, 3)``.
            labels: Label map of the first frame, uint8 ``(H, W)``; not looked at where no masks are needed.

        Yields:
            Probabilities float32 ``(N, H, W)``: for every frame, with masks for every frame but the first.
        """
        images = frames.astype(np.float32)
        masks = np.stack([labels == i for i in object_ids(labels)])[..., None].astype(np.float32)
        yield from self._steps(signatures, signatures["start"](image=images[:1], mask=masks), images[1:])

    @staticmethod
    def _steps(signatures: Any, state: Any, images: Any) -> Iterator[Any]:
        for image in images:
            state = signatures["step"](image=image[None], **state)
            yield tf.sigmoid(state.pop("logits"))[..., 0].numpy()

    def expected(self, segmenter: VideoSegmenter, frames: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
        """What `replay` is compared with: probabilities ``(N, H, W)`` and label map ``(H, W)`` of every frame."""
        first = labels if segmenter.needs_masks else None
        for result in segmenter.stream(list(frames), first=first):
            yield result.probabilities, result.labels

    def _state_specs(self, objects: int | None) -> dict[str, Any]:
        """What ``step`` takes besides the image, for a number of objects."""
        example = name_tensors(self._state_example())
        shapes = {name: list(x.shape[1:]) for name, x in example.items()}
        if self._graph.keeps_proportions:  # sides of maps depend on the video: they are those that differ
            one, two = (name_tensors(self._state_of(size)) for size in ((64, 96), (128, 160)))
            for name, shape in shapes.items():
                pairs = zip(one[name].shape[1:], two[name].shape[1:], strict=True)
                shapes[name] = [
                    known if side == other else None for known, (side, other) in zip(shape, pairs, strict=True)
                ]
        return {name: tf.TensorSpec([objects, *shapes[name]], x.dtype, name=name) for name, x in example.items()}

    def _state_example(self) -> Any:
        return self._state_of(self._graph.size or (64, 64))

    def _state_of(self, size: tuple[int, int]) -> Any:
        return self.network.start(tf.zeros((1, *size, 3)), tf.zeros((1, *size, 1)))

    def _start(self, image: Any, mask: Any) -> dict[str, Any]:
        size = self._graph.working_size(image)
        return name_tensors(self.network.start(shrink_or_grow(image, size), nearest(mask, size)))

    def _step(self, image: Any, **state: Any) -> dict[str, Any]:
        height, width = tf.shape(image)[1], tf.shape(image)[2]
        example = self._state_example()
        old = tf.nest.pack_sequence_as(example, [state[name] for name in name_tensors(example)])
        logits, new = self.network.step(shrink_or_grow(image, self._graph.working_size(image)), old)
        logits = tf.image.resize(tf.cast(logits, tf.float32), (height, width), method="bilinear")
        return {"logits": logits, **name_tensors(new)}

    def _clip(self, frames: Any, labels: Any) -> dict[str, Any]:
        flat = tf.reshape(labels, [-1])
        ids = tf.sort(tf.unique(tf.boolean_mask(flat, (flat > 0) & (flat != VOID)))[0])
        masks = tf.cast(labels[:, None] == ids[None, :, None, None], tf.uint8)
        first = tf.where(labels == VOID, tf.zeros_like(labels), labels)
        if tf.size(ids) == 0:
            return {"labels": tf.repeat(first[:, None], tf.shape(frames)[1], axis=1)}
        return {"labels": self._follow(frames, masks, ids, first)}

    def _follow(self, frames: Any, masks: Any, ids: Any, first: Any) -> Any:
        shape = tf.shape(frames)
        steps, height, width = shape[1], shape[2], shape[3]
        objects = tf.shape(ids)[0]
        # An id of one clip of the batch that another does not show must not appear there.
        present = tf.cast(tf.reduce_any(masks > 0, axis=(2, 3)), tf.float32)[..., None, None]
        each = _repeat(objects)
        state = self._graph.start(each(frames[:, 0]), tf.reshape(masks, [-1, height, width, 1]))
        results = tf.TensorArray(tf.uint8, size=steps).write(0, first)
        for time in tf.range(1, steps):
            features = tf.nest.map_structure(each, self._graph.encode(frames[:, time]))
            maps, state = self._graph.advance(features, state, height, width)
            maps = tf.reshape(maps, [-1, objects, height, width]) * present
            results = results.write(time, merge_objects(maps, ids, self._graph.rule))
        return tf.transpose(results.stack(), [1, 0, 2, 3])


class MasklessGraph(VideoGraph):
    """Saving a module traces all its functions; networks that take no masks have no ``start`` with one."""

    start = None


def name_tensors(state: Any) -> dict[str, Any]:
    """The tensors of a network's state by name, in order: ``hidden``, or ``hidden0``, ``hidden1``... of several."""
    named: dict[str, Any] = {}
    for name, value in state._asdict().items():
        named |= {f"{name}{i}": x for i, x in enumerate(value)} if isinstance(value, tuple) else {name: value}
    return named


def _repeat(objects: Any) -> Callable[[Any], Any]:
    def each(x: Any) -> Any:
        return tf.repeat(x, objects, axis=0)

    return each
