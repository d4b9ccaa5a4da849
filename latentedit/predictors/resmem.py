"""ResMem (Needell & Bainbridge 2022, Computational Brain & Behavior 5): how memorable a photograph is."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.errors import InputError, about
from latentedit.predictors.predictor import Predictor, crop_centre, resize
from latentedit.predictors.resnet import ResNet
from latentedit.predictors.weights import fill, read_weights

RESNET = "features."  # before the names of the ResNet inside ResMem
Network = TypeVar("Network", bound=nn.Module)
WIDTHS = (4096, 4096, 2048, 1024, 512, 256, 1)  # of fc6 to fc12


class ResMem(Predictor):
    """Predict how many people will recognise an image: [N, 3, 227, 227] in [0, 1] -> [N] in (0, 1).

    An AlexNet beside the classes that a ResNet-152 sees. Its images are not normalised further.
    The weights' scores hardly fall below .411, so images there are ranked by little (`floor`).
    """

    framing = "whole"
    floor = 0.411
    licence = "ResMem Non-commercial License, University of Chicago"

    def __init__(self) -> None:
        super().__init__()
        self.features = ResNet(152)
        self.conv1 = nn.Conv2d(3, 48, 11, stride=4)
        self.conv2 = nn.Conv2d(48, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1, groups=2)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        width = 256 * 6 * 6 + self.features.fc.out_features
        for i, out in enumerate(WIDTHS):
            self.add_module(f"fc{6 + i}", nn.Linear(width, out))
            width = out

    def preprocess(self, images: Tensor) -> Tensor:
        """Squeeze to 256 x 256 px and cut out the central 227: [N, 3, H, W] in [-1, 1] -> [N, 3, 227, 227]."""
        return crop_centre(resize(images, 256), 227) / 2 + 0.5

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.cat([self._see_edges(x).flatten(1), self.features(x)], dim=1)
        for i in range(6, 12):
            hidden = F.relu(self.get_submodule(f"fc{i}")(hidden))
            if i < 8:  # after fc6 and fc7
                hidden = F.dropout(hidden, 0.5, self.training)
        logits: Tensor = self.get_submodule("fc12")(hidden)
        return logits.sigmoid()[:, 0]

    def _see_edges(self, x: Tensor) -> Tensor:
        """Run the AlexNet: [N, 3, 227, 227] -> [N, 256, 6, 6]."""
        for convolve in (self.conv1, self.conv2):
            x = F.local_response_norm(F.max_pool2d(F.relu(convolve(x)), 3, 2), 5)
        return F.max_pool2d(F.relu(self.conv5(F.relu(self.conv4(F.relu(self.conv3(x)))))), 3, 2)

    def list_depths(self) -> list[str]:
        """Name the convolutions of the ResNet in the order that `activations` counts: 155, skips included."""
        return [name for name, module in self.features.named_modules() if isinstance(module, nn.Conv2d)]

    @torch.no_grad()
    def activations(self, x: Tensor, depth: int) -> Tensor:
        """Average what the ResNet's convolution number `depth` answers: [N, 3, 227, 227] in [0, 1] -> [N, channels]."""
        names = self.list_depths()
        if not 0 <= depth < len(names):
            raise InputError(f"depth {depth}: the ResNet has convolutions 0 to {len(names) - 1}")
        return activations(self.features, names[depth], x)


def activations(network: nn.Module, layer: str, x: Tensor) -> Tensor:
    """Average a layer's answer over the image: -> [N, channels]."""
    seen: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda module, given, answer: seen.append(answer))
    try:
        network(x)
    finally:
        handle.remove()
    return seen[0].mean(dim=(-2, -1))


def find_resmem() -> Path:
    """Find the weights inside the installed package `resmem`, whose code is not imported."""
    try:
        package = importlib.metadata.distribution("resmem")
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError(
            "the weights of ResMem are missing: `pip install --no-deps resmem` (500 MB, for non-commercial use)"
        ) from error
    return Path(str(package.locate_file("resmem/model.pt")))


def load_resmem(path: Path | None = None) -> ResMem:
    """Load ResMem from the file inside the installed package, or from another copy of it."""
    with torch.device("meta"):
        network = ResMem()
    return _fill(network, "", path)


def load_resmem_resnet(path: Path | None = None) -> ResNet:
    """Load the ResNet-152 inside ResMem alone, for images in [0, 1].

    Trained on ImageNet; its batch statistics are those of images in [0, 1], without torchvision's normalisation.
    """
    with torch.device("meta"):
        network = ResNet(152)
    return _fill(network, RESNET, path)


def _fill(network: Network, prefix: str, path: Path | None) -> Network:
    """Give a network without numbers the weights that stand after a prefix."""
    path = path or find_resmem()
    with about(path):
        weights = read_weights(path)
        found = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
        fill(network, found)
    return network.eval().requires_grad_(False)
