"""What both synthesis networks share: ws become every layer's style, and styles become images."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from latentedit.networks.config import NetworkConfig
from latentedit.networks.layers import FullyConnectedLayer
from latentedit.networks.mapping import check_ws

NoiseMode = Literal["const", "random", "none"]


class StyledNetwork(nn.Module):
    """Render: ws [N, num_ws, w_dim] -> styles [N, num_styles] -> images [N, img_channels, R, R], about [-1, 1]."""

    config: NetworkConfig

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "const", dtype: torch.dtype = torch.float32) -> Tensor:
        """Render ws; feature maps are held in `dtype`, styles and the image in float32."""
        return self.render_styles(self.make_styles(ws), noise_mode, dtype)

    def make_styles(self, ws: Tensor) -> Tensor:
        """Put ws through each layer's affine, in the order of `config.style_layers`: -> styles [N, num_styles].

        They are the affines' raw outputs: a toRGB layer multiplies them by NVIDIA's weight_gain afterwards.
        """
        check_ws(ws, self.config.num_ws, self.config.w_dim)
        return torch.cat([self._affine(layer.name)(ws[:, layer.row]) for layer in self.config.style_layers], dim=1)

    def _affine(self, name: str) -> FullyConnectedLayer:
        return cast(FullyConnectedLayer, self.get_submodule(f"{name}.affine"))

    def render_styles(
        self, styles: Tensor, noise_mode: NoiseMode = "const", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Render styles [N, num_styles], as `make_styles` lays them out: -> images [N, img_channels, R, R]."""
        raise NotImplementedError


def split_styles(styles: Tensor, config: NetworkConfig) -> dict[str, Tensor]:
    """Cut styles [N, num_styles] into those of each layer: -> [N, width] by name."""
    if styles.ndim != 2 or styles.shape[1] != config.num_styles:
        raise ValueError(f"styles have shape {list(styles.shape)}: this generator needs [N, {config.num_styles}]")
    return {name: styles[:, start : start + width] for name, start, width, _ in config.style_layers}
