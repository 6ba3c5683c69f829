"""S2S's preset ``shashankvkt`` against its description in PyTorch, on the same cores in turn: ratios as JSON.

    python benchmarks/s2s_family.py [--repeats 5] [--threads 2] [--parts objects1 objects5 clip1 clip5 train1]

256x448. ``objectsN``: milliseconds per frame with N objects, once they are started. ``clipN``: per frame of a clip of
five frames with N objects, start included. ``trainN``: a training step of N clips of five frames, Adam included. The
PyTorch network takes each object through everything by itself, as the original does. Each side lives in its own
process, so that threads and peak memory are its own; PyTorch runs in both memory formats, and the quicker counts.
``sgemm`` is the rate of a 4096^3 matrix product. On a busy machine ``cpu_ratio``, of processor times, is the steadier
one. Without PyTorch only our own times are given.
"""

from __future__ import annotations

import argparse
import json
import re
from functools import partial
from typing import Any

import numpy as np
from in_turn import SIDES, Work, measure, ratios, table

SIZE = (256, 448)
FRAMES = 5


def _inputs(clips: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames ``(clips, 1 + T, H, W, 3)``, 0..255, and masks of all of them ``(clips, 1 + T, objects, H, W)``."""
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (clips, 1 + FRAMES, *SIZE, 3)).astype(np.float32)
    masks = np.zeros((clips, 1 + FRAMES, objects, *SIZE), np.float32)
    for index in range(objects):
        masks[:, :, index, 60:140, 40 * index : 40 * index + 40] = 1
    return frames, masks


def _parsed(part: str) -> tuple[str, int]:
    kind, count = re.fullmatch(r"(objects|clip|train)(\d+)", part).groups()  # type: ignore[union-attr]
    return kind, int(count)


def our_work(part: str, threads: int) -> Work:
    """The work of one part, compiled by the first call."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from vos_tf.methods.s2s.network import S2S, default_settings

    kind, count = _parsed(part)
    network = S2S(default_settings("vgg16", "shashankvkt"))
    if kind == "train":
        return _our_training(network, *_inputs(count, 1))
    frames, masks = (tf.constant(x) for x in _inputs(1, count))
    start, step = tf.function(network.start), tf.function(network.step)
    first = masks[0, 0, ..., None]
    state = [start(frames[:, 0], first)]

    def frame(image: Any) -> None:
        logits, state[0] = step(image, state[0])
        logits.numpy()

    def clip() -> None:
        state[0] = start(frames[:, 0], first)
        for index in range(1, 1 + FRAMES):
            frame(frames[:, index])

    return clip if kind == "clip" else lambda: frame(frames[:, 1])


def _our_training(network: Any, frames: np.ndarray, masks: np.ndarray) -> Work:
    import tensorflow as tf

    from vos_tf.config import TrainingSettings
    from vos_tf.methods.s2s.objective import Settings, make
    from vos_tf.pipeline.clips import ClipBatch
    from vos_tf.training.optimizers import make_optimizer
    from vos_tf.training.steps import TrainingStep

    count = len(frames)
    settings = TrainingSettings(batch_size=count)
    objective = make(Settings(), 1)
    optimizer = make_optimizer(settings, objective.groups(network))
    step = TrainingStep(network, optimizer, tf.distribute.get_strategy(), settings, objective)
    labels, annotated = masks[:, :, 0].astype(np.uint8), np.ones(masks.shape[:2], bool)
    batch = ClipBatch(*map(tf.constant, (frames, labels, annotated, np.ones(count, np.int32))))
    return lambda: float(step(batch, settings.lr))


def torch_work(part: str, threads: int, channels_last: bool) -> Work:
    """The same of the network in PyTorch."""
    import torch
    from s2s_torch import TorchS2S

    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = TorchS2S().to(memory_format=layout)
    kind, count = _parsed(part)
    if kind == "train":
        return _torch_training(network, *_inputs(count, 1))
    frames, masks = (torch.from_numpy(x) for x in _inputs(1, count))
    images = [x.permute(0, 3, 1, 2).contiguous(memory_format=layout) / 255 for x in frames.unbind(1)]
    firsts = [masks[:, 0, index : index + 1] for index in range(count)]
    network.eval()
    states: list[Any] = [None] * count

    @torch.no_grad()
    def start() -> None:
        states[:] = [network.start(images[0], first) for first in firsts]

    @torch.no_grad()
    def frame(image: Any) -> None:
        for index, state in enumerate(states):
            states[index] = network.step(image, state)[1]

    def clip() -> None:
        start()
        for image in images[1:]:
            frame(image)

    start()
    return clip if kind == "clip" else lambda: frame(images[1])


def _torch_training(network: Any, frames: np.ndarray, masks: np.ndarray) -> Work:
    import torch
    from torch.nn import functional

    optimizer = torch.optim.Adam(network.parameters(), 1e-5)
    images = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).contiguous() / 255
    truth = torch.from_numpy(masks)

    def work() -> None:
        logits = network(images, truth[:, 0])
        loss = functional.binary_cross_entropy(torch.sigmoid(logits), truth[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return work


def make_work(side: str, part: str, threads: int) -> Work:
    """The work of one side."""
    return our_work(part, threads) if side == "ours" else torch_work(part, threads, side == "torch_channels_last")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", default=["objects1", "objects5", "clip1", "clip5", "train1"])
    arguments = parser.parse_args()
    for part in arguments.parts:
        frames = FRAMES * int(_parsed(part)[1]) if part.startswith("train") else FRAMES if "clip" in part else 1
        make = partial(make_work, part=part, threads=arguments.threads)
        found, gflops = measure(make, SIDES, arguments.repeats)
        report = {"benchmark": "s2s_family", "part": part, "threads": arguments.threads, "sgemm_gflops": gflops}
        print(json.dumps({**report, **table(found, frames), **ratios(found)}), flush=True)


if __name__ == "__main__":
    main()
