"""From a segmenter to a SavedModel that is checked against it."""

from __future__ import annotations

from pathlib import Path

from vos_tf.export.parity import ParityReport, check_saved_model
from vos_tf.export.saved_model import export_saved_model
from vos_tf.inference.session import VideoSegmenter
from vos_tf.methods.registry import get_method


def export_checked(segmenter: VideoSegmenter, folder: Path) -> ParityReport:
    """Write the SavedModel of a segmenter, and compare the two.

    Raises:
        VosError: See `export_saved_model` and `check_saved_model`.
    """
    module = get_method(segmenter.method).export(segmenter.network, segmenter.rule)
    export_saved_model(module, folder)
    return check_saved_model(module, segmenter, folder)
