"""The two layers that mapping, synthesis and discriminator share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stylegan_ops import bias_act


class FullyConnectedLayer(nn.Module):
    """Dense layer with equalised learning rate (Karras et al. 2018): [N, I] -> [N, O]."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(draw_normal(out_features, in_features, divisor=lr_multiplier))
        self.bias = nn.Parameter(torch.full([out_features], bias_init))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        y = x @ (self.weight * self.weight_gain).t()
        return bias_act(y, self.bias * self.bias_gain, act=self.activation)


def draw_normal(*shape: int, divisor: float = 1.0) -> Tensor:
    """Draw initial weights of deviation 1 / divisor: -> [*shape].

    On the meta device, where a file's weights will take their place, nothing is computed: torch
    would first import its compiler, which takes longer than reading the file.
    """
    weights = torch.empty(shape)
    return weights if weights.is_meta else weights.normal_().div_(divisor)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Scale each row to a mean square of one: [N, F] -> [N, F]."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
