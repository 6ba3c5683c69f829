import zipfile
from pathlib import Path

import numpy as np
import pytest
from handmade import make_dataset, square, write_masks
from PIL import Image

from vos_tf.errors import ProblemsError, VosError
from vos_tf.evaluation.packages import check_package, write_package

MASKS = {"a": [square(10, 10 + i) for i in range(4)], "b": [np.zeros((60, 80), np.uint8)] + [square(5, 5)] * 3}
TOPS = {"davis2017": "", "youtube-vos": "Annotations/", "tianchi": "Annotations/"}


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / "data", MASKS)


@pytest.fixture
def results(tmp_path):
    return write_masks(tmp_path / "results", MASKS)


@pytest.mark.parametrize("layout", TOPS)
def test_package_holds_the_masks_in_the_layout_of_the_server_and_checks(tmp_path, dataset, results, layout):
    out = tmp_path / "out.zip"
    count = write_package(results, dataset, layout, out)
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        first = archive.read(f"{TOPS[layout]}a/00000.png")
    # Video b shows its object from the second frame on: YouTube-VOS alone does not want the first one.
    assert count == len(names) == {"davis2017": 8, "youtube-vos": 7, "tianchi": 8}[layout]
    assert (f"{TOPS[layout]}b/00000.png" in names) == (layout != "youtube-vos")
    assert first == (results / "a" / "00000.png").read_bytes()
    assert check_package(out, dataset, layout) == count
    again = tmp_path / "again.zip"
    write_package(results, dataset, layout, again)
    assert again.read_bytes() == out.read_bytes()


def test_wrong_masks_are_listed_and_nothing_is_written(tmp_path, dataset, results):
    (results / "a" / "00001.png").unlink()
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(results / "a" / "00002.png")
    write_masks(results, {"b": [square(0, 0, size=(30, 40)), square(3, 3, number=4)]})
    with pytest.raises(ProblemsError) as error:
        write_package(results, dataset, "davis2017", tmp_path / "out.zip")
    found = {problem.file.rsplit("results/")[-1]: problem.found for problem in error.value.problems}
    assert found == {
        "a/00001.png": "no such file",
        "a/00002.png": "a grey PNG",
        "b/00000.png": "40x30",
        "b/00001.png": "id 4",
    }
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("layout", "prefix"), [("davis2017", "Annotations/"), ("youtube-vos", ""), ("davis2017", "x/")]
)
def test_wrong_folders_inside_a_zip_are_explained(tmp_path, dataset, results, layout, prefix):
    path = tmp_path / "wrong.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for mask in sorted(results.rglob("*.png")):
            archive.write(mask, prefix + str(mask.relative_to(results)))
    with pytest.raises(ProblemsError) as error:
        check_package(path, dataset, layout)
    assert len(error.value.problems) == 1
    assert f"{prefix}a/00000.png" in error.value.problems[0].found


def test_zip_with_missing_and_strange_entries(tmp_path, dataset, results):
    path = tmp_path / "wrong.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for mask in sorted(results.rglob("*.png"))[1:]:
            archive.write(mask, str(mask.relative_to(results)))
        archive.writestr("__MACOSX/._a", b"")
    with pytest.raises(ProblemsError) as error:
        check_package(path, dataset, "davis2017")
    assert [problem.found for problem in error.value.problems] == ["no such entry", "another file"]


def test_masks_inside_a_zip_are_looked_at(tmp_path, dataset, results):
    path = tmp_path / "wrong.zip"
    write_masks(results, {"a": [square(3, 3, number=9)]})
    with zipfile.ZipFile(path, "w") as archive:
        for mask in sorted(results.rglob("*.png")):
            archive.write(mask, str(mask.relative_to(results)))
    with pytest.raises(ProblemsError, match=r"wrong\.zip/a/00000\.png: expected object ids 1, found id 9"):
        check_package(path, dataset, "davis2017")


def test_file_that_is_no_zip(tmp_path, dataset):
    (tmp_path / "text.zip").write_text("no zip")
    for name, message in {"text.zip": "cannot be read", "none.zip": "no such file"}.items():
        with pytest.raises(VosError, match=message):
            check_package(tmp_path / name, dataset, "davis2017")


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png"])
def test_entries_that_lead_out_are_named_and_never_unpacked(tmp_path, dataset, results, name):
    out = tmp_path / "in" / "out.zip"
    write_package(results, dataset, "davis2017", out)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(ProblemsError, match="expected only the masks asked for, found another file"):
        check_package(out, dataset, "davis2017")
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil.png").exists()


def test_entries_that_unpack_to_gigabytes_are_not_unpacked(tmp_path, dataset, results):
    out = tmp_path / "out.zip"
    write_package(results, dataset, "davis2017", out)
    with zipfile.ZipFile(out) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept["a/00001.png"] = bytes(50_000_000)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    assert out.stat().st_size < 200_000
    with pytest.raises(
        ProblemsError, match=r"a/00001\.png: expected a mask of at most \d+ bytes, found 50000000 bytes"
    ):
        check_package(out, dataset, "davis2017")


def test_damaged_and_encrypted_entries_are_one_clear_error(tmp_path, dataset, results):
    out = tmp_path / "out.zip"
    write_package(results, dataset, "davis2017", out)
    content = out.read_bytes()
    first = content.index(b"\x89PNG") + 40
    out.write_bytes(content[:first] + b"\0\0\0\0" + content[first + 4 :])
    with pytest.raises(VosError, match="expected a zip, found a file that cannot be read"):
        check_package(out, dataset, "davis2017")
    place = content.index(b"PK\x01\x02") + 8  # the flags of the first entry in the central directory
    out.write_bytes(content[:place] + b"\x01" + content[place + 1 :])
    with pytest.raises(VosError, match="expected a zip, found a file that cannot be read"):
        check_package(out, dataset, "davis2017")
