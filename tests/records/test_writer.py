"""Disk to records: the same content, the same bytes whatever the workers, and never half a folder."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_world import Moving, make_dataset, make_video

from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError
from vos_tf.media.images import read_image, resize_image, resize_label_map
from vos_tf.records import shards, writer
from vos_tf.records.framing import unframe
from vos_tf.records.manifest import read_manifest
from vos_tf.records.settings import RecordSettings, parse_stored_size
from vos_tf.records.writer import write_records


def settings(size="20x30", shards=2):
    return RecordSettings(parse_stored_size(size), shards)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def stored(manifest, record, kind):
    data = (manifest.folder / manifest.shards[record.shard].file).read_bytes()
    return [data[start : start + length] for start, length in getattr(record, kind)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("world"), videos=4, every=3)


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    write_records(dataset, folder, settings(), workers=1)
    return content(folder)


def test_native_frames_are_the_bytes_on_disk_and_masks_the_ids(dataset, tmp_path):
    manifest = write_records(dataset, tmp_path / "out", settings("native"), workers=1)
    assert manifest == manifest and [record.video for record in manifest.records] == [v.name for v in dataset.videos]
    for record, video in zip(manifest.records, dataset.videos, strict=True):
        assert stored(manifest, record, "frames") == [path.read_bytes() for path in video.frames]
        for name, png, ids in zip(video.frame_names, stored(manifest, record, "masks"), record.mask_ids, strict=True):
            assert bool(png) == (name in video.masks)
            if png:
                labels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
                np.testing.assert_array_equal(labels, video.read_mask(name))
                assert ids == tuple(np.unique(labels)[1:])


def test_resized_frames_are_close_and_masks_exact(dataset, tmp_path):
    manifest = write_records(dataset, tmp_path / "out", settings("20x30"), workers=1)
    record, video = manifest.records[0], dataset.videos[0]
    assert (record.size, record.original_size, record.annotated) == ((20, 30), (40, 60), 4)
    for path, jpeg in zip(video.frames, stored(manifest, record, "frames"), strict=True):
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(image.astype(int) - resize_image(read_image(path), (20, 30))).mean() < 4
    for name, png in zip(video.frame_names, stored(manifest, record, "masks"), strict=True):
        if png:
            labels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(labels, resize_label_map(video.read_mask(name), (20, 30)))


def test_png_frames_become_jpegs_of_their_own_size(tmp_path):
    made = make_dataset(tmp_path / "world", videos=1, suffix=".png", size=(41, 63))
    manifest = write_records(made, tmp_path / "out", settings("native", 1), workers=1)
    jpeg = stored(manifest, manifest.records[0], "frames")[0]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert jpeg.startswith(b"\xff\xd8") and image.shape == (41, 63, 3)
    assert np.abs(image.astype(int) - read_image(made.videos[0].frames[0])).mean() < 4


def test_the_table_of_contents_says_what_the_video_says(dataset, tmp_path):
    manifest = write_records(dataset, tmp_path / "out", settings(), workers=1)
    read = read_manifest(tmp_path / "out")
    assert (read.records, read.shards, read.fingerprint) == (manifest.records, manifest.shards, dataset.fingerprint)
    assert read.frame_count == sum(len(video.frames) for video in dataset.videos)
    names = dataset.videos[0].frame_names
    for entry, item in zip(read.records[0].objects, dataset.videos[0].objects, strict=True):
        assert (entry.id, entry.category, names[entry.first_frame]) == (item.id, item.category, item.first_frame)
        assert tuple(names[index] for index in entry.frames) == item.frames
    assert read.records[0].frame_rate == dataset.videos[0].frame_rate


def test_long_videos_are_cut_into_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("vos_tf.records.plan.MAX_CHUNK_FRAMES", 5)
    made = make_dataset(tmp_path / "world", videos=2)
    manifest = write_records(made, tmp_path / "out", settings(), workers=1)
    assert [(r.video, r.chunk, r.chunks, r.first_frame, len(r.frames)) for r in manifest.records] == [
        (name, chunk, 3, 4 * chunk, 4) for name in ("video0", "video1") for chunk in range(3)
    ]
    first = [item.frames for record in manifest.videos[0] for item in record.objects if item.id == 2]
    assert first == [(3,), (4, 5, 6, 7), (8,)]
    assert all(item.first_frame == 3 for r in manifest.videos[0] for item in r.objects if item.id == 2)


def test_bytes_do_not_depend_on_the_workers(dataset, undisturbed, tmp_path):
    write_records(dataset, tmp_path / "out", settings(), workers=3)
    assert content(tmp_path / "out") == undisturbed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(undisturbed)


def test_a_run_that_fails_anywhere_continues_to_the_same_bytes(dataset, undisturbed, tmp_path, monkeypatch):
    add = shards._ShardFile.add
    for records_before in range(len(dataset.videos)):
        folder, calls = tmp_path / f"out{records_before}", []

        def fail(self, *arguments, calls=calls, limit=records_before):
            calls.append(1)
            if len(calls) > limit:
                raise KeyboardInterrupt
            add(self, *arguments)

        monkeypatch.setattr(shards._ShardFile, "add", fail)
        with pytest.raises(KeyboardInterrupt):
            write_records(dataset, folder, settings(), workers=1)
        monkeypatch.setattr(shards._ShardFile, "add", add)
        assert not (folder / "manifest.json").exists()
        assert all(undisturbed[name] == data for name, data in content(folder).items())
        kept = {path: path.stat().st_ino for path in folder.glob("*.tfrecord")}
        assert len(kept) == records_before // 2
        write_records(dataset, folder, settings(), workers=1)
        assert content(folder) == undisturbed
        assert all(path.stat().st_ino == inode for path, inode in kept.items())


SLOW_RUN = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from small_world import make_dataset
from vos_tf.records import shards, writer
from vos_tf.records.settings import RecordSettings, parse_stored_size
import pickle
add = shards._ShardFile.add
def slow(self, *arguments):
    add(self, *arguments)
    time.sleep(0.05)
if __name__ == "__main__":
    shards._ShardFile.add = slow
    dataset = pickle.loads(Path({dataset!r}).read_bytes())
    writer.write_records(dataset, Path({out!r}), RecordSettings(parse_stored_size("20x30"), 2), workers={workers})
"""


