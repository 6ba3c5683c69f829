"""Options: what they mean and what they refuse."""

from dataclasses import asdict

import pytest

from vos_tf.config import fill
from vos_tf.errors import VosError
from vos_tf.pipeline.options import AugmentOptions, ClipOptions


@pytest.mark.parametrize(
    ("given", "lengths"), [(7, (7, 7)), ("7", (7, 7)), ("5-11", (5, 11)), ([5, 11], (5, 11)), ((3, 3), (3, 3))]
)
def test_clip_lengths_from_yaml_and_the_command_line(given, lengths):
    options = fill(ClipOptions, {"clip_length": given}, "clips")
    assert options.lengths == lengths
    assert fill(ClipOptions, asdict(options), "clips") == options


def test_classes_from_yaml():
    options = fill(ClipOptions, {"classes": ["cat", "dog"]}, "clips")
    assert options == ClipOptions(classes=["cat", "dog"]) == fill(ClipOptions, asdict(options), "clips")
    assert (options.classes, options.for_validation().classes) == (("cat", "dog"),) * 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clip_length": "0-3"}, r"clips\.clip_length: expected 0 alone, or 1 or more"),
        ({"clip_length": "11-5"}, r"clips\.clip_length: expected 0 alone, or 1 or more with the lowest first"),
        ({"clip_length": "five"}, "expected a number such as 7 or a range"),
        ({"stride": 0}, r"clips\.stride"),
        ({"frames": "some"}, r"clips\.frames: expected one of annotated, all, found 'some'"),
        ({"reference": "last"}, r"clips\.reference"),
        ({"objects": "two"}, r"clips\.objects"),
        ({"start": "last"}, r"clips\.start"),
        ({"max_objects": 0}, r"clips\.max_objects"),
        ({"clips_per_object": 0}, "of which one is above 0"),
        ({"clips_per_video": -1}, "of which one is above 0"),
        ({"size": (0, 5)}, r"clips\.size"),
        ({"classes": ("cat", "dog", "cat")}, r"clips\.classes: .* each once, found cat, dog, cat"),
        ({"classes": ("cat", "")}, r"clips\.classes: expected names of categories, each once, found cat, ''"),
        ({"classes": ("cat",), "objects": "foreground"}, r"clips\.classes: expected clips\.objects one or all"),
    ],
)
def test_impossible_clip_options_are_refused(values, words):
    with pytest.raises(VosError, match=words):
        ClipOptions(**values)


@pytest.mark.parametrize(
    "values", [{"flip": 1.5}, {"rotation": -1}, {"scale": 1.0}, {"crop": 0.99}, {"shear": 90}, {"contrast": 2}]
)
def test_impossible_changes_are_refused(values):
    with pytest.raises(VosError, match=rf"augment\.{next(iter(values))}: expected 0 to"):
        AugmentOptions(**values)


def test_object_slots_and_validation():
    options = ClipOptions(objects="all", max_objects=3, clip_length=(2, 4), clips_per_video=3)
    assert options.objects_per_clip == 3
    assert ClipOptions(max_objects=3).objects_per_clip == 1
    made = options.for_validation()
    assert (made.lengths, made.shuffle, made.start, made.reference) == ((4, 4), False, "first", "first_of_video")
    assert (made.clips_per_object, made.clips_per_video, made.objects) == (1, 0, "all")
