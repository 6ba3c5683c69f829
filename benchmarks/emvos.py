"""Time of EMVOS at 480 x 864, in ratios within one run.

    python benchmarks/emvos.py [--frames 12] [--rounds 3]

``step_over_trunk`` is a frame (trunk, cues, decoder, update of the memory) of one object against one forward pass of
the trunk alone; ``three_over_one`` three objects against one; ``start_over_step`` the first frame against a later one.
``frames_per_second`` is what a session makes of whole frames, resizing and merging included. All cases take turns, so
that a machine whose speed drifts is fair to all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import vos_tf
from vos_tf.inference.graph import VideoGraph

SIZE = (480, 854)


def masks_of(objects: int) -> np.ndarray:
    """Discs beside each other, uint8 ``(N, H, W, 1)``."""
    rows, columns = np.indices(SIZE)
    discs = [np.hypot(rows - 240, columns - 200 - 220 * index) < 90 for index in range(objects)]
    return np.stack(discs)[..., None].astype(np.uint8)


def cases(graph: VideoGraph, frame: np.ndarray) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    image = tf.constant(frame[None])
    trunk = tf.function(lambda x: graph.network.trunk(x))
    seen = tf.constant(np.random.default_rng(1).uniform(0, 255, (1, *graph.network.settings.size, 3)), tf.float32)
    one, three = (graph.start(image, masks_of(count)) for count in (1, 3))
    return {
        "trunk": lambda: trunk(seen),
        "start": lambda: graph.start(image, masks_of(1)),
        "step": lambda: graph.step(graph.encode(image), one),
        "step_of_three": lambda: graph.step(graph.encode(image), three),
    }


def settled(work: Callable[[], Any]) -> float:
    """Seconds of some work, its result included."""
    start = time.perf_counter()
    for x in tf.nest.flatten(work()):
        x.numpy()
    return time.perf_counter() - start


def session_seconds(segmenter: Any, frames: list[np.ndarray]) -> float:
    """Seconds per frame of a session, the first one left out."""
    labels = masks_of(1)[0, ..., 0]
    session = segmenter.session(size=SIZE)
    session.add(labels)
    for frame in frames[:2]:
        session.step(frame)
    start = time.perf_counter()
    for frame in frames[2:]:
        _ = session.step(frame).labels
    return (time.perf_counter() - start) / len(frames[2:])


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=12, help="frames of a session")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", default="emvos_light")
    chosen = parser.parse_args()
    segmenter: Any = vos_tf.load(chosen.weights)
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(max(chosen.frames, 3))]
    works = cases(VideoGraph(segmenter.network), frames[0])
    for work in works.values():  # compiles
        settled(work)
    times: dict[str, list[float]] = {name: [] for name in works}
    whole = []
    for _ in range(chosen.rounds):
        for name, work in works.items():
            times[name].append(settled(work))
        whole.append(session_seconds(segmenter, frames))
    median = {name: float(np.median(seconds)) for name, seconds in times.items()}
    report = {
        "size": list(SIZE),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        **{f"{name}_ms": round(1000 * seconds) for name, seconds in median.items()},
        "step_over_trunk": round(median["step"] / median["trunk"], 2),
        "three_over_one": round(median["step_of_three"] / median["step"], 2),
        "start_over_step": round(median["start"] / median["step"], 2),
        "frames_per_second": round(1 / float(np.median(whole)), 2),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
