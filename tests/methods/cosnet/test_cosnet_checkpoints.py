"""``vos-tf import`` of COSNet's and the Tianchi code's checkpoint files, with the marks that training left in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from original_files import save_torch, tensors

from vos_tf.errors import ProblemsError, VosError
from vos_tf.jobs.import_checkpoint import import_checkpoint
from vos_tf.methods.cosnet.checkpoints import cosnet_names, tianchi_names
from vos_tf.methods.cosnet.network import GROUP, PAIR, TIANCHI, COSNet, COSNetSettings
from vos_tf.methods.load import load_model
from vos_tf.porting.layouts import Array

torch = pytest.importorskip("torch")
# Narrow heads on the smaller trunk: only the names and what the shapes show are at stake.
NARROW: dict[str, Any] = {"trunk": "resnet50", "pyramid_filters": 4, "feature_filters": 6}
TABLES = {"cosnet": cosnet_names, "tianchi-coattention": tianchi_names}


def originals(kind: str, settings: COSNetSettings) -> tuple[COSNet, dict[str, Array]]:
    """A network with random weights, and these by the original's names and in its layout."""
    network = COSNet(settings)
    entries = TABLES[kind](network).entries
    return network, {name: e.layout.from_keras(np.array(e.variable)) for name, e in entries.items()}


@pytest.fixture(scope="module")
def published() -> tuple[COSNet, dict[str, Array]]:
    return originals("cosnet", replace(PAIR, **NARROW))


def save_cosnet(file: Path, weights: dict[str, Array]) -> Path:
    """What the authors write after every epoch, on several devices."""
    counters = {name.replace("running_mean", "num_batches_tracked"): np.array(3) for name in weights
                if name.endswith("running_mean")}  # fmt: skip
    return save_torch(file, {"epoch": 59, "model": tensors(weights | counters, "module.")})


def same_weights(one: COSNet, other: COSNet) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_pair_model(published: tuple[COSNet, dict[str, Array]], tmp_path: Path) -> None:
    network, weights = published
    file = save_cosnet(tmp_path / "co_attention_davis_59.pth", weights)
    report = import_checkpoint("cosnet", file, tmp_path / "pair")
    assert all(name.endswith("num_batches_tracked") for name in report.left_out)
    name, loaded = load_model(tmp_path / "pair")
    assert (name, loaded.settings) == ("cosnet", replace(PAIR, **NARROW))
    assert same_weights(loaded, network)


def test_group_model_has_no_use_for_the_second_head(published: tuple[COSNet, dict[str, Array]], tmp_path: Path) -> None:
    network, weights = published
    file = save_cosnet(tmp_path / "group.pth", weights)
    report = import_checkpoint("cosnet", file, tmp_path / "group", {"fusion": "joint"})
    assert "conv2.weight" in report.left_out
    loaded = load_model(tmp_path / "group")[1]
    assert loaded.settings == replace(GROUP, **NARROW)
    np.testing.assert_array_equal(loaded.heads[0].conv.kernel, network.heads[0].conv.kernel)


def test_tianchi_network(tmp_path: Path) -> None:
    settings = replace(TIANCHI, **NARROW)
    network, weights = originals("tianchi-coattention", settings)
    file = save_torch(tmp_path / "train_saved_model_at_epoch_2_loss=0.026.pth", tensors(weights))
    import_checkpoint("tianchi-coattention", file, tmp_path / "model")
    loaded = load_model(tmp_path / "model")[1]
    assert loaded.settings == settings
    assert same_weights(loaded, network)
    with pytest.raises(VosError, match="it looks like --from tianchi-coattention"):
        import_checkpoint("cosnet", file, tmp_path / "other")


def test_incomplete_and_foreign_checkpoints_are_refused(
    published: tuple[COSNet, dict[str, Array]], tmp_path: Path
) -> None:
    weights = dict(published[1])
    del weights["encoder.layer5.prelu.weight"]
    weights["gate.weight"] = weights["gate.weight"][:, :3]
    with pytest.raises(ProblemsError) as caught:
        import_checkpoint("cosnet", save_cosnet(tmp_path / "broken.pth", weights), tmp_path / "model")
    text = str(caught.value)
    assert "encoder.layer5.prelu.weight: expected a tensor of shape (1,), found none" in text
    assert "gate.weight: expected a tensor of shape (1, 6, 1, 1), found one of shape (1, 3, 1, 1)" in text
    assert not (tmp_path / "model").exists()
    short = {name: x for name, x in weights.items() if not name.startswith("encoder.layer3.")}
    with pytest.raises(VosError, match=r"expected a trunk with 6 \(ResNet-50\) or 23 .* blocks .*, found 0"):
        import_checkpoint("cosnet", save_cosnet(tmp_path / "short.pth", short), tmp_path / "model")
    headless = {name: x for name, x in weights.items() if not name.startswith("encoder.layer5.")}
    with pytest.raises(VosError, match=r"expected a tensor encoder\.layer5\.conv\.weight with four axes, found none"):
        import_checkpoint("cosnet", save_cosnet(tmp_path / "headless.pth", headless), tmp_path / "model")
