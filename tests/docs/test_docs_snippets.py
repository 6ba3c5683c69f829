"""The Python examples of the documentation run as they are printed, and do what the pages say."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from docs_pages import DOCS, python_blocks
from PIL import Image

import vos_tf
from vos_tf.export.saved_model import export_saved_model
from vos_tf.inference.session import FrameResult
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import read_label_map
from vos_tf.methods.registry import get_method
from vos_tf.models.weights import save_model

SIZE = (64, 96)
CLIP, STEPS = 0, 1  # the two blocks of the page on exporting


def squares(*ids: int) -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    for index, object_id in enumerate(ids):
        labels[8:40, 6 + 42 * index : 36 + 42 * index] = object_id
    return labels


@pytest.fixture(scope="module")
def files(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages say that their examples read: a run with its SavedModel, frames, masks, a data set."""
    folder = tmp_path_factory.mktemp("docs")
    keras.utils.set_random_seed(3)
    segmenter = vos_tf.build("s2s", trunk="small", size=(32, 48), state_filters=8, decoder_filters=(8, 6, 4))
    save_model(folder / "runs/s2s/model", "s2s", segmenter.network)
    export_saved_model(get_method("s2s").export(segmenter.network), folder / "runs/s2s/saved_model")
    video = sorted((tiny_world / "valid" / "JPEGImages").iterdir())[0]
    shutil.copytree(video, folder / "frames")
    shutil.copytree(tiny_world / "valid", folder / "data/synthetic/valid")
    Image.fromarray(squares(1, 4)).save(folder / "first_mask.png")
    Image.fromarray(squares(0, 7)).save(folder / "late_mask.png")
    return folder


@pytest.fixture
def workplace(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as working folder, without results of another example."""
    shutil.rmtree(files / "masks", ignore_errors=True)
    monkeypatch.chdir(files)
    return files


def run_blocks(page: str, blocks: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def segmented(folder: Path) -> dict[str, FrameResult]:
    """What the segmenter says of the frames, by name."""
    segmenter = vos_tf.load(folder / "runs/s2s")
    frames = sorted((folder / "frames").glob("*.jpg"))
    first = read_label_map(folder / "first_mask.png")
    results = segmenter.stream(map(read_image, frames), first=first)
    return {path.stem: result for path, result in zip(frames, results, strict=True)}


def assert_masks(folder: Path, wanted: dict[str, FrameResult]) -> None:
    written = {path.stem: read_label_map(path) for path in (folder / "masks").iterdir()}
    assert sorted(written) == sorted(wanted)
    for name, labels in written.items():
        assert labels.shape == SIZE
        np.testing.assert_array_equal(labels, wanted[name].labels)


def test_the_network_of_these_tests_follows_its_objects(files: Path) -> None:
    # else equal masks would say nothing
    results = list(segmented(files).values())
    assert all({1, 4} <= set(np.unique(result.labels)) for result in results)
    assert (results[1].labels != results[-1].labels).any()


@pytest.mark.parametrize("block", [CLIP, STEPS])
def test_exported_model_needs_nothing_but_tensorflow(block: int) -> None:
    tree = ast.parse(python_blocks(DOCS / "exporting.md")[block])
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in imports] == ["import tensorflow as tf"]


def test_ten_lines_segment_a_clip(workplace: Path) -> None:
    block = python_blocks(DOCS / "exporting.md")[CLIP]
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    run_blocks("exporting.md", [block])
    assert_masks(workplace, segmented(workplace))


def test_start_and_step_give_the_same(workplace: Path) -> None:
    names = run_blocks("exporting.md", [python_blocks(DOCS / "exporting.md")[STEPS]])
    assert names["maps"].shape == (2, *SIZE)
    wanted = segmented(workplace)
    del wanted[sorted(wanted)[0]]
    assert_masks(workplace, wanted)


def test_indexed_png_becomes_grey_as_the_page_says(workplace: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    labels = squares(1, 4)
    indexed = Image.fromarray(labels)
    indexed.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    indexed.save(tmp_path / "indexed.png")

    def decoded(path: Path) -> np.ndarray:
        return tf.io.decode_png(tf.io.read_file(str(path)), channels=1)[..., 0].numpy()

    assert not np.array_equal(decoded(tmp_path / "indexed.png"), labels)
    Image.fromarray(np.array(Image.open(tmp_path / "indexed.png"))).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(decoded(tmp_path / "grey.png"), labels)


def test_python_examples_of_osvos(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_blocks("osvos.md", python_blocks(DOCS / "osvos.md"))
    frames = sorted(path.stem for path in (workplace / "frames").iterdir())
    assert capsys.readouterr().out.splitlines() == [f"{index} (1, 4)" for index in range(len(frames))]
    assert names["segmenter"].options.finetune.steps == 2


def test_python_examples_of_rvos(capsys: pytest.CaptureFixture[str]) -> None:
    run_blocks("rvos.md", python_blocks(DOCS / "rvos.md"))
    slots = tuple(range(1, 11))
    assert capsys.readouterr().out.splitlines() == ["(1,) (96, 160)"] * 3 + [f"{slots} (10, 96, 160)"] * 3


def test_python_examples_of_segmenting(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_blocks("segmenting.md", python_blocks(DOCS / "segmenting.md"))
    assert_masks(workplace, segmented(workplace))
    videos = len(list((workplace / "data/synthetic/valid/JPEGImages").iterdir()))
    assert len(capsys.readouterr().out.splitlines()) == 8 * videos
    assert names["result"].object_ids == (4, 7)
    assert names["result"].labels.shape == SIZE
    assert names["result"].probabilities.shape == (2, *SIZE)
    assert names["careful"].rule.background == 0.4
    assert names["careful"].options.objects_per_call == 2
    assert names["logits"].shape == (3, 128, 224, 1)
    assert names["state"].hidden.shape == (3, 16, 28, 32)
