import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_tf.datasets.synthetic import SyntheticSettings, render_video, with_changes
from vos_tf.datasets.synthetic.motion import make_camera, time_grid
from vos_tf.datasets.synthetic.scene import make_scene, video_generator
from vos_tf.datasets.synthetic.shapes import FAMILIES, PROPORTIONS, Silhouette
from vos_tf.errors import VosError

SMALL = {"frames": 8, "height": 96, "width": 144}
OFF = dict.fromkeys(
    (
        "distractors", "object_speed", "camera_motion", "deformation", "rotation", "scale_change", "occlusion", "exits",
        "late_objects", "motion_blur", "noise", "texture_contrast", "lighting", "shadows",
    ),
    0,
)  # fmt: skip


def world(**values: float) -> SyntheticSettings:
    """A small world in which all is turned off but what is given."""
    return SyntheticSettings(**(SMALL | OFF | values))


def default(**values: float) -> SyntheticSettings:
    return SyntheticSettings(**(SMALL | values))


def test_shapes_types_and_objects():
    for index in range(4):
        video = render_video(default(), 3, index)
        assert video.frames.shape == (8, 96, 144, 3)
        assert video.labels.shape == (8, 96, 144)
        assert video.frames.dtype == video.labels.dtype == np.uint8
        assert [item.id for item in video.objects] == list(range(1, len(video.objects) + 1))
        assert set(np.unique(video.labels)) == {0, *(item.id for item in video.objects)}
        for item in video.objects:
            assert item.category in FAMILIES
            shown = (video.labels == item.id).any(axis=(1, 2))
            assert int(item.first_frame) == int(np.argmax(shown))
            assert item.frames == tuple(f"{number:05d}" for number in range(int(item.first_frame), 8))


def test_equal_seeds_give_equal_bytes_and_others_do_not():
    settings_ = default()
    video = render_video(settings_, 1, 2)
    again = render_video(settings_, 1, 2)
    np.testing.assert_array_equal(video.frames, again.frames)
    np.testing.assert_array_equal(video.labels, again.labels)
    assert video.objects == again.objects
    for other in (
        render_video(settings_, 2, 2),
        render_video(settings_, 1, 3),
        render_video(settings_, 1, 2, split="valid"),
    ):
        assert not np.array_equal(video.frames[0], other.frames[0])


def test_with_all_turned_off_nothing_changes_from_frame_to_frame():
    for index in range(4):
        video = render_video(world(), 0, index)
        assert (video.frames == video.frames[0]).all()
        assert (video.labels == video.labels[0]).all()


@pytest.mark.parametrize("name", ["noise", "lighting", "motion_blur", "texture_contrast", "shadows"])
def test_what_only_changes_the_picture_leaves_the_masks_alone(name: str):
    moving = {"object_speed": 0.05, "camera_motion": 1, "lighting": 0.3}
    low, high = (render_video(world(**(moving | {name: value})), 0, 1) for value in (0.0, 0.5))
    if name != "texture_contrast":  # flat surfaces draw less from the same stream, so the cast differs
        np.testing.assert_array_equal(low.labels, high.labels)
    assert not np.array_equal(low.frames, high.frames)


@pytest.mark.parametrize("name", ["object_speed", "camera_motion", "deformation", "rotation", "scale_change"])
def test_each_kind_of_motion_moves_the_masks(name: str):
    labels = [render_video(world(**{name: 0.4}), 0, index).labels for index in range(4)]
    assert any((maps != maps[0]).any() for maps in labels)


def test_translation_alone_keeps_area_and_outline():
    for index in range(5):
        video = render_video(world(object_speed=0.03, objects_max=1, object_size=0.15), 1, index)
        areas = (video.labels == 1).sum(axis=(1, 2))
        inside = [not (m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()) for m in video.labels]
        areas = areas[inside]
        assert len(areas) < 2 or np.ptp(areas) <= 0.08 * areas.mean()


def test_the_mask_is_the_silhouette_in_the_picture():
    """On a flat backdrop, pixels away from labelled ones keep its colour; pixels well inside do not have it.

    Away means two pixels: tips thinner than half a pixel tint the picture and are in no mask.
    """
    moving = world(object_speed=0.03, deformation=0.5, rotation=0.5)
    for index in range(6):
        video = render_video(moving, 2, index)
        colour = make_scene(moving, video_generator(2, "train", index)).backdrop[0, 0]
        for frame, labels in zip(video.frames, video.labels, strict=True):
            differs = (np.abs(frame.astype(int) - colour) > 2).any(axis=-1)
            labelled = (labels > 0).astype(np.uint8)
            assert not differs[cv2.dilate(labelled, np.ones((5, 5), np.uint8)) == 0].any()
            inner = cv2.erode(labelled, np.ones((3, 3), np.uint8)) > 0
            assert differs[inner].mean() > 0.98


def test_camera_moves_the_backdrop():
    camera = make_camera(np.random.default_rng(0), default(camera_motion=1.0))
    times = time_grid(8)
    assert np.hypot(camera.x, camera.y)[times >= 7].min() > 10
    still = make_camera(np.random.default_rng(0), default(camera_motion=0.0))
    assert not still.x.any()
    assert (still.zoom == 1).all()


