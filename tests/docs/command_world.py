"""What readers have before they follow a page: small data sets, videos and checkpoints, made where the pages say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from encoded_video import encode, moving_frames
from original_files import save_rvos, save_torch, tensors
from PIL import Image
from small_world import Moving, draw_frame, draw_labels

from vos_tf.datasets.synthetic import SyntheticSettings, generate
from vos_tf.media.label_maps import write_label_map

Maker = Callable[[Path], object]

SIZE = (48, 84)
FRAMES = 8
BOTH = (Moving(1, 0, 99), Moving(2, 0, 99))
VIDEO_SIZE = (64, 96)  # of encoded_video
CATEGORIES = ("ape", "bear", "cat", "dog", "eagle", "fox", "giraffe", "hat", "iguana", "jeep", "knife", "lion", "mouse")


def _picture(path: Path, labels: np.ndarray, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_frame(labels, seed)).save(path)


def _video(root: Path, names: tuple[str, str], masks: int = FRAMES, objects: Sequence[Moving] = BOTH) -> None:
    """Frames and masks below folders of these two names; the first ``masks`` frames have one."""
    for index in range(FRAMES):
        labels = draw_labels(index, SIZE, objects)
        _picture(root / names[0] / f"{index:05d}.jpg", labels, index)
        if index < masks:
            write_label_map(root / names[1] / f"{index:05d}.png", labels)


def davis(root: Path) -> None:
    """DAVIS-2016 and DAVIS-2017 in one folder."""
    splits = {
        "2016": {"train": ("bear", "boat", "bus", "car"), "val": ("camel", "goat")},
        "2017": {"train": ("bear", "boat", "bus", "car"), "val": ("camel", "goat"), "test-dev": ("deer",)},
    }
    for year, lists in splits.items():
        for split, names in lists.items():
            (root / "ImageSets" / year).mkdir(parents=True, exist_ok=True)
            (root / "ImageSets" / year / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
            for name in names:
                folders = (f"JPEGImages/480p/{name}", f"Annotations/480p/{name}")
                _video(root, folders, masks=1 if split == "test-dev" else FRAMES)


def davis_held_out(root: Path) -> None:
    """`davis` whose training sequences are parted into those to learn from and one to choose by."""
    davis(root)
    for split, names in {"fit": ("bear", "boat", "bus"), "held_out": ("car",)}.items():
        (root / "ImageSets" / "2016" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def youtube_vos(root: Path) -> None:
    """Training videos of many categories; validation videos whose first masks alone are there."""
    frames = [f"{index:05d}" for index in range(FRAMES)]
    for split, categories in (("train", CATEGORIES), ("valid", CATEGORIES[:2])):
        videos = {}
        for number, category in enumerate(categories):
            name = f"{split}{number:02d}"
            folders = (f"{split}/JPEGImages/{name}", f"{split}/Annotations/{name}")
            _video(root, folders, masks=1 if split == "valid" else FRAMES)
            listed = {"category": category, "frames": frames}
            videos[name] = {"objects": {"1": listed, "2": listed}}
        (root / split / "meta.json").write_text(json.dumps({"videos": videos}))


def tianchi(root: Path) -> None:
    """Ten training videos and a test video."""
    names = [f"{606332 + number}" for number in range(11)]
    for name in names:
        _video(root, (f"JPEGImages/{name}", f"Annotations/{name}"), masks=1 if name == names[-1] else FRAMES)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("\n".join(names[:-1]))
    (root / "ImageSets/test.txt").write_text(names[-1])


def synthetic(root: Path) -> None:
    settings = SyntheticSettings(frames=FRAMES, height=SIZE[0], width=SIZE[1], objects_max=2)
    for split, videos in (("train", 4), ("valid", 1)):
        generate(root, settings, videos=videos, split=split, seed=0)


def own_videos(root: Path) -> None:
    """Videos in a folder, with a fault: in each, one mask is a column too narrow."""
    for name in ("kitchen", "garden", "street"):
        _video(root, (f"JPEGImages/{name}", f"Annotations/{name}"))
        write_label_map(root / "Annotations" / name / "00003.png", draw_labels(3, SIZE, BOTH)[:, :-1])


def own_data(root: Path) -> None:
    """The same without a fault."""
    for name in ("kitchen", "garden", "street"):
        _video(root, (f"JPEGImages/{name}", f"Annotations/{name}"))


def stills(images: str, masks: str) -> Maker:
    """Pictures with masks of one object, black and white."""

    def make(root: Path) -> None:
        for index in range(4):
            labels = draw_labels(index, SIZE, BOTH[:1])
            _picture(root / images / f"{index}.jpg", labels, index)
            (root / masks).mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 * labels).save(root / masks / f"{index}.png")

    return make


def yolo(root: Path) -> None:
    """Pictures with polygons in text files, as coco128-seg."""
    for index in range(4):
        labels = np.zeros(SIZE, np.uint8)
        labels[12:36, 21:63] = 1
        _picture(root / f"images/train2017/{index:012d}.jpg", labels, index)
        text = root / f"labels/train2017/{index:012d}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("45 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")


def coco(split: str) -> Maker:
    """Pictures with polygons in a file of annotations."""

    def make(root: Path) -> None:
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "box"}]}
        for index in range(4):
            labels = np.zeros(SIZE, np.uint8)
            labels[12:36, 21:63] = 1
            name = f"{index:012d}.jpg"
            _picture(root / split / name, labels, index)
            content["images"].append({"id": index, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
            polygon = {"segmentation": [[21, 12, 63, 12, 63, 36, 21, 36]], "bbox": [21, 12, 42, 24], "area": 1008}
            content["annotations"].append(
                {"id": index, "image_id": index, "category_id": 1, "iscrowd": 0} | polygon,
            )
        (root / "annotations").mkdir()
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))

    return make


def clip(path: Path) -> None:
    encode(path, moving_frames(5))


def frames(folder: Path) -> None:
    folder.mkdir()
    for index, picture in enumerate(moving_frames(42)):
        Image.fromarray(picture).save(folder / f"{index:05d}.jpg")


def _square(number: int, top: int, left: int) -> Maker:
    def make(path: Path) -> None:
        labels = np.zeros(VIDEO_SIZE, np.uint8)
        labels[top : top + 24, left : left + 24] = number
        write_label_map(path, labels)

    return make


first_mask, late_mask = _square(1, 20, 4), _square(2, 36, 70)


def boxes(path: Path) -> None:
    path.write_text('{"objects": [{"id": 1, "box": [4, 20, 24, 24]}]}')


def predictions(*names: str) -> Maker:
    """Masks for all frames of some videos: the first one, repeated."""

    def make(folder: Path) -> None:
        for name in names:
            for index in range(FRAMES):
                write_label_map(folder / name / f"{index:05d}.png", draw_labels(0, SIZE, BOTH))

    return make


def osvos_checkpoint(path: Path) -> None:
    """A parent of OSVOS-PyTorch with random weights."""
    from vos_tf.methods.osvos.checkpoints import osvos_pytorch
    from vos_tf.methods.registry import get_method

    table = osvos_pytorch(get_method("osvos").build(get_method("osvos").resolve_settings("vgg16", {})))
    save_torch(path, tensors(_originals(table.entries) | table.fixed))


def rvos_checkpoint(folder: Path) -> None:
    """A one-shot network of RVOS with random weights, narrow and on a small trunk."""
    from vos_tf.methods.registry import get_method
    from vos_tf.methods.rvos.checkpoints import rvos_names

    settings = get_method("rvos").resolve_settings("resnet34", {"hidden_size": 32, "size": [64, 96]})
    save_rvos(folder, _originals(rvos_names(get_method("rvos").build(settings)).entries))


def resnet_checkpoint(path: Path) -> None:
    """A ResNet-101 of torchvision with random weights."""
    from vos_tf.models.backbones import classifier_body, trunk_kind
    from vos_tf.porting.trunks import resnet_entries

    body = classifier_body("resnet101", trunk_kind("resnet101"))
    save_torch(path, tensors(_originals(resnet_entries(body))))


def mobilenet_weights(path: Path) -> None:
    """Of the classifier of Keras without its top, random."""
    import keras

    keras.applications.MobileNetV2(include_top=False, weights=None).save_weights(path)


def efficientnet_weights(path: Path) -> None:
    """Of EfficientNet-Lite0 as its authors' are kept, random; batch normalisation changes nothing."""
    from vos_tf.models.efficientnet_lite import _norm_of, build_classifier

    archive: dict[str, np.ndarray] = {}
    for layer in build_classifier().layers:
        if layer.name == "fc":
            archive |= dict(zip(("fc/kernel", "fc/bias"), layer.get_weights(), strict=True))
        elif layer.weights:
            kernel, bias = layer.get_weights()
            ones, zeros = np.ones_like(bias), np.zeros_like(bias)
            norm = zip(("gamma", "beta", "mean", "var"), (ones, zeros, zeros, ones), strict=True)
            archive |= {layer.name: kernel, **{f"{_norm_of(layer.name)}/{part}": values for part, values in norm}}
    np.savez(path, **archive)


def _originals(entries: Any) -> dict[str, np.ndarray]:
    return {name: entry.layout.from_keras(np.array(entry.variable)) for name, entry in entries.items()}
