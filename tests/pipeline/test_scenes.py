"""Clips of stills with more than one picture in them: exact labels, the right ids, nothing but the seed decides."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_tf.config import fill
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.pipeline.clips import clip_batches
from vos_tf.pipeline.effects import compress, damage, line_kernel
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.reading import ClipReader
from vos_tf.pipeline.sampling import plan_epoch
from vos_tf.pipeline.scene_options import SceneOptions
from vos_tf.pipeline.scenes import Scene
from vos_tf.pipeline.warps import draw_bend
from vos_tf.records.preprocess import preprocess

SIZE = (64, 80)
GROUNDS = np.array([(0, 0, 80), (0, 80, 0), (80, 0, 0), (80, 80, 0), (0, 80, 80), (80, 0, 80)], np.uint8)
OBJECTS = 255 - GROUNDS
AUGMENT = AugmentOptions(flip=0.5, rotation=5)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Six images, a disc of a colour of its own in each, on a ground of a colour of its own."""
    root = tmp_path_factory.mktemp("discs")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    for number in range(len(GROUNDS)):
        mask = np.zeros(SIZE, np.uint8)
        cv2.circle(mask, (26 + 5 * number, 30), 13, 1, -1)
        image = np.where(mask[..., None] > 0, OBJECTS[number], GROUNDS[number]).astype(np.uint8)
        Image.fromarray(image).save(root / f"images/{number}.png")
        Image.fromarray(mask).save(root / f"masks/{number}.png")
    dataset = open_dataset("still_images", root, "all")
    return preprocess(dataset, root / "records", size="native", workers=1)


def options(objects="all", length=3, max_objects=2, **scene):
    return ClipOptions(
        clip_length=length, stride=3, objects=objects, max_objects=max_objects, clips_per_object=10,
        scene=SceneOptions(**scene),
    )  # fmt: skip


def clips_of(manifest, chosen, augment=AUGMENT, epoch=0, count=30):
    plan = plan_epoch(manifest, chosen, batch_size=4, seed=0, epoch=epoch)[:count]
    reader = ClipReader(manifest, SIZE)
    return [(request, reader.read(request, augment, (0, epoch))) for request in plan]


def shows(frame, colour):
    """Where a frame has a colour, up to what JPEG does to it."""
    return np.abs(frame.astype(int) - colour).max(axis=-1) < 45


