"""One fault of every kind, to be planted in a clean data set."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from clean_trees import COUNT, SIZE, Tree, coloured, frame, labels, soft
from PIL import Image

from vos_tf.media.label_maps import write_label_map


@dataclass(frozen=True)
class Planted:
    """A fault in a data set.

    Attributes:
        plant: Puts it there.
        kind: What it has to be found as.
        words: What the finding has to say.
        layouts: Where it can occur.
        ids: Of the objects in the masks.
        frames: How many frames the copy has.
        others: Findings of other kinds that come with it.
        is_fault: It is a fault, not a remark.
        truth: What the masks of the copy have to be, by their place among the frames; ``None``: not compared.
    """

    plant: Callable[[Tree], object]
    kind: str
    words: str
    layouts: tuple[str, ...] = ("folder", "davis2017", "youtube_vos")
    ids: tuple[int, ...] = (1, 2)
    frames: int = COUNT
    others: tuple[str, ...] = ()
    is_fault: bool = True
    truth: Callable[[int], np.ndarray] | None = labels


def one(index: int) -> np.ndarray:
    return labels(index, (1,))


def binary(values: np.ndarray) -> Image.Image:
    return Image.fromarray(255 * (values > 0).astype(np.uint8))


def black(tree: Tree) -> None:
    tree.each_mask(Image.fromarray)


def resize_mask(tree: Tree) -> None:
    large = np.kron(labels(3), np.ones((2, 2), np.uint8))
    write_label_map(tree.mask(3), large)


def soft_rgb(tree: Tree) -> None:
    tree.each_mask(lambda values: Image.fromarray(soft(255 * (values > 0).astype(np.uint8))).convert("RGB"))


def phantoms(tree: Tree) -> None:
    """A palette index between every two: enlarged with interpolation."""
    values = labels(2, (10, 20))
    write_label_map(tree.mask(2), soft(values))


def seam(tree: Tree) -> None:
    """A single value between two objects that touch."""
    values = labels(2, (1, 5))
    values[:, 22:] = np.where(values[:, 22:] == 5, 5, 0)
    values[8:24, 4:20] = 1
    values[8:24, 20:22] = 3
    values[8:24, 22:40] = 5
    write_label_map(tree.mask(2), values)


def own_colours(tree: Tree) -> None:
    table = np.array([[255, 255, 255], [30, 30, 200], [200, 30, 30]], np.uint8)
    tree.each_mask(lambda values: Image.fromarray(table[values]))


def scrambled(tree: Tree) -> None:
    """An editor wrote the palette in an order of its own; colours are right."""

    def saved(values: np.ndarray) -> Image.Image:
        order = np.array([2, 0, 1], np.uint8)
        image = Image.fromarray(order[values])
        colours = np.zeros((256, 3), np.uint8)
        colours[order] = [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
        image.putpalette(colours.tobytes())
        return image

    tree.each_mask(saved)


def sixteen_bit(tree: Tree) -> None:
    tree.each_mask(lambda values: Image.fromarray(values.astype(np.uint16)))


def jpeg_masks(tree: Tree) -> None:
    for index in range(COUNT):
        tree.mask(index).unlink()
        binary(labels(index, tree.ids)).save(tree.mask(index).with_suffix(".jpg"))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path: Path) -> None:
    """An image of a few bytes that says it is 60000 x 60000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def without_frame(tree: Tree) -> None:
    tree.image(3).unlink()
    tree.mask(3).unlink()
    if tree.layout == "youtube_vos":
        names = [name for name in tree.names if name != "00003"]
        tree.write_meta({key: {"category": "dog", "frames": names} for key in "12"})


def unsorted(tree: Tree) -> None:
    """frame9 comes before frame10, but not as text."""
    new = {name: f"frame{int(name) + 5}" for name in tree.names}
    for folder, suffix in ((tree.frames, ".jpg"), (tree.masks, ".png")):
        for name, other in new.items():
            (folder / f"{name}{suffix}").rename(folder / f"{other}{suffix}")
    if tree.layout == "youtube_vos":
        tree.write_meta({key: {"category": "dog", "frames": list(new.values())} for key in "12"})


def duplicate(tree: Tree) -> None:
    Image.open(tree.image(3)).save(tree.image(4), quality=90)


