"""Curves of runs: what is read, how it is smoothed, and what a picture shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from vos_tf.commands.main import app
from vos_tf.errors import VosError
from vos_tf.report.curves import History, read_histories, running_mean, write_curves

HEADER = "epoch,updates,loss,validation_j,lr,seconds\n"


def run_folder(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.mkdir(parents=True)
    (path / "history.csv").write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_folder(tmp_path / "runs" / "s2s", "1,40,0.5,,0.001,3", "2,80,0.25,0.7,0.001,3", "3,120,0.3,0.6,0.001,3")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved from now on."""
    saved: list[Figure] = []
    save = Figure.savefig

    def savefig(self: Figure, *arguments: object, **options: object) -> None:
        saved.append(self)
        save(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def test_what_training_writes_is_read(tmp_path: Path) -> None:
    from vos_tf.training.history import EpochRecord, write_history

    rows = [
        EpochRecord(
            epoch=epoch,
            updates=10 * epoch,
            loss=1 / epoch,
            validation_j=0.5 if epoch == 2 else None,
            validation_loss=2.0 if epoch == 2 else None,
            lr=1e-5,
            seconds=2.5,
        )
        for epoch in (1, 2, 3)
    ]
    write_history(tmp_path / "run" / "history.csv", rows)
    (history,) = read_histories([tmp_path / "run"])
    np.testing.assert_allclose(history.columns["loss"], [1, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(history.columns["validation_j"], [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(history.columns["validation_loss"], [np.nan, 2.0, np.nan])
    assert (history.name, history.losses, history.scores) == ("run", ("loss", "validation_loss"), ("validation_j",))


def test_runs_are_told_apart_by_as_few_folders_as_it_takes(tmp_path: Path) -> None:
    row = "1,1,1,,1,1"
    runs = [run_folder(tmp_path / name, row) for name in ("a/x/s2s", "b/x/s2s", "b/rvos")]
    assert [history.name for history in read_histories(runs)] == ["a/x/s2s", "b/x/s2s", "rvos"]
    assert [history.name for history in read_histories([runs[0] / "history.csv", runs[2]])] == ["s2s", "rvos"]
    assert [history.name for history in read_histories([runs[0], runs[0]])] == ["s2s", "s2s"]


@given(st.lists(st.floats(-10, 10) | st.just(float("nan")), max_size=30), st.floats(0, 0.99))
def test_running_mean_is_the_recursion(values: list[float], keep: float) -> None:
    smoothed = running_mean(np.array(values, np.float64), keep)
    known = [value for value in values if not np.isnan(value)]
    wanted: list[float] = []
    for value in known:
        wanted.append(keep * wanted[-1] + (1 - keep) * value if wanted else value)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(values))
    np.testing.assert_allclose(smoothed[np.isfinite(smoothed)], wanted, atol=1e-12)


def test_panels_show_losses_and_scores(run: Path, tmp_path: Path, figures: list[Figure]) -> None:
    other = run_folder(
        tmp_path / "runs" / "rvos",
        "1,9,4,5,0.1,1",
        "2,18,3,2,0.4,1",
        header="epoch,updates,loss,validation_loss,validation_j,seconds\n",
    )
    write_curves(read_histories([run, other]), tmp_path / "both.png")
    loss, score = figures[0].axes
    assert (loss.get_title("left"), score.get_title("left")) == ("Loss", "Validation J")
    drawn = {str(line.get_label()): line for line in loss.lines}
    assert list(drawn) == [
        "s2s, loss  (lowest 0.25 at 2)",
        "rvos, loss  (lowest 3 at 2)",
        "rvos, validation loss  (lowest 2 at 2)",
    ]
    np.testing.assert_allclose(drawn["s2s, loss  (lowest 0.25 at 2)"].get_xydata(), [(1, 0.5), (2, 0.25), (3, 0.3)])
    assert len({line.get_color() for line in loss.lines}) == 2
    assert [line.get_linestyle() for line in loss.lines] == ["-", "-", "--"]
    # an epoch without validation has no point
    np.testing.assert_allclose(score.lines[0].get_xydata(), [(2, 0.7), (3, 0.6)])
    assert [text.get_text() for text in score.get_legend().get_texts()] == [
        "s2s  (highest 0.7 at 2)",
        "rvos  (highest 0.4 at 2)",
    ]
    with Image.open(tmp_path / "both.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 400


def test_smoothing_keeps_the_values_visible(run: Path, tmp_path: Path, figures: list[Figure]) -> None:
    write_curves(read_histories([run]), tmp_path / "a.png", smooth=0.5, by="updates", log=True)
    raw, smoothed = figures[0].axes[0].lines
    np.testing.assert_allclose(raw.get_xydata(), [(40, 0.5), (80, 0.25), (120, 0.3)])
    np.testing.assert_allclose(smoothed.get_xydata(), [(40, 0.5), (80, 0.375), (120, 0.3375)])
    assert [axes.get_yscale() for axes in figures[0].axes] == ["log", "linear"]


def test_a_run_without_validation_has_one_panel(tmp_path: Path, figures: list[Figure]) -> None:
    write_curves([History("x", {"epoch": np.arange(2.0), "loss": np.ones(2)})], tmp_path / "a.svg")
    assert len(figures[0].axes) == 1
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_mistakes_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(VosError, match=r"nowhere: expected the history of a run, found no such file"):
        read_histories([run, tmp_path / "nowhere"])
    (tmp_path / "young").mkdir()
    with pytest.raises(VosError, match=r"young/history\.csv: .* after the first epoch"):
        read_histories([tmp_path / "young"])
    with pytest.raises(VosError, match="at least one epoch"):
        read_histories([run_folder(tmp_path / "empty")])
    for index, rows in enumerate((["1,2,many,,1,1"], ["no,table"])):
        with pytest.raises(VosError, match="expected a table of numbers"):
            read_histories([run_folder(tmp_path / f"broken{index}", *rows)])
    histories = read_histories([run])
    with pytest.raises(VosError, match=r"a\.jpg: expected a file ending in \.png"):
        write_curves(histories, tmp_path / "a.jpg")
    with pytest.raises(VosError, match=r"below 1, found 1\.0"):
        write_curves(histories, tmp_path / "a.png", smooth=1.0)
    with pytest.raises(VosError, match="column 'updates'"):
        write_curves([History("x", {"epoch": np.ones(1), "loss": np.ones(1)})], tmp_path / "a.png", by="updates")
    assert not list(tmp_path.glob("*.*"))


def test_command_draws_into_the_run_or_where_it_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    other = run_folder(tmp_path / "runs" / "other", "1,40,0.5,,0.001,3")
    for arguments, picture in (
        ([str(run)], run / "curves.png"),
        ([str(run), str(other)], tmp_path / "curves.png"),
        ([str(run), "--out", "new/c.png", "--log", "--smooth", "0.9", "--by", "updates"], tmp_path / "new/c.png"),
    ):
        result = runner.invoke(app, ["plot", *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        assert picture.is_file()
        assert result.output.strip().startswith("curves: ")


def test_plotting_needs_no_tensorflow(run: Path) -> None:
    code = (
        "import sys; from vos_tf.commands.main import app; sys.argv = ['vos-tf', 'plot', sys.argv[1]];"
        "app(standalone_mode=False); assert not {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)
