"""COSNet's pair model in PyTorch, straight from its description: whole affinity, both frames. For comparing only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    """Block of a ResNet with the stride in its first convolution and a dilated second one."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Maps to maps."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling."""

    def __init__(self) -> None:
        super().__init__()
        kinds = [(1, 1), (1, 1), (3, 6), (3, 12), (3, 18)]
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2048, 512, kernel, padding=rate if kernel > 1 else 0, dilation=rate),
                nn.BatchNorm2d(512),
                nn.ReLU(inplace=True),
            )
            for kernel, rate in kinds
        )
        self.fuse = nn.Sequential(nn.Conv2d(2560, 256, 3, padding=1), nn.BatchNorm2d(256), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(N, 2048, h, w)`` to features ``(N, 256, h, w)``."""
        pooled = self.branches[0](x.mean((2, 3), keepdim=True))
        pooled = F.interpolate(pooled, x.shape[2:], mode="bilinear", align_corners=True)
        return self.fuse(torch.cat([pooled, *(branch(x) for branch in list(self.branches)[1:])], 1))


class TorchCOSNet(nn.Module):
    """The pair model on a dilated ResNet-101."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        ]
        channels = 64
        for width, blocks, stride, dilation in ((64, 3, 1, 1), (128, 4, 2, 1), (256, 23, 1, 2), (512, 3, 1, 4)):
            for block in range(blocks):
                layers.append(Bottleneck(channels, width, stride if block == 0 else 1, dilation))
                channels = 4 * width
        self.encoder = nn.Sequential(*layers, Pyramid())
        self.side = nn.Conv2d(256, 1, 1)
        self.co_attention = TorchCoAttention()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(512, 256, 3, padding=1, bias=False),
                nn.BatchNorm2d(256),
                nn.ReLU(inplace=True),
                nn.Conv2d(256, 1, 1),
            )
            for _ in range(2)
        )

    def forward(self, target: Tensor, search: Tensor) -> list[Tensor]:
        """Probabilities of target and search frame, and the encoder's own of the search frame."""
        features = [self.encoder(target), self.encoder(search)]
        summaries = self.co_attention(*features)
        maps = [head(torch.cat([z, v], 1)) for head, z, v in zip(self.heads, summaries, features, strict=True)] + [
            self.side(features[1])
        ]
        return [torch.sigmoid(F.interpolate(x, target.shape[2:], mode="bilinear")) for x in maps]


class TorchCoAttention(nn.Module):
    """Gated summaries of two frames by each other, through the whole affinity."""

    def __init__(self) -> None:
        super().__init__()
        self.affinity = nn.Linear(256, 256, bias=False)
        self.gate = nn.Conv2d(256, 1, 1, bias=False)

    def forward(self, target: Tensor, search: Tensor) -> list[Tensor]:
        """Features ``(N, 256, h, w)`` of both to summaries of the same shape."""
        a, b = target.flatten(2), search.flatten(2)
        affinity = torch.bmm(self.affinity(a.transpose(1, 2)), b)
        over_target = torch.softmax(affinity.clone(), 1)
        over_search = torch.softmax(affinity.transpose(1, 2), 1)
        summaries = [torch.bmm(b, over_search).contiguous(), torch.bmm(a, over_target).contiguous()]
        maps = [x.view(target.shape) for x in summaries]
        return [x * torch.sigmoid(self.gate(x)) for x in maps]


def pair_loss(probabilities: list[Tensor], masks: list[Tensor]) -> Tensor:
    """The authors' loss of a video step."""
    total = torch.zeros(())
    for p, y in zip(probabilities, masks, strict=True):
        total = total + F.binary_cross_entropy(p, y) / y.mean() + 0.8 * F.l1_loss(p, y)
    return total
