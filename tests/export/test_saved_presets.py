"""SavedModels of S2S's published variants: states of several scales, maps that are resized within the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

import vos_tf
from vos_tf.export.parity import check_saved_model
from vos_tf.export.saved_model import export_saved_model
from vos_tf.methods.registry import get_method

CHANGES: dict[str, dict[str, Any]] = {
    "shashankvkt": {"swap_states": True},
    "rs2s": {"initializer_hidden": (), "finer_states": ((8, 3), (6, 5))},
}


@pytest.mark.parametrize("preset", CHANGES)
def test_saved_presets_say_what_the_segmenter_says(preset: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    small: dict[str, Any] = {"size": (32, 48), "state_filters": 8, "decoder_filters": (8, 6, 4), **CHANGES[preset]}
    segmenter = vos_tf.build("s2s", trunk="small", preset=preset, **small)
    export_saved_model(get_method("s2s").export(segmenter.network), tmp_path / "saved_model")
    check_saved_model(get_method("s2s").export(segmenter.network, segmenter.rule), segmenter, tmp_path / "saved_model")
    signature = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["start"]
    names = [f"{name}{scale}" for name in ("cell", "hidden") for scale in range(3)]
    assert sorted(signature.structured_outputs) == (["cell", "hidden"] if preset == "shashankvkt" else names)
