"""A user's own video: label maps, pictures and a report, made frame by frame; an interrupted run continues."""

from __future__ import annotations

import errno
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from vos_tf.config import one_of
from vos_tf.errors import IncompleteError, VosError
from vos_tf.inference.merging.graph import MergeRule
from vos_tf.inference.prefetch import BackgroundWriter, prefetch
from vos_tf.inference.results_folder import Provenance, claim_results
from vos_tf.inference.video_run import Segmented, segment_frames
from vos_tf.jobs.segment_model import ChosenModel, choose_model
from vos_tf.media.frame_source import FrameSource, TimedFrame
from vos_tf.media.label_maps import read_label_map, write_label_map
from vos_tf.media.open_source import open_source
from vos_tf.media.probability_maps import (
    PROBABILITIES,
    PROBABILITY_KINDS,
    probability_path,
    write_probabilities,
)
from vos_tf.media.video_writer import check_video_writing
from vos_tf.progress import progress
from vos_tf.prompts.given_masks import GivenMasks, open_masks
from vos_tf.report.tracks import Tracks
from vos_tf.report.video_products import OverlayStyle, VideoProducts, opened_products, write_contact_sheet
from vos_tf.report.video_report import PAGE, REPORT, VideoSummary, write_video_report
from vos_tf.text import counted

