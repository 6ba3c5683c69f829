"""The comparison report: several results side by side, and the worst frames of each as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from vos_tf.datasets.types import Dataset
from vos_tf.evaluation.comparison import Comparison
from vos_tf.files import write_bytes
from vos_tf.report.html import card_html, figure_html, number_cell, page_html, table_html, text_cell
from vos_tf.report.overlays import video_tiles
from vos_tf.report.page import protocol_note


def write_comparison(comparison: Comparison, dataset: Dataset, results: Sequence[Path], path: Path) -> None:
    """Write the comparison as a single HTML file without outside links.

    Every worst frame is shown with the masks of all results, so that one sees who does better there.

    Args:
        comparison: What was compared.
        dataset: What was scored against.
        results: The folders, in the order of the comparison.
        path: The HTML file.

    Raises:
        VosError: A frame or mask cannot be read.
    """
    title = " against ".join(comparison.names)
    body = [f"<h1>{escape(title)}</h1>", _note(comparison), _cards(comparison), *_table(comparison)]
    body += _pictures(comparison, dataset, results)
    write_bytes(path, page_html(title, body).encode())


def _note(comparison: Comparison) -> str:
    part = (comparison.protocol, comparison.title, comparison.dataset, comparison.split, comparison.fingerprint)
    return protocol_note(*part)


def _cards(comparison: Comparison) -> str:
    cards = [
        card_html(f"{score:.3f}", f"{comparison.score_name} {name}", main=index == 0)
        for index, (name, score) in enumerate(zip(comparison.names, comparison.scores, strict=True))
    ]
    lines = []
    for name, difference in zip(comparison.names[1:], comparison.differences, strict=True):
        certain = difference.low > 0 or difference.high < 0
        interval = (
            "no interval from one sequence"
            if math.isnan(difference.low)
            else f"95% interval {difference.low:+.3f} to {difference.high:+.3f}, "
            + ("differs from 0" if certain else "may be chance")
        )
        lines.append(
            f"<li>{escape(name)} &minus; {escape(comparison.names[0])}: <b>{difference.value:+.3f}</b> ({interval}; "
            f"paired bootstrap over {len(comparison.rows)} sequences)</li>"
        )
    return f'<div class="cards">{"".join(cards)}</div><ul>{"".join(lines)}</ul>'


def _table(comparison: Comparison) -> Iterator[str]:
    names = comparison.names
    rows = []
    for sequence, scores in comparison.rows.items():
        cells = [text_cell(sequence), *(number_cell(score, bar=True) for score in scores)]
        for score in scores[1:]:
            kind = "good" if score > scores[0] else "bad" if score < scores[0] else ""
            cells.append(number_cell(score - scores[0], signed=True)._replace(kind=kind))
        rows.append(cells)
    columns = ("sequence", *names, *(f"{name} - {names[0]}" for name in names[1:]))
    yield f"<h2>{escape(comparison.score_name)} by sequence</h2><p class=soft>A click on a heading sorts.</p>"
    yield table_html(columns, rows)


def _pictures(comparison: Comparison, dataset: Dataset, results: Sequence[Path]) -> Iterator[str]:
    videos = {video.name: video for video in dataset.videos}
    for name, frames in zip(comparison.names, comparison.worst, strict=True):
        yield (
            f"<h2>Worst frames of {escape(name)}</h2><p class=soft>Prediction filled, ground truth outlined in "
            "white.</p>"
        )
        for item in frames:
            figures = []
            for other, folder in zip(comparison.names, results, strict=True):
                tile = video_tiles(videos[item.sequence], folder, [item.frame], width=380)[0]
                figures.append(figure_html(tile.picture, escape(other), f"{other}: {item.sequence} {item.frame}"))
            heading = f"{escape(item.sequence)} {escape(item.frame)} <small class=soft>{item.score:.3f}</small>"
            yield f'<section><h3>{heading}</h3><div class="tiles">{"".join(figures)}</div></section>'
