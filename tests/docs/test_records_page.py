"""The Python examples on records run one after another and give what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from docs_pages import DOCS, python_blocks
from PIL import Image
from small_world import Moving, draw_frame, draw_labels


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small DAVIS in it."""
    davis = tmp_path / "data" / "DAVIS"
    for name in ("one", "two", "three", "four"):
        for kind in ("JPEGImages", "Annotations"):
            (davis / kind / "480p" / name).mkdir(parents=True)
        for frame in range(7):
            labels = draw_labels(frame, (48, 84), [Moving(1, 0, 7)])
            Image.fromarray(draw_frame(labels, frame)).save(davis / "JPEGImages" / "480p" / name / f"{frame:05d}.jpg")
            Image.fromarray(255 * labels).save(davis / "Annotations" / "480p" / name / f"{frame:05d}.png")
    (davis / "ImageSets" / "2016").mkdir(parents=True)
    (davis / "ImageSets" / "2016" / "train.txt").write_text("one\ntwo\nthree\nfour\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_examples(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = python_blocks(DOCS / "records.md")
    # A script that starts processes guards its main part; here the work is done in this process.
    blocks[0] = (
        blocks[0]
        .replace('size="256x448")', 'size="256x448", workers=1)')
        .replace("(manifest)", "(manifest, workers=1)")
    )
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "records.md", "exec"), names)
    batch = names["batch"]
    time = batch.frames.shape[1]  # type: ignore[attr-defined]
    assert [tuple(field.shape) for field in batch[:4]] == [  # type: ignore[attr-defined]
        (4, time, 256, 448, 3),
        (4, time, 256, 448),
        (4, time),
        (4,),
    ]
    assert batch.object_classes == ()  # type: ignore[attr-defined]
    assert 6 <= time <= 12
    assert np.all(batch.labels.numpy()[~batch.annotated.numpy()] == 255)  # type: ignore[attr-defined]
    assert capsys.readouterr().out.splitlines() == [
        f"{name} (7, 256, 448, 3)" for name in ("one", "two", "three", "four")
    ]
