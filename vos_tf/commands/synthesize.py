"""``vos-tf synthesize``: write the synthetic world to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vos_tf.commands.workers import WORKERS
from vos_tf.text import counted


def synthesize(
    out: Annotated[Path, typer.Option(help="Folder of the data set; gets train/ and valid/.", show_default=False)],
    videos: Annotated[int, typer.Option(min=0, help="Training videos; 0 writes none.")] = 120,
    valid_videos: Annotated[int, typer.Option(min=0, help="Validation videos; 0 writes none.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal files.")] = 0,
    workers: int = WORKERS,
    size: Annotated[str, typer.Option(metavar="HxW", help="Size of the frames in pixels.")] = "240x432",
    frames: Annotated[int, typer.Option(min=1, help="Frames of each video.")] = 20,
    first_masks_only: Annotated[
        bool, typer.Option("--first-masks-only", help="valid/ keeps only the masks that introduce objects.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A difficulty, for example noise=0; may be repeated."),
    ] = None,
) -> None:
    """Write videos of moving textured bodies with exact masks, in the layout of YouTube-VOS.

    Nothing is downloaded. An interrupted run continues where it stopped.
    """
    from vos_tf.datasets.synthetic import SyntheticSettings, generate, with_changes

    height, width = _parse_size(size)
    base = SyntheticSettings(frames=frames, height=height, width=width)
    settings = with_changes(base, dict(_parse_change(change) for change in set_ or ()))
    for split, count in (("train", videos), ("valid", valid_videos)):
        if count:
            first_only = first_masks_only and split == "valid"
            folder = generate(
                out, settings, videos=count, split=split, seed=seed, workers=workers, first_masks_only=first_only
            )
            typer.echo(
                f"{folder}: {counted(count, 'video')} of {counted(settings.frames, 'frame')}, {height} x {width} pixels"
            )


def _parse_size(text: str) -> tuple[int, int]:
    from vos_tf.errors import VosError

    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdecimal() and width.isdecimal()):
        raise VosError(f"--size {text}: expected height x width in pixels, such as 240x432")
    return int(height), int(width)


def _parse_change(text: str) -> tuple[str, str]:
    from vos_tf.errors import VosError

    name, equals, value = text.partition("=")
    if not equals:
        raise VosError(f"--set {text}: expected NAME=VALUE, such as noise=0")
    return name.strip(), value.strip()
