"""Options are plain dataclasses that nobody has to wait for: help texts are made of them."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest

from vos_tf.errors import VosError
from vos_tf.inference.options import SharedOptions, StateOptions, result_options
from vos_tf.methods.method import imported
from vos_tf.methods.registry import all_methods

KINDS = [place for method in all_methods() for place in method.option_types]


@pytest.mark.parametrize("place", KINDS)
def test_all_methods_share_one_set_of_options(place: Any) -> None:
    kind = imported(place)
    assert issubclass(kind, SharedOptions)
    options = kind(test_flip=True)
    assert pickle.loads(pickle.dumps(options)) == options
    assert {item.name for item in dataclasses.fields(SharedOptions)} <= set(result_options(options))
    with pytest.raises(VosError, match="test_scales: expected factors"):
        kind(test_scales=())


def test_options_do_not_wait_for_tensorflow() -> None:
    code = (
        "import sys\n"
        "from vos_tf.methods.method import imported\n"
        "from vos_tf.methods.registry import all_methods\n"
        "for method in all_methods():\n"
        "    for place in method.option_types: imported(place)()\n"
        "assert not {'tensorflow', 'keras', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_does_not_decide_the_masks_is_left_out() -> None:
    assert result_options(StateOptions(objects_per_call=2)) == result_options(StateOptions())
    assert result_options(StateOptions(step_first=True)) != result_options(StateOptions())
