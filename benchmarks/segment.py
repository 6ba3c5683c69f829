"""`vos-tf segment`: time around the network, and memory of a long video against a short one.

    python benchmarks/segment.py overhead [--frames 100] [--repeats 5] [--size 480x854] [--objects 3]
    python benchmarks/segment.py memory [--long 5000] [--short 100] [--size 480x854]

``overhead`` takes the whole work on an mp4 file and the network alone, in turn. The whole is the command without
loading the model and compiling it: opening and decoding the file, resizing, the small network, resizing back, merging,
label maps on disk, statistics, contact sheet, report. Alone, the network has its inputs ready, in its own size, and
does one frame after the other. ``overhead`` is the share of the whole's time that the network alone does not take: as
decoding, resizing and the encoder of the frames to come, and merging and writing of those before, are done by threads
beside the network, it says what a user waits for, and takes free cores to be measured. ``processor_overhead`` is the
same in processor time, where nothing is gained by threads; other work on the machine hardly changes it. ``once`` is
what does not grow with the number of frames, as share of the whole's processor time: opening, contact sheet, report.
``memory`` prints the largest resident memory of the command for both videos, in MiB, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from vos_tf.datasets.synthetic import SyntheticSettings, render_video
from vos_tf.media.images import resize_image
from vos_tf.media.label_maps import write_label_map
from vos_tf.media.video_reader import VideoReader
from vos_tf.media.video_writer import write_video

CYCLE = 20
MODEL = "s2s_small_synthetic"


class Spent(NamedTuple):
    """Time and processor time, in seconds per frame."""

    clock: float
    processor: float


def make_clip(folder: Path, frames: int, size: tuple[int, int], objects: int) -> tuple[Path, Path]:
    """An mp4 file that runs to and fro through a short made-up video, and the mask of its first frame."""
    settings = SyntheticSettings(
        frames=CYCLE, height=size[0], width=size[1], objects_min=objects, objects_max=objects, late_objects=0
    )
    video = render_video(settings, 0, 0)

    def to_and_fro() -> Iterator[np.ndarray]:
        for index in range(frames):
            yield video.frames[CYCLE - 1 - abs(index % (2 * CYCLE - 2) - (CYCLE - 1))]

    write_video(folder / "clip.mp4", to_and_fro(), Fraction(30))
    write_label_map(folder / "first.png", video.labels[0])
    return folder / "clip.mp4", folder / "first.png"


def spent(work: Callable[[], None], frames: int) -> Spent:
    """What a piece of work takes."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Spent((time.perf_counter() - clock) / frames, (time.process_time() - processor) / frames)


def overhead(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure the whole and the network alone, in turn."""
    import tensorflow as tf

    from vos_tf.inference.merging.graph import MergeRule
    from vos_tf.jobs import segment
    from vos_tf.jobs.segment_model import choose_model

    size = arguments.height, arguments.width
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, mask = make_clip(folder, arguments.frames, size, arguments.objects)
        chosen = choose_model(None, Path(MODEL), MergeRule(), {}, masks=True, known=True, adapted=folder / "adapted")
        # The same compiled network in every run, so that compiling is not measured.
        segment.choose_model = lambda *_, **__: chosen

        def whole(out: Path, most: int | None = None) -> None:
            request = segment.SegmentRequest(str(clip), (str(mask),), model=Path(MODEL), out=out, max_frames=most)
            segment.segment_video(request)

        network = chosen.segmenter.network
        working = tuple(network.settings.size)
        frames = [frame.image for frame in VideoReader(clip)][:CYCLE]
        inputs = [tf.constant(resize_image(frame, working)[None], tf.float32) for frame in frames]
        masks = tf.constant(np.random.default_rng(0).uniform(size=(arguments.objects, *working, 1)) > 0.5, tf.float32)
        start = tf.function(network.start)
        step = tf.function(lambda image, state: network.advance(network.encode(image), state))

        def alone(count: int) -> None:
            state = start(inputs[0], masks)
            for index in range(1, count):
                logits, state = step(inputs[index % CYCLE], state)
            logits.numpy()

        whole(folder / "warm", 5)
        alone(5)
        half = arguments.frames // 2
        for repeat in range(arguments.repeats):
            both = spent(lambda: whole(folder / f"out{repeat}"), arguments.frames)  # noqa: B023
            net = spent(lambda: alone(arguments.frames), arguments.frames)
            rows.append((both, net, spent(lambda: whole(folder / f"half{repeat}", half), half)))  # noqa: B023
    every, net, part = (np.median([[*row[which]] for row in rows], axis=0) for which in range(3))
    share = np.median([[1 - b / a for a, b in zip(row[0], row[1], strict=True)] for row in rows], axis=0)
    # In the half as many frames, what is done once weighs twice as much.
    once = (part[1] - every[1]) * half / (arguments.frames - half)
    return {
        "model": MODEL,
        "size": list(size),
        "objects": arguments.objects,
        "frames": arguments.frames,
        "ms_per_frame_whole": round(1000 * every[0], 2),
        "ms_per_frame_network": round(1000 * net[0], 2),
        "overhead": round(share[0], 3),
        "processor_ms_per_frame_whole": round(1000 * every[1], 2),
        "processor_ms_per_frame_network": round(1000 * net[1], 2),
        "processor_overhead": round(share[1], 3),
        "once": round(once / every[1], 3),
    }


def memory(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure the command with a short and a long video."""
    result: dict[str, object] = {"model": MODEL, "size": [arguments.height, arguments.width]}
    peaks = []
    for name, frames in (("short", arguments.short), ("long", arguments.long)):
        with tempfile.TemporaryDirectory() as folder:
            clip, mask = make_clip(Path(folder), frames, (arguments.height, arguments.width), arguments.objects)
            out = ["--out", str(Path(folder) / "out"), "--video", str(Path(folder) / "seen.mp4")]
            command = [sys.executable, "-m", "vos_tf", "segment", str(clip), "--mask", str(mask), "--weights", MODEL]
            peaks.append(peak_mib([*command, *out]))
        result |= {f"{name}_frames": frames, f"{name}_mib": round(peaks[-1], 1)}
    return {**result, "ratio": round(peaks[1] / peaks[0], 3)}


def peak_mib(command: list[str]) -> float:
    """Largest resident memory of a command, measured by a process of its own."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    answer = subprocess.run([sys.executable, "-c", code, *command], check=True, stdout=subprocess.PIPE, text=True)
    return int(answer.stdout) / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Run one of the two and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "memory"))
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--short", type=int, default=100)
    parser.add_argument("--size", default="480x854")
    parser.add_argument("--objects", type=int, default=3)
    arguments = parser.parse_args()
    arguments.height, arguments.width = map(int, arguments.size.split("x"))
    result = overhead(arguments) if arguments.what == "overhead" else memory(arguments)
    print(json.dumps({"benchmark": f"segment_{arguments.what}", **result}))


if __name__ == "__main__":
    main()
