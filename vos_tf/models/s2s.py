"""S2S: sequence-to-sequence segmentation with a ConvLSTM (Xu et al., ECCV 2018, arXiv 1809.00461).

``c0, h0 = Initializer(x0, y0)``; then for each frame ``e = Encoder(x)``, ``c, h = ConvLSTM(e, c, h)``,
``y = Decoder(h)``. The mask enters only through the initial state.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import keras
from keras import ops

from vos_tf.errors import VosError
from vos_tf.models.backbones import build_trunk, load_trunk_weights, trunk_kind
from vos_tf.models.conv_lstm import ConvLSTMCell, ConvLSTMState
from vos_tf.models.layers import fold_time, match_batch, unfold_time


@dataclass(frozen=True)
class S2SSettings:
    """Everything that decides the shape of an S2S network; the defaults are the paper's.

    Attributes:
        trunk: ``vgg16``, ``mobilenet_v2`` or ``small``.
        size: ``(H, W)`` at which the network works, multiples of the trunk's coarsest stride.
        state_filters: Channels of the ConvLSTM.
        cell_kernel: Kernel of the ConvLSTM.
        candidate_activation: Of the ConvLSTM.
        output_activation: Of the ConvLSTM.
        forget_bias: Initial bias of the ConvLSTM's forget gate.
        gate_order: Order of the ConvLSTM's gates in its convolution.
        decoder_filters: One up-sampling by 2 each, from the coarsest scale to full size.
        decoder_kernel: Kernel of the up-samplings.
        output_kernel: Kernel of the last convolution.
        skip: Add the encoder's finer scales to the decoder (an addition to the paper).
    """

    trunk: str = "vgg16"
    size: tuple[int, int] = (256, 448)
    state_filters: int = 512
    cell_kernel: int = 3
    candidate_activation: str = "relu"
    output_activation: str = "relu"
    forget_bias: float = 1.0
    gate_order: str = "ifog"
    decoder_filters: tuple[int, ...] = (512, 256, 128, 64, 64)
    decoder_kernel: int = 5
    output_kernel: int = 5
    skip: bool = False

    def __post_init__(self) -> None:
        strides = trunk_kind(self.trunk).strides
        if any(side <= 0 or side % strides[-1] for side in self.size):
            raise VosError(f"model.size: expected multiples of {strides[-1]} (trunk {self.trunk}), found {self.size}")
        if len(self.decoder_filters) != len(strides):
            raise VosError(
                f"model.decoder_filters: expected {len(strides)} numbers (trunk {self.trunk}), "
                f"found {len(self.decoder_filters)}"
            )
        counts = {name: getattr(self, name) for name in ("state_filters", "cell_kernel", "decoder_kernel")}
        counts |= {"output_kernel": self.output_kernel, "decoder_filters": min(self.decoder_filters)}
        for name, count in counts.items():
            if count < 1:
                raise VosError(f"model.{name}: expected 1 or more, found {count}")
        if sorted(self.gate_order) != sorted("ifog"):
            raise VosError(f"model.gate_order: expected an order of 'ifog', found {self.gate_order!r}")
        for name in ("candidate_activation", "output_activation"):
            if not callable(getattr(keras.activations, getattr(self, name), None)):
                raise VosError(f"model.{name}: expected one of keras.activations, found {getattr(self, name)!r}")


def default_settings(trunk: str) -> S2SSettings:
    """The paper's settings for ``vgg16`` and ``mobilenet_v2``; a light network for ``small``."""
    if trunk == "small":
        return SMALL
    trunk_kind(trunk)
    return replace(S2SSettings(), trunk=trunk)


SMALL = S2SSettings(
    trunk="small",
    size=(128, 224),
    state_filters=64,
    decoder_filters=(48, 24, 8),
    decoder_kernel=4,
    output_kernel=3,
    skip=True,
)


class S2SFeatures(NamedTuple):
    """What the encoder says of a frame: computed once, whatever the number of objects.

    Attributes:
        encoded: ``(N, h, w, state_filters)``, the ConvLSTM's input.
        skips: Finer scales brought to the decoder's channels, coarsest first; empty without skip connections.
    """

    encoded: Any
    skips: tuple[Any, ...]


def _conv(filters: int, kernel: int, name: str, activation: str | None = "relu") -> Any:
    return keras.layers.Conv2D(filters, kernel, padding="same", activation=activation, name=name)


