"""Windows keep proportions, hold their pixel, and show exactly what lies in the stored frame."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Moving, make_video

from vos_tf.datasets.types import Dataset
from vos_tf.errors import VosError
from vos_tf.media.images import resize_image, resize_label_map
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import plan_epoch
from vos_tf.pipeline.windows import draw_window, largest_window
from vos_tf.records.preprocess import preprocess

sides = st.integers(8, 400)


@settings(max_examples=200, deadline=None)
@given(st.tuples(sides, sides), st.tuples(sides, sides), st.data(), st.integers(0, 2**32))
def test_windows_lie_in_the_frame_hold_their_pixel_and_keep_proportions(frame, size, data, seed):
    pixel = data.draw(st.tuples(st.integers(0, frame[0] - 1), st.integers(0, frame[1] - 1)))
    low, high = sorted(data.draw(st.tuples(st.floats(0.2, 1), st.floats(0.2, 1))))
    window = draw_window((low, high), frame, size, pixel, np.random.default_rng(seed))
    assert 0 <= window.top <= pixel[0] < window.top + window.height <= frame[0]
    assert 0 <= window.left <= pixel[1] < window.left + window.width <= frame[1]
    most = largest_window(frame, size)
    assert most[0] == frame[0] or most[1] == frame[1]
    assert low * most[0] - 0.5 <= window.height <= high * most[0] + 1
    # To half a pixel on either side.
    assert abs(window.width * size[0] - window.height * size[1]) <= 1.51 * max(size)


def test_every_place_that_holds_the_pixel_occurs():
    corners = {draw_window((0.5, 0.5), (10, 10), (4, 4), (3, 9), np.random.default_rng(s))[:2] for s in range(300)}
    assert corners == {(top, 5) for top in range(4)}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    root = tmp_path_factory.mktemp("windows")
    video = make_video(root, "v", frames=4, size=(90, 120), objects=(Moving(1, 0, 4), Moving(2, 0, 4)), suffix=".png")
    manifest = preprocess(Dataset("small", "train", (video,), root), root / "out", size="native", workers=1)
    return video, manifest


@pytest.mark.parametrize("length", [0, 2])
def test_a_window_at_stored_size_is_a_piece_of_the_frame(records, length):
    video, manifest = records
    options = ClipOptions(clip_length=length, objects="foreground", clips_per_object=4, size=(45, 60))
    reader, places = ClipReader(manifest, (45, 60)), set()
    for request in plan_epoch(manifest, options, batch_size=1, seed=0, epoch=0):
        clip = reader.read(request, AugmentOptions(window=(0.5, 0.5)))
        assert clip.frames.shape == (1 + length, 45, 60, 3) and clip.object_count == 1
        labels = np.minimum(video.read_mask(video.frame_names[request.frames[0]]), 1)
        fits = cv2.matchTemplate(labels.astype(np.float32), clip.labels[0].astype(np.float32), cv2.TM_SQDIFF)
        whole = ClipReader(manifest, (90, 120)).read(request).frames
        ((top, left),) = [
            (top, left)
            for top, left in np.argwhere(fits < 0.5)
            if (whole[0, top : top + 45, left : left + 60] == clip.frames[0]).all()
        ]
        places.add((top, left))
        for position, frame in enumerate(request.frames):
            later = np.minimum(video.read_mask(video.frame_names[frame]), 1)
            np.testing.assert_array_equal(clip.frames[position], whole[position, top : top + 45, left : left + 60])
            np.testing.assert_array_equal(clip.labels[position], later[top : top + 45, left : left + 60])
    assert len(places) > 1


def test_the_largest_window_is_the_frame_where_proportions_agree(records):
    _, manifest = records
    request = plan_epoch(manifest, ClipOptions(clip_length=0), batch_size=1, seed=0, epoch=0)[0]
    clip = ClipReader(manifest, (30, 40)).read(request, AugmentOptions(window=(1, 1)))
    plain = ClipReader(manifest, (30, 40)).read(request)
    np.testing.assert_array_equal(clip.frames, plain.frames)
    np.testing.assert_array_equal(clip.labels, plain.labels)


def test_no_chosen_object_is_ever_lost(tmp_path):
    video = make_video(tmp_path, "corners", size=(64, 64), frames=1, objects=(Moving(1, 0, 1), Moving(2, 0, 1)))
    labels = np.zeros((64, 64), np.uint8)
    labels[:2, :2], labels[60:, 58:] = 1, 2
    cv2.imwrite(str(video.masks["00000"]), labels)
    manifest = preprocess(Dataset("small", "train", (video,), tmp_path), tmp_path / "out", size="native", workers=1)
    reader, augment = ClipReader(manifest, (16, 32)), AugmentOptions(window=(0.3, 0.6), rotation=30, flip=0.5)
    for objects, keys in (("all", {1, 2}), ("one", {1}), ("foreground", {1})):
        options = ClipOptions(clip_length=0, objects=objects, clips_per_object=20)
        for request in plan_epoch(manifest, options, batch_size=1, seed=0, epoch=0):
            found = set(np.unique(reader.read(request, augment).labels)) - {255}
            assert found - {0} == keys


def test_windows_are_resized_like_whole_frames(records):
    video, manifest = records
    request = plan_epoch(manifest, ClipOptions(clip_length=0, objects="all"), batch_size=1, seed=0, epoch=0)[0]
    clip = ClipReader(manifest, (20, 60)).read(request, AugmentOptions(window=(1, 1)))
    labels = video.read_mask(video.frame_names[request.frames[0]])
    image = ClipReader(manifest, (90, 120)).read(request).frames[0]
    matches = [
        top
        for top in range(51)
        if (resize_label_map(labels[top : top + 40], (20, 60)) == clip.labels[0]).all()
        and (resize_image(image[top : top + 40], (20, 60)) == clip.frames[0]).all()
    ]
    assert matches


@pytest.mark.parametrize("window", [(0, 1), (0.5, 0.4), (0.5, 1.5), (-1, 1)])
def test_impossible_windows_are_refused(window):
    with pytest.raises(VosError, match=r"augment\.window: expected two shares above 0 and up to 1"):
        AugmentOptions(window=window)
