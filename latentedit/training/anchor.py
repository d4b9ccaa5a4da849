"""An anchor to the training faces: the generator must rebuild them from the codes that an encoder gives them.

An adversary alone takes millions of images to teach where a mouth goes; a face to be rebuilt says so
in every pixel. The encoder learns beside the generator, from faces whose w is known, the generated
ones, and from the training faces, whose w is whatever rebuilds them best. Sources: Larsen et al. 2016
(the critic's features as a measure), Zhu et al. 2020 (codes of generated and of real faces).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Discriminator
from latentedit.networks.encoder import CodeNetwork

SCALES = 4  # of the pyramid on which pixels are compared
FEATURES = 0.2  # weight of the critic's features beside the pixels
BLOCKS = 2  # of the critic, from its finest
LATENTS = 0.5  # weight of the codes that are known


class Anchor:
    """The encoder and its optimiser, and what both networks pay for faces that are not rebuilt."""

    def __init__(self, config: GeneratorConfig, device: torch.device, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.encoder = CodeNetwork(config)
        self.encoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.encoder.parameters(), betas=(0.9, 0.99), fused=True)

    def set_rate(self, learning_rate: float) -> None:
        """Let the encoder learn at this rate from now on."""
        self.optimiser.param_groups[0]["lr"] = learning_rate

    def measure(
        self, generator: Generator, critic: Discriminator, reals: Tensor, fakes: Tensor, ws: Tensor
    ) -> dict[str, Tensor]:
        """Compare real faces with what is rebuilt of them, and codes of fakes with theirs: -> two losses []."""
        w_avg = generator.mapping.w_avg
        codes = (self.encoder(reals, self.dtype) + w_avg)[:, None].expand(-1, generator.config.num_ws, -1)
        rebuilt = generator.synthesis(codes, noise_mode="random", dtype=self.dtype)
        features = compare_features(critic, rebuilt, reals, self.dtype)
        known = ws.detach().mean(dim=1) - w_avg  # of mixed styles the mean is the best single code
        error = F.mse_loss(self.encoder(fakes.detach(), self.dtype), known) / known.square().mean()
        return {"anchor": compare_pyramids(rebuilt, reals) + FEATURES * features, "latents": LATENTS * error}

    def take_over(self, weights: dict[str, Tensor]) -> None:
        """Begin with a discriminator's blocks, which know faces already."""
        own = self.encoder.state_dict()
        self.encoder.load_state_dict(own | {name: weights[name] for name in own.keys() & weights.keys()})

    def state_dict(self) -> dict[str, Any]:
        """Return the encoder's weights and its optimiser's moments."""
        return {"encoder": self.encoder.state_dict(), "encoder_optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["encoder_optimiser"])


def compare_pyramids(images: Tensor, others: Tensor) -> Tensor:
    """Add up the mean absolute differences of images halved again and again: two [N, 3, R, R] -> []."""
    total = (images - others).abs().mean()
    for _ in range(SCALES - 1):
        images, others = F.avg_pool2d(images, 2), F.avg_pool2d(others, 2)
        total = total + (images - others).abs().mean()
    return total


def compare_features(critic: Discriminator, images: Tensor, others: Tensor, dtype: torch.dtype) -> Tensor:
    """Add up the mean absolute differences behind the critic's finest blocks, towards fixed `others`: -> []."""
    total = torch.zeros([], device=images.device)
    x, y = images.to(dtype), others.to(dtype)
    for block in critic.blocks[:BLOCKS]:
        x = block(x)
        with torch.no_grad():
            y = block(y)
        total = total + (x.float() - y.float()).abs().mean()
    return total
