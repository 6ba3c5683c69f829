"""Time of S2S inference with five objects against one: the image is encoded once per frame.

    python benchmarks/objects.py [--trunk vgg16] [--repeats 7]

Prints JSON: median seconds per frame with 1 and with 5 objects, taken in turn, and the median of the paired ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import vos_tf
from vos_tf.methods.s2s.segmenter import S2SSegmenter


def seconds_per_frame(segmenter: S2SSegmenter, objects: int, size: tuple[int, int], frames: int) -> float:
    """Mean time of a frame after the first two, which start the objects and compile the graph."""
    rng = np.random.default_rng(0)
    labels = np.zeros(size, np.uint8)
    for index in range(objects):
        labels[20:120, 10 + 80 * index : 70 + 80 * index] = index + 1
    session = segmenter.session(size)
    session.add(labels)
    clip = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(frames + 2)]
    for frame in clip[:2]:
        session.step(frame)
    start = time.perf_counter()
    for frame in clip[2:]:
        session.step(frame)
    return (time.perf_counter() - start) / frames


def main() -> None:
    """Measure in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", default="vgg16")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--frames", type=int, default=4)
    arguments = parser.parse_args()
    segmenter = vos_tf.build("s2s", trunk=arguments.trunk)
    size = (480, 854)
    pairs = []
    for _ in range(arguments.repeats + 1):
        pairs.append([seconds_per_frame(segmenter, objects, size, arguments.frames) for objects in (1, 5)])
    measured = np.array(pairs[1:])
    print(
        json.dumps(
            {
                "benchmark": "objects",
                "trunk": arguments.trunk,
                "seconds_per_frame_1_object": round(float(np.median(measured[:, 0])), 4),
                "seconds_per_frame_5_objects": round(float(np.median(measured[:, 1])), 4),
                "ratio": round(float(np.median(measured[:, 1] / measured[:, 0])), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
