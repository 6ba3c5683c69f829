"""Speed and memory of `vos-tf score`, and its ratio to the measures written down plainly, as JSON.

Every case is the whole command on 480x854 masks made here: start of Python, reading of all PNG files (predictions
twice, once for the pre-flight), scores and tables. Next to it, in the same run, stand the time to decode the PNG files
alone and the plain way to compute the same numbers: whole images, one object after the other, each boundary dilated
with a disk. The best of several repeats counts; processor time is given too, for machines that others use meanwhile.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vos_tf.media.label_maps import encode_label_map, read_label_map

SIZE = (480, 854)
SEQUENCE_FRAMES = 80
PLAIN_FRAMES = 20
CALL = """
import atexit, re, resource, sys
from vos_tf.commands.main import main
def tell():
    own = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    sys.stderr.write(f"peak {max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)}")
atexit.register(tell)
main()
"""


@dataclass(frozen=True)
class Case:
    """One kind of scoring: protocol, objects in the ground truth, ids in the prediction, frames."""

    name: str
    protocol: str
    objects: int
    ids: int
    frames: int


class Run(NamedTuple):
    """Times of a command in seconds and the highest memory of any of its processes in MiB."""

    wall: float
    processor: float
    peak: float


def smooth_noise(rng: np.random.Generator, coarse: int) -> NDArray[np.float32]:
    """A smooth random picture, float32 ``(H + 100, W + 200)``."""
    height, width = SIZE[0] + 100, SIZE[1] + 200
    small = rng.random((height // coarse, width // coarse)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def sequence_masks(rng: np.random.Generator, count: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Label maps with ``count`` ragged objects that cover some 40 % of the image and drift over time."""
    fields = [smooth_noise(rng, 97) + 0.15 * smooth_noise(rng, 13) for _ in range(count)]
    levels = [np.quantile(field, 1 - 0.4 / count) for field in fields]
    for index in range(frames):
        y, x = index * 99 // frames, index * 199 // frames
        labels = np.zeros(SIZE, np.uint8)
        for number, (field, level) in enumerate(zip(fields, levels, strict=True), start=1):
            labels[field[y : y + SIZE[0], x : x + SIZE[1]] > level] = number
        yield labels


def write_case(folder: Path, case: Case) -> tuple[Path, Path]:
    """Write ground truth in the layout of DAVIS and results; the folders of both."""
    rng = np.random.default_rng(0)
    root, results = folder / "davis", folder / "results"
    names = [f"s{index:02d}" for index in range(math.ceil(case.frames / SEQUENCE_FRAMES))]
    picture = folder / "frame.jpg"
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(picture)
    for name in names:
        for part in ("Annotations", "JPEGImages"):
            (root / part / "480p" / name).mkdir(parents=True)
        (results / name).mkdir(parents=True)
        truth = sequence_masks(rng, case.objects, SEQUENCE_FRAMES)
        if case.ids == case.objects:
            predictions: Iterator[NDArray[np.uint8]] | None = None
        else:
            predictions = sequence_masks(rng, case.ids, SEQUENCE_FRAMES)
        for index, labels in enumerate(truth):
            prediction = np.roll(labels, (2, 3), (0, 1)) if predictions is None else next(predictions)
            (root / "Annotations" / "480p" / name / f"{index:05d}.png").write_bytes(encode_label_map(labels))
            (results / name / f"{index:05d}.png").write_bytes(encode_label_map(prediction))
            (root / "JPEGImages" / "480p" / name / f"{index:05d}.jpg").symlink_to(picture)
    for year in ("2016", "2017"):
        (root / "ImageSets" / year).mkdir(parents=True)
        (root / "ImageSets" / year / "val.txt").write_text("\n".join(names) + "\n")
    return root, results