@keras.saving.register_keras_serializable("vos_tf")
class S2S(keras.Model):
    """The network. The object axis is the batch; images have batch N, or 1 for all objects of one frame.

    ``start`` and ``step`` follow a video frame by frame; calling the network unrolls a clip. Both run the same cell.
    """

    State = ConvLSTMState
    Features = S2SFeatures

    def __init__(self, settings: S2SSettings | None = None, name: str = "s2s") -> None:
        super().__init__(name=name)
        self.settings = settings or S2SSettings()
        self.initializer = self._build_initializer()
        self.encoder = self._build_encoder()
        s = self.settings
        self.conv_lstm = ConvLSTMCell(
            s.state_filters,
            s.cell_kernel,
            candidate_activation=s.candidate_activation,
            output_activation=s.output_activation,
            forget_bias=s.forget_bias,
            gate_order=s.gate_order,
            name="conv_lstm",
        )
        self.conv_lstm.build((None, None, None, s.state_filters))
        self.decoder = self._build_decoder()
        self.built = True

    def _build_initializer(self) -> Any:
        trunk = build_trunk(self.settings.trunk, 4, "initializer_trunk")
        coarsest = trunk.outputs[-1]
        heads = [_conv(self.settings.state_filters, 1, name)(coarsest) for name in ("hidden", "cell")]
        return keras.Model(trunk.input, heads, name="initializer")

    def _build_encoder(self) -> Any:
        trunk = build_trunk(self.settings.trunk, 3, "encoder_trunk")
        outputs = [_conv(self.settings.state_filters, 1, "encoded")(trunk.outputs[-1])]
        if self.settings.skip:
            finer = reversed(trunk.outputs[:-1])
            for index, (scale, filters) in enumerate(zip(finer, self.settings.decoder_filters[:-1], strict=True), 1):
                outputs.append(_conv(filters, 1, f"skip{index}", activation=None)(scale))
        return keras.Model(trunk.input, outputs, name="encoder")

    def _build_decoder(self) -> Any:
        s = self.settings
        inputs = [keras.Input((None, None, s.state_filters))]
        x = inputs[0]
        for index, filters in enumerate(s.decoder_filters, 1):
            x = keras.layers.Conv2DTranspose(filters, s.decoder_kernel, 2, padding="same", name=f"up{index}")(x)
            if s.skip and index < len(s.decoder_filters):
                inputs.append(keras.Input((None, None, filters)))
                x = keras.layers.Add(name=f"add{index}")([x, inputs[-1]])
            x = keras.layers.ReLU(name=f"relu{index}")(x)
        logits = keras.layers.Conv2D(1, s.output_kernel, padding="same", dtype="float32", name="logits")(x)
        return keras.Model(inputs if s.skip else inputs[0], logits, name="decoder")

    def encode(self, image: Any) -> S2SFeatures:
        """What does not depend on the object: RGB 0..255 ``(N, H, W, 3)`` to features."""
        encoded, *skips = _listed(self.encoder(image))
        return S2SFeatures(encoded, tuple(skips))

    def start(self, image: Any, mask: Any) -> ConvLSTMState:
        """Initial state from a frame and its masks.

        Args:
            image: RGB 0..255, float ``(N or 1, H, W, 3)``.
            mask: 0 or 1, float ``(N, H, W, 1)``, one object each.
        """
        hidden, cell = self.initializer(ops.concatenate([match_batch(image, mask), mask], axis=-1))
        return ConvLSTMState(hidden, cell)

    def advance(self, features: S2SFeatures, state: ConvLSTMState) -> tuple[Any, ConvLSTMState]:
        """One frame further from the frame's features (batch N or 1) and the state of N objects.

        Returns:
            Logits float32 ``(N, H, W, 1)`` and the new state.
        """
        hidden, cell = self.conv_lstm(match_batch(features.encoded, state.hidden), *state)
        skips = [match_batch(skip, hidden) for skip in features.skips]
        return self._decode(hidden, skips), ConvLSTMState(hidden, cell)

    def _decode(self, hidden: Any, skips: list[Any]) -> Any:
        return self.decoder([hidden, *skips] if self.settings.skip else hidden)

    def step(self, image: Any, state: ConvLSTMState) -> tuple[Any, ConvLSTMState]:
        """One frame further: image ``(N or 1, H, W, 3)`` and state to logits ``(N, H, W, 1)`` and the new state."""
        return self.advance(self.encode(image), state)

    def call(self, frames: Any, masks: Any) -> Any:
        """Unroll a clip.

        Args:
            frames: RGB 0..255 ``(B, 1 + T, H, W, 3)``, the initial frame first.
            masks: Masks of the initial frame, ``(B, K, H, W)``, 0 or 1, K objects each.

        Returns:
            Logits ``(B, T, K, H, W)``, float32.
        """
        objects = masks.shape[1]
        steps = frames.shape[1] - 1
        first = ops.repeat(frames[:, 0], objects, axis=0)
        state = self.start(first, ops.reshape(masks, (-1, *masks.shape[2:], 1)))
        features = self.encode(fold_time(frames[:, 1:]))
        encoded, *skips = (
            ops.repeat(unfold_time(x, steps), objects, axis=0) for x in (features.encoded, *features.skips)
        )
        hiddens = []
        for time in range(steps):
            state = ConvLSTMState(*self.conv_lstm(encoded[:, time], *state))
            hiddens.append(state.hidden)
        logits = self._decode(fold_time(ops.stack(hiddens, axis=1)), [fold_time(skip) for skip in skips])
        logits = ops.reshape(logits, (-1, objects, steps, *logits.shape[1:3]))
        return ops.transpose(logits, (0, 2, 1, 3, 4))

    def load_trunk_weights(self, source: str) -> None:
        """Give initializer and encoder a classifier's weights; see `backbones.load_trunk_weights`."""
        load_trunk_weights([self.initializer, self.encoder], self.settings.trunk, source)

    def get_config(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return {"settings": asdict(self.settings), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> S2S:
        """The network of `get_config`, with new weights."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config["settings"].items()
        }
        return cls(S2SSettings(**values), name=config.get("name", "s2s"))


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
