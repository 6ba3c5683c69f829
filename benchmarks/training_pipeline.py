"""Speed of the training pipeline against bare decoding: clips per second of each, and their ratio, as JSON.

Bare decoding holds the JPEG and PNG bytes of just the clips' frames in memory and decodes them on the same number of
threads, with OpenCV and with ``tf.io``; the faster of the two counts. The pipeline also reads the bytes from the
shards, changes the clips, renumbers the objects and makes batches. Records are stored at training size. On a busy
machine the ratio of processor times (``cpu_ratio``) is the steadier one.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from vos_tf.datasets import open_dataset
from vos_tf.pipeline.clips import clip_batches, steps_per_epoch
from vos_tf.pipeline.options import AugmentOptions, ClipOptions
from vos_tf.pipeline.sampling import plan_epoch
from vos_tf.pipeline.videos import clip_videos
from vos_tf.records.manifest import Manifest, read_manifest
from vos_tf.records.preprocess import preprocess

CHANGES = {
    "flip": AugmentOptions(flip=0.5),
    "affine": AugmentOptions(flip=0.5, rotation=20, scale=0.25, translation=0.1, shear=10),
    "affine_and_colour": AugmentOptions(
        flip=0.5, rotation=20, scale=0.25, translation=0.1, shear=10, brightness=0.2, contrast=0.2, saturation=0.2
    ),
}
Clips = list[tuple[list[bytes], list[bytes]]]


class Seconds(NamedTuple):
    """On the clock, and of all processors."""

    wall: float
    cpu: float


def now() -> Seconds:
    """The clocks."""
    return Seconds(time.perf_counter(), time.process_time())


def elapsed(start: Seconds) -> Seconds:
    """Time since ``start``."""
    end = now()
    return Seconds(end.wall - start.wall, end.cpu - start.cpu)


def encoded_clips(manifest: Manifest, options: ClipOptions, batch_size: int) -> Clips:
    """The JPEGs and PNGs that the epoch's clips need, each frame once for each clip."""
    shards = [(manifest.folder / shard.file).read_bytes() for shard in manifest.shards]
    videos = clip_videos(manifest)
    clips = []
    for request in plan_epoch(manifest, options, batch_size=batch_size, seed=0, epoch=0):
        video = videos[request.video]
        real = len(request.frames) - request.repeated
        frames = [video.frame_places[index] for index in request.frames[:real]]
        pairs = zip(request.frames[:real], request.annotated[:real], strict=True)
        masks = [video.mask_places[index] for index, annotated in pairs if annotated]
        jpegs, pngs = ([shards[shard][start : start + length] for shard, start, length in p] for p in (frames, masks))
        clips.append((jpegs, pngs))
    return clips


def time_opencv(clips: Clips, threads: int) -> Seconds:
    """Time to decode all clips with OpenCV."""

    def decode(clip: tuple[list[bytes], list[bytes]]) -> None:
        for jpeg in clip[0]:
            cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        for png in clip[1]:
            cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)

    cv2.setNumThreads(1)
    start = now()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, clips))
    return elapsed(start)


def time_tensorflow(clips: Clips, threads: int) -> Seconds:
    """Time to decode all clips with ``tf.io`` in a parallel map over images."""
    images = [image for jpegs, pngs in clips for image in (*jpegs, *pngs)]
    kinds = [channels for jpegs, pngs in clips for channels in (*[3] * len(jpegs), *[1] * len(pngs))]

    def decode(image: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
        return tf.cond(
            channels == 3,
            lambda: tf.io.decode_jpeg(image, channels=3),
            lambda: tf.io.decode_png(image, channels=1),
        )

    dataset = tf.data.Dataset.from_tensor_slices((images, kinds)).map(decode, num_parallel_calls=threads)
    start = now()
    for _ in dataset:
        pass
    return elapsed(start)


def time_pipeline(
    manifest: Manifest, options: ClipOptions, batch_size: int, threads: int, augment: AugmentOptions
) -> Seconds:
    """Time for an epoch of batches."""
    start = now()
    batches = clip_batches(
        manifest,
        options,
        batch_size=batch_size,
        seed=0,
        epoch=0,
        augment=augment,
        parallel=threads,
        drop_remainder=False,
    )
    for _ in batches:
        pass
    return elapsed(start)


def measure(manifest: Manifest, options: ClipOptions, arguments: argparse.Namespace) -> dict[str, object]:
    """Time everything in turn, several times, and compare the best times."""
    batch_size, threads = arguments.batch_size, arguments.threads
    clips = encoded_clips(manifest, options, batch_size)
    times: dict[str, list[Seconds]] = {}
    for _ in range(arguments.rounds):
        times.setdefault("opencv", []).append(time_opencv(clips, threads))
        times.setdefault("tensorflow", []).append(time_tensorflow(clips, threads))
        for name, augment in CHANGES.items():
            times.setdefault(name, []).append(time_pipeline(manifest, options, batch_size, threads, augment))
    best = {name: Seconds(*map(min, zip(*found, strict=True))) for name, found in times.items()}
    bare = min(best["opencv"], best["tensorflow"])
    return {
        "clips": len(clips),
        "steps": steps_per_epoch(manifest, options, batch_size=batch_size),
        "frames": sum(len(jpegs) for jpegs, _ in clips),
        "threads": threads,
        "clips_per_second": {name: round(len(clips) / seconds.wall, 1) for name, seconds in best.items()},
        "ratio": {name: round(bare.wall / best[name].wall, 3) for name in CHANGES},
        "cpu_ratio": {name: round(bare.cpu / best[name].cpu, 3) for name in CHANGES},
        "target": {"flip": 0.8},
    }


def main() -> None:
    """Write records if none are given, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, help="folder of records; made from the data set if not given")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--root", type=Path, default=Path("data/synthetic"))
    parser.add_argument("--split", default="train")
    parser.add_argument("--size", default="256x448")
    parser.add_argument("--clips", type=int, default=200, help="clips of an epoch, about")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.records:
            manifest = read_manifest(arguments.records)
        else:
            dataset = open_dataset(arguments.dataset, arguments.root, arguments.split)
            manifest = preprocess(dataset, folder, size=arguments.size)
        objects = sum(len(video.objects) for video in clip_videos(manifest))
        options = ClipOptions(clips_per_object=max(1, arguments.clips // objects))
        report = {"benchmark": "training_pipeline", "dataset": f"{manifest.dataset} {manifest.split}"}
        print(json.dumps({**report, "size": manifest.size, **measure(manifest, options, arguments)}, indent=2))


if __name__ == "__main__":
    main()