def inner(region):
    return cv2.erode(region.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0


def test_nothing_happens_unless_asked_for(manifest):
    assert SceneOptions().off
    assert {request.scene for request in plan_epoch(manifest, options(), batch_size=4, seed=0, epoch=0)} == {None}
    plain, asked = (plan_epoch(manifest, chosen, batch_size=4, seed=0, epoch=3)
                    for chosen in (options(), options(second=0.5)))  # fmt: skip
    assert [request._replace(scene=None) for request in asked] == list(plain)
    assert options(second=0.5, jpeg=1).for_validation().scene.off


def test_the_plan_draws_the_shares_asked_for(manifest):
    scene = SceneOptions(paste=0.5, second=0.3, copy=0.1, patches=0.2, warp=0.4, jpeg=0.6)
    chosen = ClipOptions(clip_length=2, objects="all", max_objects=2, clips_per_object=150, scene=scene)
    plan = plan_epoch(manifest, chosen, batch_size=4, seed=0, epoch=0)
    scenes = [request.scene for request in plan]
    for name, share in (("paste", 0.5), ("second", 0.3), ("copy", 0.1), ("patches", 0.2), ("warp", 0.4), ("jpeg", 0.6)):
        assert abs(np.mean([bool(getattr(scene, name)) for scene in scenes]) - share) < 0.06, name
    assert all(request.scene.partner != request.video for request in plan)
    assert all(scene.followed == scene.second and (scene.partner >= 0) == (scene.paste or scene.second)
               for scene in scenes)  # fmt: skip
    again, other = (plan_epoch(manifest, chosen, batch_size=4, seed=0, epoch=epoch) for epoch in (0, 1))
    assert plan == again and [request.scene for request in other] != scenes


def test_objects_are_pasted_on_the_other_picture(manifest):
    for request, clip in clips_of(manifest, options(paste=1)):
        other = request.scene.partner
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            assert set(np.unique(labels)) <= {0, 1, 255}
            assert shows(frame, OBJECTS[request.video])[inner(labels == 1)].all()
            ground = inner(labels == 0)
            assert (shows(frame, GROUNDS[other]) | shows(frame, OBJECTS[other]))[ground].mean() > 0.95


@pytest.mark.parametrize("paste", [0, 1])
def test_a_second_object_has_an_id_of_its_own(manifest, paste):
    counts = []
    for request, clip in clips_of(manifest, options(paste=paste, second=1, warp=0.5, jitter_rotation=15)):
        counts.append(int(clip.object_count))
        assert set(range(1, counts[-1] + 1)) <= set(np.unique(clip.labels[0]))
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            assert set(np.unique(labels)) <= {0, 255, *range(1, counts[-1] + 1)}
            assert shows(frame, OBJECTS[request.video])[inner(labels == 1)].all()
            assert shows(frame, OBJECTS[request.scene.partner])[inner(labels == 2)].all()
            if paste:
                # Its own place in its picture is filled.
                ground = inner(labels == 0)
                assert shows(frame, GROUNDS[request.scene.partner])[ground].mean() > 0.9
    assert np.mean(np.array(counts) == 2) > 0.6


@pytest.mark.parametrize(("objects", "most"), [("one", 2), ("foreground", 2), ("all", 1)])
def test_a_second_object_without_room_is_background_that_hides(manifest, objects, most):
    hidden = 0
    for request, clip in clips_of(manifest, options(objects, max_objects=most, second=1)):
        assert clip.object_count == 1 and set(np.unique(clip.labels)) <= {0, 1, 255}
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            other = shows(frame, OBJECTS[request.scene.partner])
            hidden += int(other.sum() > 60)
            assert not (other & inner(labels == 1)).any()
    assert hidden > 40


def test_a_copy_is_background(manifest):
    copies = 0
    for request, clip in clips_of(manifest, options(copy=1)):
        for frame, labels in zip(clip.frames, clip.labels, strict=True):
            same = shows(frame, OBJECTS[request.video])
            assert same[inner(labels == 1)].all()
            copies += int((same & inner(labels == 0)).sum() > 20)
    assert copies > 30


def test_patches_hide_objects_but_not_in_the_reference_frame(manifest):
    hidden = 0
    with_patches, without = (clips_of(manifest, options(patches=share, warp=1e-9)) for share in (1, 0))
    for (request, clip), (_, plain) in zip(with_patches, without, strict=True):
        assert 1 <= request.scene.patches <= 3
        np.testing.assert_array_equal(clip.labels[0], plain.labels[0])
        assert not ((clip.labels == 1) & (plain.labels != 1)).any()
        hidden += int((clip.labels == 1).sum() < 0.97 * (plain.labels == 1).sum())
    assert hidden > 15


def test_jitter_and_bends_leave_the_reference_frame_as_it_is(manifest):
    plain = clips_of(manifest, options(warp=1e-9))
    for change in ({"warp": 1}, {"jitter_rotation": 20, "jitter_scale": 0.1, "jitter_shear": 10}):
        for (_, clip), (_, other) in zip(clips_of(manifest, options(**change)), plain, strict=True):
            np.testing.assert_array_equal(clip.frames[0], other.frames[0])
            np.testing.assert_array_equal(clip.labels[0], other.labels[0])
            assert (clip.labels[1:] != other.labels[1:]).any()


def test_what_the_side_of_the_picture_cuts_off_goes_on_when_it_bends():
    mask = np.zeros(SIZE, np.uint8)
    mask[20:50, :30] = 1
    pixels = np.dstack([np.full((*SIZE, 3), 90, np.uint8) * mask[..., None], 255 * mask])
    bend = draw_bend(mask, np.array([0.0, 5, 500]), np.random.default_rng(1))
    np.testing.assert_array_equal(bend.at(0, pixels), pixels)
    assert (bend.at(1, pixels) != pixels).any()
    assert bend.at(2, pixels)[35, :5, 3].all()


@pytest.mark.parametrize(("length", "angle"), [(3, 0.0), (9, 1.2), (6, 3.0)])
def test_a_blur_is_a_mean_along_a_line(length, angle):
    kernel = line_kernel(length, angle)
    assert kernel.sum() == pytest.approx(1) and kernel.shape[0] % 2 == 1
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    flat = np.full((20, 20, 3), 77, np.uint8)
    assert (cv2.filter2D(flat, -1, kernel) == 77).all()


def test_damage_leaves_flat_frames_and_changes_others():
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (4, 32, 40, 3), np.uint8)
    for scene in (Scene(SceneOptions(motion_blur=1)), Scene(SceneOptions(jpeg=1), jpeg=True)):
        frames, again, flat = noise.copy(), noise.copy(), np.full_like(noise, 120)
        damage(frames, scene, np.random.default_rng(3))
        damage(again, scene, np.random.default_rng(3))
        damage(flat, scene, np.random.default_rng(3))
        np.testing.assert_array_equal(frames, again)
        assert (frames != noise).any(axis=(1, 2, 3)).all() and (np.abs(flat.astype(int) - 120) <= 1).all()
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    compress(red, 90)
    assert (np.abs(red[..., 0].astype(int) - 250) < 6).all() and (red[..., 2] < 6).all()


