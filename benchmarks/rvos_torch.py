"""RVOS in PyTorch, straight from its description: slot by slot, one convolution per cell. For comparing times only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Maps = list[Tensor]
State = list[tuple[Tensor, Tensor]]


class Bottleneck(nn.Module):
    """Block of ResNet-50 and deeper, stride in the 3x3 convolution."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride > 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Maps to maps."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)


class Encoder(nn.Module):
    """ResNet-101 and the skip convolutions."""

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.ModuleList()
        channels = 64
        for stage, blocks in enumerate((3, 4, 23, 3)):
            width = 64 * 2**stage
            layers = []
            for block in range(blocks):
                layers.append(Bottleneck(channels, width, 2 if block == 0 and stage else 1))
                channels = 4 * width
            self.stages.append(nn.Sequential(*layers))
        widths = ((256, hidden // 4), (512, hidden // 2), (1024, hidden), (2048, hidden))
        self.skips = nn.ModuleList(nn.Sequential(nn.Conv2d(c, f, 3, 1, 1), nn.BatchNorm2d(f)) for c, f in widths)

    def forward(self, x: Tensor) -> Maps:
        """Normalised images to skip maps, coarsest first."""
        x = self.stem(x)
        found = []
        for stage, skip in zip(self.stages, self.skips, strict=True):
            x = stage(x)
            found.append(skip(x))
        return found[::-1]


class Decoder(nn.Module):
    """Four ConvLSTM levels, one slot per call."""

    def __init__(self, mask: bool, hidden: int = 128) -> None:
        super().__init__()
        self.filters = [hidden // 2**level for level in range(4)]
        inputs = [hidden, 2 * hidden, hidden, hidden // 2]
        self.gates = nn.ModuleList(
            nn.Conv2d(c + 2 * f + int(mask), 4 * f, 3, padding=1) for c, f in zip(inputs, self.filters, strict=True)
        )
        self.conv_out = nn.Conv2d(self.filters[-1], 1, 3, padding=1)

    def forward(
        self, skips: Maps, masks: Maps | None, spatial: State | None, temporal: Maps | None
    ) -> tuple[Tensor, State]:
        """One slot: skips, mask pyramid, state of the slot before, hidden states of the frame before."""
        x, states = skips[0], []
        for level, gates in enumerate(self.gates):
            zeros = x.new_zeros(x.shape[0], self.filters[level], *x.shape[2:])
            h_s, c_s = (zeros, zeros) if spatial is None else spatial[level]
            h_t = zeros if temporal is None else temporal[level]
            parts = [x, h_s, h_t] if masks is None else [x, masks[level], h_s, h_t]
            i, f, o, g = torch.chunk(gates(torch.cat(parts, 1)), 4, 1)
            cell = torch.sigmoid(f) * c_s + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            states.append((hidden, cell))
            if level < 3:
                skip = skips[level + 1]
                up = F.interpolate(hidden, skip.shape[2:], mode="bilinear", align_corners=True)
                x = torch.cat([up, skip], 1)
        up = F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv_out(up), states


class TorchRVOS(nn.Module):
    """Encoder once per frame, decoder once per slot."""

    def __init__(self, mask: bool = True) -> None:
        super().__init__()
        self.mask = mask
        self.encoder, self.decoder = Encoder(), Decoder(mask)

    def forward(self, image: Tensor, masks: Tensor | None, past: list[Maps] | None, slots: int) -> tuple[Tensor, ...]:
        """One frame: images ``(B, 3, H, W)``, previous masks ``(B, S, H, W)`` and the hidden states of each slot.

        Returns:
            Logits ``(B, S, H, W)``, and the hidden states of each slot.
        """
        skips = self.encoder(image)
        spatial: State | None = None
        logits, hidden = [], []
        for slot in range(slots):
            pyramid = None if masks is None else mask_pyramid(masks[:, slot : slot + 1])
            small, spatial = self.decoder(skips, pyramid, spatial, None if past is None else past[slot])
            logits.append(F.interpolate(small, image.shape[2:], mode="bilinear", align_corners=True))
            hidden.append([state[0] for state in spatial])
        return torch.cat(logits, 1), hidden


def mask_pyramid(mask: Tensor) -> Maps:
    """A mask ``(B, 1, H, W)`` at /32, /16, /8, /4."""
    found = []
    for _ in range(5):
        mask = F.max_pool2d(mask, 2, ceil_mode=True)
        found.append(mask)
    return found[:0:-1]


def soft_iou_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean soft IoU cost of ``(B, S, H, W)``."""
    p = torch.sigmoid(logits)
    return (1 - (p * truth).sum((2, 3)) / ((p + truth - p * truth).sum((2, 3)) + 1e-6)).mean()
