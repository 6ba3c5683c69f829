"""Peak memory of VOS_evaluate.py over a long video against a short one.

    python benchmarks/evaluation_memory.py [--long 2000] [--short 100]

Prints JSON: the largest resident memory of any process of each run, in MiB, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import vos_tf
from vos_tf.datasets.synthetic import SyntheticSettings, render_video
from vos_tf.media.images import encode_image
from vos_tf.media.label_maps import encode_label_map
from vos_tf.models.weights import save_model

CYCLE = 20


def write_video(root: Path, frames: int, size: tuple[int, int]) -> None:
    """A folder data set of one video that runs to and fro through a short one; every frame is annotated."""
    settings = SyntheticSettings(frames=CYCLE, height=size[0], width=size[1], objects_min=2, late_objects=0)
    video = render_video(settings, 0, 0)
    images = [encode_image(frame) for frame in video.frames]
    masks = [encode_label_map(labels) for labels in video.labels]
    for kind in ("JPEGImages", "Annotations"):
        (root / kind / "video").mkdir(parents=True)
    for index in range(frames):
        at = CYCLE - 1 - abs(index % (2 * CYCLE - 2) - (CYCLE - 1))
        (root / "JPEGImages" / "video" / f"{index:05d}.jpg").write_bytes(images[at])
        (root / "Annotations" / "video" / f"{index:05d}.png").write_bytes(masks[at])


def peak_mib(command: list[str]) -> float:
    """Largest resident memory of ``command`` or any process it starts, measured by a process of its own."""
    code = (
        "import json, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    answer = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(answer.stdout) / unit


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", type=int, default=2000)
    parser.add_argument("--short", type=int, default=100)
    parser.add_argument("--size", default="240x432")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        save_model(base / "model", "s2s", vos_tf.build("s2s", trunk="small").network)
        for name, frames in (("short", arguments.short), ("long", arguments.long)):
            write_video(base / name, frames, (height, width))
            command = [sys.executable, "-m", "vos_tf", "evaluate", "--run", str(base / "model"), "--dataset", "folder"]
            options = ["--root", str(base / name), "--split", "all", "--results", str(base / "results")]
            result[f"{name}_frames"] = frames
            result[f"{name}_mib"] = round(peak_mib([*command, *options, "--scenario-name", name]), 1)
    result["ratio"] = round(result["long_mib"] / result["short_mib"], 3)
    print(json.dumps({"benchmark": "evaluation_memory", **result}))


if __name__ == "__main__":
    main()
