"""The report on one's own video."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from vos_tf.report.overlays import Tile
from vos_tf.report.tracks import Tracks
from vos_tf.report.video_report import VideoSummary, write_video_report

SUMMARY = VideoSummary(
    source="<clip>.mp4",
    name="<clip>",
    size=(20, 30),
    frames=1000,
    frame_rate=Fraction(30000, 1001),
    duration=Fraction(999 * 1001, 30000),
    model="some & weights",
    method="s2s",
    seconds=50.0,
    complete=False,
    probabilities="png",
    notes=("<clip>.mp4: breaks off",),
    settings={"merge": "argmax"},
)


def tracks() -> Tracks:
    made = Tracks()
    for index in range(1000):
        labels = np.zeros((20, 30), np.uint8)
        labels[:10, : 10 if index % 50 else 0] = 5
        made.add(f"{index:05d}", labels, (5, 9), (0.9 if index % 50 else np.nan, np.nan))
    return made


def test_report(tmp_path: Path) -> None:
    tile = Tile(np.zeros((20, 30, 3), np.uint8), "00000 <first>")
    write_video_report(tmp_path, SUMMARY, tracks(), [tile])
    content = json.loads((tmp_path / "report.json").read_text())
    assert (content["frame_rate"], content["frames_per_second"], content["complete"]) == ("30000/1001", 20.0, False)
    seen, never = content["objects"]
    assert (seen["id"], seen["frames_seen"], seen["mean_confidence"]) == (5, 980, 0.9)
    assert (never["frames_seen"], never["mean_confidence"]) == (0, None)
    assert len(content["events"]) == 19  # it was not yet there in frame 0
    assert content["events"][0]["text"] == "object 5 is not seen in frame 00050"
    page = (tmp_path / "report.html").read_text()
    assert "&lt;clip&gt;.mp4: breaks off" in page
    assert "<clip>" not in page
    assert "some &amp; weights" in page
    assert "object 5 is not seen in frame 00050" in page
    assert "0:33.36" in page  # the last frame lasts, too
    assert page.count("<polyline") == 2
    assert len(page) < 100_000
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_video_without_objects(tmp_path: Path) -> None:
    none = Tracks()
    none.add("00000", np.zeros((20, 30), np.uint8), (), np.zeros((0, 20, 30), np.float32))
    write_video_report(tmp_path, SUMMARY, none, [])
    assert json.loads((tmp_path / "report.json").read_text())["objects"] == []
    assert "<h2>Objects</h2>" not in (tmp_path / "report.html").read_text()
