"""What can be chosen when COSNet segments, and what suits each network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vos_tf.config import one_of
from vos_tf.errors import VosError
from vos_tf.inference.options import SharedOptions
from vos_tf.inference.refinement.settings import CRFSettings

if TYPE_CHECKING:
    from vos_tf.methods.cosnet.network import COSNet

SAMPLINGS = ("uniform", "random", "streaming")
FUSIONS = ("predictions", "summaries", "joint")


@dataclass(frozen=True)
class Options(SharedOptions):
    """What can be chosen when COSNet segments.

    Attributes:
        references: Number of reference frames; 0: all earlier frames (with ``streaming``).
        sampling: Reference frames are spread over the video (``uniform``), drawn from it once (``random``), or spread
            over the frames before (``streaming``), for video of which no more is known.
        seed: Of ``random`` sampling.
        fusion: How references act together: the mean of the ``predictions`` from each, the mean of the attention's
            ``summaries``, or one ``joint`` attention, see `vos_tf.methods.cosnet.network.COSNetSettings`.
        objects: The ``foreground`` as one object, id 1, without any mask; or objects ``given`` by first masks, among
            which it is shared out (`vos_tf.methods.cosnet.assignment`).
        crf: Refinement of the probabilities by a dense CRF; as its authors do, they are stretched first.
    """

    references: int = 5
    sampling: str = "uniform"
    seed: int = 0
    fusion: str = "predictions"
    objects: str = "foreground"
    crf: CRFSettings = field(default_factory=lambda: CRFSettings(stretch=True))

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("sampling", self.sampling, SAMPLINGS)
        one_of("fusion", self.fusion, FUSIONS)
        one_of("objects", self.objects, ("foreground", "given"))
        least = 0 if self.sampling == "streaming" else 1
        if self.references < least:
            raise VosError(f"references: expected {least} or more with {self.sampling}, found {self.references}")
        if self.seed < 0:
            raise VosError(f"seed: expected 0 or more, found {self.seed}")


def default_options(network: COSNet) -> Options:
    """The network's own fusion; references as the authors take: 5, or 3 for a joint attention."""
    fusion = network.settings.fusion
    return Options(references=3 if fusion == "joint" else 5, fusion=fusion)