def start_slow_run(tmp_path, dataset, out, workers):
    import pickle

    (tmp_path / "dataset").write_bytes(pickle.dumps(dataset))
    script = tmp_path / "slow_run.py"
    script.write_text(
        SLOW_RUN.format(
            tests=str(Path(__file__).parent.parent), dataset=str(tmp_path / "dataset"), out=str(out), workers=workers
        )
    )
    return subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, start_new_session=True)


def test_killed_at_random_moments_it_ends_with_the_same_bytes(dataset, undisturbed, tmp_path):
    out, chance = tmp_path / "out", random.Random(5)
    kills = 0
    for _ in range(3):
        process = start_slow_run(tmp_path, dataset, out, workers=1)
        while process.poll() is None and not (out / ".unfinished" / "plan.json").exists():
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.15))
        kills += process.poll() is None
        process.kill()
        process.communicate()
        assert all(undisturbed[name] == data for name, data in content(out).items())
    assert kills > 0
    write_records(dataset, out, settings(), workers=1)
    assert content(out) == undisturbed
    assert sorted(path.name for path in out.iterdir()) == sorted(undisturbed)


def test_workers_end_when_their_parent_is_killed(dataset, tmp_path):
    process = start_slow_run(tmp_path, dataset, tmp_path / "out", workers=2)
    while process.poll() is None and not (tmp_path / "out" / ".unfinished" / "plan.json").exists():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("worker processes outlived their parent")


def test_a_finished_folder_is_left_alone(dataset, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    first = write_records(dataset, folder, settings(), workers=1)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(writer, "write_shards", None)
    again = write_records(dataset, folder, settings(), workers=1)
    assert again.records == first.records
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_other_settings_or_data_are_refused(dataset, tmp_path):
    folder = tmp_path / "out"
    write_records(dataset, folder, settings(), workers=1)
    before = content(folder)
    with pytest.raises(VosError, match="holds records with size 20x30, asked for native"):
        write_records(dataset, folder, settings("native"), workers=1)
    with pytest.raises(VosError, match="holds records with shards 2, asked for 3"):
        write_records(dataset, folder, settings(shards=3), workers=1)
    with pytest.raises(VosError, match="holds records with fingerprint"):
        write_records(replace(dataset, videos=dataset.videos[1:]), folder, settings(), workers=1)
    with pytest.raises(VosError, match="holds records with split train, asked for val"):
        write_records(replace(dataset, split="val"), folder, settings(), workers=1)
    assert content(folder) == before


def test_an_unfinished_folder_refuses_other_settings_too(dataset, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards._ShardFile, "add", fail)
        with pytest.raises(KeyboardInterrupt):
            write_records(dataset, tmp_path / "out", settings(), workers=1)
    with pytest.raises(VosError, match="holds records with size 20x30, asked for native"):
        write_records(dataset, tmp_path / "out", settings("native"), workers=1)


def test_foreign_folders_are_refused(dataset, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(VosError, match="found other files in it"):
        write_records(dataset, tmp_path, settings(), workers=1)
    with pytest.raises(VosError, match="found a file"):
        write_records(dataset, tmp_path / "notes.txt", settings(), workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_two_runs_do_not_share_a_folder(dataset, tmp_path):
    (tmp_path / "out" / ".unfinished").mkdir(parents=True)
    with (tmp_path / "out" / ".unfinished" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VosError, match="another run"):
            write_records(dataset, tmp_path / "out", settings(), workers=1)


def test_a_file_that_breaks_after_the_check_is_named(tmp_path, monkeypatch):
    made = make_dataset(tmp_path / "world", videos=1)
    monkeypatch.setattr(writer, "check_dataset", lambda *_, **__: ((), {}))
    made.videos[0].frames[3].write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(VosError, match=made.videos[0].frames[3].name):
        write_records(made, tmp_path / "out", settings("20x30", 1), workers=2)
    assert not list((tmp_path / "out").glob("*.tfrecord"))


def test_ids_of_a_single_object_become_one(tmp_path):
    video = replace(make_video(tmp_path, "one", objects=(Moving(3, 0, 12),)), single_object=True)
    video = replace(video, objects=(replace(video.objects[0], id=1),))
    made = Dataset("small", "train", (video,), tmp_path)
    manifest = write_records(made, tmp_path / "out", settings("native", 1), workers=1)
    labels = cv2.imdecode(np.frombuffer(stored(manifest, manifest.records[0], "masks")[0], np.uint8), -1)
    assert set(np.unique(labels)) == {0, 1}
    assert unframe((tmp_path / "out" / manifest.shards[0].file).read_bytes())
