"""The assessors of One Million Impressions (Peterson et al. 2022, PNAS 119(17)): a face to its mean human ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentedit.checkpoints import load_header, load_record, save_record
from latentedit.errors import InputError, about, damaged
from latentedit.predictors.attributes import AttributeScorer
from latentedit.predictors.deep import DeepFeatures
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.predictors.patches import PatchFeatures
from latentedit.predictors.placement import Placement

KIND = "assessor"
SMALLEST_SIDE = 32  # pixels: a smaller face shows too little to rate
FEATURES = {features.kind: features for features in (GradientFeatures, PatchFeatures, DeepFeatures)}
FaceFeatures = GradientFeatures | PatchFeatures | DeepFeatures


class OmiAssessor(nn.Module):
    """Rate faces in FFHQ's frame: [..., 3, H, W] in [-1, 1] -> [..., len(attributes)], meant for 0..100.

    A face is brought to where the training faces lie, where a placement is given. Then two ridge regressions
    rate it. The first is linear in the features of the face. The second corrects it
    through a Gaussian kernel on the first one's ratings, so that traits may act together. Training
    on mirrored pairs leaves mirror-symmetric weights, so that one look is enough. The regressions
    run in float64: rounding does not depend on the batch that a face comes in.
    """

    default_attribute = "memorable"
    range = (0.0, 100.0)
    weight: Tensor
    bias: Tensor
    center: Tensor
    scale: Tensor
    supports: Tensor
    support_weight: Tensor
    support_bias: Tensor
    rated_mean: Tensor  # of the ratings
    stretch: Tensor  # SD of the ratings / SD of the predictions for faces that were left out
    half_width: Tensor  # of the interval around a prediction

    def __init__(
        self,
        features: FaceFeatures,
        attributes: Sequence[str],
        num_supports: int,
        gamma: float,
        name: str = "omi",
        placement: Placement | None = None,
    ) -> None:
        super().__init__()
        self.name, self.attributes, self.gamma = name, tuple(attributes), gamma
        self.features, self.placement = features, placement
        self.header: dict[str, Any] = {}
        width = len(self.attributes)
        self.register_buffer("weight", torch.zeros(width, features.config.num_features))
        self.register_buffer("bias", torch.zeros(width))
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("supports", torch.zeros(num_supports, width))
        self.register_buffer("support_weight", torch.zeros(num_supports, width))
        self.register_buffer("support_bias", torch.zeros(width))
        self.register_buffer("rated_mean", torch.zeros(width))
        self.register_buffer("stretch", torch.ones(width))
        self.register_buffer("half_width", torch.full((width,), math.inf))

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim < 3 or images.shape[-3] != 3 or min(images.shape[-2:]) < SMALLEST_SIDE:
            raise InputError(f"images of shape {list(images.shape)}: give [..., 3, H, W] from {SMALLEST_SIDE} px on")
        flat = images.reshape(-1, *images.shape[-3:]).to(self.bias.device, torch.float32)
        placed = self.placement.bring_back(flat) if self.placement else flat
        features = torch.cat(self.features(placed), dim=1).double()
        linear = features @ self.weight.double().t() + self.bias
        kernel = gaussian_kernel((linear - self.center) / self.scale, self.supports.double(), self.gamma)
        ratings = linear + kernel @ self.support_weight.double() + self.support_bias
        return ratings.float().reshape(*images.shape[:-3], len(self.attributes))

    def scorer(self, attribute: str | None = None, matched: bool = False) -> AttributeScorer:
        """Look at one attribute, by default `memorable`; `matched` spreads scores as widely as the ratings."""
        return AttributeScorer(self, attribute or self.default_attribute, matched)

    @classmethod
    def load(cls, path: str | Path | None = None) -> OmiAssessor:
        """Load what `save` wrote, by default the bundled `omi`; `header` says how it was made."""
        return load_bundled("omi") if path is None else _read(Path(path))

    def save(self, path: str | Path, header: Mapping[str, Any]) -> None:
        """Write one safetensors file with a JSON header, whole or not at all; most weights are float16."""
        described = {"features": self.features.kind, "config": self.features.config.to_dict()}
        placement = self.placement and self.placement.config.to_dict()
        stated = {"attributes": self.attributes, "gamma": self.gamma, "placement": placement, **described}
        tensors = {**self.state_dict(), "weight": self.weight.half()}
        save_record(path, tensors, {"kind": KIND, "name": self.name, **stated, **header})


def load_bundled(name: str) -> OmiAssessor:
    """Load an assessor that ships with the project."""
    with resources.as_file(resources.files("latentedit") / "assets" / f"{name}.safetensors") as path:
        return _read(path)


def is_assessor(path: str | Path) -> bool:
    """Tell whether a .safetensors file holds an assessor."""
    return load_header(path).get("kind") == KIND


def gaussian_kernel(a: Tensor, b: Tensor, gamma: float) -> Tensor:
    """Compute exp(-gamma |a_i - b_j|^2 / D): [N, D], [M, D] -> [N, M]."""
    squares = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.t()
    return (-gamma / a.shape[1] * squares).exp()


def _read(path: Path) -> OmiAssessor:
    """Read and check a record."""
    state, header = load_record(path)
    with about(path), damaged("not an assessor that latentedit wrote: fetch it or train it again"):
        return _build(header, state)


def _build(header: dict[str, Any], state: dict[str, Tensor]) -> OmiAssessor:
    """Make the module that a header and its tensors describe."""
    if header["kind"] != KIND:
        raise ValueError("another kind of record")
    features = FEATURES[header["features"]].from_dict(header["config"])
    attributes, gamma, supports = header["attributes"], float(header["gamma"]), state["supports"]
    if not all(isinstance(name, str) and name.isprintable() for name in attributes) or not math.isfinite(gamma):
        raise ValueError("attributes without names, or a gamma that is none")
    num_features = features.config.num_features
    if state["weight"].shape != (len(attributes), num_features) or supports.shape[1:] != (len(attributes),):
        raise ValueError("weights of other shapes")  # before memory is taken for them
    placement = _build_placement(header.get("placement"), state)
    assessor = OmiAssessor(features, attributes, len(supports), gamma, header["name"], placement)
    assessor.load_state_dict(state)
    assessor.header = header
    return assessor.eval()


def _build_placement(config: dict[str, Any] | None, state: dict[str, Tensor]) -> Placement | None:
    """Make the placement that a header describes; the first files have none."""
    if config is None:
        return None
    return Placement(FeatureConfig.from_dict(config), state["placement.center"], state["placement.weight"])
