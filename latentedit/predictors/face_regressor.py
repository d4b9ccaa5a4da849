"""One number from the features of one face network, or of several side by side (Younesi & Mohsenzadeh 2024)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from latentedit.predictors.face_resnet import FaceResNet, FaceSENet
from latentedit.predictors.identity_weights import FaceNetwork, load_identities
from latentedit.predictors.predictor import Predictor, resize
from latentedit.predictors.vgg_face import VGG16

BACKBONES: dict[str, type[FaceNetwork]] = {"vgg16": VGG16, "resnet50": FaceResNet, "senet50": FaceSENet}
FUSIONS = {
    "resvgg": ("resnet50", "vgg16"),
    "senres": ("senet50", "resnet50"),
    "senvgg": ("senet50", "vgg16"),
    "senresvgg": ("senet50", "resnet50", "vgg16"),
}


class FaceRegressor(Predictor):
    """Predict from faces: RGB pixels of 0 to 255 [N, 3, S, S] -> [N], linear and so not bound to a scale.

    `dropout` falls on the features. `as_published` repeats two mistakes of the training scripts: VGG16's features are
    its 2622 people rather than fc7, and pixels come as they are, neither centred nor in the order of the colours that
    the weights know. `width` other than 64 makes smaller networks, `input_size` (px) other than 224 quicker ones.
    """

    licence = "VGGFace's and VGGFace2's weights: non-commercial"
    link = "linear"

    def __init__(
        self,
        backbones: Sequence[str],
        dropout: float = 0.0,
        as_published: bool = False,
        width: int = 64,
        input_size: int = 224,
    ) -> None:
        super().__init__()
        self.as_published, self.input_size = as_published, input_size
        self.backbones = nn.ModuleDict({name: BACKBONES[name](width=width) for name in backbones})
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sum(self._count_features(name) for name in backbones), 1)

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize to S x S px and scale to 0 to 255: [N, 3, H, W] in [-1, 1] -> [N, 3, S, S]."""
        return (resize(images, self.input_size) + 1) * 127.5

    def forward(self, x: Tensor) -> Tensor:
        features = torch.cat([self._describe(name, x) for name in self.backbones], dim=1)
        scores: Tensor = self.head(self.dropout(features))
        return scores[:, 0]

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """Each network from what was learned of people: a file of keras-vggface or of a PyTorch port."""
        return {name: partial(load_identities, self._backbone(name)) for name in self.backbones}

    def _backbone(self, name: str) -> FaceNetwork:
        return cast(FaceNetwork, self.backbones[name])

    def _reads_people(self, name: str) -> bool:
        return self.as_published and name == "vgg16"

    def _count_features(self, name: str) -> int:
        network = self._backbone(name)
        return cast(VGG16, network).fc8.out_features if self._reads_people(name) else network.num_features

    def _describe(self, name: str, x: Tensor) -> Tensor:
        network = self._backbone(name)
        x = x if self.as_published else network.normalise(x)
        return cast(Tensor, network(x)) if self._reads_people(name) else network.pooled_features(x)
