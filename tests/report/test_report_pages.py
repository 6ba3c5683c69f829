import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from vos_tf.datasets.types import Dataset, Video, VideoObject
from vos_tf.evaluation import score_results
from vos_tf.evaluation.comparison import compare
from vos_tf.media.label_maps import encode_label_map
from vos_tf.report.comparison_page import write_comparison
from vos_tf.report.html import number_cell, page_html, table_html, text_cell
from vos_tf.report.page import write_report
from vos_tf.report.plots import Line, plot_svg

VOID_TAGS = {"meta", "link", "img", "br"}


class Checker(HTMLParser):
    """Collects links and pictures, and checks that every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.texts = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(path):
    checker = Checker()
    checker.feed(path.read_text())
    assert checker.open == []
    return checker


def moved(masks, by):
    return [np.roll(labels, by, axis=1) for labels in masks]


@pytest.fixture
def scene(tmp_path):
    """A video <s&t> of 12 frames with two objects, and two folders of results."""
    name = "s&t"
    first = np.zeros((60, 80), np.uint8)
    first[10:25, 10:30], first[35:50, 30:60] = 1, 2
    masks = [np.roll(first, index, axis=1) for index in range(12)]
    folders = {"truth": masks, "better": moved(masks, 1), "worse": moved(masks, 5)}
    for folder, labels in folders.items():
        (tmp_path / folder / name).mkdir(parents=True)
        for index, one in enumerate(labels):
            (tmp_path / folder / name / f"{index:05d}.png").write_bytes(encode_label_map(one))
    frames = tuple(tmp_path / f"{index:05d}.jpg" for index in range(12))
    for path in frames:
        Image.fromarray(np.full((60, 80, 3), 130, np.uint8)).save(path)
    names = tuple(path.stem for path in frames)
    objects = tuple(VideoObject(number, "owl" if number == 2 else None, names[0], names) for number in (1, 2))
    truth = {frame: tmp_path / "truth" / name / f"{frame}.png" for frame in names}
    return Dataset("davis2017", "val", (Video(name, frames, truth, objects, (60, 80)),), tmp_path)


def test_report_is_one_file_with_all_parts_and_no_outside_link(tmp_path, scene):
    table = score_results(tmp_path / "worse", scene)
    path = tmp_path / "report.html"
    write_report(table, scene, tmp_path / "worse", path)
    page, content = read(path), path.read_text()
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not re.search(r"(https?:)?//\w", re.sub(r"base64,[^\"]*", "", content))
    text = " ".join(page.texts)
    for part in ("Sequences (1)", "Objects (2)", "worst frames", "s&t", "owl", scene.fingerprint, "davis2017"):
        assert part in text
    assert content.count("<svg") == 2
    assert len(page.sources) == 8 + 2  # a contact sheet of 8, and the worst frames of ten that lie five apart
    assert f"{table.score:.3f}" in text


def test_report_of_the_unsupervised_protocol_names_the_proposals(tmp_path, scene):
    table = score_results(tmp_path / "better", scene, protocol="davis2017-unsupervised")
    write_report(table, scene, tmp_path / "better", tmp_path / "report.html")
    assert "object 2 owl (proposal 2)" in (tmp_path / "report.html").read_text()


def test_report_with_temporal_instability(tmp_path, scene):
    table = score_results(tmp_path / "better", scene, protocol="davis2016", measures=("J", "F", "T"))
    write_report(table, scene, tmp_path / "better", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.count("<svg") == 3
    assert "lower is better" in text


def test_comparison_shows_every_result_at_the_worst_frames_of_each(tmp_path, scene):
    folders = [tmp_path / "better", tmp_path / "worse"]
    comparison = compare([score_results(folder, scene) for folder in folders], worst=2)
    write_comparison(comparison, scene, folders, tmp_path / "compare.html")
    page = read(tmp_path / "compare.html")
    assert len(page.sources) == 2 * 2 * 2
    text = " ".join(page.texts)
    assert "Worst frames of better" in text
    assert "no interval from one sequence" in text


def test_cells_escape_text_and_carry_what_they_sort_by():
    table = table_html(
        ("name", "J"), [(text_cell("<b>&"), number_cell(0.25, bar=True)), (text_cell("x"), number_cell(-1.0))]
    )
    assert "&lt;b&gt;&amp;" in table
    assert 'data-value="0.25" style="--share:25.0%"' in table
    assert "&minus;1.000" in table
    assert 'data-value=""' in table_html(("J",), [(number_cell(float("nan")),)])
    assert "<title>a &amp; b</title>" in page_html("a & b", [])


def test_plot_is_valid_xml_and_leaves_out_missing_values():
    values = np.array([0.9, np.nan, 0.2, 0.4])
    svg = plot_svg("J <1>", [Line("object 1", np.arange(4), values, (200, 0, 0))], ["a", "b", "c", "d"])
    tree = ElementTree.fromstring(svg)
    lines = [node for node in tree if node.tag.endswith("polyline")]
    assert len(lines[0].get("points").split()) == 2 * 3
    marks = [node for node in tree if node.tag.endswith("circle")]
    assert marks[0][0].text == "object 1: lowest 0.200 at c"
    lowest = max(float(pair[1]) for pair in zip(*[iter(lines[0].get("points").split())] * 2, strict=True))
    assert float(marks[0].get("cy")) == lowest
    empty = plot_svg("J", [Line("x", np.arange(1), np.array([np.nan]), (0, 0, 0))], ["a"])
    assert "polyline" not in empty