def timed(words: list[str]) -> Run:
    """Run ``vos-tf`` with some words to its end."""
    start, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, "-c", CALL, *words], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise SystemExit(f"vos-tf {' '.join(words)}: {done.stderr}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, used, int(done.stderr.rsplit("peak ", 1)[1]) / 1024)


def score(root: Path, results: Path, case: Case, workers: int) -> Run:
    """Run the command on a case."""
    dataset = "davis2016" if case.protocol == "davis2016" else "davis2017"
    words = ["score", str(results), "--dataset", dataset, "--root", str(root), "--split", "val"]
    options = ["--protocol", case.protocol, "--workers", str(workers)]
    return timed([*words, *options])


def best(runs: list[Run]) -> Run:
    """The best of each figure, the highest memory."""
    return Run(min(run.wall for run in runs), min(run.processor for run in runs), max(run.peak for run in runs))


def plain_scores(prediction: NDArray[np.uint8], truth: NDArray[np.uint8], pairs: list[tuple[int, int]]) -> None:
    """J and F of each pair over whole images."""
    radius = math.ceil(0.008 * math.hypot(*SIZE))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    for first, second in pairs:
        masks = prediction == first, truth == second
        _ = np.sum(masks[0] & masks[1]) / max(np.sum(masks[0] | masks[1]), 1)
        edges = []
        for mask in masks:
            edge = np.zeros(SIZE, bool)
            edge[:-1, :-1] = (
                (mask[:-1, :-1] ^ mask[:-1, 1:]) | (mask[:-1, :-1] ^ mask[1:, :-1]) | (mask[:-1, :-1] ^ mask[1:, 1:])
            )
            edges.append(edge)
        near = [cv2.dilate(edge.astype(np.uint8), disk) for edge in edges]
        _ = np.sum(edges[0] * near[1]) / max(np.sum(edges[0]), 1), np.sum(edges[1] * near[0]) / max(np.sum(edges[1]), 1)


def floors(root: Path, results: Path, case: Case) -> tuple[float, float]:
    """Milliseconds per frame to decode both masks alone, and to compute the scores plainly, decoding included."""
    cv2.setNumThreads(1)
    truths = sorted((root / "Annotations").rglob("*.png"))[:PLAIN_FRAMES]
    predictions = sorted(results.rglob("*.png"))[:PLAIN_FRAMES]
    numbers = range(1, case.objects + 1)
    pairs = [(one, one) for one in numbers]
    if case.ids != case.objects:
        pairs = [(one, other) for one in range(1, case.ids + 1) for other in numbers]
    times = []
    for with_scores in (False, True):
        start = time.perf_counter()
        for truth, prediction in zip(truths, predictions, strict=True):
            maps = read_label_map(prediction), read_label_map(truth)
            if with_scores:
                plain_scores(*maps, pairs)
        times.append(1000 * (time.perf_counter() - start) / len(truths))
    return times[0], times[1]


def measure_case(case: Case, repeats: int, two_workers: bool) -> dict[str, float | int]:
    """All figures of a case; times in milliseconds per frame."""
    with tempfile.TemporaryDirectory() as folder:
        root, results = write_case(Path(folder), case)
        frames = len(list(results.rglob("*.png")))
        decode, plain = floors(root, results, case)
        one = best([score(root, results, case, 1) for _ in range(repeats)])
        found: dict[str, float | int] = {
            "frames": frames,
            "ms_per_frame": round(1000 * one.wall / frames, 2),
            "processor_ms_per_frame": round(1000 * one.processor / frames, 2),
            "decode_alone_ms_per_frame": round(decode, 2),
            "plain_ms_per_frame": round(plain, 2),
            "times_faster_than_plain": round(plain / (1000 * one.wall / frames), 2),
            "peak_mib": round(one.peak),
        }
        if two_workers:
            two = best([score(root, results, case, 2) for _ in range(repeats)])
            found["ms_per_frame_two_workers"] = round(1000 * two.wall / frames, 2)
            found["two_workers_over_one"] = round(one.wall / two.wall, 2)
            found["peak_mib_of_a_process_with_two_workers"] = round(two.peak)
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1280, help="frames of a case")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    frames = chosen.frames
    cases = [
        Case("one object", "davis2016", 1, 1, frames),
        Case("3 objects", "davis2017", 3, 3, frames),
        Case("unsupervised, 20 proposals x 3 objects", "davis2017-unsupervised", 3, 20, frames // 2),
    ]
    report = {
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": round(os.getloadavg()[0], 2),
        "size": list(SIZE),
        "help_seconds": round(best([timed(["score", "--help"]) for _ in range(5)]).wall, 3),
        **{case.name: measure_case(case, chosen.repeats, True) for case in cases},
    }
    short, long = (Case("", "davis2017", 1, 1, count) for count in (80, 4 * frames))
    report["peak_mib_by_length"] = {
        str(case.frames): measure_case(case, 1, False)["peak_mib"] for case in (short, long)
    }
    report["load_at_end"] = round(os.getloadavg()[0], 2)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
