"""What online learning gains, video by video, as JSON.

    python VOS_evaluate.py --run RUN --scenario-name plain
    python VOS_evaluate.py --run RUN --scenario-name online --online-steps 100
    python benchmarks/online_learning.py results/plain/scores.json results/online/scores.json

Videos are sorted by their mean J without online learning; the hardest quarter of them is what it is for.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def read_scores(path: Path) -> dict[str, float]:
    """Mean J of each video."""
    sequences = json.loads(path.read_text(encoding="utf-8"))["sequences"]
    return {name: float(scores["J"]["mean"]) for name, scores in sequences.items()}


def main() -> None:
    """Print the means of quarters, and all videos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plain", type=Path)
    parser.add_argument("online", type=Path)
    arguments = parser.parse_args()
    plain, online = read_scores(arguments.plain), read_scores(arguments.online)
    names = sorted(plain.keys() & online.keys(), key=plain.__getitem__)
    quarters = [part.tolist() for part in np.array_split(names, 4)]
    parts = {"hardest quarter": quarters[0], "easiest quarter": quarters[-1], "all": names}
    table = {}
    for title, part in parts.items():
        before, after = (float(np.mean([scores[name] for name in part])) for scores in (plain, online))
        table[title] = {"videos": len(part), "plain": before, "online": after, "gain": after - before}
    rows = {name: [round(plain[name], 3), round(online[name], 3)] for name in names}
    rounded = {
        title: {key: value if key == "videos" else round(value, 4) for key, value in row.items()}
        for title, row in table.items()
    }
    print(json.dumps({"mean J": rounded, "videos (plain, online)": rows}, indent=2))


if __name__ == "__main__":
    main()
