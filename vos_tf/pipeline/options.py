"""How training clips are sampled and changed. Every option works with every other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace

from vos_tf.errors import VosError
from vos_tf.pipeline.scene_options import SceneOptions

_CHOICES = {
    "growth": ("exact", "up_to"),
    "frames": ("annotated", "all"),
    "reference": ("before_clip", "first_of_video"),
    "objects": ("one", "all", "foreground"),
    "order": ("time", "any"),
    "start": ("random", "first"),
    "stride_draw": ("exact", "up_to"),
    "stills": ("motion", "repeat", "skip"),
}


@dataclass(frozen=True)
class ClipOptions:
    """How clips are cut from videos.

    A clip is a reference frame, whose mask is given to the network, and T frames after it.

    Attributes:
        clip_length: T, the number of frames after the reference frame; or the lowest and the highest T, and each
            batch draws its own (Xu et al. 2018: 5 to 11). As text ``7`` or ``5-11``, too. 0: the reference frame alone,
            for networks that learn from single images.
        grow_every: T grows from the lowest to the highest, by one after so many epochs; 0: it does not.
        growth: ``exact``: all clips of an epoch have the T that has been reached, and after the epochs of the highest
            each batch draws its own. ``up_to``: each batch draws from the lowest to what has been reached.
        stride: Step from one frame of a clip to the next, counted in ``frames``; or several (``[1, 5, 25, 5]``), one
            for each stage of ``stride_every`` epochs, the last for all epochs after. Where it is several, or drawn, a
            step that a video is too short for is made smaller.
        stride_every: Epochs of a stage of ``stride``.
        stride_draw: ``exact``, or ``up_to``: each clip draws its step from 1 to ``stride``.
        order: ``time``: the frames of a clip follow each other. ``any``: they are drawn from the whole video, before
            and after the reference frame, at any distance, no frame twice (pairs and groups of Lu et al. 2019).
        frames: ``annotated``: a clip steps through the annotated frames of its object. ``all``: through all frames
            of the video from the object's first to its last; those without a mask are marked as not annotated.
        annotated_epochs: With ``frames="all"``: the first so many epochs step through annotated frames (Xu et al.).
        reference: ``before_clip``: the frame directly before the clip (Xu et al. 2018). ``first_of_video``: the first
            frame of the object; the clip is anywhere behind it.
        objects: ``one``: a clip follows one object. ``all``: it follows all objects of the reference frame, at
            most ``max_objects``. ``foreground``: all ids are one object, id 1 (as in DAVIS-2016).
        max_objects: Largest number of objects of a clip with ``objects="all"``.
        clips_per_object: Clips of each object in an epoch.
        clips_per_video: Clips of each video in an epoch, each of a random object; added to the former.
        clips_per_frame: Clips of each object in an epoch from every frame where one can start; added to the former.
            Without ``shuffle``, first one of each object, then another, from all over the video.
        clips_per_epoch: Clips of an epoch; 0: as many as the numbers above make. Of fewer, each epoch draws its own;
            more are repeated.
        start: ``random``, or ``first``: as early in the video as ``reference`` allows; with ``order="any"`` the other
            frames are spread evenly over the video.
        shuffle: Mix the clips of an epoch; else they come in the order of the videos, those of several folders of
            records evenly between each other.
        stills: Of a video of one frame: ``motion``: clips with T above 0 show it with a camera and objects in motion,
            see `vos_tf.pipeline.motion`; ``stride`` is the time between two frames. ``repeat``: all frames of such a
            clip are the image itself. ``skip``: it has no such clips.
        still_batches: n: the first of every n batches of an epoch is made of still images, the others of videos; 0:
            each batch is a mixture.
        size: ``(H, W)`` of the clips; ``None``: as stored, and in training the network's.
        classes: Names of categories, in the order of the outputs of a network's class head; empty: clips do not tell
            what their objects are.
        scene: What else happens in clips in training, see `SceneOptions`.
    """

    clip_length: int | tuple[int, int] | str = (5, 11)
    grow_every: int = 0
    growth: str = "exact"
    stride: int | tuple[int, ...] = 1
    stride_every: int = 0
    stride_draw: str = "exact"
    frames: str = "annotated"
    annotated_epochs: int = 0
    reference: str = "before_clip"
    order: str = "time"
    objects: str = "one"
    max_objects: int = 5
    clips_per_object: int = 1
    clips_per_video: int = 0
    clips_per_frame: int = 0
    clips_per_epoch: int = 0
    start: str = "random"
    shuffle: bool = True
    stills: str = "motion"
    still_batches: int = 0
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()
    scene: SceneOptions = field(default_factory=SceneOptions)

    def __post_init__(self) -> None:
        if isinstance(self.clip_length, str):
            object.__setattr__(self, "clip_length", _parse_length(self.clip_length))
        for name in ("clip_length", "stride", "size", "classes"):  # lists, as YAML has them
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise VosError(f"clips.{name}: expected one of {', '.join(choices)}, found {getattr(self, name)!r}")
        shortest, longest = self.lengths
        if not 0 <= shortest <= longest or (shortest == 0 < longest):
            raise VosError(
                f"clips.clip_length: expected 0 alone, or 1 or more with the lowest first, found {self.clip_length}"
            )
        self._check_stages()
        if not 1 <= self.max_objects <= 254:
            raise VosError(f"clips.max_objects: expected 1 to 254, found {self.max_objects}")
        numbers = (self.clips_per_object, self.clips_per_video, self.clips_per_frame)
        if min(numbers) < 0 or sum(numbers) < 1:
            raise VosError(
                "clips.clips_per_object, clips.clips_per_video, clips.clips_per_frame: expected numbers of which one "
                f"is above 0, found {numbers[0]}, {numbers[1]} and {numbers[2]}"
            )
        for name in ("clips_per_epoch", "still_batches"):
            if getattr(self, name) < 0:
                raise VosError(f"clips.{name}: expected 0 or more, found {getattr(self, name)}")
        if self.size is not None and min(self.size) < 1:
            raise VosError(f"clips.size: expected height and width in pixels, found {self.size}")
        self._check_classes()

    def _check_classes(self) -> None:
        if not all(self.classes) or len(set(self.classes)) < len(self.classes):
            found = ", ".join(name or "''" for name in self.classes)
            raise VosError(f"clips.classes: expected names of categories, each once, found {found}")
        if self.classes and self.objects == "foreground":
            raise VosError("clips.classes: expected clips.objects one or all with it, found foreground")

    def _check_stages(self) -> None:
        if min(self.strides, default=0) < 1:
            raise VosError(f"clips.stride: expected 1 or more, or several such numbers, found {self.stride}")
        if (len(self.strides) > 1) != (self.stride_every > 0):
            raise VosError(
                "clips.stride, clips.stride_every: expected several strides with 1 epoch or more for each, or one "
                f"stride and 0, found {self.stride} and {self.stride_every}"
            )
        for name in ("grow_every", "annotated_epochs", "stride_every"):
            if getattr(self, name) < 0:
                raise VosError(f"clips.{name}: expected 0 or more epochs, found {getattr(self, name)}")
        if self.grow_every and self.lengths[0] == self.lengths[1]:
            raise VosError(f"clips.grow_every: expected a range as clip_length, such as 5-11, found {self.clip_length}")
        if self.annotated_epochs and self.frames != "all":
            raise VosError(f"clips.annotated_epochs: expected frames 'all' for the epochs after, found {self.frames!r}")

    @property
    def lengths(self) -> tuple[int, int]:
        """Lowest and highest T, over all epochs."""
        if isinstance(self.clip_length, tuple):
            return self.clip_length
        return int(self.clip_length), int(self.clip_length)

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps of all stages."""
        return self.stride if isinstance(self.stride, tuple) else (self.stride,)

    @property
    def stride_fits(self) -> bool:
        """Whether steps are made smaller where a video is too short for them."""
        return isinstance(self.stride, tuple) or self.stride_draw == "up_to"

    @property
    def staged(self) -> bool:
        """Whether epochs differ in more than chance."""
        return bool(self.grow_every or self.annotated_epochs or self.stride_every)

    @property
    def objects_per_clip(self) -> int:
        """K, the number of object slots of a clip."""
        return self.max_objects if self.objects == "all" else 1

    def of_stills(self, batch: int) -> bool:
        """Whether batch number ``batch`` of an epoch is made of still images alone."""
        return self.still_batches > 0 and batch % self.still_batches == 0

    def in_epoch(self, epoch: int) -> ClipOptions:
        """What holds in one epoch, from 0: options without stages."""
        lowest, highest = self.lengths
        if self.grow_every:
            reached = lowest + epoch // self.grow_every
            if self.growth == "up_to":
                highest = min(reached, highest)
            elif reached <= highest:
                lowest = highest = reached
        return replace(
            self,
            clip_length=(lowest, highest),
            grow_every=0,
            frames="annotated" if epoch < self.annotated_epochs else self.frames,
            annotated_epochs=0,
            stride=self.strides[min(epoch // self.stride_every, len(self.strides) - 1) :][:1]
            if self.stride_every
            else self.stride,
            stride_every=0,
        )

    def for_validation(self) -> ClipOptions:
        """The same clips without chance: one per object, from its first frame on, of the highest length, in order.

        Of single frames, and where the frames of a clip come in any order, one from every frame of each object.
        """
        single = self.lengths[1] == 0 or self.order == "any"
        return replace(
            self,
            clip_length=self.lengths[1],
            grow_every=0,
            annotated_epochs=0,
            stride=self.strides[-1:] if self.stride_fits else self.stride,
            stride_every=0,
            stride_draw="exact",
            reference="before_clip" if single else "first_of_video",
            clips_per_object=0 if single else 1,
            clips_per_video=0,
            clips_per_frame=1 if single else 0,
            clips_per_epoch=0,
            start="first",
            shuffle=False,
            still_batches=0,
            scene=SceneOptions(),
        )


def _parse_length(text: str) -> int | tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if match is None:
        raise VosError(f"clips.clip_length: expected a number such as 7 or a range such as 5-11, found {text!r}")
    return (int(match[1]), int(match[2])) if match[2] else int(match[1])


@dataclass(frozen=True)
class AugmentOptions:
    """How a clip is changed; one draw for all its frames unless ``each_frame`` says otherwise.

    Ranges are symmetric, and 0 turns one off.

    Attributes:
        window: Least and greatest share of the largest window with the clip's proportions that fits into the stored
            frames; a window of such a size is drawn where one of the chosen objects shows, and brought to the clip's
            size before all other changes. 1 is the largest window. ``None``: the whole frame is stretched.
        each_frame: Window, flip and movements are drawn anew for every frame of a clip, the window where the frame
            shows an object; colours stay the clip's, and so does the window of a still image in motion.
        flip: Probability of a horizontal flip.
        rotation: Degrees to either side.
        scale: Enlarged or shrunk by a factor of 1 - scale to 1 + scale.
        translation: Shift to either side, as a share of width and height.
        shear: Degrees to either side, along x.
        crop: Largest share of width and height that a random crop cuts away; the crop is enlarged to the full size.
        brightness: Values multiplied by 1 - brightness to 1 + brightness.
        contrast: Distances from the mean grey of the reference frame multiplied by 1 - contrast to 1 + contrast.
        saturation: Distances from each pixel's own grey multiplied by 1 - saturation to 1 + saturation.
    """

    window: tuple[float, float] | None = None
    each_frame: bool = False
    flip: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    translation: float = 0.0
    shear: float = 0.0
    crop: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.window, list):  # as YAML has it
            object.__setattr__(self, "window", tuple(self.window))
        if self.window is not None and not 0 < self.window[0] <= self.window[1] <= 1:
            raise VosError(
                f"augment.window: expected two shares above 0 and up to 1, lowest first, found {self.window}"
            )
        limits = {"flip": 1.0, "rotation": 180.0, "shear": 80.0}
        for item in fields(self)[2:]:
            value, limit = getattr(self, item.name), limits.get(item.name, 0.95)
            if not 0 <= value <= limit:
                raise VosError(f"augment.{item.name}: expected 0 to {limit:g}, found {value}")

    @property
    def moves(self) -> bool:
        """Whether anything but a flip changes the place of pixels."""
        return any((self.rotation, self.scale, self.translation, self.shear, self.crop))

    @property
    def colours(self) -> bool:
        """Whether colours change."""
        return any((self.brightness, self.contrast, self.saturation))
