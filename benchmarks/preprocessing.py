"""Speed of preprocessing against OpenCV alone: frames per second of each, and their ratio, as JSON.

Both use the same number of processes on the same frames and masks, and both times include starting the processes.
OpenCV alone reads, decodes, resizes, encodes and throws away; preprocessing also checks every file, finds the ids of
every mask, computes checksums and writes finished shards.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2

from vos_tf.datasets import open_dataset
from vos_tf.datasets.types import Dataset
from vos_tf.records.preprocess import preprocess
from vos_tf.records.settings import JPEG_QUALITY, parse_stored_size

FilePair = tuple[Path, Path | None]


def opencv_alone(task: tuple[list[FilePair], tuple[int, int]]) -> int:
    """Decode, resize and encode some frames and their masks; the number of frames."""
    cv2.setNumThreads(1)
    pairs, (height, width) = task
    for frame, mask in pairs:
        image = cv2.resize(cv2.imread(str(frame)), (width, height), interpolation=cv2.INTER_AREA)
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if mask is not None:
            labels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
            labels = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
            cv2.imencode(".png", labels)
    return len(pairs)


def time_opencv(dataset: Dataset, size: tuple[int, int], workers: int) -> float:
    """Seconds for all frames with OpenCV alone."""
    pairs = [(path, video.masks.get(path.stem)) for video in dataset.videos for path in video.frames]
    tasks = [(pairs[start : start + 8], size) for start in range(0, len(pairs), 8)]
    start = time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert sum(pool.map(opencv_alone, tasks)) == len(pairs)
    return time.perf_counter() - start


def time_preprocess(dataset: Dataset, size: str, workers: int) -> float:
    """Seconds for all frames with preprocessing."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        preprocess(dataset, Path(folder) / "records", size=size, workers=workers)
        return time.perf_counter() - start


def main() -> None:
    """Time both in turn, several times, and compare the best times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--root", type=Path, default=Path("data/synthetic"))
    parser.add_argument("--split", default="train")
    parser.add_argument("--size", default="256x448", help="HEIGHTxWIDTH")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    size = parse_stored_size(arguments.size).exact
    if size is None:
        parser.error("--size: expected HEIGHTxWIDTH")
    dataset = open_dataset(arguments.dataset, arguments.root, arguments.split)
    frames = sum(len(video.frames) for video in dataset.videos)
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        theirs.append(time_opencv(dataset, size, arguments.workers))
        ours.append(time_preprocess(dataset, arguments.size, arguments.workers))
    result = {
        "benchmark": "preprocessing",
        "dataset": f"{dataset.name} {dataset.split}",
        "frames": frames,
        "size": arguments.size,
        "workers": arguments.workers,
        "rounds": arguments.rounds,
        "opencv_frames_per_second": round(frames / min(theirs), 1),
        "preprocess_frames_per_second": round(frames / min(ours), 1),
        "ratio": round(min(theirs) / min(ours), 3),
        "target": 0.7,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
