from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vos_tf.errors import Problem
from vos_tf.media.diagnosis import diagnose_frame, diagnose_mask
from vos_tf.media.images import encode_image
from vos_tf.media.label_maps import write_label_map

SIZE = (48, 64)


def disc(value: int = 255, blur: bool = False) -> np.ndarray:
    image = np.zeros(SIZE, np.uint8)
    cv2.circle(image, (30, 24), 14, value, -1, cv2.LINE_AA if blur else cv2.LINE_8)
    return image


def diagnose(path: Path, ids: tuple[int, ...] = (1,), single: bool = False, **more: object) -> list[Problem]:
    return diagnose_mask(path, frame_size=SIZE, declared_ids=ids, single_object=single, **more)


def save(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


def test_a_sound_mask_has_no_problem(tmp_path: Path):
    labels = disc(1)
    labels[2:5, 2:5] = 7
    labels[40, 60] = 2
    labels[0] = 255
    write_label_map(tmp_path / "a.png", labels)
    assert diagnose(tmp_path / "a.png", (1, 2, 7), introduces=(1, 2, 7)) == []


def test_many_small_declared_objects_are_no_phantoms(tmp_path: Path):
    labels = np.zeros(SIZE, np.uint8)
    for number in range(1, 9):
        labels[4 + 5 * (number // 2), 5 + 30 * (number % 2)] = number
    write_label_map(tmp_path / "a.png", labels)
    assert diagnose(tmp_path / "a.png", tuple(range(1, 9))) == []


def test_size_is_compared(tmp_path: Path):
    write_label_map(tmp_path / "a.png", disc(1)[:, :-1])
    (problem,) = diagnose(tmp_path / "a.png")
    assert problem.expected == "48 x 64 pixels (height x width) as its frame"
    assert problem.found == "48 x 63"
    assert problem.file == str(tmp_path / "a.png")


@pytest.mark.parametrize(("mode", "word"), [("RGB", "mode RGB with 2 colours"), ("RGBA", "mode RGBA")])
def test_colour_masks_are_refused_as_ids(tmp_path: Path, mode: str, word: str):
    Image.fromarray(disc()).convert(mode).save(tmp_path / "a.png")
    (problem,) = diagnose(tmp_path / "a.png")
    assert word in problem.found
    assert diagnose(tmp_path / "a.png", single=True) == []


def test_soft_colour_mask_is_called_antialiased(tmp_path: Path):
    Image.fromarray(disc(blur=True)).convert("RGB").save(tmp_path / "a.png")
    (as_ids,) = diagnose(tmp_path / "a.png")
    (as_one,) = diagnose(tmp_path / "a.png", single=True)
    assert "antialiased" in as_ids.found
    assert "antialiased" in as_one.found


def test_sixteen_bit_is_refused(tmp_path: Path):
    save(tmp_path / "a.png", disc().astype(np.uint16))
    assert "16 bit" in diagnose(tmp_path / "a.png")[0].found
    assert "16 bit" in diagnose(tmp_path / "a.png", single=True)[0].found


def test_jpeg_masks_are_refused(tmp_path: Path):
    save(tmp_path / "a.jpg", disc())
    (problem,) = diagnose(tmp_path / "a.jpg")
    assert "JPEG" in problem.found


def test_binary_mask_of_0_and_255_is_named(tmp_path: Path):
    save(tmp_path / "a.png", disc(255))
    (problem,) = diagnose(tmp_path / "a.png")
    assert "only 0 and 255" in problem.found
    assert diagnose(tmp_path / "a.png", single=True, introduces=(1,)) == []


def test_binary_mask_of_0_and_1_is_sound(tmp_path: Path):
    save(tmp_path / "a.png", disc(1))
    assert diagnose(tmp_path / "a.png") == []
    assert diagnose(tmp_path / "a.png", single=True) == []


def test_phantom_ids_along_edges(tmp_path: Path):
    save(tmp_path / "a.png", disc(200, blur=True))
    ids_in_file = tuple(np.unique(disc(200, blur=True))[1:].tolist())
    for declared in ((200,), ids_in_file):
        (problem,) = diagnose(tmp_path / "a.png", declared)
        assert "antialiased" in problem.found
        assert f"{len(ids_in_file) - 1} phantom ids" in problem.found


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
def test_masks_of_0_and_255_with_softer_edges_are_no_ids(tmp_path: Path, sigma: float):
    soft = cv2.GaussianBlur(np.kron(disc(255), np.ones((4, 4), np.uint8)), (0, 0), sigma)
    save(tmp_path / "a.png", soft)
    for single in (False, True):
        problems = diagnose_mask(
            tmp_path / "a.png", frame_size=soft.shape, declared_ids=range(1, 255), single_object=single
        )
        assert any("antialiased" in problem.found for problem in problems)


def test_solid_undeclared_object_is_no_phantom(tmp_path: Path):
    labels = disc(1)
    labels[0:6, 0:6] = 9
    write_label_map(tmp_path / "a.png", labels)
    (problem,) = diagnose(tmp_path / "a.png")
    assert problem.expected == "the ids of its video (1)"
    assert problem.found == "id 9 on 36 pixels"


def test_first_mask_has_to_show_its_object(tmp_path: Path):
    write_label_map(tmp_path / "a.png", np.zeros(SIZE, np.uint8))
    for single in (False, True):
        (problem,) = diagnose(tmp_path / "a.png", single=single, introduces=(1,))
        assert problem.found == "an empty mask"
        assert diagnose(tmp_path / "a.png", single=single) == []
    write_label_map(tmp_path / "b.png", disc(1))
    (problem,) = diagnose(tmp_path / "b.png", (1, 2), introduces=(2,))
    assert problem.expected == "object 2, which this mask introduces"


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_unreadable_masks_and_frames(tmp_path: Path, content: bytes | None):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    assert len(diagnose(path)) == 1
    assert len(diagnose_frame(path, SIZE)) == 1


def test_truncated_mask(tmp_path: Path):
    write_label_map(tmp_path / "a.png", np.random.default_rng(0).integers(0, 9, SIZE).astype(np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    (problem,) = diagnose(tmp_path / "a.png")
    assert "damaged" in problem.found


def test_frames(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    content = encode_image(image, ".jpg")
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert diagnose_frame(path, SIZE) == []
    assert diagnose_frame(path, (48, 65))[0].found == "48 x 64"
    path.write_bytes(content + b"\n\n")
    assert diagnose_frame(path, SIZE) == []
    path.write_bytes(content[:-200])
    (problem,) = diagnose_frame(path, SIZE)
    assert "damaged" in problem.found


class TestRealFiles:
    def test_antialiased_colour_masks(self, shared: Path):
        masks = sorted((shared / "data/segtrackv2_bmx/dataset/train/y").glob("*.png"))
        assert masks
        for path in masks:
            for single in (False, True):
                (problem,) = diagnose_mask(path, frame_size=(360, 640), declared_ids=(1,), single_object=single)
                assert "antialiased" in problem.found

    def test_masks_of_0_and_1(self, shared: Path):
        masks = sorted((shared / "data/multi_object/chair/Annotations").glob("*.png"))[:10]
        for path in masks:
            assert diagnose_mask(path, frame_size=(480, 720), declared_ids=(1,), single_object=False) == []
        colour = shared / "data/multi_object/chair/incorrect/frame_000000.png"
        (problem,) = diagnose_mask(colour, frame_size=(480, 720), declared_ids=(1,), single_object=False)
        assert "mode RGBA with 2 colours" in problem.found

    def test_a_mask_one_column_short(self, shared: Path):
        masks = sorted((shared / "data/multi_object/masks/judo").glob("*.png"))
        found = [diagnose_mask(p, frame_size=(480, 854), declared_ids=range(1, 5), single_object=False) for p in masks]
        sizes = [problem.found for problems in found for problem in problems]
        assert sizes == ["480 x 853"] * len(sizes)
        assert 0 < len(sizes) < len(masks)

    def test_sound_frames_and_masks(self, shared: Path):
        for frame in sorted((shared / "data/davis2016/JPEGImages/480p/bear").glob("*.jpg"))[:20]:
            assert diagnose_frame(frame, (480, 854)) == []
            mask = shared / f"data/davis2016/Annotations/480p/bear/{frame.stem}.png"
            assert diagnose_mask(mask, frame_size=(480, 854), declared_ids=(1,), single_object=True) == []
