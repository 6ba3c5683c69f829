"""Ids out of masks that are not label maps: soft, coloured, binary, lossy, of another size."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vos_tf.datasets.types import MaskReader
from vos_tf.doctor.file_facts import (
    ONE_BYTE,
    SIXTEEN_BIT,
    MaskFacts,
    grey_values,
    is_soft_binary,
    packed_colours,
    phantom_values,
    solid_areas,
)
from vos_tf.media.diagnosis import FEWEST_PHANTOMS
from vos_tf.media.images import header_size, read_bytes, resize_label_map
from vos_tf.media.label_maps import MAX_OBJECT_ID, VOID, LabelMap, davis_palette

HALF = 128


@dataclass(frozen=True)
class MaskRepair:
    """How the masks of one video become label maps.

    Attributes:
        size: ``(H, W)`` of the frames.
        single_object: Everything but 0 is one object.
        real: Values that are ids, even where they are thin.
        binary_id: Id of what masks of 0 and 255 show; 0: their 255 is void.
        colours: Colour ``0xRRGGBB`` of solid areas to id.
        ids: Old id to new one, at the very end; others stay.
        reader: Reads masks that are no label maps.
    """

    size: tuple[int, int]
    single_object: bool = False
    real: frozenset[int] = frozenset()
    binary_id: int = 0
    colours: Mapping[int, int] = field(default_factory=dict)
    ids: Mapping[int, int] = field(default_factory=dict)
    reader: MaskReader | None = None

    def __call__(self, path: Path) -> LabelMap:
        """The label map of a mask, uint8 ``(H, W)`` of `size`.

        Raises:
            VosError: The file cannot be read (what is found by facts alone is not mended here).
        """
        labels = self.reader(path, self.size) if self.reader is not None else self._read(path)
        if self.ids:
            table = np.arange(VOID + 1, dtype=np.uint8)
            for old, new in self.ids.items():
                table[old] = new
            labels = table[labels]
        return labels

    def _read(self, path: Path) -> LabelMap:
        content = read_bytes(path)
        header_size(content, str(path))
        with Image.open(io.BytesIO(content)) as image:
            image.load()
        labels = self._ids(image)
        return resize_label_map(np.asarray(labels, np.uint8), self.size)

    def _ids(self, image: Image.Image) -> LabelMap:
        if image.mode in SIXTEEN_BIT:
            values = one_byte(np.asarray(image))
        elif image.mode in ONE_BYTE and not (image.mode == "P" and self._is_scrambled(image)):
            values = np.asarray(image, np.uint8)
        else:
            codes = packed_colours(image)
            grey = None if image.mode == "P" else grey_values(codes)
            if grey is None and image.format != "JPEG" and not self.single_object:
                return _by_colour(codes, self.colours)
            values = np.asarray(image.convert("RGB").convert("L"), np.uint8) if grey is None else grey
        if image.format == "JPEG":
            return np.where(values >= HALF, np.uint8(self.binary_id or 1), np.uint8(0))
        return self._foreground(values) if self.single_object else self._hard(values)

    def _is_scrambled(self, image: Image.Image) -> bool:
        return bool(self.colours) and set(np.unique(packed_colours(image)).tolist()) <= self.colours.keys()

    def _foreground(self, values: LabelMap) -> LabelMap:
        """Of a soft mask what is at least half as strong as its strongest pixel; of a hard one all that is not 0."""
        soft = len(phantom_values(values)) > 0
        return (values >= (max(int(values.max()), 1) + 1) // 2 if soft else values > 0).astype(np.uint8)

    def _hard(self, values: LabelMap) -> LabelMap:
        """Ids without phantoms; what a mask of 0 and 255 shows is the object."""
        present, counts = np.unique(values, return_counts=True)
        histogram = dict(zip(present.tolist(), counts.tolist(), strict=True))
        phantoms = true_phantoms(phantom_values(values), len(histogram) - 1, self.real)
        if self.binary_id and (is_soft_binary(histogram) or histogram.keys() - {0, *phantoms} == {VOID}):
            return np.where(values >= HALF, np.uint8(self.binary_id), np.uint8(0))
        return nearest_where(values, np.isin(values, sorted(phantoms))) if phantoms else values


def true_phantoms(phantoms: Sequence[int], shown: int, real: Collection[int]) -> frozenset[int]:
    """Phantoms but for values that are ids elsewhere, unless there are so many that those are phantoms as well.

    Args:
        phantoms: By `phantom_values`.
        shown: Number of values of the mask, without 0.
        real: Values that are ids in other masks of the video or by its list.
    """
    many = len(phantoms) >= max(FEWEST_PHANTOMS, shown / 2)
    return frozenset(phantoms if many else set(phantoms) - set(real))


def one_byte(values: NDArray[np.generic]) -> LabelMap:
    """Values of a mask in 8 bit: as they are if they fit, else the upper 8 of 16."""
    if values.dtype == np.bool_ or values.dtype == np.uint8:
        return values.astype(np.uint8)
    whole = np.clip(np.asarray(values, np.float64), 0, 65535).astype(np.int64)
    return (whole if whole.max(initial=0) <= MAX_OBJECT_ID else whole // 257).astype(np.uint8)


def nearest_where(labels: LabelMap, unknown: NDArray[np.bool_]) -> LabelMap:
    """A label map in which unknown pixels take the id of the nearest known one."""
    from scipy.ndimage import distance_transform_edt  # takes long to import; only masks that need it

    if unknown.all():
        return np.zeros_like(labels)
    rows, columns = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(labels[rows, columns], np.uint8)


def _by_colour(codes: NDArray[np.uint32], colours: Mapping[int, int]) -> LabelMap:
    """Solid areas by their colour; what lies between takes the id of the nearest."""
    known = np.array(sorted(colours), np.uint32)
    places = np.clip(np.searchsorted(known, codes), 0, len(known) - 1)
    hit = known[places] == codes
    labels = np.array([colours[int(colour)] for colour in known], np.uint8)[places]
    # A colour that is another object's may also be a shade along an edge; it counts where it is solid or alone.
    soft = ~hit | (~solid_areas(codes) & ~hit.all())
    return nearest_where(labels, soft) if soft.any() else labels


def colour_table(facts: list[MaskFacts]) -> dict[int, int]:
    """Colours of the solid areas of some masks, in their order, to ids.

    Black is the background; where there is none, the colour that covers most. Colours of the DAVIS palette are their
    ids there; else ids are 1, 2, 3, ... in the order in which the colours appear.
    """
    areas: dict[int, int] = {}
    for item in facts:
        for colour, count in item.colours:
            areas[colour] = areas.get(colour, 0) + count
    if not areas:
        return {}
    background = 0 if 0 in areas else max(areas, key=lambda colour: areas[colour])
    palette = [(red << 16) | (green << 8) | blue for red, green, blue in davis_palette().tolist()]
    others = [colour for colour in areas if colour != background]
    if background == 0 and set(others) <= set(palette[1:VOID]):
        return {0: 0} | {colour: palette.index(colour) for colour in others}
    return {background: 0} | {colour: min(number, VOID) for number, colour in enumerate(others, start=1)}
