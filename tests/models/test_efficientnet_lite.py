"""EfficientNet-Lite0 with the published weights recognises pictures, and gives them to a trunk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from keras import ops

from vos_tf.errors import VosError
from vos_tf.models.backbones import build_trunk, load_trunk_weights, trunk_kind
from vos_tf.models.efficientnet_lite import read_classifier

FILE = "weights/efficientnet_lite0/efficientnet_lite0_imagenet_float32.npz"
ZEBRA, LABRADOR = 340, 208


@pytest.mark.parametrize(("image", "expected"), [("000000000034", ZEBRA), ("000000000074", LABRADOR)])
def test_the_classifier_recognises_what_a_picture_shows(shared: Path, image: str, expected: int) -> None:
    pixels = cv2.imread(str(shared / f"data/coco128-seg/images/train2017/{image}.jpg"))[..., ::-1]
    pixels = cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA).astype(np.float32)
    probabilities = np.asarray(ops.softmax(read_classifier(shared / FILE)(pixels[None])))[0]
    assert probabilities.argmax() == expected
    if expected == ZEBRA:
        assert probabilities[ZEBRA] > 0.9


def test_a_trunk_gets_the_classifiers_maps(shared: Path) -> None:
    trunk = build_trunk("efficientnet_lite0", 3, "trunk")
    load_trunk_weights([trunk], "efficientnet_lite0", str(shared / FILE))
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    maps = trunk(image)
    assert [64 // x.shape[1] for x in maps] == list(trunk_kind("efficientnet_lite0").strides)
    classifier = read_classifier(shared / FILE)
    before = classifier.get_layer("block11_expand").input
    np.testing.assert_allclose(type(trunk)(classifier.input, before)(image), maps[-1], rtol=1e-4, atol=1e-4)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.npz"
    np.savez(file, stem_conv=np.zeros(3))
    with pytest.raises(VosError, match="EfficientNet-Lite0"):
        read_classifier(file)