def twice_the_rate(tree: Tree) -> None:
    for index in range(1, COUNT, 2):
        shutil.copy(tree.image(index - 1), tree.image(index))
        shutil.copy(tree.mask(index - 1), tree.mask(index))


def empty_first(tree: Tree) -> None:
    write_label_map(tree.mask(0), np.zeros(SIZE, np.uint8))


def no_first(tree: Tree) -> None:
    tree.mask(0).unlink()


def late(tree: Tree) -> None:
    write_label_map(tree.mask(0), labels(0, (1,)))


def other_size(tree: Tree) -> None:
    frame(3, (SIZE[0] * 2, SIZE[1] * 2)).save(tree.image(3))


def turned(tree: Tree) -> None:
    frame(7, SIZE[::-1]).save(tree.image(7))


def stray(tree: Tree) -> None:
    (tree.frames / "Thumbs.db").write_bytes(b"x")
    (tree.frames / ".DS_Store").write_bytes(b"x")


def mask_of_nothing(tree: Tree) -> None:
    write_label_map(tree.masks / "notes.png", labels(0))


def link_outside(tree: Tree) -> None:
    outside = tree.root.parent / "elsewhere.jpg"
    frame(5).save(outside)
    tree.image(5).unlink()
    tree.image(5).symlink_to(outside)


def link_around(tree: Tree) -> None:
    (tree.frames / "again").symlink_to(tree.frames.parent)


def meta(objects: object, **others: object) -> Callable[[Tree], None]:
    return lambda tree: tree.write_meta(objects, **others)


DOG = {"category": "dog", "frames": [f"{index:05d}" for index in range(COUNT)]}
YOUTUBE, DAVIS, FOLDER = ("youtube_vos",), ("davis2017",), ("folder",)

