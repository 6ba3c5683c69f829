"""The first PyTorch implementation of S2S (YouTube-VOS 2018), straight from its description. For comparing times only.

VGG16 twice, a ConvLSTM with ReLU, a decoder of transposed convolutions without padding. As there, every object goes
through the whole network by itself, encoder included.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
State = tuple[Tensor, Tensor]


def vgg16(channels: int, first_padding: int) -> nn.Sequential:
    """The convolutions and poolings of VGG16."""
    layers: list[nn.Module] = []
    for filters, convolutions in BLOCKS:
        for _ in range(convolutions):
            padding = 1 if layers else first_padding
            layers += [nn.Conv2d(channels, filters, 3, padding=padding), nn.ReLU(inplace=True)]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class TorchS2S(nn.Module):
    """Initializer, encoder, ConvLSTM, decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.initializer, self.encoder = vgg16(4, 0), vgg16(3, 1)
        self.c0, self.h0 = nn.Conv2d(512, 512, 1), nn.Conv2d(512, 512, 1)
        self.gates = nn.Conv2d(1024, 2048, 3, padding=1)
        filters = (512, 256, 128, 64, 64, 64)
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2) for a, b in pairwise(filters))
        self.out = nn.Conv2d(64, 1, 5, stride=2, padding=1)

    def start(self, image: Tensor, mask: Tensor) -> State:
        """Cell and hidden state from ``(N, 3, H, W)`` and ``(N, 1, H, W)``."""
        x = self.initializer(torch.cat([image, mask], 1))
        size = [side // 32 for side in image.shape[2:]]
        cell, hidden = (F.interpolate(F.relu(head(x)), size, mode="bilinear") for head in (self.c0, self.h0))
        return cell, hidden

    def step(self, image: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits ``(N, 1, H, W)`` of one frame, and the new state."""
        cell, hidden = state
        i, f, o, g = torch.chunk(self.gates(torch.cat([self.encoder(image), hidden], 1)), 4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * F.relu(g)
        x = hidden = torch.sigmoid(o) * F.relu(cell)
        for up in self.up:
            x = F.relu(up(x))
        logits = F.interpolate(self.out(x), image.shape[2:], mode="bilinear")
        return logits, (cell, hidden)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """A clip ``(B, 1 + T, 3, H, W)``, the initial frame first: logits ``(B, T, 1, H, W)``."""
        state, logits = self.start(frames[:, 0], mask), []
        for image in frames[:, 1:].unbind(1):
            out, state = self.step(image, state)
            logits.append(out)
        return torch.stack(logits, 1)
