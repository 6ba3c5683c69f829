"""Which records a run trains and validates on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_world import Moving, make_dataset

from vos_tf.datasets import open_dataset
from vos_tf.errors import VosError
from vos_tf.jobs.run_config import differences, read_run_config, run_config, write_run_config
from vos_tf.jobs.train import training_data
from vos_tf.pipeline.sampling import plan_epoch, usable_videos
from vos_tf.records.preprocess import preprocess

SETTINGS = {"size": [32, 48], "state_filters": 8, "decoder_filters": [8, 6, 4]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Records of four videos of six frames, and of ten stills."""
    root = tmp_path_factory.mktemp("two")
    videos = make_dataset(root / "world", videos=4, frames=6, objects=(Moving(1, 0, 6),))
    preprocess(videos, root / "videos", size="native", workers=1)
    for number in range(10):
        labels = np.zeros((30, 40), np.uint8)
        labels[5:20, 5 : 10 + number] = 255
        for folder, values in (("images", np.dstack([labels] * 3)), ("masks", labels)):
            (root / "stills" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / "stills" / folder / f"{number}.png")
    preprocess(open_dataset("still_images", root / "stills", "all"), root / "photos", size="native", workers=1)
    return root


def config_of(root: Path, clips=None, **data):
    values = {"records": [str(root / "videos"), str(root / "photos")], "validation_fraction": 0.25, **data}
    return run_config(
        {
            "data": values,
            "model": {"trunk": "small", "settings": SETTINGS},
            "clips": {"clip_length": 2, **(clips or {})},
        }
    )


def test_every_folder_gives_videos_to_train_and_to_validate_on(folders):
    data = training_data(config_of(folders))
    assert [len(part.videos) for part in (data.training, data.validation)] == [3 + 8, 1 + 2]
    assert {name.partition("/")[0] for name in usable_videos(data.validation, data.clips)} == {"videos", "photos"}
    assert data.training.fingerprint == data.validation.fingerprint
    assert [source.dataset for source in data.training.sources] == ["small", "still_images"]


def test_stills_that_are_skipped_are_neither_counted_nor_held_out(folders):
    data = training_data(config_of(folders, clips={"stills": "skip"}))
    assert usable_videos(data.training, data.clips) == ("videos/video0", "videos/video1", "videos/video3")
    assert usable_videos(data.validation, data.clips) == ("video2",)  # of one folder alone


def test_shares_and_fraction_decide_the_epoch(folders):
    clips = {"clip_length": 0, "clips_per_object": 0, "clips_per_frame": 1}
    data = training_data(config_of(folders, clips=clips, fraction=0.5, record_shares=[1, 3]))
    plan = plan_epoch(data.training, data.clips, batch_size=1, seed=0, epoch=0)
    # 3 videos with 3 of 6 frames, and 8 stills.
    assert len(plan) == 3 * 3 + 8
    stills = [clip for clip in plan if clip.video >= 3]
    assert len(stills) == round(17 * 3 / 4)
    assert all(record.annotated == 6 for record in data.validation.records if record.video.startswith("videos"))
    other = training_data(config_of(folders, clips=clips, fraction=0.5))
    assert other.training.records == data.training.records


def test_records_to_validate_on_may_be_several(folders):
    both = f"{folders / 'photos'}, {folders / 'videos'}"
    data = training_data(config_of(folders, records=str(folders / "videos"), validation_records=both))
    assert (len(data.training.videos), len(data.validation.videos)) == (4, 14)
    assert data.training.sources == ()


def test_missing_records_of_several_are_named(folders):
    with pytest.raises(VosError, match="nowhere: expected a complete folder of records"):
        training_data(config_of(folders, records=[str(folders / "videos"), str(folders / "nowhere")]))


def test_the_run_keeps_its_folders(folders, tmp_path):
    config = config_of(folders, record_shares=[2, 1], options={"min_area": 0.1})
    write_run_config(tmp_path / "config.yaml", config)
    assert differences(config, read_run_config(tmp_path / "config.yaml")) == []
