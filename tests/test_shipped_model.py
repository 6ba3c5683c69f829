"""The weights that come with vos_tf keep what their model card and the demo promise."""

from __future__ import annotations

import numpy as np
import pytest

import vos_tf
from vos_tf.datasets.synthetic import SyntheticSettings, render_video
from vos_tf.evaluation.measures import region_similarity
from vos_tf.methods.load import SHIPPED, shipped_models


def test_shipped_models_are_light_and_have_a_card() -> None:
    assert "s2s_small_synthetic" in shipped_models()
    for name in shipped_models():
        assert (SHIPPED / name / "MODEL_CARD.md").is_file()
        assert sum(path.stat().st_size for path in (SHIPPED / name).iterdir()) <= 12_000_000


def mean_j(videos: range) -> tuple[float, float]:
    """Mean J of the shipped model and of the first mask repeated, on videos of another seed than it was trained on."""
    segmenter = vos_tf.load("s2s_small_synthetic")
    settings = SyntheticSettings(late_objects=0, exits=0)
    ours, repeated = [], []
    for index in videos:
        video = render_video(settings, 77, index, split="valid")
        results = list(segmenter.stream(video.frames, first=video.labels[0]))
        for object_id in np.unique(video.labels[0])[1:]:
            for labels, result in zip(video.labels[1:], results[1:], strict=True):
                ours.append(region_similarity(result.labels == object_id, labels == object_id))
                repeated.append(region_similarity(video.labels[0] == object_id, labels == object_id))
    return float(np.mean(ours)), float(np.mean(repeated))


def test_it_beats_the_first_mask_on_a_video_it_has_not_seen() -> None:
    ours, repeated = mean_j(range(2))
    assert ours > repeated + 0.1


@pytest.mark.slow
def test_it_reaches_the_demos_promise_on_unseen_videos() -> None:
    ours, repeated = mean_j(range(16))
    assert ours >= 0.70
    assert ours >= repeated + 0.15
