"""Protocols: which frames and objects count, and over what scores are averaged.

The same masks get different numbers from different tools; every protocol here says in `rules` what it counts.
Where the public tools disagree, the official tool of the data set is followed and the reason is given.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from vos_tf.config import one_of
from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.errors import VosError

AverageOver = Literal["sequences", "objects", "categories"]

MAX_PROPOSALS = 20


@dataclass(frozen=True)
class Track:
    """What counts of one object.

    Attributes:
        object_id: Id in the ground truth.
        category: Its category, or ``None``.
        group: ``seen``, ``unseen``, or empty where the protocol knows no groups.
        frames: Names of the frames scored, in order.
    """

    object_id: int
    category: str | None
    group: str
    frames: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a protocol counts of one video.

    Attributes:
        video: The video.
        tracks: The objects, by rising id.
        known_ids: Ids that a prediction may hold besides 0; ``None``: any.
        remarks: What was left out and why, for the user.
    """

    video: Video
    tracks: tuple[Track, ...]
    known_ids: frozenset[int] | None
    remarks: tuple[str, ...] = ()

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of all frames that count for any object, in the order of the video."""
        wanted = {frame for track in self.tracks for frame in track.frames}
        return tuple(frame for frame in self.video.frame_names if frame in wanted)


class ScoringProtocol(ABC):
    """One way to score label maps.

    Attributes:
        name: As on the command line.
        title: For tables and reports.
        rules: What counts, sentence by sentence.
        average_over: What the overall score is the mean of.
        merge_objects: All ids are one foreground object.
        ignore_void: Pixels labelled 255 in the ground truth count neither for nor against; else background.
        max_proposals: Highest id a prediction may hold where ids are free proposals; ``None``: ids are given.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rules: ClassVar[tuple[str, ...]]
    average_over: ClassVar[AverageOver] = "objects"
    merge_objects: ClassVar[bool] = False
    ignore_void: ClassVar[bool] = False
    max_proposals: ClassVar[int | None] = None

    @abstractmethod
    def plan(self, video: Video) -> Plan:
        """Say what counts of ``video``.

        Raises:
            VosError: Nothing can be scored, or a frame that counts has no annotation.
        """

    def merges(self, video: Video) -> bool:
        """Whether all ids of a prediction mean one object: by the rules, or because the video has only one."""
        return self.merge_objects or (video.single_object and self.max_proposals is None)

    def remarks(self) -> tuple[str, ...]:
        """What the user should know about this protocol on this data set."""
        return ()


class Davis2016(ScoringProtocol):
    """One foreground object; Perazzi et al., CVPR 2016."""

    name = "davis2016"
    title = "DAVIS-2016"
    rules = (
        "All ids are merged into one foreground object.",
        "The first and the last frame do not count (the last by tradition: some methods of 2016 gave none).",
        "Every score is averaged over frames, then over sequences.",
        "T (temporal instability) exists only here; it looks at the prediction alone, and lower is better.",
    )
    average_over = "sequences"
    merge_objects = True

    def plan(self, video: Video) -> Plan:
        """See `ScoringProtocol.plan`."""
        return Plan(video, (Track(1, None, "", _inner_frames(video, self)),), known_ids=None)


class Davis2017(ScoringProtocol):
    """Objects given in the first frame; Pont-Tuset et al., "The 2017 DAVIS Challenge", arXiv:1704.00675."""

    name = "davis2017"
    title = "DAVIS-2017 semi-supervised"
    rules = (
        "The objects are 1 to the highest id of the first frame's annotation; later objects do not count.",
        "The first and the last frame do not count.",
        "Void pixels (255) are background, as in the official tool.",
        "An id between 1 and the highest that never occurs is an object too (empty against empty scores 1).",
        "Every score is averaged over the frames of an object, then over all objects of all sequences.",
        "J&F is the mean of the J mean and the F mean.",
    )

    def plan(self, video: Video) -> Plan:
        """See `ScoringProtocol.plan`."""
        frames = _inner_frames(video, self)
        return _first_frame_plan(video, frames, self)


class Davis2017Unsupervised(ScoringProtocol):
    """Free proposals; Caelles et al., "The 2019 DAVIS Challenge on VOS", arXiv:1905.00737."""

    name = "davis2017-unsupervised"
    title = "DAVIS-2017 unsupervised"
    rules = (
        f"A prediction may hold up to {MAX_PROPOSALS} proposals (ids 1 to {MAX_PROPOSALS}) that do not overlap.",
        "Proposals and objects are matched one to one so that the mean J&F over the whole video is highest "
        "(Hungarian method); an object without proposal is scored against empty masks.",
        "The objects are 1 to the highest id of the first frame's annotation.",
        "All frames count. Void pixels (255) count neither for nor against.",
        "Every score is averaged over the frames of an object, then over all objects of all sequences.",
    )
    ignore_void = True
    max_proposals = MAX_PROPOSALS

    def plan(self, video: Video) -> Plan:
        """See `ScoringProtocol.plan`."""
        _require_annotations(video, video.frame_names, self)
        return _first_frame_plan(video, video.frame_names, self)


