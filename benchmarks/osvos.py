"""Time of canonical OSVOS (VGG16): forward pass and fine-tuning step, one object and three on one trunk.

    python benchmarks/osvos.py [--sizes 240x427,480x854] [--repeats 5] [--no-torch]

All cases take turns within one run, so that a machine whose speed drifts is fair to all. If PyTorch is installed, the
plain form of the same network (16 channels up-sampled by transposed convolutions) runs there as well, in both of its
memory formats; ``ratio`` is our median against the better of the two. ``sgemm`` is the rate of a matrix product in
GFLOP/s at the same time, and ``fraction`` the convolutions' share of it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from vos_tf.config import TrainingSettings
from vos_tf.losses import class_balanced_cross_entropy
from vos_tf.methods.osvos.network import OSVOS
from vos_tf.models.vgg import VGG16_BLOCKS
from vos_tf.training.optimizers import make_optimizer

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Case = Callable[[], Any]


def our_forward(network: Any, image: np.ndarray) -> Case:
    """The fused logits of a frame."""
    frame = tf.constant(image)
    return tf.function(lambda: network.fused(frame))


def our_step(network: Any, image: np.ndarray, mask: np.ndarray) -> Case:
    """One update of all weights by the loss of the fused map."""
    groups = [group for group in network.parameter_groups() if not group.name.startswith("score")]
    variables = [variable for group in groups for variable in group.variables]
    settings = TrainingSettings(optimizer="sgd", momentum=0.9, lr=1e-8, weight_decay=2e-4)
    optimizer = make_optimizer(settings, groups)
    objects = network.settings.objects
    frame, target = tf.constant(image), tf.constant(np.repeat(mask, objects, axis=-1))

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(class_balanced_cross_entropy(network.fused(frame), target))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def torch_network() -> Any:
    """The plain form: every side's 16 channels up-sampled by a fixed transposed convolution, joined, fused."""
    nn = torch.nn

    class PlainOSVOS(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages, channels = nn.ModuleList(), 3
            self.prep, self.up = nn.ModuleList(), nn.ModuleList()
            for block, (filters, convolutions) in enumerate(VGG16_BLOCKS):
                layers: list[Any] = [nn.MaxPool2d(2, 2, ceil_mode=True)] if block else []
                for _ in range(convolutions):
                    layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
                    channels = filters
                self.stages.append(nn.Sequential(*layers))
                if block:
                    stride = 2**block
                    self.prep.append(nn.Conv2d(channels, 16, 3, padding=1))
                    self.up.append(nn.ConvTranspose2d(16, 16, 2 * stride, stride, bias=False).requires_grad_(False))
            self.fuse = nn.Conv2d(64, 1, 1)

        def forward(self, x: Any) -> Any:
            height, width = x.shape[-2:]
            sides = []
            for block, stage in enumerate(self.stages):
                x = stage(x)
                if block:
                    side = self.up[block - 1](self.prep[block - 1](x))
                    top, left = (side.shape[-2] - height) // 2, (side.shape[-1] - width) // 2
                    sides.append(side[..., top : top + height, left : left + width])
            return self.fuse(torch.cat(sides, dim=1))

    return PlainOSVOS()


def torch_cases(image: np.ndarray, mask: np.ndarray, channels_last: bool) -> tuple[Case, Case]:
    """Forward pass and fine-tuning step in PyTorch."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch_network().to(memory_format=layout)
    frame = torch.from_numpy(image.transpose(0, 3, 1, 2).copy()).to(memory_format=layout)
    target = torch.from_numpy(mask.transpose(0, 3, 1, 2).copy())
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=1e-8, momentum=0.9, weight_decay=2e-4)

    def forward() -> Any:
        with torch.no_grad():
            return network(frame)

    def step() -> Any:
        optimizer.zero_grad()
        logits = network(frame)
        inside = target.mean()
        balance = target * (1 - inside) + (1 - target) * inside
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, balance, reduction="sum")
        loss.backward()
        optimizer.step()
        return loss.item()

    return forward, step


def sgemm_rate(side: int = 2048) -> float:
    """GFLOP/s of a square matrix product in single precision."""
    matrix = tf.random.normal((side, side))
    start = time.perf_counter()
    float(tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 2 * side**3 / (time.perf_counter() - start) / 1e9


def convolution_gflop(height: int, width: int) -> float:
    """Work of the trunk's convolutions in one forward pass."""
    total, channels = 0.0, 3
    for block, (filters, convolutions) in enumerate(VGG16_BLOCKS):
        rows, columns = (-(-side // 2**block) for side in (height, width))
        for _ in range(convolutions):
            total += 2 * 9 * rows * columns * channels * filters
            channels = filters
    return total / 1e9


def measure(cases: dict[str, Case], repeats: int) -> tuple[dict[str, float], float]:
    """Median milliseconds of every case, taken in turn, and the median rate of the matrix product meanwhile."""
    for case in cases.values():
        case()
    times: dict[str, list[float]] = {name: [] for name in cases}
    rates = [sgemm_rate()]
    for _ in range(repeats):
        for name, case in cases.items():
            time.sleep(0.3)  # the other library's threads wait actively for a while
            start = time.perf_counter()
            np.asarray(case())
            times[name].append(1000 * (time.perf_counter() - start))
        rates.append(sgemm_rate())
    return {name: float(np.median(values)) for name, values in times.items()}, float(np.median(rates[1:]))


def measure_size(size: tuple[int, int], repeats: int, with_torch: bool) -> dict[str, Any]:
    """All figures at one size of the frame."""
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (1, *size, 3)).astype(np.float32)
    mask = (rng.random((1, *size, 1)) > 0.9).astype(np.float32)
    network = OSVOS()
    cases = {"forward": our_forward(network, image), "step": our_step(network, image, mask)}
    cases["step_3_objects"] = our_step(network.with_objects(3), image, mask)
    if with_torch:
        for layout in ("plain", "channels_last"):
            forward, step = torch_cases(image, mask, layout == "channels_last")
            cases |= {f"torch_forward_{layout}": forward, f"torch_step_{layout}": step}
    times, sgemm = measure(cases, repeats)
    work = convolution_gflop(*size)
    found: dict[str, Any] = {"size": list(size), "ms": {name: round(ms, 1) for name, ms in times.items()}}
    found["sgemm"] = round(sgemm, 1)
    found["fraction"] = {
        name: round(passes * work / times[name] * 1000 / sgemm, 3) for name, passes in (("forward", 1), ("step", 3))
    }
    found["ratio_3_objects"] = round(times["step_3_objects"] / times["step"], 3)
    if with_torch:
        best = {
            name: min(times[f"torch_{name}_{layout}"] for layout in ("plain", "channels_last"))
            for name in cases
            if f"torch_{name}_plain" in times
        }
        found["ratio"] = {name: round(times[name] / other, 3) for name, other in best.items()}
    return found


def main() -> None:
    """Measure every size and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="240x427,480x854")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-torch", action="store_true")
    arguments = parser.parse_args()
    sizes = [tuple(int(side) for side in size.split("x")) for size in arguments.sizes.split(",")]
    with_torch = torch is not None and not arguments.no_torch
    results = [measure_size((height, width), arguments.repeats, with_torch) for height, width in sizes]
    print(json.dumps({"benchmark": "osvos", "torch": torch.__version__ if with_torch else None, "sizes": results}))


if __name__ == "__main__":
    main()
