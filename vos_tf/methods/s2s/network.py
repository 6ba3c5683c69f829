"""S2S: sequence-to-sequence segmentation with a ConvLSTM (Xu et al., ECCV 2018, arXiv 1809.00461).

``c0, h0 = Initializer(x0, y0)``; then for each frame ``e = Encoder(x)``, ``c, h = ConvLSTM(e, c, h)``,
``y = Decoder(h)``. The mask enters only through the initial state. Its published variants are settings of this network
(`vos_tf.methods.s2s.settings.PRESETS`); one of them has ConvLSTMs at finer scales, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.methods.s2s.parts import build_decoder, build_encoder, build_initializer
from vos_tf.methods.s2s.settings import PRESETS, SMALL, S2SSettings, default_settings
from vos_tf.models.conv_lstm import ConvLSTMCell, ConvLSTMState
from vos_tf.models.layers import fold_time, match_batch, unfold_time
from vos_tf.models.renormalization import for_other_images
from vos_tf.models.video_network import VideoNetwork

__all__ = ["PRESETS", "S2S", "SMALL", "S2SClip", "S2SFeatures", "S2SSettings", "default_settings"]


class S2SFeatures(NamedTuple):
    """What the encoder says of a frame: computed once, whatever the number of objects.

    Attributes:
        gates: The frame's share of each ConvLSTM's gates, ``(N, h, w, 4 * filters)``, coarsest first.
        skips: Maps that are joined to the decoder, coarsest first; empty without skip connections.
    """

    gates: tuple[Any, ...]
    skips: tuple[Any, ...]


class S2SClip(NamedTuple):
    """What the network says of a clip of T frames after the initial one, with K objects.

    Attributes:
        logits: float32 ``(B, T, K, H, W)``.
        distance: Logits of distance classes, float32 ``(B, T, K, H, W, C)``.
    """

    logits: Any
    distance: Any


@keras.saving.register_keras_serializable("vos_tf")
class S2S(VideoNetwork):
    """The network. The object axis is the batch; images have batch N, or 1 for all objects of one frame.

    ``start`` and ``step`` follow a video frame by frame; calling the network unrolls a clip. Both run the same cells.
    """

    Settings = S2SSettings
    State = ConvLSTMState
    Features = S2SFeatures
    settings: S2SSettings

    def __init__(self, settings: S2SSettings | None = None, name: str | None = None) -> None:
        super().__init__(settings, name)
        self.initializer = build_initializer(self.settings)
        self.encoder = build_encoder(self.settings)
        encoded, *skips = (output.shape[-1] for output in self.encoder.outputs)
        s = self.settings
        self.conv_lstm = self._build_cell(s.state_filters, s.cell_kernel, encoded, "conv_lstm")
        self.finer = [
            self._build_cell(filters, kernel, channels, f"conv_lstm{level}")
            for level, ((filters, kernel), channels) in enumerate(zip(s.finer_states, skips[1:], strict=False), start=2)
        ]
        self.decoder = build_decoder(s, skips)
        self.built = True

    def _build_cell(self, filters: int, kernel: int, channels: int, name: str) -> ConvLSTMCell:
        cell = ConvLSTMCell(
            filters,
            kernel,
            candidate_activation=self.settings.candidate_activation,
            output_activation=self.settings.output_activation,
            forget_bias=self.settings.forget_bias,
            gate_order=self.settings.gate_order,
            swap_states=self.settings.swap_states,
            name=name,
        )
        cell.build((None, None, None, channels))
        return cell

    @property
    def cells(self) -> tuple[ConvLSTMCell, ...]:
        """The ConvLSTMs, coarsest first."""
        return (self.conv_lstm, *self.finer)

    def encode(self, image: Any) -> S2SFeatures:
        """What does not depend on the object: RGB 0..255 ``(N, H, W, 3)`` to features."""
        encoded, *skips = _listed(self.encoder(image))
        inputs = [encoded, *skips[1 : len(self.cells)]]
        gates = [cell.project(x) for cell, x in zip(self.cells, inputs, strict=True)]
        return S2SFeatures(tuple(gates), tuple(skips))

    def start(self, image: Any, mask: Any) -> ConvLSTMState:
        """Initial state from a frame and its masks.

        Args:
            image: RGB 0..255, float ``(N or 1, H, W, 3)``.
            mask: 0 or 1, float ``(N, H, W, 1)``, one object each.
        """
        states = _listed(self.initializer(ops.concatenate([match_batch(image, mask), mask], axis=-1)))
        return _state(states[0::2], states[1::2])

    def advance(self, features: S2SFeatures, state: ConvLSTMState) -> tuple[Any, ConvLSTMState]:
        """One frame further from the frame's features (batch N or 1) and the state of N objects.

        Returns:
            Logits float32 ``(N, H, W, 1)`` and the new state.
        """
        old = zip(self.cells, features.gates, _listed(state.hidden), _listed(state.cell), strict=True)
        hiddens, cells = zip(*(cell.recur(gates, hidden, memory) for cell, gates, hidden, memory in old), strict=True)
        skips = [match_batch(skip, hiddens[0]) for skip in features.skips]
        return _listed(self.decoder([*hiddens, *skips]))[0], _state(hiddens, cells)

    def call(self, frames: Any, masks: Any, distance: bool = False) -> Any:
        """Unroll a clip.

        Args:
            frames: RGB 0..255 ``(B, 1 + T, H, W, 3)``, the initial frame first.
            masks: Masks of the initial frame, ``(B, K, H, W)``, 0 or 1, K objects each.
            distance: Give the logits of distance classes, too.

        Returns:
            Logits ``(B, T, K, H, W)``, float32; with ``distance`` an `S2SClip`.
        """
        objects = masks.shape[1]
        steps = frames.shape[1] - 1
        first = ops.repeat(frames[:, 0], objects, axis=0)
        state = self.start(first, ops.reshape(masks, (-1, *masks.shape[2:], 1)))
        features = self.encode(fold_time(frames[:, 1:]))
        gates, skips = ([ops.repeat(unfold_time(x, steps), objects, axis=0) for x in maps] for maps in features)
        begun = zip(self.cells, gates, _listed(state.hidden), _listed(state.cell), strict=True)
        hiddens = [cell.unroll(projected, hidden, memory) for cell, projected, hidden, memory in begun]
        maps = _listed(self.decoder([fold_time(x) for x in (*hiddens, *skips)]))

        def by_time(x: Any) -> Any:
            x = ops.reshape(x, (-1, objects, steps, *ops.shape(x)[1:]))
            return ops.transpose(x, (0, 2, 1, 3, 4, 5))

        logits = by_time(maps[0])[..., 0]
        return S2SClip(logits, by_time(maps[1])) if distance else logits

    def trunk_parts(self) -> Sequence[Any]:
        """Initializer and encoder."""
        return self.initializer, self.encoder

    def load_trunk_weights(self, source: str) -> None:
        """Give initializer and encoder a classifier's weights; see `backbones.load_trunk_weights`.

        Where images are not normalised as the trunk expects them, its first convolution is changed to make up for it.
        """
        trunk, wanted = self.settings.trunk, self.settings.normalization
        trained = self.trunk_kind().normalization
        changes = wanted not in ("", trained)
        if changes and trunk != "vgg16":
            raise VosError(
                f"model.settings.normalization: expected '' or {trained!r} with weights of the trunk {trunk}, "
                f"found {wanted!r}"
            )
        super().load_trunk_weights(source)
        for part in self.trunk_parts() if changes else ():
            first = part.get_layer("block1_conv1")
            kernel, bias = first.get_weights()
            first.set_weights(for_other_images(kernel, bias, trained, wanted))


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _state(hiddens: Any, cells: Any) -> ConvLSTMState:
    """The state of one ConvLSTM as two tensors, of several as two tuples."""
    if len(hiddens) == 1:
        return ConvLSTMState(hiddens[0], cells[0])
    return ConvLSTMState(tuple(hiddens), tuple(cells))
