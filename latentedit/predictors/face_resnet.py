"""VGGFace2's ResNet-50 and SENet-50 (Cao et al. 2018; Hu et al. 2018), under the PyTorch ports' tensor names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.predictors.resnet import EXPANSION, Bottleneck, ResNet

MEAN = (91.4953, 103.8827, 131.0912)  # blue, green, red
SQUEEZE = 16  # channels of a block for each unit of its gate
KERAS_EPSILONS = {"resnet50": 1e-3, "senet50": 1e-4}  # of batch normalisation; elsewhere 1e-5


class FaceBottleneck(Bottleneck):
    """A bottleneck as Caffe has it, the stride in the first convolution."""

    def place_stride(self, stride: int) -> tuple[int, int]:
        return stride, 1


class SqueezeBottleneck(FaceBottleneck):
    """A bottleneck whose channels are weighed by a gate that sees all of the image (squeeze and excitation)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__(in_channels, channels, stride)
        out_channels = channels * EXPANSION
        self.conv4 = nn.Conv2d(out_channels, max(1, out_channels // SQUEEZE), 1)
        self.conv5 = nn.Conv2d(max(1, out_channels // SQUEEZE), out_channels, 1)

    def reweight(self, y: Tensor) -> Tensor:
        gate: Tensor = self.conv5(F.relu(self.conv4(y.mean(dim=(2, 3), keepdim=True))))
        return y * gate.sigmoid()


class FaceResNet(ResNet):
    """Tell 8631 people apart: BGR faces [N, 3, 224, 224], 0 to 255 less MEAN -> [N, num_classes].

    keras-vggface's networks pad otherwise at first and add more to variances: `imitate_keras` does as they do.
    """

    block = FaceBottleneck
    name = "resnet50"
    is_keras = False

    def __init__(self, num_classes: int = 8631, width: int = 64) -> None:
        super().__init__(50, num_classes, width)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Turn RGB pixels of 0 to 255 into BGR less the mean face's colour: [N, 3, H, W] -> same."""
        return pixels.flip(-3) - pixels.new_tensor(MEAN)[:, None, None]

    def imitate_keras(self) -> None:
        """Compute from now on as keras-vggface does with the same weights."""
        self.is_keras = True
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = KERAS_EPSILONS[self.name]

    def convolve(self, x: Tensor) -> Tensor:
        if not self.is_keras:
            return super().convolve(x)
        sides = [5 + side % 2 for side in (x.shape[-1], x.shape[-2])]  # what "same" adds to the width and the height
        ends = [end for side in sides for end in (side // 2, side - side // 2)]
        return F.conv2d(F.pad(x, ends), self.conv1.weight, stride=2)

    def pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=2, ceil_mode=not self.is_keras)


class FaceSENet(FaceResNet):
    """The same with gates: SENet-50."""

    block = SqueezeBottleneck
    name = "senet50"