FAULTS = {
    "0 and 1 look black": Planted(black, "black", "looks black, but shows id 1, 2", is_fault=False),
    "0 and 1 of one object": Planted(
        lambda tree: tree.each_mask(lambda values: Image.fromarray((values > 0).astype(np.uint8))),
        "black", "looks black", ("davis2016", "folder"), (1,), is_fault=False, truth=one,
    ),
    "0 and 255": Planted(
        lambda tree: tree.each_mask(binary), "binary", "255 means void", ("davis2017", "youtube_vos"), (1,), truth=one
    ),
    "0 and 255 among others": Planted(
        lambda tree: binary(labels(2, (1,))).save(tree.mask(2)), "binary", "255 means void", FOLDER, (1,), truth=one
    ),
    "RGB": Planted(lambda tree: tree.each_mask(coloured), "colours", "RGB with 3 colours, no ids"),
    "RGBA": Planted(
        lambda tree: tree.each_mask(lambda values: coloured(values).convert("RGBA")), "colours", "RGBA with 3 colours"
    ),
    "own colours on white": Planted(own_colours, "colours", "RGB with 3 colours"),
    "antialiased RGB": Planted(
        soft_rgb, "soft", "values between the real ones", ids=(1,), others=("colours", "binary"), truth=None
    ),
    "antialiased ids": Planted(phantoms, "soft", "antialiased edges", ids=(10, 20), others=("ids",), truth=None),
    "a seam between two objects": Planted(
        seam, "soft", "antialiased edges: 1 value", ids=(1, 5), others=("ids",), truth=None
    ),
    "antialiased, one object": Planted(
        lambda tree: tree.each_mask(lambda values: Image.fromarray(soft(200 * (values > 0).astype(np.uint8)))),
        "soft", "antialiased edges", ("davis2016",), (1,), truth=None,
    ),
    "scrambled palette": Planted(scrambled, "palette", "in another order"),
    "16 bit": Planted(sixteen_bit, "deep", "16 bit"),
    "JPEG masks": Planted(jpeg_masks, "lossy", "a JPEG, whose compression smears ids", FOLDER, (1,), truth=one),
    "mask of another size": Planted(resize_mask, "mask size", "96 x 128, while its frame has 48 x 64"),
    "missing frame": Planted(
        without_frame, "missing frames", "no frame between 00002 and 00004", frames=COUNT - 1, is_fault=False,
        truth=None,
    ),
    "frame without its file": Planted(
        lambda tree: tree.image(7).unlink(), "missing frames", "names frames that are not there: 00007",
        YOUTUBE, frames=COUNT - 1, others=("names",), truth=labels,
    ),
    "unsorted": Planted(unsorted, "order", "frame10 comes before frame9", ("folder", "youtube_vos"), is_fault=False),
    "duplicate frame": Planted(
        duplicate, "duplicate frames", "shows the same as the frame before, 00003", frames=COUNT - 1, is_fault=False,
        truth=None,
    ),
    "wrong frame rate": Planted(
        twice_the_rate, "frame rate", "of 2 frames only 1 is new: saved with 2/1 of the frame rate", frames=COUNT // 2,
        truth=None,
    ),
    "ids with gaps": Planted(lambda tree: None, "ids", "ids 3, 9, not 1 to 2", ids=(3, 9), is_fault=False),
    "empty first mask": Planted(
        empty_first, "empty first mask", "the first mask, of frame 00000, shows no object", frames=COUNT - 1,
        truth=lambda index: labels(index + 1), is_fault=False, layouts=("folder", "youtube_vos"),
    ),
    "empty first mask of DAVIS": Planted(
        empty_first, "empty first mask", "shows no object", DAVIS, frames=COUNT - 1,
        truth=lambda index: labels(index + 1),
    ),
    "no first mask": Planted(
        no_first, "masks", "the first frame, 00000, has no mask", ("davis2016", "davis2017"), (1,), COUNT - 1,
        truth=lambda index: labels(index + 1, (1,)),
    ),
    "late object": Planted(late, "late objects", "id 2 comes after the first mask", DAVIS, truth=None),
    "frame of another size": Planted(other_size, "frame size", "96 x 128, while the video has 48 x 64"),
    "turned frame": Planted(turned, "frame size", "64 x 48, while the video has 48 x 64", frames=COUNT - 1),
    "damaged frame": Planted(
        lambda tree: cut_short(tree.image(7)), "damaged", "cannot be read: expected a", frames=COUNT - 1
    ),
    "damaged mask": Planted(lambda tree: cut_short(tree.mask(7)), "damaged", "cannot be read: expected a", truth=None),
    "frame beyond the limit": Planted(
        lambda tree: bomb(tree.image(7)), "damaged", "cannot be read: expected at most", frames=COUNT - 1
    ),
    "mask beyond the limit": Planted(
        lambda tree: bomb(tree.mask(7)), "damaged", "cannot be read: expected at most", truth=None
    ),
    "stray files": Planted(stray, "stray", "neither frame nor mask: .DS_Store, Thumbs.db", is_fault=False),
    "mask without a frame": Planted(mask_of_nothing, "names", "no frame of that name: notes.png"),
    "link out": Planted(link_outside, "outside", "elsewhere.jpg, outside of the data set", is_fault=False),
    "link around": Planted(link_around, "outside", "a link to a folder that it lies in"),
    "broken meta.json": Planted(
        lambda tree: (tree.root / "train/meta.json").write_text("{"), "list", "no JSON", YOUTUBE
    ),
    "meta.json of something else": Planted(
        lambda tree: (tree.root / "train/meta.json").write_text("[1]"), "list", "not {", YOUTUBE
    ),
    "meta.json without an object": Planted(
        meta({"1": DOG}), "list", "object 2: shown by masks, but not listed", YOUTUBE
    ),
    "meta.json with one too many": Planted(
        meta({"1": DOG, "2": DOG, "3": DOG}), "list", "object 3: listed, but shown by no mask", YOUTUBE, is_fault=False
    ),
    "meta.json with a broken object": Planted(
        meta({"1": DOG, "2": {"category": 5}}), "list", "no id, category and frames for: 2", YOUTUBE
    ),
    "meta.json with a missing video": Planted(
        meta({"1": DOG, "2": DOG}, run={"objects": {}}), "list", "lists run, of which there are no frames", YOUTUBE
    ),
    "meta.json that leads out": Planted(
        meta({"1": DOG, "2": DOG}, **{"../../evil": {"objects": {}}}), "outside", "'../../evil'", YOUTUBE
    ),
    "list with a missing sequence": Planted(
        lambda tree: (tree.root / "ImageSets/2017/train.txt").write_text("walk\nrun\n"), "list", "names run", DAVIS
    ),
    "list that leads out": Planted(
        lambda tree: (tree.root / "ImageSets/2017/train.txt").write_text("walk\n../../../evil\n"),
        "outside", "'../../../evil'", DAVIS,
    ),
}  # fmt: skip
