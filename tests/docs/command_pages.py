"""What readers of each page have and have done before they follow it."""

from __future__ import annotations

from dataclasses import dataclass, field

from command_world import (
    CATEGORIES,
    Maker,
    boxes,
    clip,
    coco,
    davis,
    davis_held_out,
    efficientnet_weights,
    first_mask,
    frames,
    late_mask,
    mobilenet_weights,
    osvos_checkpoint,
    own_data,
    own_videos,
    predictions,
    resnet_checkpoint,
    rvos_checkpoint,
    stills,
    synthetic,
    tianchi,
    yolo,
    youtube_vos,
)


@dataclass(frozen=True)
class Page:
    """The state of the working folder, which is a checkout, before the first command of a page.

    Attributes:
        files: What lies there, and what makes it.
        before: Commands that were given there, mostly those of another page.
    """

    files: dict[str, Maker] = field(default_factory=dict)
    before: tuple[str, ...] = ()


SALIENCY, PEOPLE = stills("images", "masks"), stills("Training_Images", "Ground_Truth")
COSNET_LIGHT = {"data/DAVIS": davis, "data/coco128-seg": yolo, "data/human_segmentation": PEOPLE}
TRUNK = {"resnet101-63fe2227.pth": resnet_checkpoint}
VAL, TEST = ("camel", "goat"), ("deer",)

DAVIS_RECORDS = (
    "python preprocess.py --dataset davis2016 --root data/DAVIS --split train --out records/davis --size 64x96"
)
DAVIS_2017_RECORDS = (
    "python preprocess.py --dataset davis2017 --root data/DAVIS --split train --out records/davis --size 64x96"
)
YOUTUBE_RECORDS = (
    "python preprocess.py --dataset youtube_vos --root data/YouTubeVOS --split train --out records/ytvos --size 64x96"
)
DAVIS_RUN = "python VOS.py --records records/davis --n_epochs 70 --batch_size 2 --lr 1e-5 --run runs/davis"
S2S_RUN = "python VOS.py --recipe s2s_demo --root data/synthetic --run runs/s2s"
OSVOS_RUN = "python VOS.py --recipe osvos_parent --dataset davis2016 --root data/DAVIS --run runs/osvos_parent"
STILL_RECORDS = "python preprocess.py --dataset still_images --root data/saliency --size short:480 --out records/stills"
COSNET_RUN = "python VOS.py --model cosnet --recipe cosnet_davis --run runs/cosnet_davis"
ZERO_SHOT_RUN = "python VOS.py --recipe rvos_zeroshot_davis --records records/davis --run runs/rvos_zeroshot_davis"

EMVOS = {
    "data/davis2016_train": davis_held_out,
    "data/ecssd": SALIENCY,
    "data/pascal_coseg": SALIENCY,
    "data/human_segmentation": PEOPLE,
    "data/coco128-seg": yolo,
    "efficientnet_lite0.npz": efficientnet_weights,
}
EMVOS_RECORDS = (
    *(
        "python preprocess.py --dataset davis2016 --root data/davis2016_train "
        f"--split {split} --out records/davis_{split} --size 64x96"
        for split in ("fit", "held_out")
    ),
    *(
        f"python preprocess.py --dataset still_images --root data/{name} --out records/{name} --size 64x96"
        for name in ("ecssd", "pascal_coseg", "human_segmentation", "coco128-seg")
    ),
)
EMVOS_STAGES = (
    *EMVOS_RECORDS,
    "python VOS.py --model emvos --recipe emvos_stage0 --trunk-weights efficientnet_lite0.npz --run runs/emvos_stage0",
    "python VOS.py --model emvos --recipe emvos_stage1 --weights runs/emvos_stage0 --run runs/emvos_stage1",
)

