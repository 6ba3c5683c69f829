"""The chain a user types: preprocess.py, VOS.py, VOS_evaluate.py, vos-tf export; and what they say to mistakes."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from vos_tf.datasets import open_dataset
from vos_tf.media.label_maps import davis_palette, read_label_map

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = [
    "--trunk=small",
    "--set=model.settings.size=[32,48]",
    "--set=model.settings.state_filters=8",
    "--set=model.settings.decoder_filters=[8,6,4]",
]


def call(folder: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def succeed(folder: Path, script: str, *arguments: object) -> str:
    finished = call(folder, script, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def chain(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole chain has run."""
    folder = tmp_path_factory.mktemp("chain")
    data = ["--dataset", "synthetic", "--root", tiny_world]
    succeed(folder, "preprocess.py", *data, "--split", "train", "--out", "records/tiny", "--size", "32x48")
    succeed(
        folder,
        "VOS.py",
        *("--records", "records/tiny", "--n_epochs", 1, "--batch_Size", 2, "--lr", "1e-3", "--run", "runs/tiny"),
        *("--clip-length", "2-3", *TINY),
    )
    output = succeed(
        folder, "VOS_evaluate.py", "--run", "runs/tiny", *data, "--split", "valid", "--scenario_name", "tiny"
    )
    (folder / "output.txt").write_text(output)
    return folder


def test_masks_are_indexed_pngs_of_the_videos_own_size(chain: Path, tiny_world: Path) -> None:
    dataset = open_dataset("synthetic", tiny_world, "valid")
    for video in dataset.videos:
        for name in video.frame_names:
            path = chain / "results" / "tiny" / video.name / f"{name}.png"
            with Image.open(path) as image:
                assert image.mode == "P"
                assert image.size == video.size[::-1]
                assert image.getpalette()[:12] == davis_palette()[:4].reshape(-1).tolist()
        for item in video.objects:
            given = video.read_mask(item.first_frame) == item.id
            written = read_label_map(chain / "results" / "tiny" / video.name / f"{item.first_frame}.png")
            assert (written[given] == item.id).all()


def test_scores_overlays_and_report_are_left(chain: Path, tiny_world: Path) -> None:
    results = chain / "results" / "tiny"
    scores = json.loads((results / "scores.json").read_text())
    assert scores["dataset"]["fingerprint"] == open_dataset("synthetic", tiny_world, "valid").fingerprint
    assert scores["protocol"]["name"] == "folder"
    with (results / "scores.csv").open() as file:
        assert any(row and row[0] == "object" for row in csv.reader(file))
    assert (results / "report.html").stat().st_size > 1000
    assert len(list((results / "overlays").glob("*.png"))) == 2
    printed = (chain / "output.txt").read_text()
    assert "J&F" in printed
    assert scores["dataset"]["fingerprint"] in printed


def test_run_folder_is_complete(chain: Path) -> None:
    run = chain / "runs" / "tiny"
    assert (run / "saved_model" / "saved_model.pb").is_file()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["training"]["batch_size"] == 2
    assert config["clips"]["clip_length"] == [2, 3]


def test_evaluating_again_does_nothing_anew(chain: Path, tiny_world: Path) -> None:
    masks = {path: path.stat().st_mtime_ns for path in (chain / "results" / "tiny").glob("*/0*.png")}
    arguments = ["--run", "runs/tiny", "--dataset", "synthetic", "--root", tiny_world, "--split", "valid"]
    succeed(chain, "VOS_evaluate.py", *arguments, "--scenario-name", "tiny")
    assert masks == {path: path.stat().st_mtime_ns for path in masks}


def test_records_are_made_first_where_there_are_none(tiny_world: Path, tmp_path: Path) -> None:
    finished = call(
        tmp_path,
        "VOS.py",
        *("--dataset", "synthetic", "--root", tiny_world, "--n-epochs", 1, "--batch-size", 2, "--lr", "1e-3", *TINY),
        *("--clip-length", 2, "--run", "runs/x", "--set", "training.export=false"),
    )
    assert finished.returncode == 0, finished.stderr
    assert "no records in records/synthetic-train-32x48 yet: preprocessing synthetic (train) first" in finished.stderr
    assert (tmp_path / "records" / "synthetic-train-32x48" / "manifest.json").is_file()


def test_a_checkpoint_can_be_evaluated_and_exported(chain: Path, tiny_world: Path) -> None:
    checkpoint = sorted((chain / "runs" / "tiny" / "checkpoints").iterdir())[-1]
    arguments = ["--dataset", "synthetic", "--root", tiny_world, "--split", "valid", "--no-overlay"]
    succeed(chain, "VOS_evaluate.py", "--checkpoint", checkpoint, *arguments, "--scenario-name", "checkpoint")
    final = (chain / "results" / "tiny" / "synthetic_00000" / "00003.png").read_bytes()
    assert (chain / "results" / "checkpoint" / "synthetic_00000" / "00003.png").read_bytes() == final
    export = [sys.executable, "-m", "vos_tf", "export", "runs/tiny", "--out", "exported"]
    finished = subprocess.run(export, cwd=chain, capture_output=True, text=True, check=True)
    assert "largest difference" in finished.stdout
    assert (chain / "exported" / "parity.json").is_file()


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("VOS.py", ["--set", "training.n_epoch=3"], "unknown key training.n_epoch; did you mean 'n_epochs'?"),
        ("VOS.py", ["--config", "none.yaml"], "none.yaml: expected a configuration file, found no such file"),
        ("VOS_evaluate.py", ["--run", "runs/none", "--dataset", "folder", "--root", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_end_with_one_sentence_and_exit_code_1(
    tmp_path: Path, script: str, arguments: list[str], message: str
) -> None:
    finished = call(tmp_path, script, *arguments)
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: ")
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1


def test_help_needs_no_tensorflow() -> None:
    code = (
        "import sys; from vos_tf.commands.main import app; from typer.main import get_command\n"
        "command = get_command(app)\n"
        "assert {'train', 'evaluate', 'preprocess', 'export', 'score', 'demo'} <= set(command.commands)\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'cv2', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_knows_the_data_set_of_its_records(chain: Path) -> None:
    config = yaml.safe_load((chain / "runs" / "tiny" / "config.yaml").read_text())
    assert (config["data"]["dataset"], config["data"]["split"]) == ("synthetic", "train")


def test_videos_without_objects_are_segmented_and_left_out_of_the_scores(
    chain: Path, tiny_world: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_world / "valid", tmp_path / "valid")
    meta = json.loads((tmp_path / "valid" / "meta.json").read_text())
    meta["videos"]["synthetic_00001"]["objects"] = {}
    (tmp_path / "valid" / "meta.json").write_text(json.dumps(meta))
    finished = call(
        tmp_path,
        "VOS_evaluate.py",
        *("--run", chain / "runs" / "tiny", "--dataset", "youtube_vos", "--root", tmp_path, "--split", "valid"),
        *("--scenario-name", "some", "--no-overlay"),
    )
    assert finished.returncode == 0, finished.stderr
    assert "videos without objects are not scored: synthetic_00001" in finished.stderr
    scores = json.loads((tmp_path / "results" / "some" / "scores.json").read_text())
    assert list(scores["sequences"]) == ["synthetic_00000"]
    assert not read_label_map(tmp_path / "results" / "some" / "synthetic_00001" / "00002.png").any()
