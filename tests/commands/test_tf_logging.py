"""What a user of a command sees of TensorFlow: nothing, unless asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
from vos_tf.commands.tf_logging import quiet_tensorflow
quiet_tensorflow()
import tensorflow as tf
step = tf.function(lambda x: x + 1)
for length in range(1, 8):  # clips of several lengths: a graph for each
    step(tf.zeros(length))
"""


@pytest.mark.parametrize("asked", [False, True])
def test_graphs_for_clips_of_several_lengths_are_no_news(asked: bool) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    variables |= {"TF_CPP_MIN_LOG_LEVEL": "0"} if asked else {}
    said = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=variables
    ).stderr
    assert ("retracing" in said) == asked
