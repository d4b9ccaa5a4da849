"""What is rendered: generators of several sizes, one face or many, and the paths that render them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.checkpoints import load_generator
from latentedit.latents import sample
from latentedit.networks import Generator, GeneratorConfig, block_channels
from latentedit.networks.frozen import FrozenSynthesis
from latentedit.networks.stylegan2 import SynthesisNetwork
from latentedit.rendering import render

FFHQ = {256: 16384, 1024: 32768}  # channel_base of NVIDIA's FFHQ configurations
FIRST_EDITED = 8  # layer of a sweep
YARDSTICK = (512, 64)  # channels and side of the 3 x 3 convolution that all is measured by
Renderer = Callable[[Generator, Tensor], Tensor]
RENDERERS: dict[str, Renderer] = {
    "reference": lambda generator, ws: generator.synthesis(ws.flatten(0, -3)),
    "plain": lambda generator, ws: render_plainly(generator, ws),
    "render": render,
    "bf16": lambda generator, ws: render(generator, ws, precision="bf16"),
}


@dataclass(frozen=True)
class Scene:
    """Latents of one generator: `num_faces` faces, or one face at `num_alphas` strengths on layers 8 and up."""

    name: str
    resolution: int | None = None  # of random weights; without one the bundled generator's faces
    num_faces: int = 1
    num_alphas: int = 1

    @property
    def num_images(self) -> int:
        return self.num_faces * self.num_alphas

    def make_ws(self, generator: Generator, number: int = 0) -> Tensor:
        """Sample the faces of a number and sweep them: -> [N, num_ws, w_dim] or [1, num_alphas, num_ws, w_dim]."""
        seeds = range(number * self.num_faces, (number + 1) * self.num_faces)
        ws = sample(generator, seeds, truncation_psi=0.7)
        if self.num_alphas == 1:
            return ws
        steps = torch.linspace(-3, 3, self.num_alphas).view(-1, 1, 1).expand(-1, *ws.shape[1:]).clone()
        steps[:, :FIRST_EDITED] = 0
        return ws.unsqueeze(1) + steps


SCENES = (
    Scene("faces"),
    Scene("256", 256),
    Scene("256-batch", 256, num_faces=8),
    Scene("256-sweep", 256, num_alphas=9),
    Scene("1024", 1024),
    Scene("1024-batch", 1024, num_faces=8),
    Scene("1024-sweep", 1024, num_alphas=9),
)


def make_generator(resolution: int | None = None) -> Generator:
    """Load the bundled generator, or make one of random weights in the FFHQ configuration."""
    if resolution is None:
        return load_generator()
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(resolution, block_channels(resolution, FFHQ[resolution], 512)))
    return generator.eval().requires_grad_(False)


def render_plainly(generator: Generator, ws: Tensor) -> Tensor:
    """Render as `render` does on a CPU without a compiler: [..., num_ws, w_dim] -> [N, 3, H, W]."""
    frozen, flat, side = _freeze_plainly(generator), ws.flatten(0, -3), generator.config.img_resolution
    images = torch.empty(len(flat), generator.config.img_channels, side, side)
    for face, image in zip(flat, images, strict=True):
        frozen.render(face, "const", image)
    return images


@lru_cache(maxsize=1)
def _freeze_plainly(generator: Generator) -> FrozenSynthesis:
    with torch.no_grad():
        return FrozenSynthesis(cast(SynthesisNetwork, generator.synthesis), torch.float32, None)


def count_flops(config: GeneratorConfig) -> int:
    """Count the work of one image's convolutions, 2 K^2 I O H W each, at the side that they run at.

    29.8 GFLOP at 256 (channel_base 16384), 148.5 at 1024 (32768). A layer that doubles the side is a
    transposed convolution of the smaller side; filters, noise and biases count for nothing.
    """
    below, total = 0, 0
    for side, width in zip(config.resolutions, config.channels, strict=True):
        total += 2 * 9 * below * width * (side // 2) ** 2  # conv0
        total += 2 * 9 * width * width * side**2 + 2 * width * config.img_channels * side**2  # conv1, torgb
        below = width
    return total


def make_yardstick() -> tuple[Callable[[], Tensor], int]:
    """Make torch's own fp32 3 x 3 convolution, channels last: -> a call of it, and its work in FLOP."""
    channels, side = YARDSTICK
    x = torch.randn(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    return lambda: F.conv2d(x, weight, padding=1), 2 * 9 * channels**2 * side**2
