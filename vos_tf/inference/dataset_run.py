"""Run a segmenter over a data set and leave one label map per frame; interrupted runs continue."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from vos_tf.datasets.types import Dataset, Video
from vos_tf.errors import VosError
from vos_tf.inference.object_masks import instance_frames, write_instances
from vos_tf.inference.prefetch import BackgroundWriter, prefetch
from vos_tf.inference.results_folder import LABELS_ONLY, ExtraOutputs
from vos_tf.inference.session import FrameResult, VideoSegmenter
from vos_tf.inference.video_frames import check_size, joining_mask, read_frame
from vos_tf.media.images import header_size, read_bytes
from vos_tf.media.label_maps import write_label_map
from vos_tf.media.probability_maps import PROBABILITIES, find_probabilities, write_probabilities
from vos_tf.progress import Progress, progress

HEADER_BYTES = 4096


def result_path(folder: Path, video: Video, frame: str) -> Path:
    """File of one frame's label map."""
    return folder / video.name / f"{frame}.png"


def is_done(folder: Path, video: Video, extra: ExtraOutputs = LABELS_ONLY, *, needs_masks: bool = True) -> bool:
    """Whether every frame of the video has its label map, and beside it whatever else is asked for.

    Args:
        folder: Results folder.
        video: The video.
        extra: What is asked for.
        needs_masks: Whether objects are known from their first masks on; else in every frame.
    """
    names = video.frame_names
    if not all(result_path(folder, video, frame).is_file() for frame in names):
        return False
    first = 0
    if needs_masks:
        first = min((names.index(item.first_frame) for item in video.objects if item.first_frame in names), default=-1)
    known = set(names[first:] if first >= 0 else ())
    if extra.instances is not None and not known <= instance_frames(folder, video):
        return False
    maps = find_probabilities(folder / PROBABILITIES / video.name) if extra.probabilities else ()
    return not extra.probabilities or known <= {file.frame for file in maps if file.kind == extra.probabilities}


def segment_dataset(
    segmenter: VideoSegmenter, dataset: Dataset, folder: Path, extra: ExtraOutputs = LABELS_ONLY
) -> None:
    """Segment every video; from the masks at its objects' first frames, where the segmenter needs them.

    Writes ``folder/<video>/<frame>.png``: indexed PNG at the video's own size. Videos that are complete are kept.

    Args:
        segmenter: What segments.
        dataset: The videos.
        folder: Where the masks go.
        extra: What else is written.

    Raises:
        VosError: A file cannot be read, or has another size than its video, or the method cannot follow the objects
            of a video; the latter two before anything is written.
    """
    needs_masks = segmenter.needs_masks
    todo = [video for video in dataset.videos if not is_done(folder, video, extra, needs_masks=needs_masks)]
    for video in todo:
        check_sizes(video)
        segmenter.check_video(video)
    frames = sum(len(video.frames) for video in dataset.videos)
    done = frames - sum(len(video.frames) for video in todo)
    with progress("segmenting", frames, "frames", done) as bar:
        for video in todo:
            segment_video(segmenter, video, folder, bar, extra)


def check_sizes(video: Video) -> None:
    """Make sure, from their headers, that all frames and first masks of a video have its size.

    Raises:
        VosError: One has not, or is no image.
    """
    for path in (*video.frames, *(video.masks[item.first_frame] for item in video.objects)):
        check_size(video, path, _stored_size(path))


def _stored_size(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file:
            return header_size(file.read(HEADER_BYTES), str(path))
    except (OSError, VosError):  # missing, or with much metadata before the size
        return header_size(read_bytes(path), str(path))


def segment_video(
    segmenter: VideoSegmenter, video: Video, folder: Path, bar: Progress, extra: ExtraOutputs = LABELS_ONLY
) -> None:
    """Segment one video; frames are read ahead and written behind while the network works."""
    for name in video.frame_names:  # a label map says that its frame is complete, with all that is written beside
        result_path(folder, video, name).unlink(missing_ok=True)
    session = segmenter.session(video.size, video.name, video=video)
    frames = prefetch((path.stem, session.prepare(read_frame(video, path))) for path in video.frames)
    with BackgroundWriter() as writing:
        for name, frame in frames:
            labels = joining_mask(video, name) if segmenter.needs_masks else None
            if labels is not None:
                session.add(labels)
            result = session.step(frame, name)
            writing.put(partial(_write, folder, video, result, extra))
            bar.advance(note=video.name)


def _write(folder: Path, video: Video, result: FrameResult, extra: ExtraOutputs) -> None:
    """Write all that belongs to one frame, the label map last."""
    if extra.instances is not None:
        write_instances(folder, video, result, extra.instances)
    if extra.probabilities:
        into = folder / PROBABILITIES / video.name
        write_probabilities(into, result.name, result.object_ids, result.probabilities, extra.probabilities)
    write_label_map(result_path(folder, video, result.name), result.labels)
