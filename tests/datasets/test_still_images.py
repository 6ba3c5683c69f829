"""Still images with masks as people have them."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_tf.datasets import open_dataset
from vos_tf.datasets.still_images.masks import StillMaskReader, read_mask_image
from vos_tf.errors import VosError

SIZE = (24, 36)


def disc(size=SIZE, value=1):
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    inside = (rows + 0.5 - height / 2) ** 2 + (columns + 0.5 - width / 2) ** 2 < (height / 3) ** 2
    return (inside * value).astype(np.uint8)


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)  # type: ignore[arg-type]
    return path


def save_photo(path: Path, size=SIZE) -> Path:
    return save(path, np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8))


def save_text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


TRIANGLE = "2 0.1 0.1 0.9 0.1 0.1 0.9\n"


class TestFolders:
    @pytest.mark.parametrize(
        ("images", "masks"),
        [
            ("images", "masks"),
            ("Training_Images", "Ground_Truth"),
            ("clip_img", "matting"),
            ("DUTS-TR-Image", "DUTS-TR-Mask"),
            ("JPEGImages", "SegmentationClass"),
            ("photos", "alpha"),
        ],
    )
    def test_folders_are_known_by_their_names(self, tmp_path: Path, images: str, masks: str):
        for name in ("9", "10", "deep/1"):
            save_photo(tmp_path / images / f"{name}.jpg")
            save(tmp_path / masks / f"{name}.png", disc(value=255))
        dataset = open_dataset("still_images", tmp_path, "all")
        assert [video.name for video in dataset.videos] == ["9", "10", "deep/1"] and dataset.notes == ()
        for video in dataset.videos:
            (frame,) = video.frame_names
            assert (video.size, video.object_ids, list(video.masks)) == (SIZE, (1,), [frame])
            assert video.objects[0].frames == (frame,) == (video.objects[0].first_frame,)
            np.testing.assert_array_equal(video.read_mask(frame), disc())

    def test_images_and_masks_side_by_side(self, tmp_path: Path):
        save_photo(tmp_path / "a.jpg")
        save(tmp_path / "a.png", disc(value=255))
        save_photo(tmp_path / "b.png")
        save_text(tmp_path / "b.txt", TRIANGLE)
        save_photo(tmp_path / "alone.jpg")
        assert [video.name for video in open_dataset("still_images", tmp_path, "all").videos] == ["a", "b"]
        save_photo(tmp_path / "a.webp")
        with pytest.raises(
            VosError, match=r"expected an image and a PNG or .txt mask of one name, found a\.jpg, a\.png"
        ):
            open_dataset("still_images", tmp_path, "all")

    def test_splits_within_the_folders_beside_them_and_by_their_beginning(self, tmp_path: Path):
        for split in ("train2017", "val2017"):
            save_photo(tmp_path / "images" / split / f"{split}_1.jpg")
            save_text(tmp_path / "labels" / split / f"{split}_1.txt", TRIANGLE)
        for split in ("val2017", "val"):
            assert [v.name for v in open_dataset("still_images", tmp_path, split).videos] == ["val2017_1"]
        assert "those of val2017" in open_dataset("still_images", tmp_path, "val").notes[0]
        assert len(open_dataset("still_images", tmp_path, "all").videos) == 2
        with pytest.raises(VosError, match=r"expected a split 'test', found train2017, val2017, all"):
            open_dataset("still_images", tmp_path, "test")
        save_photo(tmp_path / "test/images/c.jpg")
        save_text(tmp_path / "test/labels/c.txt", TRIANGLE)
        assert [video.name for video in open_dataset("still_images", tmp_path, "test").videos] == ["c"]

    def test_a_whole_that_is_asked_for_as_train_is_noted(self, tmp_path: Path):
        save_photo(tmp_path / "images/cats/1.jpg")
        save(tmp_path / "masks/cats/1.png", disc())
        assert "all its images were taken" in open_dataset("still_images", tmp_path, "train").notes[0]
        save_photo(tmp_path / "images/val/1.jpg")
        with pytest.raises(VosError, match=r"expected a split 'train', found val, all"):
            open_dataset("still_images", tmp_path, "train")

    def test_what_has_no_partner_or_no_object_is_left_out_and_noted(self, tmp_path: Path):
        for name in ("1", "2", "3"):
            save_photo(tmp_path / f"images/{name}.jpg")
        save(tmp_path / "masks/1.png", disc())
        save(tmp_path / "masks/2.png", 0 * disc())
        save(tmp_path / "masks/9.png", disc())
        dataset = open_dataset("still_images", tmp_path, "all")
        assert [video.name for video in dataset.videos] == ["1"]
        assert "images without a mask left out: 3" in dataset.notes
        assert "masks without an image left out: 9" in dataset.notes
        assert "images without an object left out: 2" in dataset.notes

    def test_folders_that_cannot_be_told_are_named(self, tmp_path: Path):
        for folder in ("images_small", "images_large"):
            save_photo(tmp_path / folder / "1.jpg")
        save(tmp_path / "masks/1.png", disc())
        with pytest.raises(VosError, match="found images_large, images_small; say which with images_folder"):
            open_dataset("still_images", tmp_path, "all")
        (video,) = open_dataset("still_images", tmp_path, "all", images_folder="images_large").videos
        assert video.frames[0].parent.name == "images_large"
        with pytest.raises(VosError, match=r"images_huge: expected a folder, found none in images_large, images_small"):
            open_dataset("still_images", tmp_path, "all", images_folder="images_huge")
        with pytest.raises(VosError, match=r"expected options masks, min_area, .*, found 'threshold'"):
            open_dataset("still_images", tmp_path, "all", threshold=3)

    def test_folders_without_pairs_are_refused(self, tmp_path: Path):
        with pytest.raises(VosError, match=r"expected images and masks .* of the same names, found none"):
            open_dataset("still_images", tmp_path, "all")
        save_photo(tmp_path / "images/1.jpg")
        with pytest.raises(VosError, match=r"expected a folder masks or mask or .*, found images"):
            open_dataset("still_images", tmp_path, "all")
        save(tmp_path / "masks/2.png", disc())
        with pytest.raises(VosError, match=r"expected images and masks .* of the same names, found none"):
            open_dataset("still_images", tmp_path, "all")
        save(tmp_path / "masks/1.png", 0 * disc())
        with pytest.raises(VosError, match="found only empty masks"):
            open_dataset("still_images", tmp_path, "all")
        save_photo(tmp_path / "images/1.png")
        with pytest.raises(VosError, match=r"expected one file for each name, found 1\.jpg and 1\.png"):
            open_dataset("still_images", tmp_path, "all")


class TestClasses:
    @pytest.mark.parametrize("names", ["names: [person, bicycle, car]", "names:\n  0: person\n  2: car\n"])
    def test_names_come_from_the_yaml(self, tmp_path: Path, names: str):
        save_photo(tmp_path / "images/1.jpg")
        save_text(tmp_path / "labels/1.txt", TRIANGLE + "7 0.5 0.5 0.9 0.5 0.9 0.9\n")
        save_text(tmp_path / "data.yaml", names)
        (video,) = open_dataset("still_images", tmp_path, "all").videos
        assert [(item.id, item.category) for item in video.objects] == [(1, "car"), (2, None)]

    @pytest.mark.parametrize("content", ["names: 3", "[1, 2]", "a: [", "nc: 3"])
    def test_a_yaml_without_names_is_refused(self, tmp_path: Path, content: str):
        save_photo(tmp_path / "images/1.jpg")
        save_text(tmp_path / "labels/1.txt", TRIANGLE)
        save_text(tmp_path / "data.yaml", content)
        with pytest.raises(VosError, match=r"data\.yaml: expected"):
            open_dataset("still_images", tmp_path, "all")

    def test_small_objects_are_void(self, tmp_path: Path):
        save_photo(tmp_path / "images/1.jpg")
        save_text(tmp_path / "labels/1.txt", TRIANGLE + "7 0.8 0.8 0.9 0.8 0.9 0.9 0.8 0.9\n")
        save_photo(tmp_path / "images/2.jpg")
        labels = disc(value=4)
        labels[0, :3] = 9
        save(tmp_path / "labels/2.png", labels)
        whole, cut = (open_dataset("still_images", tmp_path, "all", min_area=area) for area in (0.0, 0.05))
        assert [video.object_ids for video in whole.videos] == [(1, 2), (4, 9)]
        assert [video.object_ids for video in cut.videos] == [(1,), (4,)]
        assert [(video.read_mask(video.frame_names[0]) == 255).sum() for video in cut.videos] == [9, 3]
        assert "2 objects are void" in cut.notes[0] and whole.notes == ()
        assert cut.fingerprint != whole.fingerprint
        assert (
            len({open_dataset("still_images", tmp_path, "all", masks=kind).fingerprint for kind in ("auto", "ids")})
            == 2
        )


def smooth_disc():
    large = disc((480, 720), 255)
    return cv2.resize(large, SIZE[::-1], interpolation=cv2.INTER_AREA)


class TestMasks:
    @pytest.mark.parametrize(
        ("values", "suffix"),
        [
            (disc(value=255), ".png"),
            (disc(), ".png"),
            (disc().astype(bool), ".png"),
            (smooth_disc(), ".png"),
            (cv2.GaussianBlur(cv2.resize(disc(value=255), (360, 240)), (41, 41), 0), ".png"),
            (np.dstack([disc(value=255)] * 3), ".png"),
            (np.dstack([np.zeros((*SIZE, 3), np.uint8), disc(value=255)]), ".png"),
            (disc().astype(np.uint16) * 65535, ".png"),
            (disc(value=255), ".jpg"),
            (disc(value=255), ".bmp"),
        ],
        ids=["0_255", "0_1", "1_bit", "smooth", "matte", "rgb", "alpha", "16_bit", "jpeg", "bmp"],
    )
    @pytest.mark.parametrize("kind", ["auto", "binary"])
    def test_binary_masks_of_every_kind(self, tmp_path: Path, values: np.ndarray, suffix: str, kind: str):
        path = save(tmp_path / f"mask{suffix}", values)
        labels = StillMaskReader(kind)(path, SIZE)
        assert labels.dtype == np.uint8 and set(np.unique(labels)) == {0, 1}
        assert (labels != disc()).mean() < 0.01

    def test_half_of_the_greatest_value_counts(self, tmp_path: Path):
        path = save(tmp_path / "mask.png", np.array([[0, 127, 128, 255]] * 2, np.uint8))
        np.testing.assert_array_equal(read_mask_image(path, "binary"), [[0, 0, 1, 1]] * 2)

    @pytest.mark.parametrize("mode", ["L", "P"])
    def test_ids_stay_ids(self, tmp_path: Path, mode: str):
        labels = np.zeros(SIZE, np.uint8)
        labels[2:8, 2:8], labels[10:20, 4:16], labels[0] = 3, 200, 255
        image = Image.fromarray(labels)
        if mode == "P":
            image.putpalette(range(256))
        image.save(tmp_path / "mask.png")
        np.testing.assert_array_equal(read_mask_image(tmp_path / "mask.png"), labels)
        few = save(tmp_path / "few.png", disc().astype(np.uint16) * 7)
        np.testing.assert_array_equal(read_mask_image(few), disc(value=7))

    def test_masks_of_another_size_are_resized_to_the_nearest_id(self, tmp_path: Path):
        path = save(tmp_path / "mask.png", disc((22, 33), 255))
        labels = StillMaskReader()(path, SIZE)
        assert labels.shape == SIZE and set(np.unique(labels)) == {0, 1}
        assert labels[12, 18] == 1 and (labels != disc()).mean() < 0.1

    @pytest.mark.parametrize("size", [(36, 24), (24, 30), (10, 36)])
    def test_masks_of_other_proportions_are_refused(self, tmp_path: Path, size: tuple[int, int]):
        path = save(tmp_path / "mask.png", disc(size))
        with pytest.raises(VosError, match=rf"expected .* 24 x 36 \(height x width\), found {size[0]} x {size[1]}"):
            StillMaskReader()(path, SIZE)

    def test_coloured_masks_need_to_be_called_binary(self, tmp_path: Path):
        path = save(tmp_path / "mask.png", np.dstack([disc(value=200), 0 * disc(), 0 * disc()]))
        with pytest.raises(VosError, match=r"expected a grey or indexed mask, found a coloured one \(mode RGB\)"):
            read_mask_image(path)
        np.testing.assert_array_equal(read_mask_image(path, "binary"), disc())

    def test_what_is_no_mask_is_refused(self, tmp_path: Path):
        with pytest.raises(VosError, match="expected a mask, found no such file"):
            read_mask_image(tmp_path / "none.png")
        (tmp_path / "mask.png").write_bytes(b"nothing")
        with pytest.raises(VosError, match="expected a mask, found a file that cannot be decoded"):
            read_mask_image(tmp_path / "mask.png")
        save(tmp_path / "float.tif", disc().astype(np.float32) * 1e6)
        with pytest.raises(VosError, match="expected values of 8 or 16 bit"):
            read_mask_image(tmp_path / "float.tif")

    @pytest.mark.parametrize("values", [{"kind": "soft"}, {"min_area": 1.0}, {"min_area": -0.1}])
    def test_impossible_options_are_refused(self, values: dict[str, object]):
        with pytest.raises(VosError, match="expected"):
            StillMaskReader(**values)  # type: ignore[arg-type]

    def test_the_reader_travels_to_other_processes(self):
        assert pickle.loads(pickle.dumps(StillMaskReader("ids", 0.1))) == StillMaskReader("ids", 0.1)


class TestRealStills:
    def test_polygons_of_coco(self, shared: Path):
        dataset = open_dataset("still_images", shared / "data/coco128-seg", "train")
        assert len(dataset.videos) == 126 and sum(len(video.objects) for video in dataset.videos) == 929
        assert "those of train2017" in dataset.notes[0]

    def test_persons_whose_masks_have_another_size(self, shared: Path):
        dataset = open_dataset("still_images", shared / "data/human_segmentation", "all")
        assert len(dataset.videos) == 290 and {video.object_ids for video in dataset.videos} == {(1,)}
        video = next(video for video in dataset.videos if video.name == "258")
        assert video.read_mask("258").shape == video.size == (1001, 1500)
