"""ImageNet classifiers of torchvision as trunk weights to start training from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from original_files import save_torch, tensors

from vos_tf.errors import ProblemsError, VosError
from vos_tf.jobs.import_checkpoint import TRUNK, import_checkpoint
from vos_tf.methods.osvos.checkpoints import osvos_vgg19bn
from vos_tf.methods.osvos.network import OSVOS, default_settings
from vos_tf.models.backbones import build_trunk, load_trunk_weights
from vos_tf.models.layers import ImageNormalization
from vos_tf.porting.trunks import TRUNKS, import_trunk, trunk_entries, which_trunk

RNG = np.random.default_rng(7)


def random_weights(trunk: str, model: Any) -> dict[str, np.ndarray]:
    """A state dictionary of torchvision for the trunk, with its classifier."""
    shapes = {
        name: entry.layout.from_keras(np.empty(entry.variable.shape, np.bool_)).shape
        for name, entry in trunk_entries(trunk, model).items()
    }
    classifier = "fc.weight" if trunk.startswith("resnet") else "classifier.6.weight"
    weights = {name: RNG.random(shape, np.float32) for name, shape in shapes.items()}
    return {**weights, classifier: np.zeros((10, 4), np.float32)}


def test_resnet34(tmp_path: Path) -> None:
    """The file fits trunks with and without a mask; weights arrive where torchvision's names say."""
    pytest.importorskip("torch")
    three, four = (build_trunk("resnet34", channels, "trunk") for channels in (3, 4))
    weights = random_weights("resnet34", three)
    counted = {**tensors(weights), **tensors({"bn1.num_batches_tracked": np.int64(3)[None]})}
    file = save_torch(tmp_path / "resnet34-b627a593.pth", counted)
    report = import_checkpoint(TRUNK, file, tmp_path / "trunks")
    assert report.path == tmp_path / "trunks" / "resnet34.weights.h5"
    assert report.left_out == ("bn1.num_batches_tracked", "fc.weight")
    mask_filter = four.get_layer("conv1").kernel[:, :, 3:]
    load_trunk_weights([three, four], "resnet34", str(report.path))
    for name, entry in trunk_entries("resnet34", three).items():
        np.testing.assert_array_equal(entry.layout.from_keras(np.asarray(entry.variable)), weights[name])
    np.testing.assert_array_equal(four.get_layer("conv1").kernel[:, :, :3], three.get_layer("conv1").kernel)
    np.testing.assert_array_equal(four.get_layer("conv1").kernel[:, :, 3:], mask_filter)
    downsampling = four.get_layer("layer2_0_downsample_bn")
    np.testing.assert_array_equal(downsampling.moving_variance, weights["layer2.0.downsample.1.running_var"])


def test_vgg16_takes_images_as_keras_normalizes_them(tmp_path: Path) -> None:
    """The trunk normalises as Keras' own weights want it, and gives what torchvision's network gives for its own."""
    trunk = build_trunk("vgg16", 3, "trunk")
    weights = random_weights("vgg16", trunk)
    kind, file, _, _ = import_trunk(weights, Path("vgg16.pth"), tmp_path)
    assert kind == "vgg16"
    load_trunk_weights([trunk], "vgg16", str(file))
    image = RNG.uniform(0, 255, (1, 24, 32, 3)).astype(np.float32)
    ours = keras.Model(trunk.input, trunk.get_layer("block1_conv1").output)(image)
    theirs = keras.ops.relu(
        keras.ops.conv(
            ImageNormalization("imagenet_rgb")(image),
            weights["features.0.weight"].transpose(2, 3, 1, 0),
            padding="same",
        )
        + weights["features.0.bias"]
    )
    inside = (slice(None), slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(np.asarray(ours)[inside], np.asarray(theirs)[inside], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(ours, theirs, atol=0.1)  # zeros around the image stand for slightly different means


def test_vgg19_with_batch_normalisation(tmp_path: Path) -> None:
    network = OSVOS(default_settings("vgg19_bn"))
    weights = random_weights("vgg19_bn", network.trunk)
    kind, file, _, _ = import_trunk(weights, Path("vgg19_bn.pth"), tmp_path)
    assert kind == "vgg19_bn"
    network.load_trunk_weights(str(file))
    entries = osvos_vgg19bn(network).entries
    np.testing.assert_array_equal(entries["seq5.49.weight"].layout.from_keras(
        np.asarray(entries["seq5.49.weight"].variable)), weights["features.49.weight"])  # fmt: skip
    np.testing.assert_array_equal(entries["seq1.4.running_mean"].variable, weights["features.4.running_mean"])


@pytest.mark.parametrize(
    ("blocks", "bottleneck", "trunk"),
    [((3, 4, 6, 3), False, "resnet34"), ((3, 4, 6, 3), True, "resnet50"), ((3, 4, 23, 3), True, "resnet101")],
)
def test_resnets_are_told_by_their_blocks(blocks: tuple[int, ...], bottleneck: bool, trunk: str) -> None:
    names = [
        f"a.layer{stage}.{block}.conv{index}.weight"
        for stage, count in enumerate(blocks, 1)
        for block in range(count)
        for index in range(1, 4 if bottleneck else 3)
    ]
    assert which_trunk(dict.fromkeys(names, np.zeros(1)), Path("x"), "a.") == trunk
    assert trunk in TRUNKS
    with pytest.raises(VosError, match="found another"):
        which_trunk(dict.fromkeys(names[:-1] if bottleneck else names[:-2], np.zeros(1)), Path("x"))


def test_broken_trunks_leave_nothing(tmp_path: Path) -> None:
    weights = random_weights("vgg16", build_trunk("vgg16", 3, "trunk"))
    del weights["features.28.bias"]
    with pytest.raises(ProblemsError, match=r"torchvision's vgg16, but 1 tensor does not fit:\n  features\.28\.bias"):
        import_trunk(weights, Path("vgg16.pth"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_trunks_have_no_settings(tmp_path: Path) -> None:
    with pytest.raises(VosError, match="--set: expected no settings with --from torchvision-trunk, found size"):
        import_checkpoint(TRUNK, tmp_path / "x.pth", tmp_path, {"size": [64, 96]})