def test_videos_suffer_damage_too(small_manifest):
    requests = {}
    for share in (0, 1):
        chosen = ClipOptions(clip_length=2, scene=SceneOptions(motion_blur=share, jpeg=share))
        plan = plan_epoch(small_manifest, chosen, batch_size=2, seed=0, epoch=0)
        requests[share] = ClipReader(small_manifest, (40, 60)).read(plan[0], AugmentOptions(), (0, 0))
    np.testing.assert_array_equal(requests[0].labels, requests[1].labels)
    assert (requests[0].frames != requests[1].frames).any()


def test_an_epoch_that_was_stopped_goes_on_exactly(manifest):
    chosen = options(paste=0.5, second=0.5, copy=0.3, patches=0.5, warp=0.5, jitter_rotation=10, motion_blur=0.3,
                     jpeg=0.3)  # fmt: skip

    def batches(**settings):
        found = clip_batches(manifest, chosen, batch_size=4, seed=3, epoch=2, augment=AUGMENT, **settings)
        return [[np.asarray(part) for part in batch] for batch in found]

    whole, rest = batches(parallel=2), batches(start_step=6, parallel=1)
    assert {int(count) for batch in whole for count in batch[3]} == {1, 2}
    for one, other in zip(whole[6:], rest, strict=True):
        for part, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(part, same)


def test_options_from_yaml_and_what_they_refuse():
    filled = fill(ClipOptions, {"scene": {"paste": 0.5}}, "clips")
    assert filled.scene == SceneOptions(paste=0.5)
    assert fill(ClipOptions, asdict(filled), "clips") == filled
    with pytest.raises(VosError, match=r"unknown key clips\.scene\.pastes; did you mean 'paste'"):
        fill(ClipOptions, {"scene": {"pastes": 0.5}}, "clips")
    with pytest.raises(VosError, match=r"clips\.scene\.jitter_scale: expected 0 to 0\.95, found 2"):
        fill(ClipOptions, {"scene": {"jitter_scale": 2}}, "clips")
    with pytest.raises(VosError, match=r"clips\.scene\.paste"):
        fill(ClipOptions, {"scene": {"paste": "often"}}, "clips")
