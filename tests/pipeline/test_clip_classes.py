"""What the objects of clips are: indices of their categories among the listed classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_world import Moving, make_dataset

from vos_tf.errors import VosError
from vos_tf.pipeline.clips import ClipBatch, clip_batches
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.sampling import plan_epoch
from vos_tf.records.manifest import Manifest
from vos_tf.records.preprocess import preprocess

CATEGORIES = {1: "cat", 3: "dog", 4: None, 7: "owl", 9: "cat"}
CLASSES = ("dog", "fox", "cat")
WANTED = {1: 2, 3: 0, 4: -1, 7: -1, 9: 2}
OPTIONS = ClipOptions(clip_length=(1, 3), objects="all", max_objects=4, clips_per_object=2, classes=CLASSES)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two videos of five objects, some of which appear later, in records of 3 frames at most."""
    root: Path = tmp_path_factory.mktemp("classes")
    objects = [Moving(key, 2 * (key % 2 == 0), 8, category) for key, category in CATEGORIES.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vos_tf.records.plan.MAX_CHUNK_FRAMES", 3)
        made = make_dataset(root / "world", videos=2, frames=8, size=(24, 32), objects=objects)
        return preprocess(made, root / "records", size="native", workers=1)


def batches(manifest: Manifest, options: ClipOptions = OPTIONS, **settings: object) -> list[ClipBatch]:
    values = {"batch_size": 2, "seed": 3, "epoch": 1, "augment": AugmentOptions(flip=0.5, rotation=10), **settings}
    return [ClipBatch(*map(np.asarray, batch)) for batch in clip_batches(manifest, options, **values)]  # type: ignore[arg-type]


@pytest.mark.parametrize("objects", ["all", "one"])
def test_classes_follow_the_chosen_objects(manifest: Manifest, objects: str) -> None:
    options = replace(OPTIONS, objects=objects)
    plan, found = plan_epoch(manifest, options, batch_size=2, seed=3, epoch=1), batches(manifest, options)
    rows = np.concatenate([batch.object_classes for batch in found])
    assert rows.shape == (len(plan), options.objects_per_clip) and rows.dtype == np.int32
    for row, request in zip(rows, plan, strict=True):
        empty = [-1] * (options.objects_per_clip - len(request.objects))
        assert row.tolist() == [WANTED[key] for key in request.objects] + empty
    assert set(rows.ravel()) == {-1, 0, 2}


def test_nothing_else_depends_on_them(manifest: Manifest) -> None:
    plain = batches(manifest, replace(OPTIONS, classes=()))
    for one, other in zip(batches(manifest), plain, strict=True):
        assert other.object_classes.size == 0
        for ours, theirs in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_shapes_are_known_and_workers_share_the_rows(manifest: Manifest) -> None:
    spec = clip_batches(manifest, OPTIONS, batch_size=2, seed=0, epoch=0).element_spec.object_classes
    assert (spec.shape.as_list(), spec.dtype) == ([2, 4], tf.int32)
    parts = [batches(manifest, shard=(index, 2)) for index in (0, 1)]
    for whole, *both in zip(batches(manifest), *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.object_classes for part in both]), whole.object_classes)


def test_classes_that_no_object_is_of(manifest: Manifest) -> None:
    with pytest.raises(VosError, match=r"objects of one of clips.classes \(fox, cow\), found only cat, dog, owl"):
        batches(manifest, replace(OPTIONS, classes=("fox", "cow")))
    # Videos to validate on may have none.
    found = batches(manifest, replace(OPTIONS, classes=("fox", "cow")), batch_size=1, validation=True)
    assert all((batch.object_classes == -1).all() for batch in found)


def test_records_without_categories(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "world", videos=1, frames=3, objects=[Moving(1, 0, 3, None)])
    bare = preprocess(made, tmp_path / "records", size="native", workers=1)
    with pytest.raises(VosError, match=r"records: expected objects .* \(dog, fox, cat\), found objects without"):
        batches(bare)
