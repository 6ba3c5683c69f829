"""The command preprocess."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from small_world import make_dataset

from vos_tf.commands import preprocess as command
from vos_tf.commands.main import run
from vos_tf.records.manifest import read_manifest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def call(tmp_path, monkeypatch):
    made = make_dataset(tmp_path / "world", videos=3)
    monkeypatch.setattr(
        "vos_tf.datasets.registry.open_dataset", lambda *_, **options: replace(made, notes=tuple(options))
    )
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command.preprocess)

    def call(*arguments):
        """Exit code of a run with these arguments."""
        monkeypatch.setattr(sys, "argv", ["preprocess.py", *arguments])
        with pytest.raises(SystemExit) as caught:
            run(app)
        return caught.value.code

    call.dataset = made
    return call


def test_writes_then_finds_it_finished_then_verifies(call, capsys):
    arguments = ["--size", "20x30", "--out", "records/mine", "--workers", "1", "--shards", "2"]
    assert call(*arguments) == 0
    assert "small train at 20x30: 3 videos, 36 frames, 2 files" in capsys.readouterr().out
    assert len(read_manifest("records/mine").shards) == 2
    assert call(*arguments) == 0
    assert "finished before: nothing to do" in capsys.readouterr().out
    assert call(*arguments, "--verify") == 0
    assert "every checksum agrees" in capsys.readouterr().out
    shard = next(Path("records/mine").glob("*.tfrecord"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert call(*arguments, "--verify") == 1
    assert "expected a shard of" in capsys.readouterr().err


def test_the_configuration_file_says_what_is_not_given(call):
    Path("other.yaml").write_text("data: {dataset: folder, split: train, size: 10x20}")
    assert call("--config", "other.yaml", "--workers", "1") == 0
    assert read_manifest("records/folder-train-10x20").size == "10x20"


def test_problems_are_listed_with_exit_code_1_and_can_be_skipped(call, capsys):
    call.dataset.videos[1].frames[0].unlink()
    arguments = ["--size", "native", "--out", "out", "--workers", "1"]
    assert call(*arguments) == 1
    said = capsys.readouterr().err
    assert "1 problem in 1 of 3 videos" in said and "no such file" in said
    assert not Path("out").exists()
    assert call(*arguments, "--skip-bad") == 0
    assert "left out: video1" in capsys.readouterr().out


def test_options_of_the_layout_reach_it_and_its_notes_are_said(call, capsys):
    assert call("--set", "data.options.min_area=0.1", "--size", "native", "--out", "out", "--workers", "1") == 0
    assert "note: min_area" in capsys.readouterr().err


def test_one_folder_is_written_at_a_time(call, capsys):
    assert call("--set", "data.records=[one, two]") == 1
    assert "data.records: expected one folder to write, found one,two; say which with --out" in capsys.readouterr().err
    assert call("--set", "data.records=[one, two]", "--out", "out", "--size", "native", "--workers", "1") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "big"], "--size big: expected HEIGHTxWIDTH"),
        (["--size", "20x30", "--shards", "9"], "--shards 9: expected at most 3"),
    ],
)
def test_wrong_arguments_give_one_sentence(call, capsys, arguments, words):
    assert call("--out", "out", "--workers", "1", *arguments) == 1
    assert words in capsys.readouterr().err


def test_help_imports_no_tensorflow():
    script = (
        "import sys; sys.argv = ['preprocess.py', '--help']\n"
        "import atexit; atexit.register(lambda: print('tensorflow' in sys.modules, 'cv2' in sys.modules))\n"
        "import runpy; runpy.run_path('preprocess.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--skip-bad" in done.stdout and done.stdout.endswith("False False\n")
