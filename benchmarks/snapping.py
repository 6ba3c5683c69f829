"""What contour snapping does to J and F, and what it costs, as JSON.

    python benchmarks/snapping.py --root data/DAVIS --split val [--masks NAME=FOLDER ...] [--every 4]

Ground truth of a DAVIS-2016 split is spoilt in four ways: at an eighth of the resolution, with contours that wander by
five pixels, grown and shrunk by five pixels. ``--masks`` adds results of methods, ``FOLDER/<sequence>/<frame>.png``.
Every kind is scored before and after snapping. Time is processor time of one core, next to that of decoding the frame.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from vos_tf.datasets import open_dataset
from vos_tf.evaluation.measures import score_pairs
from vos_tf.inference.refinement.settings import SnappingSettings
from vos_tf.inference.refinement.snapping import snap_label_map
from vos_tf.media.images import read_image
from vos_tf.media.label_maps import LabelMap, read_label_map


def coarse(mask: LabelMap) -> LabelMap:
    """A mask that went through an eighth of its resolution."""
    height, width = mask.shape
    small = cv2.resize(mask.astype(np.float32), (round(width / 8), round(height / 8)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)) > 0.5, np.uint8)


def wandering(mask: LabelMap) -> LabelMap:
    """A mask whose contour wanders by about five pixels."""
    rng = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(rng.normal(size=mask.shape).astype(np.float32), (0, 0), 12) for _ in range(2)]
    dx, dy = (plane / plane.std() * 5 for plane in noise)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    return np.asarray(cv2.remap(mask, columns + dx, rows + dy, cv2.INTER_NEAREST), np.uint8)


DISK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
SPOILT = {
    "1/8 resolution": coarse,
    "wandering by 5 pixels": wandering,
    "grown by 5 pixels": lambda mask: cv2.dilate(mask, DISK),
    "shrunk by 5 pixels": lambda mask: cv2.erode(mask, DISK),
}


def scores(prediction: LabelMap, truth: LabelMap) -> tuple[float, float]:
    """J and F of one frame."""
    return tuple(score_pairs(prediction, truth, ((1, 1),), ignore_void=True)[0])


def main() -> None:
    """Score before and after, by kind of mask and sequence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--masks", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--every", type=int, default=4)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    folders = {name: Path(folder) for name, _, folder in (item.partition("=") for item in arguments.masks)}
    rows: dict[str, dict[str, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    seconds = {"snapping": 0.0, "decoding": 0.0}
    for video in open_dataset("davis2016", arguments.root, arguments.split).videos:
        for path in video.frames[1 : -1 : arguments.every]:
            start = time.process_time()
            image = read_image(path)
            seconds["decoding"] += time.process_time() - start
            truth = video.read_mask(path.stem)
            masks = {name: spoil(truth) for name, spoil in SPOILT.items()}
            for name, folder in folders.items():
                if (file := folder / video.name / f"{path.stem}.png").is_file():
                    masks[name] = read_label_map(file, single_object=True)
            for name, mask in masks.items():
                start = time.process_time()
                snapped = snap_label_map(image, mask, SnappingSettings())
                seconds["snapping"] += (time.process_time() - start) / len(masks)
                rows[name][video.name].append((*scores(mask, truth), *scores(snapped, truth)))
    frames = max(sum(map(len, kind.values())) for kind in rows.values())
    table = {
        name: {
            video: dict(
                zip(("J", "F", "J snapped", "F snapped"), np.round(np.mean(values, axis=0), 4).tolist(), strict=True)
            )
            for video, values in kind.items()
        }
        for name, kind in rows.items()
    }
    milliseconds = {name: round(1000 * value / frames, 1) for name, value in seconds.items()}
    print(json.dumps({"frames": frames, "milliseconds per frame": milliseconds, "scores": table}, indent=2))


if __name__ == "__main__":
    main()
