"""Every kind of problem is found, all are listed together, and nothing is written before they are gone."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_world import Moving, make_dataset

from vos_tf.errors import ProblemsError
from vos_tf.media.label_maps import write_label_map
from vos_tf.records import check
from vos_tf.records.encode import encode_mask
from vos_tf.records.preprocess import preprocess
from vos_tf.records.settings import StoredSize
from vos_tf.workers import open_workers


def find_problems(dataset, workers):
    with open_workers(workers) as pool:
        return check.find_problems(dataset, StoredSize(), pool)[0]


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "world", videos=4, frames=6, objects=(Moving(1, 0, 6), Moving(2, 2, 6)))


def spoil_mask_size(video):
    write_label_map(video.masks["00000"], np.ones((20, 30), np.uint8))
    return video.masks["00000"], "40 x 60", "20 x 30"


def spoil_missing_frame(video):
    video.frames[2].unlink()
    return video.frames[2], "an image", "no such file"


def spoil_truncated_jpeg(video):
    content = video.frames[4].read_bytes()
    video.frames[4].write_bytes(content[: len(content) * 2 // 3])
    return video.frames[4], "an image", "damaged"


def spoil_frame_size(video):
    Image.new("RGB", (61, 40)).save(video.frames[1])
    return video.frames[1], "40 x 60", "40 x 61"


def spoil_rgb_mask(video):
    Image.open(video.masks["00005"]).convert("RGB").save(video.masks["00005"])
    return video.masks["00005"], "indexed or grey", "mode RGB"


def spoil_antialiased_mask(video):
    labels = np.zeros((160, 240), np.uint8)
    labels[40:120, 60:180] = 255
    soft = Image.fromarray(labels).rotate(13).resize((60, 40), Image.Resampling.BILINEAR)
    soft.save(video.masks["00010"])
    return video.masks["00010"], "hard edges", "antialiased"


def spoil_undeclared_id(video):
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20], labels[25:35, 30:50] = 1, 9
    write_label_map(video.masks["00015"], labels)
    return video.masks["00015"], "ids of its video (1, 2)", "id 9"


def spoil_missing_mask(video):
    video.masks["00020"].unlink()
    return video.masks["00020"], "a PNG label map", "no such file"


def spoil_first_mask(video):
    write_label_map(video.masks["00010"], np.zeros((40, 60), np.uint8))
    return video.masks["00010"], "object 2", "empty"


SPOILS = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_each_problem_is_found_with_file_expected_and_found(dataset, spoil):
    path, expected, found = spoil(dataset.videos[1])
    problems = find_problems(dataset, workers=1)
    assert {(problem.file, problem.video) for problem in problems} == {(str(path), "video1")}
    assert any(expected in problem.expected and found in problem.found for problem in problems)


def test_all_problems_of_all_videos_are_listed_and_nothing_is_written(dataset, tmp_path):
    spoiled = [spoil(dataset.videos[index % 2 + 1])[0] for index, spoil in enumerate(SPOILS) if index not in (1, 4)]
    with pytest.raises(ProblemsError, match=r"8 problems in 2 of 4 videos.*--skip-bad") as caught:
        preprocess(dataset, tmp_path / "out", size="native", workers=1)
    assert {problem.file for problem in caught.value.problems} == {str(path) for path in spoiled}
    assert [problem.video for problem in caught.value.problems] == sorted(p.video for p in caught.value.problems)
    assert not (tmp_path / "out").exists()


def test_workers_find_the_same_in_the_same_order(dataset):
    for index in (0, 2, 6):
        SPOILS[index](dataset.videos[index % 3])
    assert find_problems(dataset, workers=1) == find_problems(dataset, workers=2)


def test_skip_bad_leaves_out_the_videos_and_says_which(dataset, tmp_path, capsys):
    spoil_rgb_mask(dataset.videos[1])
    spoil_missing_frame(dataset.videos[3])
    manifest = preprocess(dataset, tmp_path / "out", size="native", workers=1, skip_bad=True)
    assert [record.video for record in manifest.records] == ["video0", "video2"]
    assert manifest.skipped == ("video1", "video3")
    said = capsys.readouterr().err
    assert "left out because of 2 problems: video1, video3" in said and "mode RGB" in said


def test_lists_that_contradict_each_other(dataset):
    first, second, third, fourth = dataset.videos
    ghost = replace(first, masks={**first.masks, "00999": first.masks["00000"]})
    item = replace(second.objects[0], frames=("00000", "77777"))
    broken = replace(second, objects=(item, *second.objects[1:]))
    empty = replace(third, frames=(), masks={}, objects=())
    twice = replace(fourth, name="video0")
    problems = find_problems(replace(dataset, videos=(ghost, broken, empty, twice)), workers=1)
    text = "\n".join(map(str, problems))
    assert "00000.png: expected a frame of the same name for every mask, found no such frame" in text
    assert "video1: expected all frames of object 1, found no frame 77777" in text
    assert "video2: expected at least one frame, found none" in text
    assert "expected every video once, video0 too, found it 2 times" in text
    assert len(problems) == 4


def test_one_frame_under_two_names(dataset):
    video = dataset.videos[0]
    copy = video.frames[0].with_suffix(".jpeg")
    copy.write_bytes(video.frames[0].read_bytes())
    (problem,) = find_problems(replace(dataset, videos=(replace(video, frames=(copy, *video.frames)),)), workers=1)
    assert problem.found == "two for 00000"


def test_masks_are_encoded_on_the_way_as_far_as_there_is_room(dataset, monkeypatch):
    stored = StoredSize(exact=(20, 30))
    everything = {path: video.read_mask(name) for video in dataset.videos for name, path in video.masks.items()}
    expected = {path: encode_mask(labels, (20, 30)) for path, labels in everything.items()}
    with open_workers(1) as pool:
        assert check.find_problems(dataset, stored, pool)[1] == expected
        room = sum(len(mask.png) for mask in list(expected.values())[:12])
        monkeypatch.setattr(check, "MASK_CACHE_BYTES", room)
        assert check.find_problems(dataset, stored, pool)[1] == dict(list(expected.items())[:12])
