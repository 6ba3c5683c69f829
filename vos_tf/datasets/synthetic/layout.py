"""Opening the synthetic world as a data set; made on the spot where it does not exist yet."""

from __future__ import annotations

import sys
from pathlib import Path

from vos_tf.datasets.layout import Layout, Recognised
from vos_tf.datasets.synthetic.settings import SyntheticSettings
from vos_tf.datasets.synthetic.writing import RECEIPT, generate
from vos_tf.datasets.types import Dataset
from vos_tf.datasets.youtube_vos import YOUTUBE_VOS, open_youtube_vos, scan_youtube_vos, splits_of
from vos_tf.errors import VosError

DEFAULT_VIDEOS = {"train": 120, "valid": 20}
DEFAULT_SEED = 0


def open_synthetic(root: Path, split: str) -> Dataset:
    """Open a split of synthetic videos that `generate` wrote.

    Where ``root`` has no such split, the embedded default is generated first: 120 videos for ``train``, 20 for
    ``valid``, default settings, seed 0. A generation of the default that was interrupted is continued.

    Raises:
        VosError: The split is neither there nor one of the defaults, or its generation was not completed.
    """
    folder = root / split
    if not (folder / RECEIPT).exists():
        if split not in DEFAULT_VIDEOS:
            raise VosError(f"{folder}: expected a split that exists or one of {', '.join(DEFAULT_VIDEOS)}, found none")
        videos = DEFAULT_VIDEOS[split]
        sys.stderr.write(f"{folder}: no synthetic videos yet; generating {videos} videos with default settings\n")
        generate(root, SyntheticSettings(), videos=videos, split=split, seed=DEFAULT_SEED)
    return open_youtube_vos(root, split, name="synthetic")


def _recognise(root: Path) -> Recognised | None:
    splits = [name for name in splits_of(root) if (root / name / RECEIPT).is_file()]
    return Recognised("synthetic", tuple(splits), RECEIPT) if splits else None


SYNTHETIC = Layout(
    "synthetic", open_synthetic, _recognise, named=splits_of, scan=scan_youtube_vos, writer=YOUTUBE_VOS.writer
)
