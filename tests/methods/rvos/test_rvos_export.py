"""SavedModels of RVOS, one-shot and zero-shot, say what sessions say, with nothing but TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rvos_networks import ONE_SHOT, ZERO_SHOT, lively

from vos_tf.errors import VosError
from vos_tf.export.parity import check_saved_model, made_up_clip
from vos_tf.export.saved_model import export_saved_model
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.methods.registry import get_method
from vos_tf.methods.rvos.network import RVOS
from vos_tf.methods.rvos.segmenter import RVOSSegmenter

PLAIN = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "vos_tf":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, tensorflow as tf
data = np.load(sys.argv[1])
given = {name: tf.constant(data[name]) for name in data.files}
one, zero = (tf.saved_model.load(folder).signatures["serving_default"] for folder in sys.argv[2:4])
np.savez(sys.argv[4], one=one(**given)["labels"].numpy(), zero=zero(frames=given["frames"])["labels"].numpy())
"""


@pytest.fixture(scope="module")
def segmenters() -> dict[str, RVOSSegmenter]:
    return {"one": reaching(lively(ONE_SHOT)), "zero": reaching(lively(ZERO_SHOT))}


def reaching(network: RVOS) -> RVOSSegmenter:
    """With a threshold that random weights reach here and there."""
    frames, labels = made_up_clip(3)
    segmenter = RVOSSegmenter(network)
    results = segmenter.stream(frames, first=labels if segmenter.needs_masks else None)
    maps = [result.probabilities for result in results][1:]
    return RVOSSegmenter(network, rule=MergeRule("argmax", float(np.quantile(maps, 0.7))))


@pytest.fixture(scope="module")
def folders(segmenters: dict[str, RVOSSegmenter], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("slots")
    for name, segmenter in segmenters.items():
        export_saved_model(get_method("rvos").export(segmenter.network, segmenter.rule), root / name)
    return {name: root / name for name in segmenters}


def wanted(segmenter: RVOSSegmenter, frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    first = labels if segmenter.needs_masks else None
    return np.stack([result.labels for result in segmenter.stream(frames, first=first)])


def test_they_run_with_nothing_but_tensorflow(
    segmenters: dict[str, RVOSSegmenter], folders: dict[str, Path], tmp_path: Path
) -> None:
    """Two clips at once; the second one lacks an object."""
    frames, labels = made_up_clip(3)
    other = np.where(labels == 4, np.uint8(0), labels)[::-1]
    clips = np.stack([frames, frames[::-1]])
    np.savez(tmp_path / "clips.npz", frames=clips, labels=np.stack([labels, other]))
    arguments = [str(tmp_path / "clips.npz"), str(folders["one"]), str(folders["zero"]), str(tmp_path / "out.npz")]
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], check=True, cwd=tmp_path, env=environment)
    found = np.load(tmp_path / "out.npz")
    for name, segmenter in segmenters.items():
        for clip, first, maps in zip(clips, (labels, other), found[name], strict=True):
            different = maps != wanted(segmenter, clip, first)
            assert different.mean() < 1e-3  # rounding decides where two objects are equally probable
            assert maps[-1].any()


@pytest.mark.parametrize("kind", ["one", "zero"])
def test_parity_report(kind: str, segmenters: dict[str, RVOSSegmenter], folders: dict[str, Path]) -> None:
    report = check_saved_model(
        get_method("rvos").export(segmenters[kind].network, segmenters[kind].rule), segmenters[kind], folders[kind]
    )
    assert report.probability_difference <= 1e-5
    assert report.pixels_different < 1e-3 * report.pixels
    assert json.loads((folders[kind] / "parity.json").read_text())["pixels"] == report.pixels


def test_states_are_explicit(folders: dict[str, Path]) -> None:
    one, zero = (tf.saved_model.load(str(folders[name])).signatures for name in ("one", "zero"))
    frames, labels = made_up_clip(1)
    image = frames.astype(np.float32)
    state = one["start"](image=image, mask=(labels > 0)[None, ..., None].astype(np.float32))
    hidden = {f"hidden{level}" for level in range(len(ONE_SHOT.strides))}
    assert set(state) == {*hidden, "mask"}
    assert one["step"](image=image, **state)["logits"].shape == (1, *labels.shape, 1)
    empty = zero["start"]()
    assert set(empty) == hidden
    assert not any(value.numpy().any() for value in empty.values())
    assert zero["step"](image=image, **empty)["logits"].shape == (ZERO_SHOT.slots, *labels.shape, 1)


def test_no_object_is_background(folders: dict[str, Path]) -> None:
    model = tf.saved_model.load(str(folders["one"])).signatures["serving_default"]
    frames, labels = made_up_clip(3, objects=0)
    labels[:5] = 255
    assert not model(frames=frames[None], labels=labels[None])["labels"].numpy().any()


def test_painting_is_not_exported(segmenters: dict[str, RVOSSegmenter], tmp_path: Path) -> None:
    with pytest.raises(VosError, match="in a SavedModel, found painted"):
        export_saved_model(
            get_method("rvos").export(segmenters["one"].network, MergeRule("painted")), tmp_path / "model"
        )
