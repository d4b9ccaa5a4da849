"""Generators of formats that leave something out: noise maps and the mean of w."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from latentedit.checkpoints.checkpoint import build_generator
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig

NUM_SAMPLES = 16384  # for w_avg, where the file has none
MAX_RESOLUTION = 4096  # a few bytes must not ask for terabytes of noise


def complete_generator(config: GeneratorConfig, weights: Mapping[str, Tensor]) -> tuple[Generator, tuple[str, ...]]:
    """Build the generator, making up what the file lacks: -> generator, a note on each thing made up."""
    notes: list[str] = []
    state = dict(weights)
    if config.use_noise and not any(name.endswith("noise_const") for name in state):
        state |= silence(config)
        notes.append("no noise maps in the file: they are zero, as with noise mode none")
    if "mapping.w_avg" in state:
        return build_generator(config, state), tuple(notes)
    generator = build_generator(config, {**state, "mapping.w_avg": torch.zeros(config.w_dim)})
    generator.mapping.w_avg.copy_(estimate_w_avg(generator))
    notes.append(f"no mean of w in the file: w_avg is the mean of {NUM_SAMPLES} seeded samples")
    return generator, tuple(notes)


def silence(config: GeneratorConfig) -> dict[str, Tensor]:
    """Make noise maps of zeros: -> name and [R, R] of every convolution."""
    if config.img_resolution > MAX_RESOLUTION:
        raise InputError(f"lacks the noise maps of {config.img_resolution} px: no StyleGAN2 generator is that large")
    layers = [(r, conv) for r in config.resolutions for conv in ("conv0", "conv1") if (r, conv) != (4, "conv0")]
    return {f"synthesis.b{r}.{conv}.noise_const": torch.zeros(r, r) for r, conv in layers}


@torch.no_grad()
def estimate_w_avg(generator: Generator) -> Tensor:
    """Average w over a fixed sample of z, the classes taking turns: generator -> [w_dim]."""
    z = torch.randn(NUM_SAMPLES, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    c_dim = generator.config.c_dim
    c = F.one_hot(torch.arange(NUM_SAMPLES) % c_dim, c_dim).float() if c_dim else None
    w: Tensor = generator.mapping(z, c)
    return w.mean(dim=0)
