"""COSNet's kept reference features and tiled attention, against running pairs, ours and in PyTorch: ratios as JSON.

    python benchmarks/cosnet.py [--repeats 3] [--size 473] [--threads 2] [--parts frame train attention]

ResNet-101. ``frame``: seconds per frame with 5 references, whose features were computed before, against five passes of
the pair model (both trunks each time), ours and, as the original does it, in PyTorch. ``train``: a training step of
two pairs at ``--train-size`` (two trunks, both losses, momentum; PyTorch cannot normalise a single one). ``attention``:
one frame against 5 references from their features: in tiles, whole, and pair by pair in PyTorch; ``_mib`` is what peak
memory grows by from the first call on. Each side lives in its own process and is measured in turn with the others;
``ratio`` is of our first side to the better of PyTorch's memory formats, ``cpu_ratio`` the same of processor times,
which is steadier on a busy machine. Without PyTorch only our own times are given. ``sgemm`` is the rate of a 4096^3
matrix product.

With PyTorch all parts take about half an hour on two cores, and at most 16 GiB.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

import numpy as np
from in_turn import Work, measure, ratios, table

REFERENCES = 5
SIDES = {
    "frame": ("kept", "pairs", "torch", "torch_channels_last"),
    "train": ("ours", "torch", "torch_channels_last"),
    "attention": ("tiled", "whole", "torch"),
}


def _frames(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype(np.float32)


def _masks(count: int, size: int) -> np.ndarray:
    masks = np.zeros((count, 1, size, size), np.float32)
    masks[:, :, size // 4 : size // 2, size // 4 : size // 2] = 1
    return masks


def our_work(part: str, side: str, arguments: argparse.Namespace) -> Work:
    """One frame, training step or attention of ours; the first call compiles it."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    from vos_tf.methods.cosnet.network import COSNet, COSNetSettings

    size = arguments.train_size if part == "train" else arguments.size
    if part == "attention":
        return _our_attention(0 if side == "whole" else COSNetSettings().attention_tile, size)
    network = COSNet(COSNetSettings(size=(size, size)))
    if part == "train":
        return _our_training(network, arguments.batch, size)
    frames = tf.constant(_frames(1 + REFERENCES, size))
    if side == "kept":
        state = network.start(frames[1:2])
        state = state._replace(references=tf.repeat(state.references, REFERENCES, axis=0))
        step = tf.function(network.step)
        return lambda: step(frames[:1], state)[0].numpy()
    pair = tf.function(network.call)
    order = [(0, index) for index in range(1, 1 + REFERENCES)]
    return lambda: np.mean([pair(tf.gather(frames, item)[None]).frames.numpy() for item in order], axis=0)


def _our_attention(tile: int, size: int) -> Work:
    import tensorflow as tf

    from vos_tf.methods.cosnet.co_attention import CoAttention

    layer = CoAttention(256, tile=tile)
    cells = (size + 7) // 8
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(size=(1, cells, cells, 256)).astype(np.float32))
    references = tf.constant(rng.normal(size=(1, REFERENCES, cells, cells, 256)).astype(np.float32))
    attend = tf.function(layer.call)
    return lambda: attend(features, references).numpy()


def _our_training(network: Any, batch: int, size: int) -> Work:
    import tensorflow as tf

    from vos_tf.config import TrainingSettings
    from vos_tf.methods.cosnet.losses import positive_ratio_loss
    from vos_tf.training.optimizers import ParameterGroup, make_optimizer

    variables = network.trainable_variables
    settings = TrainingSettings(optimizer="sgd", momentum=0.9, lr=2.5e-4, weight_decay=5e-4)
    optimizer = make_optimizer(settings, [ParameterGroup("all", variables)])
    frames = tf.constant(np.stack([_frames(2, size)] * batch))
    masks = tf.constant(np.stack([_masks(2, size)] * batch))

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(positive_ratio_loss(network(frames, training=True).frames, masks))
        gradients = tape.gradient(loss, variables)  # none for the encoder's own head
        optimizer.apply(
            [tf.zeros_like(v) if g is None else g for g, v in zip(gradients, variables, strict=True)], variables
        )
        return loss

    return lambda: step().numpy()


def torch_work(part: str, side: str, arguments: argparse.Namespace) -> Work:
    """The same of the network in PyTorch, ``torch`` or ``torch_channels_last``."""
    import torch
    from cosnet_torch import TorchCoAttention, TorchCOSNet, pair_loss

    torch.set_num_threads(arguments.threads)
    size, batch = arguments.train_size if part == "train" else arguments.size, arguments.batch
    if part == "attention":
        cells = (size + 7) // 8
        layer = TorchCoAttention().eval()
        features = torch.randn(1, 256, cells, cells)
        references = torch.randn(REFERENCES, 1, 256, cells, cells)
        return torch.no_grad()(lambda: torch.stack([layer(features, other)[0] for other in references]))
    layout = torch.channels_last if side == "torch_channels_last" else torch.contiguous_format
    network = TorchCOSNet().to(memory_format=layout)
    count = 1 + REFERENCES if part == "frame" else 2 * batch
    frames = torch.from_numpy(_frames(count, size)).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    if part == "frame":
        network.eval()
        return torch.no_grad()(
            lambda: torch.stack([network(frames[:1], frames[i : i + 1])[0] for i in range(1, count)]).mean(0)
        )
    masks = [torch.from_numpy(_masks(batch, size))] * 2
    optimizer = torch.optim.SGD(network.parameters(), 2.5e-4, 0.9, weight_decay=5e-4)

    def work() -> None:
        optimizer.zero_grad()
        pair_loss(network(frames[:batch], frames[batch:])[:2], masks).backward()
        optimizer.step()

    return work


def make_work(side: str, part: str, arguments: argparse.Namespace) -> Work:
    """The work of one side."""
    return (torch_work if side.startswith("torch") else our_work)(part, side, arguments)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=473)
    parser.add_argument("--train-size", type=int, default=281, help="so that three trainings fit into 16 GiB")
    parser.add_argument("--batch", type=int, default=2, help="pairs in a training step; 2 or more")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", default=list(SIDES), choices=list(SIDES))
    arguments = parser.parse_args()
    for part in arguments.parts:
        make = partial(make_work, part=part, arguments=arguments)
        found, gflops = measure(make, SIDES[part], arguments.repeats)
        report: dict[str, Any] = {"benchmark": "cosnet", "part": part, **vars(arguments), "sgemm_gflops": gflops}
        del report["parts"]
        print(json.dumps({**report, **table(found), **ratios(found)}), flush=True)


if __name__ == "__main__":
    main()
