"""Which segmenter a model has, with which options; foreign ones are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

import vos_tf
from vos_tf.errors import VosError
from vos_tf.inference.options import result_options
from vos_tf.methods.osvos.segmenter import OSVOSSegmenter
from vos_tf.methods.registry import get_method
from vos_tf.methods.s2s.segmenter import S2SSegmenter


@pytest.fixture(scope="module")
def osvos() -> Any:
    return get_method("osvos").build(get_method("osvos").resolve_settings("small", {"side_filters": 4}))


@pytest.fixture(scope="module")
def s2s() -> Any:
    small = {"size": [16, 24], "state_filters": 4, "decoder_filters": [4, 4, 4]}
    return get_method("s2s").build(get_method("s2s").resolve_settings("small", small))


def test_each_model_has_its_own(osvos: Any, s2s: Any) -> None:
    assert isinstance(get_method("s2s").make_segmenter(s2s), S2SSegmenter)
    assert isinstance(get_method("osvos").make_segmenter(osvos), OSVOSSegmenter)
    with pytest.raises(VosError, match=r"model: expected one of .*, found 'unknown'"):
        get_method("unknown").make_segmenter(osvos)


def test_given_options_change_nothing_but_themselves(osvos: Any) -> None:
    defaults = get_method("osvos").resolve_options(osvos, {})
    given = get_method("osvos").resolve_options(
        osvos, {"separate": True, "finetune": {"steps": 7, "augment": {"rotation": 3}}}
    )
    assert given.separate
    assert (given.finetune.steps, given.finetune.augment.rotation) == (7, 3.0)
    assert given.finetune.augment.flip == defaults.finetune.augment.flip
    assert given.finetune.learning_rate == defaults.finetune.learning_rate


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objects_per_call": 2}, r"option objects_per_call: expected an option of osvos \(test_scales, .*finetune, "),
        ({"finetune": {"step": 3}}, r"option finetune\.step: expected .*did you mean 'steps'\?"),
        ({"finetune": {"augment": {"rotate": 3}}}, r"option finetune\.augment\.rotate: expected an option"),
        ({"finetune": {"steps": "many"}}, r"finetune\.steps: .* found 'many'"),
        ({"finetune": 3}, r"finetune: .* found 3"),
        ({"annotated_frames": "last"}, "annotated_frames: expected one of first, all, found 'last'"),
        ({"test_scales": []}, "test_scales: expected factors"),
        ({"short_side": -1}, "short_side: expected 0"),
    ],
)
def test_foreign_and_impossible_options_are_refused(osvos: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(VosError, match=message):
        get_method("osvos").resolve_options(osvos, given)


def test_options_of_osvos_are_none_of_s2s(s2s: Any) -> None:
    with pytest.raises(VosError, match=r"option short_side: expected an option of s2s .*objects_per_call, .*found one"):
        get_method("s2s").resolve_options(s2s, {"short_side": 3})
    with pytest.raises(VosError, match=r"option finetune\.trainable: expected an option of s2s \(finetune\.steps, "):
        get_method("s2s").resolve_options(s2s, {"finetune": {"trainable": "head"}})
    with pytest.raises(VosError, match="objects_per_call: expected 0"):
        get_method("s2s").resolve_options(s2s, {"objects_per_call": -1})


def test_only_what_decides_the_masks_counts(osvos: Any, s2s: Any) -> None:
    plain = get_method("s2s").resolve_options(s2s, {})
    assert result_options(
        get_method("s2s").resolve_options(s2s, {"objects_per_call": 2, "adapted": "x"})
    ) == result_options(plain)
    assert result_options(get_method("s2s").resolve_options(s2s, {"restart_every": 7})) != result_options(plain)
    one = result_options(get_method("osvos").resolve_options(osvos, {"adapted": "folder"}))
    assert one == result_options(get_method("osvos").resolve_options(osvos, {}))
    assert one["finetune"]["steps"] == 400
    assert one != result_options(get_method("osvos").resolve_options(osvos, {"finetune": {"seed": 1}}))


def test_the_authors_settings_belong_to_their_trunk() -> None:
    authors = get_method("osvos").resolve_options(
        get_method("osvos").build(get_method("osvos").resolve_settings("vgg16", {})), {}
    )
    assert (authors.finetune.optimizer, authors.finetune.learning_rate) == ("sgd", 1e-8)
    assert (authors.finetune.loss, authors.finetune.rates) == ("class_balanced", "authors")


def test_the_api_takes_options(osvos: Any) -> None:
    segmenter = vos_tf.build("osvos", trunk="small", side_filters=4, options={"finetune": {"steps": 5}})
    assert isinstance(segmenter, OSVOSSegmenter)
    assert segmenter.options.finetune.steps == 5
    assert segmenter.network.settings.side_filters == 4
