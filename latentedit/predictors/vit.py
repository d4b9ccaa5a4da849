"""Vision transformers (Dosovitskiy et al. 2021) under timm's tensor names, and ViTMem (Hagen & Espeseth 2023)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.errors import about
from latentedit.predictors.predictor import Predictor, crop_centre, resize
from latentedit.predictors.weights import fill, obtain_weights, read_weights

EPSILON = 1e-6  # of layer normalisation


@dataclass(frozen=True)
class Shape:
    """The sizes of a transformer: side of its patches in px, width, blocks and heads."""

    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    input_size: int = 224


SHAPES = {"vit-b-16": Shape(), "vit-b-32": Shape(patch=32), "vit-l-16": Shape(width=1024, depth=24, heads=16)}


class Attention(nn.Module):
    """Let tokens look at each other: [N, L, D] -> same."""

    def __init__(self, width: int, heads: int, has_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=has_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # [N, heads, L, D / heads]
        seen = F.scaled_dot_product_attention(q, k, v)
        return cast(Tensor, self.proj(seen.transpose(1, 2).reshape(n, length, width)))


class Block(nn.Module):
    """Attention and two layers, each beside a skip: [N, L, D] -> same."""

    def __init__(self, width: int, heads: int, has_bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads, has_bias)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + cast(Tensor, self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))


class VisionTransformer(nn.Module):
    """Classify images: [N, 3, S, S] -> [N, num_classes]."""

    def __init__(self, shape: Shape, num_classes: int = 1000, has_bias: bool = True) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        num_tokens = (shape.input_size // shape.patch) ** 2 + 1
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, num_tokens, shape.width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, shape.width, shape.patch, stride=shape.patch)})
        self.blocks = nn.Sequential(*(Block(shape.width, shape.heads, has_bias) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width, EPSILON)
        self.head = nn.Linear(shape.width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.pooled_features(x)))

    def pooled_features(self, x: Tensor) -> Tensor:
        """Return the class token at the end, what the classes are read from: [N, 3, S, S] -> [N, D]."""
        tokens = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)  # [N, L, D]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1) + self.pos_embed
        return cast(Tensor, self.norm(self.blocks(tokens)))[:, 0]


class ViTMem(Predictor):
    """Predict how many people will recognise an image: [N, 3, 224, 224] in [0, 1] -> [N] in (0, 1).

    timm's `vit_base_patch16_224_miil` with one output and a sigmoid; its queries, keys and values have no bias.
    """

    framing = "whole"
    licence = "MIT"

    def __init__(self, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.vit = VisionTransformer(Shape(16, width, depth, heads), num_classes=1, has_bias=False)

    def preprocess(self, images: Tensor) -> Tensor:
        """Squeeze to 256 x 256 px and cut out the central 224: [N, 3, H, W] in [-1, 1] -> [N, 3, 224, 224]."""
        return crop_centre(resize(images, 256), 224) / 2 + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.vit(x)).sigmoid()[:, 0]


def load_vitmem(path: Path | None = None) -> ViTMem:
    """Load ViTMem, by default from its published file, which is downloaded at its first use."""
    path = path or obtain_weights("vitmem")
    with torch.device("meta"):
        network = ViTMem()
    with about(path):
        fill(network, read_weights(path))
    return network.eval().requires_grad_(False)


TORCHVISION = (  # its names as patterns, beside timm's
    (r"class_token", "cls_token"),
    (r"conv_proj\.", "patch_embed.proj."),
    (r"encoder\.pos_embedding", "pos_embed"),
    (r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)\.", r"blocks.\1.norm\2."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_", r"blocks.\1.attn.qkv."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.", r"blocks.\1.attn.proj."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\.", r"blocks.\1.mlp.fc1."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\.", r"blocks.\1.mlp.fc2."),
    (r"encoder\.ln\.", "norm."),
    (r"heads\.head\.", "head."),
)


def rename_torchvision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of torchvision's vit_* timm's names; others stay as they are."""
    return {_rename(name): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    for pattern, replacement in TORCHVISION:
        name, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            break
    return name
