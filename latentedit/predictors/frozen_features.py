"""A small head on what CLIP or SigLIP sees, which stays as it is (PerceptCLIP's and MemBench's baselines)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.errors import InputError, about, damaged
from latentedit.predictors.predictor import Predictor

CLIP, SIGLIP = "clip_vision_model", "siglip_vision_model"
COLOURS = {  # mean and standard deviation of red, green and blue in [0, 1]
    CLIP: ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    SIGLIP: ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


class FrozenFeatures(Predictor):
    """Predict from frozen features: [N, D] -> [N], linear; they are `preprocess`'s, so that a training may keep them.

    `config` are the settings of transformers' CLIPVisionConfig or SiglipVisionConfig, told apart by `model_type`;
    `from_hub` brings one with its weights. Features of unit length (`normalise`) predict memorability less well
    (MemCoach 2026: .73 for .81).
    """

    licence = "that of the frozen network"
    link = "linear"
    is_frozen = True

    def __init__(
        self, config: dict[str, Any], hidden: Sequence[int] = (256,), dropout: float = 0.0, normalise: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.normalise = str(config.get("model_type", CLIP)), normalise
        self.features = _make(self.kind, config)
        self.features.eval().requires_grad_(False)
        self.input_size = int(self.features.config.image_size)
        sizes = [int(self._size()), *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    @classmethod
    def from_hub(cls, name: str, **settings: Any) -> tuple[FrozenFeatures, dict[str, Any]]:
        """Make one with the weights of the Hugging Face hub or a folder: -> it, and the settings that describe it."""
        settings = {"config": read_config(name), **settings}
        network = cls(**settings)
        network.load_features(Path(name))
        return network, settings

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """The features from a name of the hub, or a folder."""
        return {"features": self.load_features}

    def load_features(self, name: Path) -> None:
        """Fill the frozen network from the Hugging Face hub or a folder, safetensors only."""
        with about(name), damaged("no weights of these features can be had there, give a folder of transformers"):
            trained = _class(_transformers(), self.kind).from_pretrained(str(name), use_safetensors=True)
            self.features.load_state_dict(trained.state_dict())

    def train(self, mode: bool = True) -> FrozenFeatures:
        """Train the head alone."""
        super().train(mode)
        self.features.eval()
        return self

    def preprocess(self, images: Tensor) -> Tensor:
        """Describe images: [N, 3, H, W] in [-1, 1] -> [N, D]."""
        answer = self.features(pixel_values=self.normalise_pixels(images))
        features = cast(Tensor, answer.image_embeds if self.kind == CLIP else answer.pooler_output)
        return F.normalize(features, dim=1) if self.normalise else features

    def normalise_pixels(self, images: Tensor) -> Tensor:
        """Resize to S x S px and normalise: [N, 3, H, W] in [-1, 1] -> [N, 3, S, S]."""
        size = (self.input_size, self.input_size)
        x = F.interpolate(images, size, mode="bicubic", antialias=True).clamp(-1, 1) / 2 + 0.5
        mean, std = (x.new_tensor(values)[:, None, None] for values in COLOURS[self.kind])
        return (x - mean) / std

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(x))[:, 0]

    def _size(self) -> int:
        config: Any = self.features.config
        return cast(int, config.projection_dim if self.kind == CLIP else config.hidden_size)


def read_config(name: str) -> dict[str, Any]:
    """Read the settings of CLIP's or SigLIP's vision model, by a name of the Hugging Face hub or a folder."""
    library = _transformers()
    settings = library.SiglipVisionConfig if "siglip" in name.lower() else library.CLIPVisionConfig
    with about(name), damaged("no settings of CLIP or SigLIP can be had there, give a folder of transformers"):
        return cast(dict[str, Any], settings.from_pretrained(name).to_dict())


def _make(kind: str, config: dict[str, Any]) -> Any:
    if kind not in COLOURS:
        raise InputError(f"model_type {kind!r} is not known: choose {' or '.join(COLOURS)}")
    library = _transformers()
    settings = library.CLIPVisionConfig if kind == CLIP else library.SiglipVisionConfig
    return _class(library, kind)(settings.from_dict(config))


def _class(library: Any, kind: str) -> Any:
    return library.CLIPVisionModelWithProjection if kind == CLIP else library.SiglipVisionModel


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise InputError("features of CLIP and SigLIP need `pip install 'latentedit[predictors]'`") from error
    return transformers
