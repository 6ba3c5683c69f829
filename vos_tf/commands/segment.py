"""``vos-tf segment``: masks for a video of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from vos_tf.commands.method_options import with_method_options
from vos_tf.methods.registry import method_names, preferred_method

if TYPE_CHECKING:
    from fractions import Fraction


@with_method_options
def segment(
    source: str = typer.Argument(
        metavar="INPUT",
        help="Video file, folder of images, - (encoded video through a pipe), or number of a camera.",
    ),
    mask: list[str] = typer.Option(
        [],
        "--mask",
        metavar="[FRAME=]MASK",
        help="Mask of objects in the first frame, or in another: PNG, boxes or polygons as JSON, folder of PNG files.",
    ),
    method: str | None = typer.Option(
        None, "--method", help=f"{', '.join(method_names())}; {preferred_method()} if there are masks."
    ),
    run: Path | None = typer.Option(None, "--run", help="Run folder of the model."),
    weights: Path | None = typer.Option(
        None, "--weights", help="Model folder, or name of a model that comes with vos_tf, instead of a run."
    ),
    out: Path | None = typer.Option(None, "--out", help="Folder of the results; results/<name of INPUT> if not given."),
    overlay: bool = typer.Option(False, "--overlay", help="A picture of every frame with its masks."),
    video: Path | None = typer.Option(None, "--video", help="Video of the frames with their masks, .mp4 or .webm."),
    side_by_side: bool = typer.Option(False, "--side-by-side", help="In the video, the bare frame stands beside."),
    alpha: float = typer.Option(0.5, "--alpha", help="Strength of the colours laid over, 0 to 1."),
    contours: bool = typer.Option(True, "--contours/--no-contours", help="Draw the outlines of objects."),
    ids: bool = typer.Option(True, "--ids/--no-ids", help="Write the ids of objects into them."),
    save_probabilities: str = typer.Option(
        "", "--save-probabilities", metavar="KIND", help="Write probability maps of each object: png or npz."
    ),
    frames: int | None = typer.Option(None, "--frames", help="Stop after this many frames."),
    frame_rate: str | None = typer.Option(
        None, "--frame-rate", help="Frames per second instead of what INPUT says: 25 or 30000/1001; of folders 24."
    ),
    merge: str = typer.Option("argmax", "--merge", help="argmax, soft_aggregation, last_wins or painted."),
    background: float = typer.Option(0.5, "--background", help="Probability an object has to beat."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Any option of the method: --set finetune.optimizer=sgd"
    ),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Segment your own video: label maps, overlays, a video and a report. Run again, it goes on where it stopped."""
    from vos_tf.commands.tf_logging import quiet_tensorflow
    from vos_tf.errors import VosError

    if run is not None and weights is not None:
        raise VosError("--run and --weights: expected one of them, found both")
    _check_names(source, mask, method)
    quiet_tensorflow()
    from vos_tf.config import merge as merge_options
    from vos_tf.config import parse_assignments
    from vos_tf.inference.merging.graph import MergeRule
    from vos_tf.jobs.segment import SegmentRequest, segment_video
    from vos_tf.report.video_products import OverlayStyle

    request = SegmentRequest(
        source=source,
        masks=tuple(mask),
        method=method,
        model=run or weights,
        out=out,
        overlay=overlay,
        style=OverlayStyle(alpha, contours, ids),
        video=video,
        side_by_side=side_by_side,
        probabilities=save_probabilities,
        max_frames=frames,
        frame_rate=None if frame_rate is None else _fraction(frame_rate),
        rule=MergeRule(merge, background),
        options=merge_options(parse_assignments(assignments, sections=False), options),
    )
    segment_video(request)


def _check_names(source: str, masks: list[str], method: str | None) -> None:
    """Refuse what does not exist at once: the import of TensorFlow, which comes next, takes seconds."""
    from vos_tf.config import one_of
    from vos_tf.media.open_source import check_source
    from vos_tf.prompts.given_masks import check_masks_exist

    check_source(source)
    check_masks_exist(masks)
    if method is not None:
        one_of("--method", method, method_names())


def _fraction(text: str) -> Fraction:
    from fractions import Fraction

    from vos_tf.errors import VosError

    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise VosError(f"--frame-rate: expected a number such as 25 or 30000/1001, found {text!r}") from None