def test_paths_keep_clear_without_occlusion_and_cross_with_it():
    def closest(settings_: SyntheticSettings, index: int) -> list[float]:
        paths = [body.path for body in make_scene(settings_, video_generator(0, "train", index)).bodies]
        return [
            float((np.hypot(a.x - b.x, a.y - b.y) / (a.radius + b.radius)).min())
            for number, a in enumerate(paths)
            for b in paths[:number]
        ]

    quiet = default(occlusion=0.0, objects_min=3, distractors=1)
    assert all(distance >= 1 for index in range(8) for distance in closest(quiet, index))
    lively = default(occlusion=1.0, objects_min=3, distractors=1, frames=16)
    assert all(min(closest(lively, index)) < 0.5 for index in range(8))


def test_without_exits_and_late_objects_all_are_there_always():
    quiet = default(exits=0.0, late_objects=0.0, occlusion=0.0, frames=20)
    for index in range(6):
        video = render_video(quiet, 0, index)
        for item in video.objects:
            assert item.first_frame == "00000"
            assert (video.labels == item.id).any(axis=(1, 2)).all()


def test_late_objects_come_later_but_never_the_first():
    late = [
        render_video(default(late_objects=1.0, objects_min=3, objects_max=3, occlusion=0.0), 0, i) for i in range(6)
    ]
    for video in late:
        assert [item.first_frame == "00000" for item in video.objects] == [True, False, False]


def test_objects_leave_and_return():
    leaving = default(exits=1.0, late_objects=0.0, objects_max=1, distractors=0, frames=20)
    for index in range(6):
        shown = (render_video(leaving, 0, index).labels == 1).any(axis=(1, 2))
        changes = np.flatnonzero(np.diff(shown.astype(int)))
        assert shown[0]
        assert shown[-1]
        assert len(changes) == 2


def test_distractors_look_alike_but_have_no_id():
    for index in range(5):
        scene = make_scene(default(distractors=3), video_generator(0, "train", index))
        labelled = {body.silhouette.family for body in scene.bodies if body.id}
        assert {body.silhouette.family for body in scene.bodies if not body.id} <= labelled
    scenes = [make_scene(default(distractors=0), video_generator(0, "train", index)) for index in range(5)]
    assert all(body.id for scene in scenes for body in scene.bodies)


def test_number_of_objects_keeps_to_its_limits():
    counts = {len(render_video(world(objects_min=2, objects_max=3), 0, index).objects) for index in range(12)}
    assert counts == {2, 3}


def test_blur_follows_motion():
    def sharpness(blur: float) -> float:
        shaky = world(object_speed=0.1, texture_contrast=1.0, camera_motion=1.0, motion_blur=blur)
        frames = [render_video(shaky, 0, index).frames[4].astype(np.float32) for index in range(3)]
        return float(np.mean([np.abs(cv2.Laplacian(frame, cv2.CV_32F)).mean() for frame in frames]))

    assert sharpness(1.0) < 0.9 * sharpness(0.0)


def test_noise_has_the_stated_strength():
    video = render_video(world(noise=0.05), 0, 0)
    spread = video.frames[:, :4].astype(float).std(axis=0)
    assert 0.04 * 255 < spread.mean() < 0.06 * 255 or video.frames[:, :4].min() == 0


@pytest.mark.parametrize("family", list(FAMILIES))
@settings(deadline=None, max_examples=15)
@given(st.floats(0, 1), st.floats(-20, 40), st.booleans(), st.integers(0, 999))
def test_silhouettes_stay_in_their_disc(family: str, bend: float, phase: float, mirrored: bool, seed: int):
    silhouette = Silhouette(family, np.random.default_rng(seed).random(PROPORTIONS), bend, mirrored)
    for part in silhouette.parts(phase):
        assert np.linalg.norm(part.outline, axis=1).max() <= 1.05
        assert 1 <= part.tone <= 255


@pytest.mark.parametrize(
    "shape", [{"frames": 1}, {"frames": 2}, {"frames": 3}, {"height": 32, "width": 32}, {"height": 160, "width": 50}]
)
def test_short_and_odd_videos(shape: dict[str, int]):
    for index in range(3):
        video = render_video(SyntheticSettings(**(SMALL | shape)), 0, index)
        assert video.objects
        assert video.objects[0].first_frame == "00000"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noise": -0.1}, "noise: expected 0.0 to 0.5, found -0.1"),
        ({"noise": float("nan")}, "noise: expected 0.0 to 0.5, found nan"),
        ({"frames": 0}, "frames: expected 1 to"),
        ({"frames": 2.5}, "frames: expected a whole number, found 2.5"),
        ({"exits": "yes"}, "exits: expected a number, found 'yes'"),
        ({"distractors": True}, "distractors: expected a whole number, found True"),
        ({"objects_min": 3, "objects_max": 2}, "objects_min: expected at most objects_max"),
    ],
)
def test_settings_are_checked(values: dict[str, object], message: str):
    with pytest.raises(VosError) as error:
        SyntheticSettings(**values)
    assert message in str(error.value)


def test_settings_can_be_changed_by_text():
    changed = with_changes(SyntheticSettings(), {"noise": "0", "frames": "7"})
    assert (changed.noise, changed.frames) == (0.0, 7)
    for change, message in (({"nose": "0"}, "expected one of"), ({"frames": "7.5"}, "a whole number, found '7.5'")):
        with pytest.raises(VosError, match=message):
            with_changes(SyntheticSettings(), change)
