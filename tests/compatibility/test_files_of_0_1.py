"""What version 0.1 wrote is read, and gives the masks that it gave, bit by bit.

``made_by_0_1`` holds a model folder of each method with the label maps that 0.1 made with it, a run's configuration,
and a folder of records. SavedModels are missing there: TensorFlow alone reads them, and no code of ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vos_tf
from vos_tf.jobs.run_config import differences, read_run_config, run_config
from vos_tf.media.label_maps import read_label_map
from vos_tf.records.manifest import read_manifest
from vos_tf.records.verify import verify_records

MADE = Path(__file__).parent / "made_by_0_1"
OPTIONS: dict[str, dict[str, Any]] = {
    "s2s": {},
    "osvos": {"finetune": {"steps": 0}, "snap": False},
    "rvos": {},
    "cosnet": {"sampling": "streaming", "objects": "given"},
}


def frames() -> list[np.ndarray]:
    y, x = np.mgrid[:60, :90]
    return [
        np.stack(
            [
                (x * 3 + y * 5 + 9 * t) % 256,
                (x * y // 8 + 5 * t) % 256,
                ((x - 2 * t) // 9 * 40 + y // 7 * 30) % 256,
            ],
            axis=-1,
        ).astype(np.uint8)
        for t in range(4)
    ]


@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.usefixtures("tiny_trunk")
def test_masks_are_the_same_bit_by_bit(method: str) -> None:
    wanted = [read_label_map(path) for path in sorted((MADE / method / "masks").glob("*.png"))]
    segmenter = vos_tf.load(MADE / method, **OPTIONS[method])
    for result, labels in zip(segmenter.stream(frames(), first=wanted[0]), wanted, strict=True):
        np.testing.assert_array_equal(result.labels, labels)


def test_a_run_continues_with_its_settings() -> None:
    old = read_run_config(MADE / "s2s" / "config.yaml")
    assert old.method.name == "s2s"
    small = {"size": [32, 48], "state_filters": 4, "decoder_filters": [4, 4, 4]}
    now = run_config({"model": {"trunk": "small", "settings": small}, "data": {"records": "records"}})
    assert differences(old, now) == []


def test_records_are_read() -> None:
    manifest = read_manifest(MADE / "records")
    assert len({record.video for record in manifest.records}) == 3
    verify_records(manifest, workers=1)
