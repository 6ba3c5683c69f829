"""Records of a small data set, written once."""

import pytest
from small_world import Moving, make_dataset

from vos_tf.records.preprocess import preprocess

OBJECTS = (Moving(1, 0, 12), Moving(2, 3, 9), Moving(3, 2, 12))


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """Four videos of 12 frames, 40 x 60, every frame annotated, three objects."""
    return make_dataset(tmp_path_factory.mktemp("world"), videos=4, objects=OBJECTS)


@pytest.fixture(scope="session")
def small_manifest(small_dataset, tmp_path_factory):
    """Its records at native size, in chunks of 5 frames at most, in 3 shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vos_tf.records.plan.MAX_CHUNK_FRAMES", 5)
        folder = tmp_path_factory.mktemp("records")
        return preprocess(small_dataset, folder, size="native", shards=3, workers=1)
