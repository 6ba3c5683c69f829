"""The plan: chunks and shards cover everything once; settings and sources are kept apart."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.records.plan import make_plan, read_plan, refuse_other_source, source_of, write_plan
from vos_tf.records.settings import BYTES_PER_PIXEL, MAX_CHUNK_BYTES, RecordSettings, StoredSize, parse_stored_size


def dataset(lengths, size=(480, 854)):
    videos = [
        Video(f"v{index}", tuple(Path(f"{frame:05d}.jpg") for frame in range(length)), {}, (), size)
        for index, length in enumerate(lengths)
    ]
    return Dataset("small", "train", tuple(videos), Path("root"))


@settings(deadline=None)
@given(st.lists(st.integers(1, 2000), min_size=1, max_size=12), st.integers(1, 12))
def test_chunks_cover_every_video_in_order_and_every_shard_has_some(lengths, shards):
    made = RecordSettings(StoredSize(exact=(256, 448)), shards if shards <= len(lengths) else None)
    plan = make_plan(dataset(lengths), made, ())
    assert all(plan.shards)
    if made.shards:
        assert len(plan.shards) == made.shards
    chunks = [chunk for shard in plan.shards for chunk in shard]
    expected = [(f"v{index}", frame) for index, length in enumerate(lengths) for frame in range(length)]
    assert [(chunk.video, frame) for chunk in chunks for frame in range(chunk.first, chunk.end)] == expected
    assert all(chunk.end - chunk.first <= 300 for chunk in chunks)


def test_large_frames_make_short_chunks_and_automatic_shards_of_100_to_200_mb():
    plan = make_plan(dataset([900, 900, 900]), RecordSettings(StoredSize(exact=(1080, 1920))), ())
    bytes_per_frame = 1080 * 1920 * BYTES_PER_PIXEL
    for shard in plan.shards:
        assert all((chunk.end - chunk.first) * bytes_per_frame <= MAX_CHUNK_BYTES for chunk in shard)
        assert 100e6 < sum(chunk.end - chunk.first for chunk in shard) * bytes_per_frame < 210e6


def test_shard_names_and_skipped_videos():
    made = RecordSettings(StoredSize(exact=(8, 8)), 2)
    plan = make_plan(dataset([3, 3, 3]), made, ("v1",))
    assert [plan.shard_name(index) for index in range(2)] == [
        "small-train-00000-of-00002.tfrecord",
        "small-train-00001-of-00002.tfrecord",
    ]
    assert {chunk.video for shard in plan.shards for chunk in shard} == {"v0", "v2"}
    with pytest.raises(VosError, match="--shards 2: expected at most 1"):
        make_plan(dataset([3, 3]), made, ("v1",))
    with pytest.raises(VosError, match="at least one video"):
        make_plan(dataset([3]), made, ("v0",))


def test_a_plan_survives_the_disk(tmp_path):
    plan = make_plan(dataset([700, 3]), RecordSettings(StoredSize(exact=(8, 8))), ())
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(VosError, match=r"plan\.json: expected the plan"):
        read_plan(tmp_path / "plan.json")


def test_the_first_difference_of_sources_is_named():
    written = source_of(dataset([3]), RecordSettings(StoredSize(exact=(8, 8))))
    refuse_other_source(Path("out"), written, written)
    with pytest.raises(VosError, match="out: holds records with size 8x8, asked for native"):
        refuse_other_source(Path("out"), written, source_of(dataset([3]), RecordSettings()))
    with pytest.raises(VosError, match="holds records with fingerprint"):
        refuse_other_source(Path("out"), written, source_of(dataset([4]), RecordSettings(StoredSize((8, 8)))))


@pytest.mark.parametrize(
    ("text", "size", "stored"),
    [
        ("256x448", (480, 854), (256, 448)),
        ("native", (480, 854), (480, 854)),
        ("short:240", (480, 854), (240, 427)),
        ("short:240", (854, 480), (427, 240)),
        ("short:720", (480, 854), (480, 854)),
    ],
)
def test_stored_sizes(text, size, stored):
    rule = parse_stored_size(text)
    assert rule.of(size) == stored
    assert str(rule) == text


@pytest.mark.parametrize("text", ["", "256", "256X448", "0x448", "256x448x3", "short:", "short:0", "Native", "-1x5"])
def test_wrong_sizes_are_refused(text):
    with pytest.raises(VosError, match="--size"):
        parse_stored_size(text)


def test_wrong_numbers_of_shards_are_refused():
    with pytest.raises(VosError, match="--shards 0"):
        RecordSettings(shards=0)
