"""Networks that compare images as people do: LPIPS (Zhang et al. 2018) and the style of Gatys et al. (2016).

Tensor names are torchvision's (`features.0.weight`) and those of the package lpips (`lin0.model.1.weight`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VGG = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
TAPS = {  # the layers of `features` whose answers LPIPS compares
    "alex": (1, 4, 7, 9, 11),
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
    "vgg": (3, 8, 15, 22, 29),
}
STYLE_TAPS = (1, 6, 11, 20, 29)  # relu1_1 to relu5_1 of VGG19
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1], LPIPS'
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of images in [0, 1], ImageNet's


class Fire(nn.Module):
    """Squeeze the channels, then expand them by two kinds of convolution: [N, I, H, W] -> [N, 2 C, H, W]."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


def make_features(name: str) -> nn.Sequential:
    """Make the convolutions of a network of torchvision's, up to the last layer that is compared."""
    if name == "alex":
        return nn.Sequential(*_alexnet())
    return nn.Sequential(*(_squeezenet() if name == "squeeze" else _vgg(VGG["vgg16" if name == "vgg" else name])))


def _vgg(stages: Sequence[int]) -> Iterator[nn.Module]:
    num_channels = 3
    for i, count in enumerate(stages):
        for _ in range(count):
            channels = 64 * min(2**i, 8)
            yield nn.Conv2d(num_channels, channels, 3, padding=1)
            yield nn.ReLU()
            num_channels = channels
        if i < len(stages) - 1:
            yield nn.MaxPool2d(2)


def _alexnet() -> Iterator[nn.Module]:
    yield from (nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2))
    yield from (nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2))
    for before, after in ((192, 384), (384, 256), (256, 256)):
        yield from (nn.Conv2d(before, after, 3, padding=1), nn.ReLU())


def _squeezenet() -> Iterator[nn.Module]:
    yield from (nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True))
    yield from (Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256))


class LPIPS(nn.Module):
    """Measure how unlike images look: [N, 3, H, W], [N, 3, H, W] in [-1, 1] -> [N], 0 for equal ones.

    Larger is farther, so it is what a reconstruction makes small. `trunk` is alex, squeeze or vgg.
    """

    def __init__(self, trunk: str = "squeeze") -> None:
        super().__init__()
        self.taps, self.features = TAPS[trunk], make_features(trunk)
        for i, channels in enumerate(_count_channels(self.features, self.taps)):
            weigh = nn.Conv2d(channels, 1, 1, bias=False)
            self.add_module(f"lin{i}", nn.ModuleDict({"model": nn.ModuleDict({"1": weigh})}))

    def describe(self, images: Tensor) -> Tensor:
        """List weighed answers, whose squared distance is LPIPS: [N, 3, H, W] in [-1, 1] -> [N, F].

        The published weights are never negative; such a one would count as zero.
        """
        images = (images - images.new_tensor(SHIFT)[:, None, None]) / images.new_tensor(SCALE)[:, None, None]
        parts = []
        for i, answer in enumerate(tap(self.features, self.taps, images)):
            weights = self.get_parameter(f"lin{i}.model.1.weight")[0].clamp(min=0) / answer[0, 0].numel()  # [C, 1, 1]
            parts.append((answer / (answer.norm(dim=1, keepdim=True) + 1e-10) * weights.sqrt()).flatten(1))
        return torch.cat(parts, dim=1)

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        both = torch.cat([images, others])
        both = (both - both.new_tensor(SHIFT)[:, None, None]) / both.new_tensor(SCALE)[:, None, None]
        distance = torch.zeros(len(images), dtype=images.dtype, device=images.device)
        for i, answer in enumerate(tap(self.features, self.taps, both)):
            a, b = (answer / (answer.norm(dim=1, keepdim=True) + 1e-10)).chunk(2)
            distance = distance + self.get_submodule(f"lin{i}.model.1")((a - b).square()).mean(dim=(1, 2, 3))
        return distance


class StyleDistance(nn.Module):
    """Compare the Gram matrices of VGG19's answers: [N, 3, H, W], [N, 3, H, W] in [-1, 1] -> [N]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = make_features("vgg19")

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        both = torch.cat([images, others]) / 2 + 0.5
        both = (both - both.new_tensor(MEAN)[:, None, None]) / both.new_tensor(STD)[:, None, None]
        grams = [gram(answer).chunk(2) for answer in tap(self.features, STYLE_TAPS, both)]
        return torch.stack([(a - b).square().mean(dim=(1, 2)) for a, b in grams]).sum(dim=0)


def gram(answer: Tensor) -> Tensor:
    """Correlate channels over the image: [N, C, H, W] -> [N, C, C]."""
    flat = answer.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[1:].numel()


def tap(features: nn.Sequential, taps: Sequence[int], x: Tensor) -> Iterator[Tensor]:
    """Yield the answers of some layers."""
    for i in range(max(taps) + 1):
        x = features[i](x)
        if i in taps:
            yield x


def _count_channels(features: nn.Sequential, taps: Sequence[int]) -> list[int]:
    with torch.no_grad():
        return [answer.shape[1] for answer in tap(features, taps, torch.zeros(1, 3, 64, 64))]
