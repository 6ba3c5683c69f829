"""Finding all videos of a data set, whatever is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from vos_tf.datasets.companion import COMPANION
from vos_tf.datasets.davis import DEFAULT_RESOLUTION
from vos_tf.datasets.davis import FRAME_RATE as DAVIS_RATE
from vos_tf.datasets.folder import FRAME_FOLDERS, MASK_FOLDERS, WHOLE_SPLITS, find_folder
from vos_tf.datasets.listing import IMAGE_SUFFIXES, check_name, list_folders
from vos_tf.datasets.recognition import SYNTHETIC_RECEIPT, Layout
from vos_tf.datasets.registry import open_dataset
from vos_tf.datasets.types import DEFAULT_FRAME_RATE
from vos_tf.datasets.youtube_vos import ALL_FRAMES
from vos_tf.datasets.youtube_vos import FRAME_RATE as YOUTUBE_RATE
from vos_tf.doctor.findings import Finding
from vos_tf.doctor.meta import read_meta
from vos_tf.doctor.numbering import usual_step
from vos_tf.doctor.scanned_video import (
    Listed,
    Rules,
    Seen,
    Survey,
    below,
    content_of,
    link_findings,
    loop_findings,
    stray_finding,
)
from vos_tf.errors import VosError

_KNOWN = frozenset({"readme", "license", "licence", "notice", "sources", "changelog", "citation"})
_DAVIS = frozenset({"ImageSets", "JPEGImages", "Annotations", "Annotations_unsupervised", "Scribbles", "Contours"})


def survey(root: Path, layout: Layout) -> Survey:
    """All videos of a data set.

    Args:
        root: Its folder.
        layout: What it was recognised as.

    Raises:
        VosError: It cannot even be looked through.
    """
    findings: list[Finding] = []
    surveys = {
        "davis2016": _davis,
        "davis2017": _davis,
        "youtube_vos": _youtube_vos,
        "synthetic": _youtube_vos,
        "folder": _folder,
    }
    look = surveys.get(layout.name, _opened)
    videos = tuple(look(root, layout, findings))
    return Survey(root, layout.name, layout.sign, layout.splits, videos, tuple(findings))


def _davis(root: Path, layout: Layout, findings: list[Finding]) -> Iterator[Seen]:
    single = layout.name == "davis2016"
    resolutions = list_folders(root / "JPEGImages")
    resolution = DEFAULT_RESOLUTION if DEFAULT_RESOLUTION in resolutions else next(iter(resolutions), "")
    frames, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    years = ("2016", "480p", "1080p") if single else ("2017",)
    year = next(year for year in years if any((root / "ImageSets" / year).glob("*.txt")))
    listed: set[str] = set()
    for split in layout.splits:
        path = root / "ImageSets" / year / f"{split}.txt"
        for name in _names(root, path, split, findings):
            listed.add(name)
            if not (frames / name).is_dir():
                words = f"names {name}, of which there are no frames"
                findings.append(Finding("list", "fault", below(root, path), words, "left out", split, name))
                continue
            yield _see(root, split, name, frames / name, masks / name, findings, Rules(single, True), rate=DAVIS_RATE)
    unlisted = [frames / name for name in list_folders(frames) if name not in listed]
    findings += stray_finding(root, [*unlisted, *_strays(root, _DAVIS), *content_of(frames).strays])


def _names(root: Path, path: Path, split: str, findings: list[Finding]) -> list[str]:
    """Names that a list has, in either form, each once."""
    names: dict[str, None] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        pair = Path(words[0])
        name = pair.parent.name if pair.suffix.lower() in IMAGE_SUFFIXES else line.strip()
        try:
            names[check_name(name, path)] = None
        except VosError:
            text = f"names a sequence outside of the data set: {name!r}"
            findings.append(Finding("outside", "fault", below(root, path), text, "left out", split))
    return list(names)


def _youtube_vos(root: Path, layout: Layout, findings: list[Finding]) -> Iterator[Seen]:
    for split in layout.splits:
        meta = read_meta(root, split)
        findings += meta.findings
        frames, masks = root / split / "JPEGImages", root / split / "Annotations"
        present = list_folders(frames)
        names = list(meta.videos) if meta.videos is not None else list(present)
        for name in names:
            if name not in present:
                words = f"lists {name}, of which there are no frames"
                path = below(root, root / split / "meta.json")
                findings.append(Finding("list", "fault", path, words, "left out", split, name))
                continue
            objects = None if meta.videos is None else meta.videos[name]
            yield _see(root, split, name, frames / name, masks / name, findings, Rules(), objects, YOUTUBE_RATE)
        unlisted = [frames / name for name in present if name not in names]
        known = frozenset({"JPEGImages", "Annotations", "meta.json", SYNTHETIC_RECEIPT})
        findings += stray_finding(root, [*unlisted, *_strays(root / split, known)], split)
        findings += _all_frames(root, split)
    findings += stray_finding(root, _strays(root, {*layout.splits, *(f"{name}{ALL_FRAMES}" for name in layout.splits)}))


def _all_frames(root: Path, split: str) -> list[Finding]:
    """A folder of all frames that holds every fifth of them: the edition that was cut down to 6 per second."""
    folder = root / f"{split}{ALL_FRAMES}" / "JPEGImages"
    steps = [usual_step(content_of(folder / name).images) for name in list_folders(folder)]
    if not steps or min(steps) <= 1:
        return []
    words = f"called all frames, yet it holds only every {min(steps)}th of them: the edition of 6 frames per second"
    return [Finding("frame rate", "fault", below(root, folder), words, f"left out; use {split}", split)]


def _folder(root: Path, layout: Layout, findings: list[Finding]) -> Iterator[Seen]:
    whole = WHOLE_SPLITS[0]
    for split in layout.splits:
        base = root if split == whole else root / split
        frames, masks = find_folder(base, FRAME_FOLDERS), find_folder(base, MASK_FOLDERS)
        if frames is None or masks is None:
            continue
        names = list(_videos(root, frames, findings))
        for name in names:
            label = name or base.resolve().name
            yield _see(root, split, label, frames / name, masks / name, findings, Rules(binary=True))
        known = {frames.name, masks.name, *(layout.splits if split == whole else ())}
        alone = [masks / name for name in list_folders(masks) if names != [""] and not _holds(name, names)]
        findings += stray_finding(root, [*_strays(base, known), *alone], "" if split == whole else split)
    if whole not in layout.splits:
        findings += stray_finding(root, _strays(root, set(layout.splits)))


def _holds(name: str, videos: Sequence[str]) -> bool:
    return any(video == name or video.startswith(f"{name}/") for video in videos)


def _videos(root: Path, folder: Path, findings: list[Finding], prefix: str = "") -> Iterator[str]:
    """Every folder that holds images, as its path below the first; the empty name for the first itself."""
    content = content_of(folder)
    findings += loop_findings(root, content.loops)
    if not content.folders:
        if prefix or content.images:
            yield prefix
        return
    findings += stray_finding(root, [*content.images, *content.strays])
    for name in content.folders:
        yield from _videos(root, folder / name, findings, f"{prefix}/{name}" if prefix else name)


def _see(
    root: Path,
    split: str,
    name: str,
    frames_folder: Path,
    masks_folder: Path,
    findings: list[Finding],
    rules: Rules,
    listed: tuple[Listed, ...] | None = None,
    rate: Fraction = DEFAULT_FRAME_RATE,
) -> Seen:
    frames, masks = content_of(frames_folder), content_of(masks_folder)
    findings += loop_findings(root, [*frames.loops, *masks.loops])
    findings += stray_finding(root, frames.strays, split, name) + stray_finding(root, masks.strays, split, name)
    paths = [frames_folder, masks_folder, *frames.images, *masks.images]
    findings += link_findings(root, paths, split, name)
    return Seen(split, name, frames.images, masks.images, rules, listed, frame_rate=rate)


def _strays(folder: Path, known: Collection[str]) -> list[Path]:
    """Entries of a folder that nobody looks at, without texts about the data set."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name not in known and path.name != COMPANION and path.stem.lower() not in _KNOWN
    ]


def _opened(root: Path, layout: Layout, findings: list[Finding]) -> Iterator[Seen]:
    """Layouts whose masks are not files of their own: as they are opened."""
    for split in layout.splits:
        dataset = open_dataset(layout.name, root, split)
        for video in dataset.videos:
            masks = tuple(video.masks[name] for name in video.frame_names if name in video.masks)
            listed = tuple(Listed(item.id, item.category, item.frames) for item in video.objects)
            yield Seen(
                split, video.name, video.frames, masks, Rules(), listed or None, video.mask_reader, video.frame_rate
            )
