"""Measures, protocols, score tables and submission packages. No TensorFlow."""

from vos_tf.evaluation.protocols import PROTOCOLS, ScoringProtocol, protocol_for
from vos_tf.evaluation.scoring import score_results
from vos_tf.evaluation.tables import ScoreTable

__all__ = ["PROTOCOLS", "ScoreTable", "ScoringProtocol", "protocol_for", "score_results"]
