"""The commands as a user runs them: exit codes, what is printed, what is written."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks
from typer.testing import CliRunner

from vos_tf.commands import main
from vos_tf.datasets import open_dataset

TRUTH = {
    "s": [square(10, 10 + i) + square(40, 40, number=2) for i in range(8)],
    "t": [square(20, 20 + i) for i in range(6)],
}


@pytest.fixture
def root(tmp_path):
    """A small data set in the layout of DAVIS-2017."""
    made = make_dataset(tmp_path / "made", TRUTH, pictures=True)
    root = tmp_path / "davis"
    for folder, kind in (("JPEGImages", "JPEGImages"), ("Annotations", "Annotations")):
        (root / kind).mkdir(parents=True)
        (made.root / folder).rename(root / kind / "480p")
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("s\nt\n")
    return root


@pytest.fixture
def results(tmp_path):
    masks = {name: [np.roll(labels, 1, axis=1) for labels in each] for name, each in TRUTH.items()}
    return write_masks(tmp_path / "results", masks)


def run(*words, expect=0):
    process = subprocess.run(
        [sys.executable, "-c", "from vos_tf.commands.main import main; main()", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == expect, process.stdout + process.stderr
    return process


def test_score_prints_tables_and_writes_files(tmp_path, root, results):
    files = {kind: tmp_path / f"scores.{kind}" for kind in ("json", "csv", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    process = run("score", results, "--dataset", "davis2017", "--root", root, "--split", "val", *options)
    content = json.loads(files["json"].read_text())
    fingerprint = open_dataset("davis2017", root, "val").fingerprint
    assert content["dataset"]["fingerprint"] == fingerprint
    lines = process.stdout.splitlines()
    assert lines.index("Pre-flight".ljust(len(lines[0]))) == 0
    assert f"J&F {content['score']['value']:.4f}" in process.stdout
    assert lines[-1] == f"protocol davis2017 (DAVIS-2017 semi-supervised); davis2017 val, fingerprint {fingerprint}"
    assert files["csv"].read_text().startswith("protocol,")
    assert files["html"].read_text().startswith("<!doctype html>")


def test_refused_results_exit_with_1_and_list_every_fault(root, results):
    (results / "s" / "00003.png").unlink()
    (results / "t" / "00002.png").unlink()
    options = ("--dataset", "davis2017", "--root", root, "--split", "val")
    process = run("score", results, *options, expect=1)
    assert "s/00003.png: expected a mask, found no such file" in process.stderr
    assert "t/00002.png: expected a mask, found no such file" in process.stderr
    assert "J&F" not in process.stdout
    assert "2 missing masks were scored as empty" in run("score", results, *options, "--missing", "zero").stdout


def test_explain_names_every_protocol(root, results):
    process = run("score", results, "--dataset", "davis2017", "--root", root, "--split", "val", "--explain", "s")
    for protocol in ("davis2016", "davis2017-unsupervised", "youtube-vos", "folder"):
        assert protocol in process.stdout
    assert "leaves out 2 of 8 frames" in process.stdout


def test_compare_prints_differences_and_writes_pictures(tmp_path, root, results):
    other = write_masks(tmp_path / "other", {k: [np.roll(x, 4, axis=1) for x in v] for k, v in TRUTH.items()})
    page = tmp_path / "compare.html"
    process = run("compare", results, other, "--dataset", "davis2017", "--root", root, "--split", "val", "--html", page)
    assert "other - results: -0." in process.stdout
    assert "95% interval" in process.stdout
    assert page.read_text().count("<img") >= 8
    assert (
        "two folders or more"
        in run("compare", results, "--dataset", "davis2017", "--root", root, "--split", "val", expect=1).stderr
    )


def test_package_writes_and_checks(tmp_path, root, results):
    out = tmp_path / "out.zip"
    options = ("--protocol", "davis2017", "--root", root, "--split", "val")
    assert "14 masks written" in run("package", results, *options, "--out", out).stdout
    assert "14 masks, as davis2017 expects them" in run("package", *options, "--check", out).stdout
    assert "expected RESULTS with --out" in run("package", *options, expect=1).stderr


def test_help_does_not_load_tensorflow_nor_numpy():
    code = (
        "import sys; from vos_tf.commands.main import app; import vos_tf.commands.score\n"
        "try: app(['score', '--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras', 'numpy', 'cv2', 'scipy') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.splitlines()[-1] == "[]"
    assert "--explain" in process.stdout


def test_scoring_does_not_load_tensorflow(root, results):
    code = (
        "import sys; from vos_tf.commands.main import app\n"
        f"try: app(['score', {str(results)!r}, '--dataset', 'davis2017', '--root', {str(root)!r}, '--split', 'val'])\n"
        "except SystemExit: pass\nprint('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.splitlines()[-1] == "False False"


def test_every_command_of_evaluation_is_registered():
    output = CliRunner().invoke(main.app, ["--help"]).output
    assert all(name in output for name in ("score", "compare", "package", "split"))


def test_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    masks = {"s": [square(10 + i % 50, 10, side=200, size=(480, 640)) for i in range(120)]}
    root = tmp_path / "davis"
    made = make_dataset(tmp_path / "made", masks, pictures=True)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
        (made.root / folder).rename(root / folder / "480p")
    (root / "ImageSets" / "2016").mkdir(parents=True)
    (root / "ImageSets" / "2016" / "val.txt").write_text("s\n")
    results = write_masks(tmp_path / "results", {"s": [np.roll(labels, 3, axis=1) for labels in masks["s"]]})
    words = ["score", results, "--dataset", "davis2016", "--root", root, "--split", "val", "--workers", "2"]
    command = [sys.executable, "-c", "from vos_tf.commands.main import main; main()", *map(str, words)]
    process = subprocess.Popen(
        [*command, "--measures", "J,F,T"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "Pre-flight" in process.stdout.readline()  # scoring has begun
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
