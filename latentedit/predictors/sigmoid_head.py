"""ImageNet's networks with a head of 512, 256 and one units and a sigmoid (Visual Memory AI)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from latentedit.errors import InputError, about
from latentedit.predictors.perception import MEAN, STD
from latentedit.predictors.predictor import Predictor, resize
from latentedit.predictors.resnet import ResNet
from latentedit.predictors.vit import SHAPES, Shape, VisionTransformer, rename_torchvision
from latentedit.predictors.weights import fill, obtain_weights, read_weights

DEPTHS = {"resnet50": 50, "resnet101": 101}
BACKBONES = (*DEPTHS, *SHAPES)
PUBLISHED = {"resnet50": "resnet50-imagenet", "vit-b-16": "vit-b-16-imagenet"}


class SigmoidHead(Predictor):
    """Predict from photographs: normalised as for ImageNet [N, 3, S, S] -> [N] in (0, 1).

    `backbone` is resnet50, resnet101, vit-b-16, vit-b-32 or vit-l-16; `width` and `input_size` (px) other than None
    make smaller ones, a transformer then with one block of two heads.
    """

    framing = "whole"
    licence = "torchvision's weights: BSD-3-Clause, trained on ImageNet for non-commercial research"

    def __init__(
        self, backbone: str = "resnet50", dropout: float = 0.5, width: int | None = None, input_size: int = 224
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise InputError(f"backbone {backbone!r} is not known: choose one of {', '.join(BACKBONES)}")
        self.name, self.input_size = backbone, input_size
        self.backbone = _make_backbone(backbone, width, input_size)
        layers: list[nn.Module] = []
        for before, after in ((_count_features(self.backbone), 512), (512, 256)):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.regressor = nn.Sequential(*layers, nn.Linear(256, 1), nn.Sigmoid())

    def preprocess(self, images: Tensor) -> Tensor:
        """Squeeze to S x S px and normalise: [N, 3, H, W] in [-1, 1] -> [N, 3, S, S]."""
        x = resize(images, self.input_size) / 2 + 0.5
        return (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(STD)[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.regressor(self.backbone.pooled_features(x)))[:, 0]

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """The backbone from torchvision's weights."""
        return {"backbone": self.start_from_imagenet}

    def start_from_imagenet(self, path: Path | None = None) -> None:
        """Fill the backbone with torchvision's weights, published ones or those of a file."""
        if path is None and self.name not in PUBLISHED:
            raise InputError(f"backbone {self.name}: no published weights are known, give torchvision's file")
        path = path or obtain_weights(PUBLISHED[self.name])
        with about(path):
            fill(self.backbone, rename_torchvision(read_weights(path)))


def _make_backbone(name: str, width: int | None, input_size: int) -> ResNet | VisionTransformer:
    if name in DEPTHS:
        return ResNet(DEPTHS[name], width=width or 64)
    full = SHAPES[name]
    return VisionTransformer(
        Shape(full.patch, full.width, full.depth, full.heads, input_size)
        if width is None
        else Shape(full.patch, width, 1, 2, input_size)
    )


def _count_features(backbone: ResNet | VisionTransformer) -> int:
    return (backbone.fc if isinstance(backbone, ResNet) else backbone.head).in_features
