"""ResNet-50, -101 and -152 (He et al. 2016), under torchvision's tensor names."""

from __future__ import annotations

from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # bottlenecks a stage
EXPANSION = 4


class Bottleneck(nn.Module):
    """Three convolutions beside a skip, the stride in the middle one: [N, I, H, W] -> [N, 4 C, H / s, W / s]."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * EXPANSION
        first, second = self.place_stride(stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            skip = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm2d(out_channels))

    def place_stride(self, stride: int) -> tuple[int, int]:
        """Choose the strides of the first and the second convolution."""
        return 1, stride

    def reweight(self, y: Tensor) -> Tensor:
        """Change what the convolutions answer before the skip is added: [N, 4 C, H, W] -> same."""
        return y

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.reweight(self.bn3(self.conv3(y))) + self.downsample(x))


class ResNet(nn.Module):
    """Classify images: [N, 3, H, W] -> [N, num_classes]; `width` channels at first, 64 in the original."""

    block: ClassVar[type[Bottleneck]] = Bottleneck

    def __init__(self, depth: int = 152, num_classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        num_channels = width
        for i, count in enumerate(BLOCKS[depth]):
            channels, stride = width * 2**i, 1 if i == 0 else 2
            first, num_channels = self.block(num_channels, channels, stride), channels * EXPANSION
            rest = [self.block(num_channels, channels, 1) for _ in range(count - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *rest))
        self.fc = nn.Linear(num_channels, num_classes)

    @property
    def num_features(self) -> int:
        """The length of what `pooled_features` returns."""
        return self.fc.in_features

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc(self.pooled_features(x)))

    def pooled_features(self, x: Tensor) -> Tensor:
        """Average the last feature map, what the classes are read from: [N, 3, H, W] -> [N, num_features]."""
        return self.feature_map(x).mean(dim=[2, 3])

    def feature_map(self, x: Tensor) -> Tensor:
        """Run all stages: [N, 3, H, W] -> [N, num_features, H / 32, W / 32]."""
        x = self.pool(F.relu(self.bn1(self.convolve(x))))
        for i in range(len(BLOCKS[50])):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return x

    def convolve(self, x: Tensor) -> Tensor:
        """Run the first convolution: [N, 3, H, W] -> [N, width, H / 2, W / 2]."""
        return cast(Tensor, self.conv1(x))

    def pool(self, x: Tensor) -> Tensor:
        """Halve what the first convolution answers."""
        return F.max_pool2d(x, 3, stride=2, padding=1)
