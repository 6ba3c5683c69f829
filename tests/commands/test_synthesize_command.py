from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vos_tf.commands.synthesize import synthesize
from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError

SMALL = ["--size", "48x64", "--frames", "3"]


def call(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(synthesize)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout


def test_both_splits_are_written_with_the_settings(tmp_path: Path):
    out = call("--out", str(tmp_path), *SMALL, "--videos", "2", "--valid-videos", "1", "--set", "objects_max=1")
    assert "2 videos of 3 frames, 48 x 64 pixels" in out
    train, valid = (open_dataset("synthetic", tmp_path, split) for split in ("train", "valid"))
    assert (len(train.videos), len(valid.videos)) == (2, 1)
    assert all(video.object_ids == (1,) and video.size == (48, 64) for video in train.videos)


def test_first_masks_only_concerns_the_validation_split(tmp_path: Path):
    call("--out", str(tmp_path), *SMALL, "--videos", "1", "--valid-videos", "1", "--first-masks-only",
         "--set", "late_objects=0", "--set", "occlusion=0")  # fmt: skip
    assert len(open_dataset("synthetic", tmp_path, "train").videos[0].masks) == 3
    assert list(open_dataset("synthetic", tmp_path, "valid").videos[0].masks) == ["00000"]


def test_a_split_of_no_videos_is_left_out(tmp_path: Path):
    call("--out", str(tmp_path), *SMALL, "--videos", "0", "--valid-videos", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["valid"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "48"], "--size 48: expected height x width"),
        (["--set", "noise"], "--set noise: expected NAME=VALUE"),
        (["--set", "nose=1"], "synthetic setting nose: expected one of"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, arguments: list[str], message: str):
    with pytest.raises(VosError, match=message):
        call("--out", str(tmp_path), *arguments)
    assert list(tmp_path.iterdir()) == []