PAGES = {
    "README.md": Page({"clip.mp4": clip, "first.png": first_mask, "DAVIS": davis, "YouTubeVOS": youtube_vos}),
    "configuration.md": Page({"data/davis2016": davis}),
    "converting.md": Page({"my_data": own_data, "coco": coco("val2017")}),
    "cosnet.md": Page({**COSNET_LIGHT, "data/saliency": SALIENCY}),
    "data_sets.md": Page(
        {
            "data/DAVIS": davis,
            "data/tianchi": tianchi,
            "my_data": own_data,
            "humans": stills("images", "masks"),
            "coco": yolo,
        },
        (DAVIS_RECORDS,),
    ),
    "doctor.md": Page({"my_videos": own_videos}),
    "evaluation.md": Page(
        {
            "data/DAVIS": davis,
            "data/YouTubeVOS": youtube_vos,
            "data/tianchi": tianchi,
            "results/mine": predictions(*VAL, *TEST, *(f"train{number:02d}" for number in range(len(CATEGORIES)))),
            "results/a": predictions(*VAL),
            "results/b": predictions(*VAL),
            "results/tianchi": predictions("606342"),
        }
    ),
    "exporting.md": Page({"data/synthetic": synthetic}, (S2S_RUN,)),
    "emvos.md": Page({"clip.mp4": clip, "first.png": first_mask, "corrected.png": first_mask}),
    "failure_cases.md": Page({"frames": frames, "first.png": first_mask, "late.png": late_mask}),
    "getting_started.md": Page({"data/DAVIS": davis, "data/YouTubeVOS": youtube_vos}),
    "importing.md": Page(
        {
            "data/DAVIS": davis,
            "data/synthetic": synthetic,
            "parent_epoch-239.pth": osvos_checkpoint,
            "models/one-shot-model-davis": rvos_checkpoint,
            **TRUNK,
        }
    ),
    "methods.md": Page(
        {"data/DAVIS": davis, "results/osvos": predictions(*VAL), "results/s2s": predictions(*VAL)},
    ),
    "osvos.md": Page({"data/DAVIS": davis, "data/davis2016": davis}, (OSVOS_RUN,)),
    "own_data.md": Page(
        {"my_videos": own_videos, "holiday.mp4": clip, "first.png": first_mask, "my_coco": coco("train")}
    ),
    "own_video.md": Page(
        {
            "clip.mp4": clip,
            "first.png": first_mask,
            "boxes.json": boxes,
            "frames": frames,
            "late.png": late_mask,
            "data/synthetic": synthetic,
        },
        (S2S_RUN,),
    ),
    "records.md": Page(
        {"data/DAVIS": davis, "coco": coco("train")},
        ("python preprocess.py --dataset coco --root coco --split train --size short:480 --out records/coco",),
    ),
    "refinement.md": Page(
        {"data/DAVIS": davis, "data/saliency": SALIENCY}, (OSVOS_RUN, DAVIS_RECORDS, STILL_RECORDS, COSNET_RUN)
    ),
    "rvos.md": Page({"data/DAVIS": davis, "data/youtube_vos": youtube_vos}, (DAVIS_2017_RECORDS, ZERO_SHOT_RUN)),
    "s2s.md": Page(before=("vos-tf synthesize --out data/synthetic --videos 400 --valid-videos 20 --seed 0",)),
    "segmenting.md": Page({"data/DAVIS": davis}, (DAVIS_RECORDS, DAVIS_RUN)),
    "training.md": Page(
        {"data/DAVIS": davis, "data/YouTubeVOS": youtube_vos},
        (DAVIS_RECORDS, YOUTUBE_RECORDS, DAVIS_RUN.replace("runs/davis", "runs/davis_long")),
    ),
    "cosnet_light.yaml": Page({**COSNET_LIGHT, "mobilenet_v2.weights.h5": mobilenet_weights}),
    "cosnet_tianchi.yaml": Page({"data/tianchi": tianchi}),
    "emvos_stage0.yaml": Page(EMVOS),
    "emvos_stage1.yaml": Page(EMVOS, EMVOS_STAGES[:-1]),
    "emvos_stage2.yaml": Page(EMVOS, EMVOS_STAGES),
    "osvos_parent_light.yaml": Page({**COSNET_LIGHT, "mobilenet_v2.weights.h5": mobilenet_weights}),
    "rvos_oneshot_davis.yaml": Page({"DIR": davis, **TRUNK}),
    "rvos_oneshot_youtube.yaml": Page({"DIR": youtube_vos, **TRUNK}),
    "rvos_zeroshot_davis.yaml": Page({"DIR": davis, **TRUNK}),
    "rvos_zeroshot_youtube.yaml": Page({"DIR": youtube_vos, **TRUNK}),
    "s2s_davis2016.yaml": Page({"DIR": davis}),
    "s2s_youtube_vos.yaml": Page({"DIR": youtube_vos}),
}
