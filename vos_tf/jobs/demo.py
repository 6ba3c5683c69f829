"""The demo: the whole job on made-up video, by the commands a user would type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from vos_tf.config import read_recipe
from vos_tf.errors import VosError
from vos_tf.methods.registry import default_method

_CHECKOUT = Path(__file__).resolve().parents[2]
# The scripts of a checkout; where vos_tf was installed without them, the same commands of vos-tf.
_SCRIPTS = {"preprocess": "preprocess.py", "train": "VOS.py", "evaluate": "VOS_evaluate.py"}


def run_demo(out: Path, *, from_scratch: bool, workers: int) -> None:
    """Generate video, preprocess it, train, segment unseen video, score it, export; then say where everything is.

    Args:
        out: Folder for everything.
        from_scratch: Train from random weights, on more video and for half an hour, instead of continuing from
            those that come with vos_tf.
        workers: Processes for generating, preprocessing and scoring.

    Raises:
        VosError: One of the commands failed.
    """
    share = ["--workers", str(workers)]
    videos, recipe = ("400", "s2s_synthetic") if from_scratch else ("40", "s2s_demo")
    name = read_recipe(recipe).get("model", {}).get("name") or default_method()
    data, records, run, results = out / "data", out / "records", out / "runs" / name, out / "results"
    evaluate = ["--dataset", "synthetic", "--root", str(data), "--split", "valid", "--results", str(results), *share]
    _run("synthesize", "--out", str(data), "--videos", videos, "--valid-videos", "12", "--seed", "2024", *share)
    _run(
        "preprocess",
        *("--dataset", "synthetic", "--root", str(data), "--split", "train"),
        *("--out", str(records), "--size", "128x224", *share),
    )
    _run("train", "--recipe", recipe, "--records", str(records), "--run", str(run))
    _run("evaluate", "--run", str(run), "--scenario-name", name, *evaluate)
    _run("evaluate", "--baseline", "--scenario-name", "first_mask", *evaluate)
    _summary(run, results, data, name)


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run(command: str, *arguments: str) -> None:
    script = _SCRIPTS.get(command, "")
    if script and Path.cwd() == _CHECKOUT and Path(script).is_file():
        shown, called = ["python", script], [sys.executable, script]
    else:
        shown, called = ["vos-tf", command], [sys.executable, "-m", "vos_tf", command]
    _say(f"\n$ {' '.join([*shown, *arguments])}")
    finished = subprocess.run([*called, *arguments], check=False)
    if finished.returncode:
        raise VosError(f"demo: '{' '.join(shown)}' ended with exit code {finished.returncode}")


def _summary(run: Path, results: Path, data: Path, name: str) -> None:
    scores, baseline = (_scores(results / scenario / "scores.json") for scenario in (name, "first_mask"))
    sequences = sorted(scores["sequences"], key=lambda name: float(scores["sequences"][name]["J"]["mean"]))
    overlay = results / name / "overlays" / f"{sequences[len(sequences) // 2]}.png"
    _say()
    _say(f"mean J on unseen videos  {_mean_j(scores):.3f}")
    _say(f"first mask repeated      {_mean_j(baseline):.3f}  (what has to be beaten)")
    _say(f"videos                   {data}")
    _say(f"masks                    {results / name}")
    _say(f"overlay picture          {overlay}  (neither the best video nor the worst)")
    _say(f"report                   {results / name / 'report.html'}")
    _say(f"SavedModel               {run / 'saved_model'}")


def _scores(path: Path) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return scores


def _mean_j(scores: dict[str, Any]) -> float:
    return float(scores["overall"]["all"]["J"]["mean"])
