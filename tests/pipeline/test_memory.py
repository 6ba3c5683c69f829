"""Memory of batches: used again, but never while somebody still looks at it."""

import gc

import numpy as np
import tensorflow as tf

from vos_tf.pipeline.memory import MOST_FREE, TENSOR_ALIGNMENT, BatchMemory

SHAPE = (2, 3, 5, 7)
PIXELS = 2 * 3 * 5 * 7


def test_arrays_have_their_shapes_lie_apart_and_where_tensors_begin():
    frames, labels = BatchMemory(PIXELS).take(SHAPE)
    assert (frames.shape, labels.shape) == ((*SHAPE, 3), SHAPE)
    assert frames.ctypes.data % TENSOR_ALIGNMENT == labels.ctypes.data % TENSOR_ALIGNMENT == 0
    frames[:], labels[:] = 1, 2
    assert (frames == 1).all() and (labels == 2).all()


def test_memory_returns_only_when_no_view_is_left():
    memory = BatchMemory(PIXELS)
    frames, labels = memory.take(SHAPE)
    place, view = frames.ctypes.data, labels[1, 2:, ::2]
    del frames, labels
    gc.collect()
    others = [memory.take(SHAPE) for _ in range(3)]
    assert place not in [frames.ctypes.data for frames, _ in others]
    del view
    gc.collect()
    assert memory.take((1, 2, 5, 7))[0].ctypes.data == place


def test_tensors_keep_their_memory():
    memory = BatchMemory(PIXELS)

    def fill(number):
        frames, labels = memory.take(SHAPE)
        frames[:], labels[:] = number, number + 1
        return frames, labels

    numbers = tf.data.Dataset.range(60)
    dataset = numbers.map(lambda n: tf.numpy_function(fill, [n], (tf.uint8, tf.uint8), stateful=False), 3)
    held = list(dataset.prefetch(2))
    for _ in dataset:
        pass
    for number, (frames, labels) in enumerate(held):
        assert np.unique(frames).tolist() == [number] and np.unique(labels).tolist() == [number + 1]


def test_little_is_kept():
    memory = BatchMemory(PIXELS)
    taken = [memory.take(SHAPE) for _ in range(20)]
    del taken
    gc.collect()
    assert len(memory._free) == MOST_FREE
