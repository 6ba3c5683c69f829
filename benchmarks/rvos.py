"""RVOS against its description in PyTorch, on the same cores in turn: ratios as JSON.

    python benchmarks/rvos.py [--repeats 5] [--clips 4] [--threads 2] [--parts frame10 frame3 train]

ResNet-101, 256x448, one-shot. ``frame10`` and ``frame3``: milliseconds per frame with ten and with three objects; the
PyTorch network always decodes ten slots, as the original does. ``train``: a training step of clips of five frames,
own predictions fed back, two Adams. Each side lives in its own process, so that threads and peak memory are its own;
PyTorch runs in both memory formats, and the quicker counts. ``sgemm`` is the rate of a 4096^3 matrix product. On a busy
machine ``cpu_ratio``, of processor times, is the steadier one. Without PyTorch only our own times are given.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from in_turn import SIDES, Work, measure, ratios, table

SIZE = (256, 448)
FRAMES = 5
SLOTS = 10


def _inputs(clips: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (clips, FRAMES, *SIZE, 3)).astype(np.float32)
    masks = np.zeros((clips, FRAMES, SLOTS, *SIZE), np.float32)
    for slot in range(SLOTS):
        masks[:, :, slot, 60:140, 40 * slot : 40 * slot + 40] = 1
    return frames, masks


def our_work(part: str, clips: int, threads: int) -> Work:
    """One frame or one training step of ours, compiled by the first call."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from vos_tf.methods.rvos.network import RVOS, RVOSSettings
    from vos_tf.models.folding import folded

    network = RVOS(replace(RVOSSettings(), size=SIZE))
    if part == "train":
        return _our_training(network, *_inputs(clips))
    frames, masks = _inputs(1)
    objects = int(part.removeprefix("frame"))
    trunk = folded(network.trunk)  # as a session of `vos_tf.methods.rvos.segmenter` runs it
    step = tf.function(lambda image, state: network.advance(network.encode(image, trunk=trunk), state))
    image = tf.constant(frames[0, 0, None])
    state = [network.start(image, tf.constant(masks[0, 0, :objects, ..., None]))]

    def work() -> None:
        logits, state[0] = step(image, state[0])
        logits.numpy()

    return work


def _our_training(network: Any, frames: np.ndarray, masks: np.ndarray) -> Work:
    import keras
    import tensorflow as tf

    trunk = network.trunk.trainable_variables
    known = {id(variable) for variable in trunk}
    decoder = [variable for variable in network.trainable_variables if id(variable) not in known]
    groups = [(keras.optimizers.Adam(rate), v) for rate, v in ((1e-3, decoder), (1e-6, trunk))]
    for optimizer, variables in groups:
        optimizer.build(variables)

    @tf.function
    def step(frames: Any, masks: Any) -> Any:
        with tf.GradientTape() as tape:
            p = tf.sigmoid(network.unroll(frames, masks, previous="prediction", training=True).logits)
            together = tf.reduce_sum(p * masks, (3, 4))
            either = tf.reduce_sum(p + masks - p * masks, (3, 4)) + 1e-6
            loss = tf.reduce_sum(tf.reduce_mean(1 - together / either, (0, 2)))
        gradients = tape.gradient(loss, decoder + trunk)
        groups[0][0].apply(gradients[: len(decoder)], decoder)
        groups[1][0].apply(gradients[len(decoder) :], trunk)
        return loss

    x, y = tf.constant(frames), tf.constant(masks)
    return lambda: step(x, y).numpy()


def torch_work(part: str, clips: int, threads: int, channels_last: bool) -> Work:
    """The same of the network in PyTorch."""
    import torch
    from rvos_torch import TorchRVOS

    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = TorchRVOS().to(memory_format=layout)
    if part == "train":
        return _torch_training(network, *_inputs(clips), layout)
    frames, masks = (torch.from_numpy(x) for x in _inputs(1))
    network.eval()
    image = frames[0, 0, None].permute(0, 3, 1, 2).contiguous(memory_format=layout) / 255
    state: list[Any] = [masks[:, 0], None]

    @torch.no_grad()
    def work() -> None:
        logits, state[1] = network(image, state[0], state[1], SLOTS)
        state[0] = torch.sigmoid(logits)

    return work


def _torch_training(network: Any, frames: np.ndarray, masks: np.ndarray, layout: Any) -> Work:
    import torch
    from rvos_torch import soft_iou_loss

    trunk = [*network.encoder.stem.parameters(), *network.encoder.stages.parameters()]
    decoder = [*network.encoder.skips.parameters(), *network.decoder.parameters()]
    optimizers = [torch.optim.Adam(decoder, 1e-3, weight_decay=1e-6), torch.optim.Adam(trunk, 1e-6, weight_decay=1e-6)]
    images = torch.from_numpy(frames).permute(1, 0, 4, 2, 3).contiguous() / 255
    truth = torch.from_numpy(masks)

    def work() -> None:
        previous, past, loss = truth[:, 0], None, 0.0
        for time_step, image in enumerate(images):
            logits, past = network(image.contiguous(memory_format=layout), previous, past, SLOTS)
            loss = loss + soft_iou_loss(logits, truth[:, time_step])
            previous = torch.sigmoid(logits).detach()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    return work


def make_work(side: str, part: str, clips: int, threads: int) -> Work:
    """The work of one side."""
    if side == "ours":
        return our_work(part, clips, threads)
    return torch_work(part, clips, threads, side == "torch_channels_last")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", default=["frame10", "frame3", "train"])
    arguments = parser.parse_args()
    for part in arguments.parts:
        clips = {"clips": arguments.clips} if part == "train" else {}
        make = partial(make_work, part=part, clips=arguments.clips, threads=arguments.threads)
        found, gflops = measure(make, SIDES, arguments.repeats)
        report = {"benchmark": "rvos", "part": part, "threads": arguments.threads, **clips, "sgemm_gflops": gflops}
        print(json.dumps({**report, **table(found), **ratios(found)}), flush=True)


if __name__ == "__main__":
    main()
