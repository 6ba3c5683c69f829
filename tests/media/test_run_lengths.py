"""Run lengths of COCO: golden texts, and every mask comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vos_tf.media.run_lengths import mask_of, pack_counts, run_lengths, unpack_counts

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(deadline=None, max_examples=60)
@given(masks)
def test_every_mask_comes_back(mask: np.ndarray) -> None:
    counts = run_lengths(mask)
    assert sum(counts) == mask.size
    np.testing.assert_array_equal(mask_of(counts, mask.shape), mask)
    assert unpack_counts(pack_counts(counts)) == counts


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2**27), max_size=8))
def test_every_count_comes_back(counts: list[int]) -> None:
    assert unpack_counts(pack_counts(counts)) == counts


def test_columns_come_first_and_background_begins() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1:, 0] = mask[0, 1] = True
    assert run_lengths(mask) == [1, 3, 8]
    assert run_lengths(~mask) == [0, 1, 3, 8]


def test_texts_are_those_of_pycocotools() -> None:
    # Written down from pycocotools 2.0.11; where it is installed, the same of masks drawn by chance.
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    assert pack_counts(run_lengths(mask)) == "5220003"
    assert pack_counts([6, 1, 40, 4, 5, 4, 5, 4, 21]) == "61X13mN000`0"
    pycocotools = pytest.importorskip("pycocotools.mask")
    for seed in range(50):
        rng = np.random.default_rng(seed)
        mask = rng.random(rng.integers(1, 60, 2)) < rng.random()
        theirs = pycocotools.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert theirs["counts"].decode() == pack_counts(run_lengths(mask))


@pytest.mark.parametrize("counts", [[3, 2], [8, -2], [2.0, 4.0], [10**12]])
def test_counts_of_another_size_are_refused_before_memory_is_taken(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="expected run lengths of 2 x 3 pixels"):
        mask_of(counts, (2, 3))


@pytest.mark.parametrize("text", ["\x01", "é", "oooooooooo", "1o"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected packed run lengths"):
        unpack_counts(text)
