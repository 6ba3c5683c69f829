"""What was done with a video and what became of its objects, for programs (JSON) and for people (HTML)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos_tf.files import write_bytes, write_json
from vos_tf.media.frame_source import timestamp
from vos_tf.report.html import Cell, card_html, figure_html, list_html, number_cell, page_html, table_html, text_cell
from vos_tf.report.overlays import Tile, overlay_palette
from vos_tf.report.plots import Line, plot_svg
from vos_tf.report.tracks import ObjectTrack, Tracks

REPORT = "report.json"
PAGE = "report.html"
_MOST_POINTS = 400
_MOST_EVENTS = 40


@dataclass(frozen=True)
class VideoSummary:
    """What was done.

    Attributes:
        source: What the video was read from.
        name: Of the video.
        size: ``(H, W)`` of its frames.
        frames: Number of frames segmented.
        frame_rate: Frames per second of the video.
        duration: Time of the last frame, seconds after the first.
        model: Where the weights came from.
        method: The model's name.
        seconds: Time taken.
        complete: Whether the video was segmented to its end.
        probabilities: Kind of the files of probability maps that were written; empty: none.
        notes: What the user should know, in sentences.
        settings: What decided the masks.
    """

    source: str
    name: str
    size: tuple[int, int]
    frames: int
    frame_rate: Fraction
    duration: Fraction
    model: str
    method: str
    seconds: float
    complete: bool
    probabilities: str
    notes: tuple[str, ...]
    settings: Mapping[str, Any]


def write_video_report(folder: Path, summary: VideoSummary, tracks: Tracks, tiles: Sequence[Tile]) -> None:
    """Write ``report.html``, then ``report.json``.

    Args:
        folder: Results folder.
        summary: What was done.
        tracks: The objects.
        tiles: Pictures of some frames.

    Raises:
        OSError: They cannot be written.
    """
    write_bytes(folder / PAGE, page_html(summary.name, _page(summary, tracks, tiles)).encode())
    write_json(folder / REPORT, _content(summary, tracks))


def _content(summary: VideoSummary, tracks: Tracks) -> dict[str, Any]:
    return {
        "source": summary.source,
        "complete": summary.complete,
        "probabilities": summary.probabilities,
        "frames": summary.frames,
        "height": summary.size[0],
        "width": summary.size[1],
        "frame_rate": str(summary.frame_rate),
        "duration_seconds": str(summary.duration),
        "method": summary.method,
        "model": summary.model,
        "seconds": round(summary.seconds, 2),
        "frames_per_second": round(summary.frames / max(summary.seconds, 1e-9), 2),
        "notes": list(summary.notes),
        "objects": [
            {
                "id": track.object_id,
                "first_frame": tracks.frames[track.first],
                "frames_seen": int((track.areas > 0).sum()),
                "mean_area": round(float(track.areas.mean()), 6),
                "mean_confidence": _rounded(_mean(track.confidences)),
            }
            for track in tracks.objects
        ],
        "events": [
            {
                "kind": event.kind,
                "object": event.object_id,
                "first_frame": tracks.frames[event.first],
                "last_frame": tracks.frames[event.last],
                "text": event.text,
            }
            for event in tracks.events()
        ],
        "settings": dict(summary.settings),
    }


def _mean(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _page(summary: VideoSummary, tracks: Tracks, tiles: Sequence[Tile]) -> Iterator[str]:
    height, width = summary.size
    yield f"<h1>{escape(summary.name)}</h1>"
    yield (
        f'<p class="soft">{escape(summary.source)} &middot; {width} &times; {height} &middot; '
        f"{escape(summary.method)} with <b>{escape(summary.model)}</b></p>"
    )
    seen = [track for track in tracks.objects if track.areas.any()]
    cards = [
        card_html(str(summary.frames), "frames", main=True),
        card_html(timestamp(summary.duration + 1 / summary.frame_rate), "length"),
        card_html(f"{float(summary.frame_rate):.4g}", "frames per second of video"),
        card_html(str(len(seen)), "object seen" if len(seen) == 1 else "objects seen"),
        card_html(f"{summary.frames / max(summary.seconds, 1e-9):.3g}", "frames segmented per second"),
    ]
    yield f'<div class="cards">{"".join(cards)}</div>'
    if summary.notes:
        yield f"<details open><summary>Notes ({len(summary.notes)})</summary>{list_html(summary.notes)}</details>"
    figures = "".join(figure_html(tile.picture, escape(tile.caption), tile.caption) for tile in tiles)
    yield f'<h2>Frames</h2><div class="tiles">{figures}</div>'
    if seen:
        yield from _objects(seen, tracks)
    yield from _events(tracks)


def _objects(seen: Sequence[ObjectTrack], tracks: Tracks) -> Iterator[str]:
    plots = [
        _plot("Area, % of the frame", seen, tracks, [100 * track.areas for track in seen]),
        _plot("Certainty, mean probability inside", seen, tracks, [track.confidences for track in seen], top=1.0),
    ]
    keys = "".join(
        f'<span class="key"><i style="border-color:rgb{_colour(track)}"></i>object {track.object_id}</span>'
        for track in seen
    )
    yield f'<h2>Objects</h2><div class="plots">{"".join(plots)}</div><p>{keys}</p>'
    rows = []
    for track in seen:
        shown = int((track.areas > 0).sum())
        counts = (Cell(str(shown), shown), Cell(str(len(track) - shown), len(track) - shown))
        area, certainty = number_cell(100 * float(track.areas.mean()), digits=2), number_cell(_mean(track.confidences))
        name = text_cell(f"object {track.object_id}")
        rows.append((name, text_cell(tracks.frames[track.first]), *counts, area, certainty))
    columns = ("object", "joins in frame", "frames seen", "frames not seen", "mean area, %", "mean certainty")
    yield table_html(columns, rows)


def _plot(
    title: str,
    seen: Sequence[ObjectTrack],
    tracks: Tracks,
    values: Sequence[NDArray[np.float32]],
    top: float | None = None,
) -> str:
    lines = []
    for track, series in zip(seen, values, strict=True):
        chosen = _lowest(series)
        name = f"object {track.object_id}"
        lines.append(Line(name, chosen + track.first, series[chosen].astype(np.float64), _colour(track)))
    highest = top or max(float(np.nanmax(series)) for series in values) * 1.05
    return plot_svg(title, lines, tracks.frames, highest)


def _lowest(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of the values to draw: all of a few, of many the lowest of each stretch."""
    if len(values) <= _MOST_POINTS:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _MOST_POINTS + 1).astype(int)
    high = np.where(np.isfinite(values), values, np.inf)
    return np.array([begin + int(high[begin:end].argmin()) for begin, end in pairwise(edges)])


def _events(tracks: Tracks) -> Iterator[str]:
    events = tracks.events()
    if not tracks.objects:
        return
    lines = [event.text for event in events[:_MOST_EVENTS]]
    if len(events) > _MOST_EVENTS:
        lines.append(f"and {len(events) - _MOST_EVENTS} more in {REPORT}")
    yield "<h2>Worth a look</h2>"
    nothing = (
        "<p>No object was lost, changed its size at once, or was uncertain. That does not mean that all masks are "
        "right: look at the frames above.</p>"
    )
    yield list_html(lines) if lines else nothing


def _colour(track: ObjectTrack) -> tuple[int, int, int]:
    """The colour of its mask in the pictures."""
    red, green, blue = (int(value) for value in overlay_palette()[track.object_id])
    return red, green, blue
