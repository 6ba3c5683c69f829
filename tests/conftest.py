"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A job in the background starts with Ctrl-C ignored, and so would the commands that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data, weights and golden outputs that lie beside the project; tests that need them skip without."""
    folder = Path(os.environ.get("VOS_TF_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip("needs the real data beside the project (set VOS_TF_SHARED to its folder)")
    return folder


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic data set: 6 training videos and 2 validation videos of 64x96, 8 frames, with late objects."""
    from vos_tf.datasets.synthetic import SyntheticSettings, generate

    root = tmp_path_factory.mktemp("tiny_world")
    settings = SyntheticSettings(frames=8, height=64, width=96, objects_max=3, late_objects=0.5)
    generate(root, settings, videos=6, split="train", seed=0)
    generate(root, settings, videos=2, split="valid", seed=0)
    return root


@pytest.fixture(scope="session")
def tiny_records(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of the tiny world's training videos, at 32x48."""
    from vos_tf.datasets import open_dataset
    from vos_tf.records.preprocess import preprocess

    folder = tmp_path_factory.mktemp("tiny_records") / "records"
    preprocess(open_dataset("synthetic", tiny_world, "train"), folder, size="32x48", workers=1)
    return folder


@pytest.fixture(scope="module")
def tiny_trunk() -> Iterator[None]:
    """A trunk of COSNet called ``tiny``, for `cosnet_networks`."""
    from cosnet_networks import TRUNK

    from vos_tf.methods.cosnet.deeplab import DEEPLAB_TRUNKS

    DEEPLAB_TRUNKS["tiny"] = TRUNK
    yield
    del DEEPLAB_TRUNKS["tiny"]


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run without a graph: quicker where they are few and the network has many layers."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
