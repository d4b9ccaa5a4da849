"""VGGFace's VGG16 (Parkhi et al. 2015), under the tensor names of the Caffe original and its ports."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STAGES = (2, 2, 3, 3, 3)  # convolutions, before each halving
MEAN = (129.1863, 104.7624, 93.5940)  # red, green, blue
SIDE = 7  # of the last feature map


class VGG16(nn.Module):
    """Tell 2622 people apart: RGB faces [N, 3, H, W], 0 to 255 less MEAN -> [N, num_classes].

    `width` channels at first and `hidden` units, 64 and 4096 in the original, which sees 224 px.
    """

    def __init__(self, num_classes: int = 2622, width: int = 64, hidden: int | None = None) -> None:
        super().__init__()
        hidden, num_channels = hidden or 64 * width, 3
        for i, count in enumerate(STAGES, 1):
            channels = width * min(2 ** (i - 1), 8)
            for j in range(1, count + 1):
                self.add_module(f"conv{i}_{j}", nn.Conv2d(num_channels, channels, 3, padding=1))
                num_channels = channels
        self.fc6 = nn.Linear(num_channels * SIDE**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Take the mean face's colour from RGB pixels of 0 to 255: [N, 3, H, W] -> same."""
        return pixels - pixels.new_tensor(MEAN)[:, None, None]

    @property
    def num_features(self) -> int:
        """The length of what `pooled_features` returns."""
        return self.fc7.out_features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc8(self.pooled_features(x))
        return logits

    def pooled_features(self, x: Tensor) -> Tensor:
        """Return fc7, what the people are read from: [N, 3, H, W] -> [N, num_features]."""
        x = F.adaptive_avg_pool2d(self.feature_map(x), SIDE)  # as it is at 224 px
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))

    def feature_map(self, x: Tensor) -> Tensor:
        """Run all stages: [N, 3, H, W] -> [N, 8 width, H / 32, W / 32]."""
        for i, count in enumerate(STAGES, 1):
            for j in range(1, count + 1):
                x = F.relu(self.get_submodule(f"conv{i}_{j}")(x))
            x = F.max_pool2d(x, 2)
        return x
