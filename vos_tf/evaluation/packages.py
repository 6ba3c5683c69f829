"""Submission zips of DAVIS-2017, YouTube-VOS and Tianchi: checked against the data set, then written; or only checked.

DAVIS wants the sequences at the root of the zip and a mask for every frame. YouTube-VOS wants
``Annotations/<video>/<frame>.png`` and the frames that ``meta.json`` lists, Tianchi the same of every frame.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import Problem, ProblemsError, VosError
from vos_tf.evaluation.preflight import mask_fault, values_of
from vos_tf.files import replacing
from vos_tf.media.label_maps import read_label_map
from vos_tf.progress import progress

Layout = Literal["davis2017", "youtube-vos", "tianchi"]

_TOP = {"davis2017": "", "youtube-vos": "Annotations/", "tianchi": "Annotations/"}
_WORDS = {
    "davis2017": "sequences at the root of the zip",
    "youtube-vos": "Annotations/<video>/<frame>.png",
    "tianchi": "Annotations/<video>/<frame>.png",
}
_MOST_BYTES_PER_PIXEL, _HEADERS = 4, 2**16
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same masks give the same zip


class _Wanted(NamedTuple):
    """A mask that belongs into the zip."""

    video: Video
    frame: str

    @property
    def place(self) -> str:
        return f"{self.video.name}/{self.frame}.png"


def write_package(results: Path, dataset: Dataset, layout: Layout, out: Path) -> int:
    """Check a results folder and write it as a submission zip, whole or not at all.

    Masks that the organisers do not ask for are left out.

    Args:
        results: Folder with ``<sequence>/<frame>.png``.
        dataset: The split submitted to.
        layout: Whose zip.
        out: The zip.

    Returns:
        Number of masks in the zip.

    Raises:
        ProblemsError: Masks are missing, no indexed PNG, of wrong size, or hold ids that no object has.
    """
    wanted = list(_wanted_masks(dataset, layout))
    problems = list(_check_folder(results, wanted, results))
    if problems:
        raise ProblemsError(f"{results}: cannot be packaged for {layout}:", problems)
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for item in wanted:
            entry = zipfile.ZipInfo(_TOP[layout] + item.place, _EPOCH)
            archive.writestr(entry, (results / item.place).read_bytes())
    return len(wanted)


def check_package(path: Path, dataset: Dataset, layout: Layout) -> int:
    """Check a submission zip made by anyone.

    Returns:
        Number of masks in it.

    Raises:
        VosError: The file is no zip.
        ProblemsError: Wrong folders inside, or masks as in `write_package`.
    """
    wanted = list(_wanted_masks(dataset, layout))
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            problems = list(_check_names(path, names, wanted, layout))
            problems = problems or list(_check_bytes(path, archive, wanted, layout))
            if not problems:
                _extract(archive, wanted, layout, Path(folder))
                problems = list(_check_folder(Path(folder), wanted, path / _TOP[layout]))
    except FileNotFoundError:
        raise VosError(f"{path}: expected a zip, found no such file") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError) as error:  # RuntimeError: encrypted, or unknown
        raise VosError(f"{path}: expected a zip, found a file that cannot be read ({error})") from None
    if problems:
        raise ProblemsError(f"{path}: not what {layout} expects:", problems)
    return len(wanted)


def _wanted_masks(dataset: Dataset, layout: Layout) -> Iterator[_Wanted]:
    for video in dataset.videos:
        listed = {frame for item in video.objects for frame in item.frames}
        for frame in video.frame_names:
            if layout != "youtube-vos" or frame in listed:
                yield _Wanted(video, frame)


def _check_folder(folder: Path, wanted: Sequence[_Wanted], shown: Path) -> Iterator[Problem]:
    with progress("checking", len(wanted), "masks") as bar:
        for item in wanted:
            found = _check_mask(folder / item.place, item.video)
            bar.advance()
            if found:
                yield Problem(str(shown / item.place), found[0], found[1], item.video.name)


def _check_mask(path: Path, video: Video) -> tuple[str, str] | None:
    """What was expected and found, or ``None`` if the mask is good."""
    if not path.is_file():
        return "a mask", "no such file"
    fault = mask_fault(path, grey=False)
    if fault:
        return "an indexed PNG", fault
    try:
        labels = read_label_map(path)
    except VosError:
        return "an indexed PNG", "a file that cannot be decoded"
    if labels.shape != video.size:
        return f"{video.size[1]}x{video.size[0]} pixels", f"{labels.shape[1]}x{labels.shape[0]}"
    unknown = sorted(set(values_of(labels)) - {0, *video.object_ids})
    if unknown:
        known = ", ".join(map(str, video.object_ids))
        return f"object ids {known}", f"id {', '.join(map(str, unknown))}"
    return None


def _check_names(path: Path, names: Sequence[str], wanted: Sequence[_Wanted], layout: Layout) -> Iterator[Problem]:
    top, found = _TOP[layout], set(names)
    places = [item.place for item in wanted]
    if places and not any(top + place in found for place in places):
        example = next((name for name in names if name.endswith(places[0])), None)
        shown = f"{example!r} instead of {top + places[0]!r}" if example else f"{names[0] if names else 'nothing'!r}"
        yield Problem(str(path), _WORDS[layout], shown)
        return
    expected = {top + place for place in places}
    for name in sorted(expected - found):
        yield Problem(f"{path}/{name}", "a mask", "no such entry", name.split("/")[-2])
    for name in sorted(found - expected):
        yield Problem(f"{path}/{name}", "only the masks asked for", "another file")


def _check_bytes(path: Path, archive: zipfile.ZipFile, wanted: Sequence[_Wanted], layout: Layout) -> Iterator[Problem]:
    """Entries that would unpack to far more than a mask: not even unpacked."""
    for item in wanted:
        height, width = item.video.size
        most = _MOST_BYTES_PER_PIXEL * height * width + _HEADERS
        found = archive.getinfo(_TOP[layout] + item.place).file_size
        if found > most:
            place = f"{path}/{_TOP[layout]}{item.place}"
            yield Problem(place, f"a mask of at most {most} bytes", f"{found} bytes", item.video.name)


def _extract(archive: zipfile.ZipFile, wanted: Sequence[_Wanted], layout: Layout, folder: Path) -> None:
    for item in wanted:
        target = folder / item.place
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(_TOP[layout] + item.place) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
