"""From a data set to a finished folder of records: the one call that commands and training share."""

from __future__ import annotations

from pathlib import Path

from vos_tf.datasets.types import Dataset
from vos_tf.records.manifest import Manifest
from vos_tf.records.settings import RecordSettings, parse_stored_size
from vos_tf.records.writer import write_records


def preprocess(
    dataset: Dataset,
    out: Path | str,
    *,
    size: str = "256x448",
    shards: int | None = None,
    workers: int = 0,
    skip_bad: bool = False,
) -> Manifest:
    """Write a data set as records; continue what an earlier run began; do nothing if it is finished.

    Args:
        dataset: From `vos_tf.datasets.registry.open_dataset`.
        out: Folder of the records.
        size: ``HEIGHTxWIDTH``, ``short:N`` (shorter side, never enlarged) or ``native``.
        shards: Number of files; ``None``: about 150 MB each.
        workers: Processes; 0: one for every core.
        skip_bad: Leave out videos with problems instead of refusing the data set.

    Returns:
        The manifest of the finished folder.

    Raises:
        ProblemsError: Something is wrong with the data set; every problem is listed, and nothing was written.
        VosError: A wrong argument, or ``out`` holds something else.
    """
    settings = RecordSettings(parse_stored_size(size), shards)
    return write_records(dataset, Path(out), settings, workers=workers, skip_bad=skip_bad)
