"""Our own encoding against TensorFlow's, and the places of values."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.records.framing import frame, unframe
from vos_tf.records.sequence_example import WireError, decode_sequence_example, encode_sequence_example

integers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
texts = st.lists(st.binary(max_size=300), max_size=5)
values = st.one_of(integers, texts)
names = st.text(min_size=1, max_size=20)
examples = st.tuples(
    st.dictionaries(names, values, max_size=4),
    st.dictionaries(names, st.lists(values, max_size=4), max_size=4),
)


def plain(feature):
    kind = feature.WhichOneof("kind")
    return tuple(getattr(feature, kind).value) if kind else ()


@settings(max_examples=150, deadline=None)
@given(examples)
def test_tensorflow_and_we_read_what_we_write(example):
    context, lists = example
    data = encode_sequence_example(context, lists)
    theirs = tf.train.SequenceExample.FromString(data)
    assert {name: plain(feature) for name, feature in theirs.context.feature.items()} == {
        name: tuple(content) for name, content in context.items()
    }
    assert {
        name: [plain(step) for step in steps.feature] for name, steps in theirs.feature_lists.feature_list.items()
    } == {name: [tuple(step) for step in steps] for name, steps in lists.items()}
    ours = decode_sequence_example(data)
    assert ours.context == {name: tuple(content) for name, content in context.items()}
    assert ours.lists == {name: tuple(tuple(step) for step in steps) for name, steps in lists.items()}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.lists(st.binary(max_size=20), max_size=3))
def test_spans_point_at_the_values(frames, others):
    data = encode_sequence_example({"x": [7]}, {"a": [[o] for o in others], "frames": [[f] for f in frames]})
    spans = decode_sequence_example(data).spans["frames"]
    assert [data[start : start + length] for start, length in spans] == frames


def test_cut_messages_are_refused_or_lack_something():
    data = encode_sequence_example({"video": [b"bear"]}, {"frames": [[b"one"], [b"two"]]})
    whole = decode_sequence_example(data)
    for length in range(1, len(data)):
        try:
            assert decode_sequence_example(data[:length]) != whole
        except WireError:
            continue


def test_frames_are_tensorflows_frames(tmp_path):
    contents = [b"", b"a", bytes(range(256)) * 40]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for content in contents:
            writer.write(content)
    assert (tmp_path / "theirs").read_bytes() == b"".join(frame(content) for content in contents)
    assert [unframe(frame(content)) for content in contents] == contents


@given(st.binary(min_size=1, max_size=50), st.data())
def test_every_flipped_bit_is_noticed(content, data):
    framed = bytearray(frame(content))
    bit = data.draw(st.integers(0, 8 * len(framed) - 1))
    framed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="record"):
        unframe(bytes(framed))