MASKS = "masks"
OVERLAYS = "overlays"
SHEET = "contact_sheet.jpg"
ADAPTED = "adapted"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment, and how.

    Attributes:
        source: Video file, folder of images, ``-`` or number of a camera.
        masks: ``MASK`` or ``FRAME=MASK`` each; see `vos_tf.prompts.given_masks.open_masks`.
        method: Name of a model; ``None``: see `vos_tf.jobs.segment_model.choose_model`.
        model: Run or model folder, or name of a model that comes with vos_tf.
        out: Where results go; ``None``: ``results/<name of the video>``.
        overlay: Whether to write an overlay picture of every frame.
        style: How masks are laid over.
        video: Video of the overlays to write.
        side_by_side: Whether each frame stands beside its overlay in the video.
        probabilities: Kind of the files of probability maps; empty: none.
        max_frames: Largest number of frames.
        frame_rate: Instead of what the video says.
        rule: How objects are merged.
        options: How the model segments, where it differs from its defaults.
    """

    source: str
    masks: tuple[str, ...] = ()
    method: str | None = None
    model: Path | None = None
    out: Path | None = None
    overlay: bool = False
    style: OverlayStyle = field(default_factory=OverlayStyle)
    video: Path | None = None
    side_by_side: bool = False
    probabilities: str = ""
    max_frames: int | None = None
    frame_rate: Fraction | None = None
    rule: MergeRule = field(default_factory=MergeRule)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.probabilities:
            one_of("--save-probabilities", self.probabilities, PROBABILITY_KINDS)
        if self.max_frames is not None and self.max_frames < 1:
            raise VosError(f"--frames: expected 1 or more, found {self.max_frames}")
        if not 0 <= self.style.alpha <= 1:
            raise VosError(f"--alpha: expected a share from 0 to 1, found {self.style.alpha}")
        if self.side_by_side and self.video is None:
            raise VosError("--side-by-side: expected --video, which it is about, found none")


def segment_video(request: SegmentRequest) -> None:
    """Segment a video and say where everything is.

    Raises:
        VosError: Something is missing, cannot be read or written, or does not fit.
        IncompleteError: The video ended early; the frames before are done.
    """
    if request.video is not None:
        check_video_writing(request.video)
    source = open_source(request.source, request.frame_rate)
    masks = open_masks(request.masks)
    out = request.out or Path("results") / source.name
    frames = iter(source)
    first = next(frames)
    masks.check(source, (first.image.shape[0], first.image.shape[1]))
    chosen = choose_model(
        request.method,
        request.model,
        request.rule,
        request.options,
        masks=len(masks) > 0,
        known=source.lasting and source.length is not None,
        adapted=out / ADAPTED,
    )
    with _writing(out):
        claim_results(out, _scenario(chosen, source, masks, first), "--out")
    run = _Run(request, source, masks, chosen, out)
    if run.is_complete():
        run.draw_again(chain([first], frames))
    else:
        run.segment(chain([first], frames))


def _scenario(chosen: ChosenModel, source: FrameSource, masks: GivenMasks, first: TimedFrame) -> Provenance:
    digest = hashlib.sha256(f"{first.image.shape} {masks.digest}".encode())
    digest.update(first.image.tobytes())
    return Provenance(chosen.digest, source.name, digest.hexdigest()[:16], dict(chosen.settings))


class _Run:
    """One run over a video."""

    def __init__(
        self, request: SegmentRequest, source: FrameSource, masks: GivenMasks, chosen: ChosenModel, out: Path
    ) -> None:
        self._request, self._source, self._masks, self._chosen, self._out = request, source, masks, chosen, out
        self._tracks = Tracks()
        self._last: TimedFrame | None = None

    def is_complete(self) -> bool:
        """Whether an earlier run came to the end of the video, with everything that takes the network."""
        try:
            report = json.loads((self._out / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        asked = self._request.probabilities
        whole = report.get("frames") == _count_masks(self._out)
        return bool(report.get("complete")) and whole and asked in ("", report.get("probabilities"))

    def draw_again(self, frames: Iterator[TimedFrame]) -> None:
        """Make pictures and video from the label maps that are there; the network is not needed."""
        _say(f"{self._out}: all frames are segmented already")
        if self._request.overlay or self._request.video is not None:
            with (
                progress("drawing", self._expected()) as bar,
                self._products() as products,
                _writing(self._out),
                BackgroundWriter() as work,
            ):
                for frame in prefetch(islice(frames, self._request.max_frames)):
                    work.put(partial(self._draw_again, frame, products))
                    bar.advance()
        self._say_where()

    def segment(self, frames: Iterator[TimedFrame]) -> None:
        """Segment all frames. Label maps that are there stay; the network goes through their frames again.

        Raises:
            IncompleteError: The video ended early; everything else is done.
        """
        notes = self._begin()
        began = time.monotonic()
        ended: IncompleteError | None = None
        with progress("segmenting", self._expected()) as bar, self._products() as products, _writing(self._out):
            with BackgroundWriter() as work:
                try:
                    for item in self._results(frames):
                        work.put(partial(self._keep, item, products))
                        bar.advance()
                except IncompleteError as problem:
                    ended = problem
                    notes.append(str(problem))
                except KeyboardInterrupt:
                    if not self._source.endless:
                        raise
                    notes.append("stopped by hand")
            for mask in self._masks.left_over():
                notes.append(f"not used, as its frame did not come: {mask}")
                _say(f"note: {notes[-1]}")
            stopped = len(self._tracks.frames) == self._request.max_frames
            self._finish(products, notes, time.monotonic() - began, complete=ended is None and not stopped)
        self._say_where()
        if ended is not None:
            raise ended

    def _begin(self) -> list[str]:
        _say(f"method: {self._chosen.method}; weights: {self._chosen.origin}")
        for note in self._chosen.notes:
            _say(f"note: {note}")
        there = _count_masks(self._out)
        if there:
            _say(f"{self._out}: {there} label maps are there and stay; to go on exactly, their frames are seen again")
        return list(self._chosen.notes)

    def _results(self, frames: Iterator[TimedFrame]) -> Iterator[Segmented]:
        return segment_frames(
            self._chosen.segmenter, self._source, frames, self._masks, max_frames=self._request.max_frames
        )

    def _expected(self) -> int | None:
        """Number of frames, as far as it is known."""
        lengths = [length for length in (self._source.length, self._request.max_frames) if length is not None]
        return min(lengths, default=None)

    def _products(self) -> AbstractContextManager[VideoProducts]:
        request = self._request
        return opened_products(
            request.style,
            pictures=self._out / OVERLAYS if request.overlay else None,
            video=request.video,
            side_by_side=request.side_by_side,
            frame_rate=self._source.frame_rate,
            expected=self._expected() or 0,
        )

    def _mask(self, frame: TimedFrame) -> Path:
        return self._out / MASKS / f"{frame.name}.png"

    def _keep(self, item: Segmented, products: VideoProducts) -> None:
        """Write what belongs to a frame, its label map last of what takes the network."""
        frame, result = item
        with _writing(self._out):
            folder, kind = self._out / PROBABILITIES / self._source.name, self._request.probabilities
            files = [probability_path(folder, frame.name, number, kind) for number in result.object_ids if kind]
            if not all(file.is_file() for file in files):
                write_probabilities(folder, frame.name, result.object_ids, result.probabilities, kind)
            if not self._mask(frame).is_file():
                write_label_map(self._mask(frame), result.labels)
            products.add(frame, result.labels)
        self._tracks.add(frame.name, result.labels, result.object_ids, result.confidences.tolist())
        self._last = frame

    def _draw_again(self, frame: TimedFrame, products: VideoProducts) -> None:
        with _writing(self._out):
            products.add(frame, read_label_map(self._mask(frame)))

    def _finish(self, products: VideoProducts, notes: list[str], seconds: float, *, complete: bool) -> None:
        """Write the contact sheet and the report."""
        last = self._last
        if last is None:
            return
        source, (height, width) = self._source, last.image.shape[:2]
        tiles = products.spread.tiles()
        count = len(self._tracks.frames)
        note = f"{counted(count, 'frame')} of {width}x{height}, {self._chosen.method} with {self._chosen.origin}"
        write_contact_sheet(self._out / SHEET, tiles, source.name, note)
        summary = VideoSummary(
            source=source.label,
            name=source.name,
            size=(height, width),
            frames=count,
            frame_rate=source.frame_rate,
            duration=last.time,
            model=self._chosen.origin,
            method=self._chosen.method,
            seconds=seconds,
            complete=complete,
            probabilities=self._request.probabilities,
            notes=tuple(notes),
            settings=self._chosen.settings,
        )
        write_video_report(self._out, summary, self._tracks, tiles)

    def _say_where(self) -> None:
        request, out = self._request, self._out
        places = {
            "masks": out / MASKS,
            "probabilities": out / PROBABILITIES / self._source.name if request.probabilities else None,
            "overlays": out / OVERLAYS if request.overlay else None,
            "video": request.video,
            "contact sheet": out / SHEET,
            "report": out / PAGE,
        }
        for name, place in places.items():
            if place is not None:
                sys.stdout.write(f"{name}: {place}\n")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Say what became of the results when they cannot be written."""
    try:
        yield
    except OSError as error:
        done = _count_masks(out)
        found = "the disk full" if error.errno in _NO_ROOM else f"that they cannot be written ({error})"
        raise VosError(
            f"{out}: expected room for results, found {found}; the {done} label maps that are there are whole: the "
            "same command, run again, goes on"
        ) from None


def _count_masks(out: Path) -> int:
    return len(list((out / MASKS).glob("*.png")))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
