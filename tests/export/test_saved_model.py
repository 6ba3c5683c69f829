"""The SavedModel runs with nothing but TensorFlow and says what the segmenter says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import vos_tf
from vos_tf.errors import VosError
from vos_tf.export.parity import check_saved_model, made_up_clip
from vos_tf.export.saved_model import export_saved_model
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.segmenter import S2SSegmenter


@pytest.fixture(scope="module")
def segmenter() -> S2SSegmenter:
    keras.utils.set_random_seed(3)  # with some weights, objects tie in a pixel
    return vos_tf.build("s2s", trunk="small", size=(32, 48), state_filters=8, decoder_filters=(8, 6, 4))


@pytest.fixture(scope="module")
def folder(segmenter: S2SSegmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "saved_model"
    export_saved_model(get_method("s2s").export(segmenter.network), path)
    return path


PLAIN = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "vos_tf":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, tensorflow as tf
data = np.load(sys.argv[2])
model = tf.saved_model.load(sys.argv[1])
out = model.signatures["serving_default"](frames=tf.constant(data["frames"]), labels=tf.constant(data["labels"]))
np.save(sys.argv[3], out["labels"].numpy())
"""


def test_it_loads_with_nothing_but_tensorflow(segmenter: S2SSegmenter, folder: Path, tmp_path: Path) -> None:
    frames, labels = made_up_clip()
    np.savez(tmp_path / "clip.npz", frames=frames[None], labels=labels[None])
    arguments = [str(folder), str(tmp_path / "clip.npz"), str(tmp_path / "out.npy")]
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], check=True, cwd=tmp_path, env=environment)
    wanted = np.stack([result.labels for result in segmenter.stream(list(frames), first=labels)])
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy")[0], wanted)


def test_parity_report(segmenter: S2SSegmenter, folder: Path) -> None:
    report = check_saved_model(get_method("s2s").export(segmenter.network, segmenter.rule), segmenter, folder)
    assert report.probability_difference <= 1e-5
    assert report.pixels_different == 0
    assert json.loads((folder / "parity.json").read_text())["pixels"] == report.pixels


@pytest.mark.parametrize(("size", "objects"), [((33, 51), 1), ((120, 90), 3)])
def test_any_size_and_number_of_objects(
    segmenter: S2SSegmenter, folder: Path, size: tuple[int, int], objects: int
) -> None:
    frames, labels = made_up_clip(3, size, objects)
    module = tf.saved_model.load(str(folder))
    exported = module.signatures["serving_default"](frames=frames[None], labels=labels[None])["labels"].numpy()[0]
    for one, result in zip(exported, segmenter.stream(list(frames), first=labels), strict=True):
        np.testing.assert_array_equal(one, result.labels)


def test_a_batch_equals_its_clips_one_by_one(folder: Path) -> None:
    module = tf.saved_model.load(str(folder)).signatures["serving_default"]
    frames, labels = made_up_clip(3, objects=3)
    other = np.where(labels == 4, np.uint8(0), labels)[::-1]  # lacks one of the ids
    batch = module(frames=np.stack([frames, frames[::-1]]), labels=np.stack([labels, other]))["labels"].numpy()
    first = module(frames=frames[None], labels=labels[None])["labels"].numpy()
    second = module(frames=frames[None, ::-1], labels=other[None])["labels"].numpy()
    np.testing.assert_array_equal(batch, np.concatenate([first, second]))
    assert 4 not in batch[1]


def test_no_object_at_all_is_background(folder: Path) -> None:
    module = tf.saved_model.load(str(folder)).signatures["serving_default"]
    frames, labels = made_up_clip(3, objects=0)
    labels[:5] = 255
    assert not module(frames=frames[None], labels=labels[None])["labels"].numpy().any()


def test_step_takes_one_image_for_all_objects(folder: Path) -> None:
    module = tf.saved_model.load(str(folder))
    frames, labels = made_up_clip(2)
    images = frames.astype(np.float32)
    masks = np.stack([labels == i for i in (1, 4, 7)])[..., None].astype(np.float32)
    one = module.signatures["start"](image=images[:1], mask=masks)
    three = module.signatures["start"](image=np.repeat(images[:1], 3, axis=0), mask=masks)
    for name, value in one.items():
        np.testing.assert_allclose(value, three[name], atol=1e-6)
    answer = module.signatures["step"](image=images[1:], **one)
    assert answer["logits"].shape == (3, *labels.shape, 1)
    assert set(answer) == {"logits", *one}


def test_a_failed_export_leaves_the_old_one(
    segmenter: S2SSegmenter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("disk full")

    before = (folder / "saved_model.pb").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail)
        with pytest.raises(RuntimeError, match="disk full"):
            export_saved_model(get_method("s2s").export(segmenter.network), folder)
    assert (folder / "saved_model.pb").read_bytes() == before


def test_a_folder_of_other_things_is_never_replaced(segmenter: S2SSegmenter, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("years of work")
    with pytest.raises(VosError, match="expected a new folder, or a SavedModel to replace, found something else"):
        export_saved_model(get_method("s2s").export(segmenter.network), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "years of work"
