"""The whole generator: mapping, truncation, synthesis."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from latentedit.networks.config import AnyConfig, StyleGAN3Config
from latentedit.networks.mapping import MappingNetwork, truncate
from latentedit.networks.stylegan2 import SynthesisNetwork
from latentedit.networks.stylegan3 import StyleGAN3SynthesisNetwork
from latentedit.networks.synthesis import NoiseMode


class Generator(nn.Module):
    """A StyleGAN2 or StyleGAN3, as its config says: z [N, z_dim] -> images [N, img_channels, R, R], about [-1, 1]."""

    def __init__(self, config: AnyConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis: SynthesisNetwork | StyleGAN3SynthesisNetwork
        if isinstance(config, StyleGAN3Config):
            self.synthesis = StyleGAN3SynthesisNetwork(config)
        else:
            self.synthesis = SynthesisNetwork(config)

    def map(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map and truncate: z [N, z_dim], c [N, c_dim] -> ws [N, num_ws, w_dim]."""
        ws = self.mapping(z, c).unsqueeze(1).repeat(1, self.config.num_ws, 1)
        return truncate(ws, self.mapping.w_avg, truncation_psi, truncation_cutoff)

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "const",
    ) -> Tensor:
        ws = self.map(z, c, truncation_psi, truncation_cutoff)
        return cast(Tensor, self.synthesis(ws, noise_mode))
