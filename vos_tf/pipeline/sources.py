"""Records of several folders as one, and records with fewer annotated frames."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vos_tf.config import check_shares
from vos_tf.errors import VosError
from vos_tf.records.manifest import Manifest, RecordEntry, RecordSource, ShardEntry

FRACTION_STREAM = 4
"""First word of a random seed, as those in `vos_tf.pipeline.sampling`."""


def join_manifests(manifests: Sequence[Manifest], shares: Sequence[float] = ()) -> Manifest:
    """Several folders of records as one, to sample clips from.

    Videos are named ``folder/video``. The joined records bear the data set's name and split of the first folder; the
    fingerprint is made of all. Of one folder, the manifest itself is returned.

    Args:
        manifests: Of the folders, at least one; stored sizes may differ.
        shares: Of the clips of an epoch, one for each folder, relative to each other; empty: every folder gives its
            own number of clips.

    Raises:
        VosError: The number of shares is another, one is not above 0, or a folder is named twice.
    """
    check_shares(shares, len(manifests))
    folders = [manifest.folder.resolve() for manifest in manifests]
    if len(set(folders)) < len(folders):
        raise VosError(f"data.records: expected every folder once, found {', '.join(map(str, folders))}")
    if len(manifests) == 1:
        return manifests[0]
    shards: list[ShardEntry] = []
    records: list[RecordEntry] = []
    sources = []
    for manifest, label, share in zip(manifests, _labels(folders), shares or [0.0] * len(folders), strict=True):
        first = len(shards)
        sources.append(
            RecordSource(manifest.folder, manifest.dataset, manifest.split, manifest.fingerprint, first, share)
        )
        # A path from the root stays what it is, whatever folder it is joined to.
        shards += [replace(shard, file=str(manifest.folder.resolve() / shard.file)) for shard in manifest.shards]
        records += [
            replace(record, shard=first + record.shard, video=f"{label}/{record.video}") for record in manifest.records
        ]
    fingerprint = hashlib.sha256(json.dumps([source.fingerprint for source in sources]).encode()).hexdigest()[:16]
    return replace(
        manifests[0],
        fingerprint=fingerprint,
        skipped=(),
        shards=tuple(shards),
        records=tuple(records),
        sources=tuple(sources),
    )


def _labels(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: its own, with a number behind it where another has the same."""
    names = [folder.name for folder in folders]
    return [
        name if names.count(name) == 1 else f"{name}-{names[:index].count(name) + 1}"
        for index, name in enumerate(names)
    ]


def keep_fraction(manifest: Manifest, fraction: float, seed: int) -> Manifest:
    """The same records with the masks of a random share of each video's annotated frames, at least one.

    The other frames count as not annotated. Where the video has an object, at least one of those that are kept shows
    one. The draw depends on the seed and the names of the videos alone.

    Args:
        manifest: Of the records.
        fraction: 0 < fraction <= 1.
        seed: Of the run.
    """
    if fraction >= 1:
        return manifest
    records = [record for video in manifest.videos for record in _thinned(video, fraction, seed)]
    return replace(manifest, records=tuple(records))


def _thinned(video: Sequence[RecordEntry], fraction: float, seed: int) -> list[RecordEntry]:
    random = np.random.default_rng([FRACTION_STREAM, seed, zlib.crc32(video[0].video.encode())])
    places = [(chunk, frame) for chunk, record in enumerate(video) for frame in range(len(record.frames))]
    annotated = [(chunk, frame) for chunk, frame in places if video[chunk].masks[frame][1]]
    showing = [(chunk, frame) for chunk, frame in annotated if video[chunk].mask_ids[frame]]
    drawn = [annotated[index] for index in random.permutation(len(annotated))]
    drawn = drawn[: max(1, round(fraction * len(annotated)))]
    if showing and not set(drawn).intersection(showing):
        drawn[0] = showing[random.integers(len(showing))]
    kept = set(drawn)
    return [
        replace(
            record,
            masks=tuple(mask if (chunk, frame) in kept else (mask[0], 0) for frame, mask in enumerate(record.masks)),
            mask_ids=tuple(ids if (chunk, frame) in kept else () for frame, ids in enumerate(record.mask_ids)),
        )
        for chunk, record in enumerate(video)
    ]
