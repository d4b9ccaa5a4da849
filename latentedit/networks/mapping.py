"""The mapping network: z to w, and the truncation towards the mean face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentedit.networks.config import NetworkConfig
from latentedit.networks.layers import FullyConnectedLayer, normalize_2nd_moment


class MappingNetwork(nn.Module):
    """Map latents to the intermediate space: z [N, z_dim], c [N, c_dim] -> w [N, w_dim]."""

    w_avg: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        embed_features = (config.embed_features or config.w_dim) if config.c_dim else 0
        if config.c_dim:
            self.embed = FullyConnectedLayer(config.c_dim, embed_features)
        hidden = config.layer_features or config.w_dim
        widths = [config.z_dim + embed_features] + [hidden] * (config.num_mapping_layers - 1) + [config.w_dim]
        for i in range(config.num_mapping_layers):
            layer = FullyConnectedLayer(widths[i], widths[i + 1], "lrelu", config.lr_multiplier)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        x = normalize_2nd_moment(z)
        if self.config.c_dim:
            if c is None or c.shape[1] != self.config.c_dim:
                raise ValueError(f"this generator is conditional: give c with {self.config.c_dim} columns")
            x = torch.cat([x, normalize_2nd_moment(self.embed(c))], dim=1)
        for i in range(self.config.num_mapping_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x

    def track_average(self, w: Tensor) -> None:
        """Move w_avg towards the batch's mean, as training does: w [N, w_dim]."""
        self.w_avg.lerp_(w.detach().mean(dim=0), 1 - self.config.w_avg_beta)


def truncate(ws: Tensor, w_avg: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
    """Compute w_avg + psi * (ws - w_avg) on the first `truncation_cutoff` rows: [N, num_ws, w_dim] -> same."""
    if truncation_psi == 1:
        return ws
    head, tail = ws[:, :truncation_cutoff], ws[:, ws.shape[1] if truncation_cutoff is None else truncation_cutoff :]
    return torch.cat([w_avg.lerp(head, truncation_psi), tail], dim=1)


def check_ws(ws: Tensor, num_ws: int, w_dim: int) -> None:
    """Refuse what synthesis cannot eat: anything but [N, num_ws, w_dim]."""
    if ws.ndim != 3 or ws.shape[1:] != (num_ws, w_dim):
        raise ValueError(f"ws has shape {list(ws.shape)}: this generator needs [N, {num_ws}, {w_dim}]")
