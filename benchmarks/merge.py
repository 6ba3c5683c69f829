"""How long `vos-tf merge` takes, as JSON: next to copying pixels and to decoding the same maps.

    python benchmarks/merge.py [--frames 1000] [--size 720x1280] [--objects 5] [--workers 2]

Writes probability maps of blobs with soft edges into a temporary folder, as 8-bit PNG, and merges them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from vos_tf.inference.merging.rules import MergeRule
from vos_tf.jobs.merge import merge_folder
from vos_tf.media.probability_maps import find_maps, read_map, write_probabilities

RULES = (MergeRule(), MergeRule("last_wins", 1 / 255), MergeRule("soft_aggregation"))


def write_maps(folder: Path, frames: int, size: tuple[int, int], objects: int, workers: int) -> None:
    """Blobs that move; the maps of 50 frames are drawn, and used again under other names."""
    height, width = size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    random = np.random.default_rng(0)
    centres = random.uniform(0.2, 0.8, (objects, 2)) * size
    noise = cv2.resize(random.normal(size=(height // 16, width // 16)).astype(np.float32), (width, height))

    def one(frame: int) -> None:
        maps = []
        for index, (y, x) in enumerate(centres):
            radius = np.hypot(rows - y - frame, columns - x + 2 * frame) + 12 * np.roll(noise, 40 * index, 1)
            maps.append(1 / (1 + np.exp(0.08 * (radius - height / 6))))
        write_probabilities(folder / "video", f"{frame:05d}", range(1, objects + 1), np.stack(maps).astype(np.float32))

    drawn = min(frames, 50)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, range(drawn)))
    for frame in range(drawn, frames):
        for number in range(1, objects + 1):
            old, new = (folder / "video" / f"{f:05d}_object_{number:03d}.png" for f in (frame % drawn, frame))
            new.write_bytes(old.read_bytes())


def decode(folder: Path, workers: int) -> float:
    """Seconds of decoding all maps, in as many threads."""
    cv2.setNumThreads(1)
    paths = [item.path for frames in find_maps(folder).values() for maps in frames.values() for item in maps]
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(read_map, paths):
            pass
    return time.perf_counter() - start


def copied(size: tuple[int, int], frames: int, objects: int) -> float:
    """Seconds of one thread for copying as many bytes."""
    source = np.random.default_rng(0).integers(0, 256, (objects, *size), dtype=np.uint8)
    target = np.empty_like(source)
    start = time.perf_counter()
    for _ in range(frames):
        np.copyto(target, source)
    return time.perf_counter() - start


def main() -> None:
    """Merge by every rule, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", default="720x1280")
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_maps(root / "maps", arguments.frames, (height, width), arguments.objects, arguments.workers)
        seconds = {"decoding alone": decode(root / "maps", arguments.workers)}
        for rule in RULES:
            start, processor = time.perf_counter(), time.process_time()
            merge_folder(root / "maps", root / rule.name, rule, workers=arguments.workers)
            seconds[rule.name] = time.perf_counter() - start
            seconds[f"{rule.name}, processor"] = time.process_time() - processor
        seconds["copying as many bytes"] = copied((height, width), arguments.frames, arguments.objects)
        size = sum(path.stat().st_size for path in (root / "maps").rglob("*.png"))
    settings = {name: getattr(arguments, name) for name in ("frames", "size", "objects", "workers")}
    print(json.dumps({**settings, "megabytes": size >> 20, "seconds": {k: round(v, 2) for k, v in seconds.items()}}))


if __name__ == "__main__":
    main()
