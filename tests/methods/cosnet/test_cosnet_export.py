"""The SavedModel of COSNet says what the segmenter says, with nothing but TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from cosnet_networks import COLOURS, lively

from vos_tf.errors import VosError
from vos_tf.export.parity import check_saved_model, made_up_clip
from vos_tf.export.saved_model import export_saved_model
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.methods.cosnet.segmenter import COSNetSegmenter
from vos_tf.methods.registry import get_method


@pytest.fixture(scope="module")
def segmenter(tiny_trunk: None) -> COSNetSegmenter:
    """With a threshold that its answers reach here and there."""
    network = lively()
    frames, _ = made_up_clip()
    maps = [result.probabilities for result in COSNetSegmenter(network).stream(frames)]
    return COSNetSegmenter(network, rule=MergeRule("argmax", float(np.quantile(maps, 0.7))))


@pytest.fixture(scope="module")
def folder(segmenter: COSNetSegmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreground") / "saved_model"
    export_saved_model(get_method("cosnet").export(segmenter.network, segmenter.rule), path)
    return path


def test_parity_report(segmenter: COSNetSegmenter, folder: Path) -> None:
    report = check_saved_model(get_method("cosnet").export(segmenter.network, segmenter.rule), segmenter, folder)
    assert report.probability_difference <= 1e-5
    assert report.pixels_different < 1e-3 * report.pixels
    assert json.loads((folder / "parity.json").read_text())["pixels"] == report.pixels


def test_clips_are_for_themselves_and_as_long_as_they_are(segmenter: COSNetSegmenter, folder: Path) -> None:
    model = tf.saved_model.load(str(folder)).signatures["serving_default"]
    for count in (1, 7):
        frames, _ = made_up_clip(count)
        found = model(frames=np.stack([frames, frames[::-1]]))["labels"].numpy()
        for clip, labels in zip((frames, frames[::-1]), found, strict=True):
            wanted = np.stack([result.labels for result in segmenter.stream(clip)])
            assert (labels != wanted).mean() < 1e-3
            assert set(np.unique(labels).tolist()) == {0, 1}


def test_the_state_is_the_references(folder: Path) -> None:
    signatures = tf.saved_model.load(str(folder)).signatures
    frames = made_up_clip(3)[0].astype(np.float32)
    state = signatures["start"](image=frames)
    assert set(state) == {"references"}
    assert state["references"].shape[0] == 3
    found = signatures["step"](image=frames[:2], **state)
    assert found["logits"].shape == (2, *frames.shape[1:3], 1)
    np.testing.assert_array_equal(found["references"], state["references"])


def test_colours_are_not_exported(tiny_trunk: None, tmp_path: Path) -> None:
    network = lively(**COLOURS)
    with pytest.raises(VosError, match=r"model\.outputs: expected 1 to export, found 3 \(colours\)"):
        export_saved_model(get_method("cosnet").export(network), tmp_path / "model")