@dataclass(frozen=True)
class YoutubeVos(ScoringProtocol):
    """Seen and unseen categories; Xu et al., "YouTube-VOS", arXiv:1809.03327.

    Attributes:
        seen: Categories of the training videos; empty: not known, all objects form one group.
    """

    name = "youtube-vos"
    title = "YouTube-VOS"
    rules = (
        "An object counts in the frames listed for it in meta.json, from the frame that introduces it on.",
        "Only the listed frames (6 per second) are scored, whether or not the method read more.",
        "J and F are averaged over the frames of an object, then over the objects of seen and of unseen categories.",
        "G is the mean of J seen, J unseen, F seen and F unseen (of those that exist).",
        "The code of the closed server was never published: frames and averages follow its description.",
    )
    average_over = "categories"
    seen: frozenset[str] = field(default=frozenset())

    def plan(self, video: Video) -> Plan:
        """See `ScoringProtocol.plan`."""
        tracks = tuple(
            Track(item.id, item.category, self._group(item), frames)
            for item in video.objects
            if (frames := _from_first(item))
        )
        _require_tracks(video, tracks, self)
        plan = Plan(video, tracks, frozenset(video.object_ids))
        _require_annotations(video, plan.frames, self)
        return plan

    def _group(self, item: VideoObject) -> str:
        if not self.seen or item.category is None:
            return ""
        return "seen" if item.category in self.seen else "unseen"

    def remarks(self) -> tuple[str, ...]:
        """Say so when seen and unseen categories cannot be told apart."""
        if self.seen:
            return ()
        return ("The categories of the training videos are not known here: seen and unseen are not told apart.",)


class Folder(ScoringProtocol):
    """Any label maps: every annotated frame, every object."""

    name = "folder"
    title = "Label maps in folders"
    rules = (
        "Every annotated frame counts for every object from the frame that introduces it on.",
        "Void pixels (255) count neither for nor against.",
        "Every score is averaged over the frames of an object, then over all objects of all sequences.",
    )
    ignore_void = True

    def plan(self, video: Video) -> Plan:
        """See `ScoringProtocol.plan`."""
        tracks = tuple(
            Track(item.id, item.category, "", frames)
            for item in video.objects
            if (frames := tuple(frame for frame in _from_first(item) if frame in video.masks))
        )
        _require_tracks(video, tracks, self)
        return Plan(video, tracks, frozenset(video.object_ids))


PROTOCOLS: dict[str, type[ScoringProtocol]] = {
    protocol.name: protocol for protocol in (Davis2016, Davis2017, Davis2017Unsupervised, YoutubeVos, Folder)
}

_OF_DATASET = {"davis2016": "davis2016", "davis2017": "davis2017", "youtube_vos": "youtube-vos"}


def protocol_for(dataset: Dataset, name: str | None = None) -> ScoringProtocol:
    """The protocol called ``name``, or the one that belongs to ``dataset``.

    Raises:
        VosError: No such protocol.
    """
    chosen = _OF_DATASET.get(dataset.name, Folder.name) if name is None else name.replace("_", "-")
    one_of(f"protocol {name}", chosen, PROTOCOLS)
    if chosen == YoutubeVos.name:
        return YoutubeVos(seen_categories(dataset))
    return PROTOCOLS[chosen]()


def seen_categories(dataset: Dataset) -> frozenset[str]:
    """Categories of the videos a method may have been trained on; empty where their ``meta.json`` is not there.

    ``train-val`` (made by ``vos-tf split``) is held against ``train-train``, everything else against ``train``.
    """
    path = dataset.root / ("train-train" if dataset.split.startswith("train-val") else "train") / "meta.json"
    if not path.is_file():
        return frozenset()
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        return frozenset(item["category"] for video in videos.values() for item in video["objects"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VosError(f"{path}: expected videos with objects and categories, found {error!r}") from None


def _from_first(item: VideoObject) -> tuple[str, ...]:
    frames = item.frames
    return frames[frames.index(item.first_frame) :] if item.first_frame in frames else frames


def _inner_frames(video: Video, protocol: ScoringProtocol) -> tuple[str, ...]:
    frames = video.frame_names[1:-1]
    if not frames:
        raise VosError(
            f"{video.name}: {protocol.title} leaves out the first and last frame; expected 3 frames or more, "
            f"found {len(video.frames)}"
        )
    _require_annotations(video, frames, protocol)
    return frames


def _first_frame_plan(video: Video, frames: tuple[str, ...], protocol: ScoringProtocol) -> Plan:
    first = video.frame_names[0]
    present = {item.id: item for item in video.objects if item.first_frame == first}
    if not present:
        raise VosError(
            f"{video.name}: {protocol.title} takes the objects from frame {first}; expected ids in its "
            "annotation, found none"
        )
    tracks = []
    for number in range(1, max(present) + 1):
        category = present[number].category if number in present else None
        tracks.append(Track(number, category, "", frames))
    late = sorted(set(video.object_ids) - {track.object_id for track in tracks})
    remarks = [f"{video.name}: object {number} appears after the first frame and is not scored" for number in late]
    return Plan(video, tuple(tracks), frozenset(range(1, max(present) + 1)) | frozenset(late), tuple(remarks))


def _require_tracks(video: Video, tracks: tuple[Track, ...], protocol: ScoringProtocol) -> None:
    if not tracks:
        raise VosError(f"{video.name}: {protocol.title} found no object with an annotated frame to score")


def _require_annotations(video: Video, frames: tuple[str, ...], protocol: ScoringProtocol) -> None:
    hidden = [frame for frame in frames if frame not in video.masks]
    if hidden:
        raise VosError(
            f"{video.name}: {protocol.title} needs the annotation of {len(frames)} frames; {len(hidden)} have none, "
            f"the first is {hidden[0]} (the masks of test splits are not public; see `vos-tf split`)"
        )
