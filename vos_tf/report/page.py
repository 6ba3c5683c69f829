"""The score report: one HTML file with tables, plots over time, contact sheets and the worst frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from vos_tf.datasets.types import Dataset, Video
from vos_tf.evaluation.comparison import worst_frames
from vos_tf.evaluation.statistics import Statistics
from vos_tf.evaluation.tables import Row, ScoreTable, TrackScores
from vos_tf.files import write_bytes
from vos_tf.progress import progress
from vos_tf.report.html import (
    MINOR,
    Cell,
    card_html,
    figure_html,
    list_html,
    number_cell,
    page_html,
    table_html,
    text_cell,
)
from vos_tf.report.overlays import evenly_spaced, overlay_palette, video_tiles
from vos_tf.report.plots import Line, plot_svg

WORST = 10
_NAMES = {"J": "J, region similarity", "F": "F, contour accuracy", "T": "T, temporal instability (lower is better)"}
_MANY = 60  # sequences from which on pictures are fewer and smaller, so that the file can still be opened


def write_report(table: ScoreTable, dataset: Dataset, results: Path, path: Path) -> None:
    """Write the report of one results folder as a single HTML file without outside links.

    Args:
        table: The scores.
        dataset: What was scored against.
        results: Folder with ``<sequence>/<frame>.png``.
        path: The HTML file.

    Raises:
        VosError: A frame or mask cannot be read.
    """
    videos = {video.name: video for video in dataset.videos}
    body = [*_head(table), *_overall_table(table), *_sequence_table(table)]
    if table.average_over != "sequences":
        body += _object_table(table)
    body += _worst(table, videos, results)
    body.append("<h2>Sequences over time</h2>" + _legend_note())
    with progress("drawing the report", len(table.by_sequence), "sequences") as bar:
        for name, tracks in table.by_sequence.items():
            body.append(_sequence(name, tracks, table, videos[name], results))
            bar.advance(note=name)
    title = f"{table.score_name} {table.score:.3f} - {Path(table.results).name} on {table.dataset} {table.split}"
    write_bytes(path, page_html(title, body).encode())


def protocol_note(protocol: str, title: str, dataset: str, split: str, fingerprint: str) -> str:
    """The line that every score must carry: protocol, data set and its fingerprint."""
    return (
        f'<p class="soft">{escape(dataset)} {escape(split)} &middot; protocol <b>{escape(protocol)}</b> '
        f"({escape(title)}) &middot; data set fingerprint <code>{escape(fingerprint)}</code></p>"
    )


def _head(table: ScoreTable) -> Iterator[str]:
    yield f"<h1>{escape(Path(table.results).name)}</h1>"
    yield protocol_note(table.protocol, table.title, table.dataset, table.split, table.fingerprint)
    whole = table.groups()[0]
    cards = [card_html(f"{table.score:.3f}", table.score_name, main=True)]
    for measure, values in whole.row.items():
        cards.append(card_html(f"{values.mean:.3f}", f"{measure} mean"))
        if measure != "T":
            cards.append(card_html(f"{values.recall:.3f}", f"{measure} recall"))
            cards.append(card_html(f"{values.decay:.3f}", f"{measure} decay"))
    yield f'<div class="cards">{"".join(cards)}</div>'
    if table.remarks:
        yield f"<details open><summary>Notes ({len(table.remarks)})</summary>{list_html(table.remarks)}</details>"
    meaning = (
        "Mean is over the frames of an object; recall is the share of frames above 0.5; decay is the mean of the "
        "first quarter less that of the last.",
    )
    yield f"<details><summary>What counts here</summary>{list_html((*table.rules, *meaning))}</details>"


def _overall_table(table: ScoreTable) -> Iterator[str]:
    groups = table.groups()
    if len(groups) > 1:
        rows = [(text_cell(group.name), Cell(str(group.count), group.count), *_cells(group.row)) for group in groups]
        yield "<h2>Seen and unseen categories</h2>" + table_html(("", "objects", *_columns(table)), rows)


def _sequence_table(table: ScoreTable) -> Iterator[str]:
    rows = []
    for name, row in table.sequence_rows().items():
        tracks = table.by_sequence[name]
        frames = len({frame for item in tracks for frame in item.track.frames})
        counts = (_count(len(tracks)), _count(frames))
        rows.append((text_cell(name, _anchor(name)), *counts, *_cells(row)))
    columns = ("sequence", "objects", "frames", *_columns(table))
    yield f"<h2>Sequences ({len(rows)})</h2><p class=soft>A click on a heading sorts.</p>" + table_html(columns, rows)


def _object_table(table: ScoreTable) -> Iterator[str]:
    rows = []
    matched = any(item.proposal for item in table.tracks)
    named = any(item.track.category for item in table.tracks)
    for item in table.tracks:
        track = item.track
        cells = [text_cell(item.sequence, _anchor(item.sequence)), Cell(str(track.object_id), track.object_id)]
        if matched:
            cells.append(Cell(str(item.proposal or "none"), item.proposal or 0))
        cells += [text_cell(track.category or "-")] if named else []
        cells.append(_count(len(track.frames)))
        rows.append((*cells, *_cells(item.statistics(table.decay))))
    names = (*(("proposal",) if matched else ()), *(("category",) if named else ()))
    columns = ("sequence", "object", *names, "frames", *_columns(table))
    yield f"<h2>Objects ({len(rows)})</h2>" + table_html(columns, rows)


def _worst(table: ScoreTable, videos: dict[str, Video], results: Path) -> Iterator[str]:
    if table.measures == ("T",):
        return
    figures = []
    for item in worst_frames(table, WORST):
        tile = video_tiles(videos[item.sequence], results, [item.frame], width=420)[0]
        link = f'<a href="#{escape(_anchor(item.sequence))}">{escape(item.sequence)}</a>'
        caption = f"{link} {escape(tile.caption)} &middot; <b>{item.score:.3f}</b>"
        figures.append(figure_html(tile.picture, caption, f"{item.sequence} {item.frame}"))
    yield (
        f"<h2>The {len(figures)} worst frames</h2><p class=soft>Lowest mean of J and F over the objects of a frame; "
        "of neighbours within five frames only the worst. Prediction filled, ground truth outlined in white.</p>"
        f'<div class="tiles five">{"".join(figures)}</div>'
    )


def _legend_note() -> str:
    return (
        "<p class=soft>One line per object in the colour of its mask; a dot marks its lowest frame. "
        "Pictures: prediction filled, ground truth outlined in white.</p>"
    )


def _sequence(name: str, tracks: Sequence[TrackScores], table: ScoreTable, video: Video, results: Path) -> str:
    wanted = {frame for item in tracks for frame in item.track.frames}
    frames = [frame for frame in video.frame_names if frame in wanted]
    count, width = (8, 320) if len(table.by_sequence) <= _MANY else (4, 220)
    pictures = "".join(
        figure_html(tile.picture, escape(tile.caption), f"{name} {tile.caption}")
        for tile in video_tiles(video, results, evenly_spaced(frames, count), width=width)
    )
    row = table.sequence_rows()[name]
    means = " &middot; ".join(f"{measure} {values.mean:.3f}" for measure, values in row.items())
    return (
        f'<section id="{escape(_anchor(name))}"><h3>{escape(name)} <small class="soft">{means}</small></h3>'
        f'<div class="plots">{"".join(_plots(tracks, table, frames))}</div>{_keys(tracks)}'
        f'<div class="tiles">{pictures}</div></section>'
    )


def _plots(tracks: Sequence[TrackScores], table: ScoreTable, frames: Sequence[str]) -> Iterator[str]:
    position = {frame: index for index, frame in enumerate(frames)}
    for measure in table.measures:
        lines = []
        for item in tracks:
            places = np.array([position[frame] for frame in item.track.frames], np.int64)
            lines.append(Line(_name(item), places, item.values[measure], _colour(item)))
        known = [float(np.nanmax(line.values)) for line in lines if not np.all(np.isnan(line.values))]
        top = 1.0 if measure != "T" else max([0.5, *known])
        yield plot_svg(_NAMES[measure], lines, frames, top)


def _keys(tracks: Sequence[TrackScores]) -> str:
    if len(tracks) == 1:
        return ""
    keys = []
    for item in tracks:
        line = f'<i style="border-color:rgb{_colour(item)}"></i>'
        keys.append(f'<span class="key">{line}{escape(_name(item))}</span>')
    return f"<p>{''.join(keys)}</p>"


def _name(item: TrackScores) -> str:
    category = f" {item.track.category}" if item.track.category else ""
    proposal = f" (proposal {item.proposal})" if item.proposal else ""
    return f"object {item.track.object_id}{category}{proposal}"


def _colour(item: TrackScores) -> tuple[int, int, int]:
    """The colour the object's mask has in the pictures: that of the predicted id."""
    red, green, blue = (int(value) for value in overlay_palette()[item.proposal or item.track.object_id])
    return red, green, blue


def _count(number: int) -> Cell:
    return Cell(str(number), number, kind=MINOR)


def _columns(table: ScoreTable) -> list[str]:
    return [
        f"{measure} {field}"
        for measure in table.measures
        for field in (Statistics._fields if measure != "T" else ("mean",))
    ]


def _cells(row: Row) -> list[Cell]:
    cells = []
    for measure, values in row.items():
        cells.append(number_cell(values.mean, bar=measure != "T"))
        if measure != "T":
            cells += [number_cell(values.recall), number_cell(values.decay)]
    return cells


def _anchor(name: str) -> str:
    return "sequence-" + "".join(letter if letter.isalnum() else "-" for letter in name)
