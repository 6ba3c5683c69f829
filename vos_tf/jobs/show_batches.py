"""Contact sheets of training batches, exactly as the network gets them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vos_tf.errors import VosError
from vos_tf.files import write_bytes
from vos_tf.jobs.run_config import RunConfig
from vos_tf.jobs.train import training_data
from vos_tf.pipeline.clips import ClipBatch, clip_batches
from vos_tf.pipeline.sampling import ClipRequest, plan_epoch
from vos_tf.pipeline.videos import FOREGROUND, clip_videos
from vos_tf.progress import progress
from vos_tf.report.overlays import Picture, contact_sheet, encode_picture, labelled_tile
from vos_tf.training.loop import TrainingData

SINGLE_COLUMNS = 4


def show_batches(config: RunConfig, out: Path, *, count: int, epoch: int = 0, width: int = 240) -> list[Path]:
    """Draw the first batches of an epoch, as training on one device reads them: sampled, augmented, with their masks.

    Args:
        config: Of the run; records are made where they don't exist yet.
        out: Folder of the sheets.
        count: Number of batches.
        epoch: Of training, 0-based.
        width: Of each picture.

    Returns:
        The files, ``<out>/epoch_<epoch>_batch_<number>.png``: a row for each clip.

    Raises:
        VosError: The records are missing or have no clips.
    """
    if count < 1 or epoch < 0 or width < 32:
        raise VosError(f"--batches, --epoch, --width: expected 1, 0, 32 or more, found {count}, {epoch}, {width}")
    data, settings = training_data(config), config.training
    batches = clip_batches(
        data.training,
        data.clips,
        batch_size=settings.batch_size,
        seed=settings.seed,
        epoch=epoch,
        augment=data.augment,
    )
    plan = plan_epoch(data.training, data.clips, batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)
    written = []
    with progress("drawing batches", count, "batches") as bar:
        for number, batch in enumerate(batches.take(count)):
            rows = plan[number * settings.batch_size : (number + 1) * settings.batch_size]
            sheet = _sheet(data, ClipBatch(*(np.asarray(part) for part in batch)), rows, number, epoch, width)
            path = out / f"epoch_{epoch}_batch_{number:03d}.png"
            write_bytes(path, encode_picture(sheet, "PNG"))
            written.append(path)
            bar.advance()
    return written


def _sheet(
    data: TrainingData, batch: ClipBatch, rows: Sequence[ClipRequest], number: int, epoch: int, width: int
) -> Picture:
    videos = clip_videos(data.training)
    tiles = []
    for row, request in enumerate(rows):
        for time in range(len(request.frames)):
            annotated = bool(batch.annotated[row, time])
            caption = f"{videos[request.video].name}  {_moment(request, time)}"
            labels = batch.labels[row, time] if annotated else None
            ids = request.objects != (FOREGROUND,)
            tiles.append(labelled_tile(batch.frames[row, time], labels, caption, width, ids=ids))
    clips, frames, pixels_high, pixels_wide = batch.frames.shape[:4]
    size = f"{pixels_wide}x{pixels_high}"
    note = f"{clips} clips of {frames} frame{'s' if frames > 1 else ''}, {size}; grey does not count"
    title = f"epoch {epoch}, batch {number}"
    return contact_sheet(tiles, title=title, note=note, columns=frames if frames > 1 else SINGLE_COLUMNS, width=width)


def _moment(request: ClipRequest, time: int) -> str:
    """Which frame of the video it is, and what is special about it."""
    if any(request.times):
        return f"in motion, time {request.times[time]}"
    repeated = time >= len(request.frames) - request.repeated
    note = "" if request.annotated[time] else "  repeated" if repeated else "  no mask"
    return f"{request.frames[time]}{note}"
