"""How long our ConvLSTM cell and `keras.layers.ConvLSTM2D` take for the same clips, as one JSON line.

    python benchmarks/conv_lstm.py [--size 8x14] [--channels 256] [--filters 256] [--objects 3] [--steps 5]

Both follow all objects of one video from the same weights, by turns, forward and with gradients. Ratios are medians of
ours to Keras' in the same turn: under 1, ours is quicker. ``difference`` is the largest between the answers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vos_tf.models.conv_lstm import ConvLSTMCell, to_keras


def sides(size: tuple[int, int], channels: int, filters: int) -> tuple[dict[str, Callable[..., Any]], dict[str, Any]]:
    """From frames ``(T, h, w, C)`` and a state of K objects to hidden states ``(K, T, h, w, F)``; and their layers."""
    cell = ConvLSTMCell(filters, candidate_activation="tanh", output_activation="tanh")
    cell.build((None, None, None, channels))
    layer = keras.layers.ConvLSTM2D(filters, 3, padding="same", return_sequences=True)
    layer.build((None, None, *size, channels))  # it asks for a size that is known
    layer.set_weights(to_keras(cell.get_weights()))

    def ours(frames: Any, hidden: Any, memory: Any) -> Any:
        return cell.unroll(cell.project(frames)[None], hidden, memory)

    def theirs(frames: Any, hidden: Any, memory: Any) -> Any:
        repeated = tf.repeat(frames[None], tf.shape(hidden)[0], axis=0)
        return layer(repeated, initial_state=[hidden, memory])

    return {"ours": ours, "keras": theirs}, {"ours": cell, "keras": layer}


def with_gradients(function: Callable[..., Any], layer: Any) -> Callable[..., Any]:
    """The function, and the gradients of its sum of squares."""

    def both(*inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function(*inputs) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    return both


def in_turn(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each, ``(repeats,)``."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if repeat:  # the first traces
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="8x14")
    for name, default in (("channels", 256), ("filters", 256), ("objects", 3), ("steps", 5), ("repeats", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    random = np.random.default_rng(0)
    frames = tf.constant(random.normal(size=(arguments.steps, height, width, arguments.channels)), tf.float32)
    hidden = tf.constant(random.normal(size=(arguments.objects, height, width, arguments.filters)), tf.float32)
    inputs = (frames, hidden, hidden)
    functions, layers = sides((height, width), arguments.channels, arguments.filters)
    answers = [functions[name](*inputs) for name in ("ours", "keras")]
    report: dict[str, Any] = {**vars(arguments), "difference": float(np.abs(answers[0] - answers[1]).max())}
    for kind in ("forward", "gradients"):
        made = {n: f if kind == "forward" else with_gradients(f, layers[n]) for n, f in functions.items()}
        compiled = {name: tf.function(function) for name, function in made.items()}
        works = {name: lambda f=f: tf.nest.map_structure(np.asarray, f(*inputs)) for name, f in compiled.items()}
        seconds = in_turn(works, arguments.repeats)
        report |= {f"{name}_{kind}_ms": round(1000 * float(np.median(s)), 1) for name, s in seconds.items()}
        report[f"{kind}_ratio"] = round(float(np.median(seconds["ours"] / seconds["keras"])), 3)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
