"""Verification finds whatever happened to the files."""

import json

import pytest
from small_world import make_dataset

from vos_tf.errors import ProblemsError, VosError
from vos_tf.records.framing import frame
from vos_tf.records.manifest import MANIFEST, read_manifest
from vos_tf.records.preprocess import preprocess
from vos_tf.records.verify import verify_records


@pytest.fixture
def manifest(tmp_path):
    made = make_dataset(tmp_path / "world", videos=4, frames=5)
    return preprocess(made, tmp_path / "out", size="20x30", shards=2, workers=1)


def problems(manifest):
    with pytest.raises(ProblemsError) as caught:
        verify_records(manifest, workers=1)
    return [str(problem) for problem in caught.value.problems]


def shard(manifest, index):
    return manifest.folder / manifest.shards[index].file


def test_whole_records_pass(manifest):
    verify_records(manifest, workers=1)
    verify_records(read_manifest(manifest.folder), workers=2)
    manifest.check_shards()


@pytest.mark.parametrize("place", [0, 9, 500, -300, -1])
def test_a_flipped_byte_is_found_in_its_shard_and_record(manifest, place):
    content = bytearray(shard(manifest, 1).read_bytes())
    content[place] ^= 0x10
    shard(manifest, 1).write_bytes(content)
    whole, record = problems(manifest)
    assert whole.startswith(f"{shard(manifest, 1)}: expected SHA-256 {manifest.shards[1].sha256}")
    video = manifest.records[2 if place >= 0 else 3].video
    assert f"expected chunk 0 of {video}, found a damaged record" in record


def test_a_cut_shard(manifest):
    content = shard(manifest, 0).read_bytes()
    shard(manifest, 0).write_bytes(content[:-10])
    whole, record = problems(manifest)
    assert f"expected a shard of {len(content)} bytes, found {len(content) - 10} bytes" in whole
    assert f"{manifest.records[1].length - 10} of its {manifest.records[1].length} bytes" in record
    with pytest.raises(VosError, match="write the records anew"):
        manifest.check_shards()


def test_a_missing_and_a_foreign_shard(manifest):
    shard(manifest, 0).rename(manifest.folder / "other.tfrecord")
    foreign, missing = problems(manifest)
    assert "other.tfrecord: expected only the shards of the manifest" in foreign
    assert missing.startswith(f"{shard(manifest, 0)}: expected a shard") and "no such file" in missing
    with pytest.raises(VosError, match="no such file"):
        manifest.check_shards()


def test_contents_that_do_not_decode_although_checksums_agree(manifest):
    record = manifest.records[0]
    content = bytearray(shard(manifest, 0).read_bytes())
    for places, index in ((record.frames, 1), (record.masks, 2)):
        start, length = places[index]
        content[start : start + length] = bytes(length)
    data = bytes(content[record.offset + 12 : record.offset + record.length - 4])
    content[record.offset : record.offset + record.length] = frame(data)
    shard(manifest, 0).write_bytes(content)
    found = problems(manifest)
    assert [line.rpartition("found ")[2] for line in found[1:]] == [
        "an image that cannot be decoded at frame 00005",
        "a mask that cannot be decoded at frame 00010",
    ]


def test_a_manifest_that_says_something_else(manifest):
    path = manifest.folder / MANIFEST
    content = json.loads(path.read_text())
    content["records"][1]["mask_ids"][0] = [1, 2]
    path.write_text(json.dumps(content))
    (only,) = problems(read_manifest(manifest.folder))
    assert "table of contents differs" in only


def test_manifests_that_cannot_be_read(manifest):
    path = manifest.folder / MANIFEST
    text = path.read_text()
    path.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(VosError, match="expected schema version 1, found 99"):
        read_manifest(manifest.folder)
    path.write_text(text[:-30])
    with pytest.raises(VosError, match="damaged"):
        read_manifest(manifest.folder)
    path.unlink()
    with pytest.raises(VosError, match=r"complete folder of records, found no manifest\.json"):
        read_manifest(manifest.folder)
