"""rosinality's stylegan2-pytorch and its descendants: converted files and training checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from latentedit.checkpoints.archive import load_archive
from latentedit.checkpoints.checkpoint import Checkpoint, build_generator, pick_network
from latentedit.checkpoints.identity import fingerprint
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.errors import InputError
from latentedit.networks import Generator

NUM_SAMPLES = 16384  # for w_avg, where the file has none


def _keep(x: Tensor) -> Tensor:
    return x


def _drop_first_axis(x: Tensor) -> Tensor:
    return x.squeeze(0)


def _divide_by_gain(kernel: Tensor) -> Tensor:
    return kernel / 4  # rosinality keeps the gain of upsampling in the filter


# A convolution's tensors: the name there, the name here, the change of the values.
PARTS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "conv.weight": ("weight", _drop_first_axis),
    "conv.modulation.weight": ("affine.weight", _keep),
    "conv.modulation.bias": ("affine.bias", _keep),
    "conv.blur.kernel": ("resample_filter", _divide_by_gain),
    "upsample.kernel": ("resample_filter", _divide_by_gain),
    "activate.bias": ("bias", _keep),
    "bias": ("bias", torch.flatten),
    "noise.weight": ("noise_strength", _drop_first_axis),
}


def read(path: Path) -> Checkpoint:
    """Read the generator of a .pt file: g_ema, or g where there is no average."""
    content = load_archive(path)
    network, notes = pick_network(content, "g_ema", "g")
    weights, taps = split_filters(_translate(network))
    latent_avg = _latent_avg(content)
    config = replace(infer_config(weights), resample_filter=taps)
    weights["mapping.w_avg"] = torch.zeros(config.w_dim) if latent_avg is None else latent_avg
    generator = build_generator(config, weights)
    if latent_avg is None:
        generator.mapping.w_avg.copy_(estimate_w_avg(generator))
        notes += (f"no latent_avg in the file: w_avg is the mean of {NUM_SAMPLES} seeded samples",)
    return Checkpoint(generator, "rosinality", fingerprint(generator), notes=notes)


def _latent_avg(content: object) -> Tensor | None:
    value = content.get("latent_avg") if isinstance(content, dict) else None
    return value.flatten() if isinstance(value, Tensor) else None


@torch.no_grad()
def estimate_w_avg(generator: Generator) -> Tensor:
    """Average w over a fixed sample of z: generator -> [w_dim]."""
    z = torch.randn(NUM_SAMPLES, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    w: Tensor = generator.mapping(z)
    return w.mean(dim=0)


def _translate(state: object) -> dict[str, Tensor]:
    """Turn a state dict into NVIDIA's names and shapes."""
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise InputError("its generator is no dictionary of tensors: not rosinality's format")
    return dict(_translate_tensor(str(name), x) for name, x in state.items())


def _translate_tensor(name: str, x: Tensor) -> tuple[str, Tensor]:
    """Find NVIDIA's name and shape; a name that is not rosinality's stays, to be refused as unknown."""
    # The two layers at 4 x 4 stand outside the lists there; as number -1 they obey the lists' rule.
    indexed = re.sub(r"^(conv|to_rgb)1\.", r"\1s.-1.", name)
    if name == "input.input":
        return "synthesis.b4.const", x.squeeze(0)
    if found := re.fullmatch(r"style\.(\d{1,3})\.(weight|bias)", name):
        return f"mapping.fc{int(found[1]) - 1}.{found[2]}", x
    if found := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        return f"{_conv(int(found[1]) - 1)}.noise_const", x.squeeze(0).squeeze(0)
    if (found := re.fullmatch(r"(convs|to_rgbs)\.(-1|\d{1,2})\.(.+)", indexed)) and found[3] in PARTS:
        layer = (_conv if found[1] == "convs" else _torgb)(int(found[2]))
        part, change = PARTS[found[3]]
        return f"{layer}.{part}", change(x)
    return name, x


def _conv(index: int) -> str:
    """Name a convolution: 0 and 1 are those at 8 x 8, -1 the one at 4 x 4."""
    return f"synthesis.b{2 ** (3 + index // 2)}.conv{index % 2}"


def _torgb(index: int) -> str:
    """Name a toRGB layer: 0 is the one at 8 x 8, -1 the one at 4 x 4."""
    return f"synthesis.b{2 ** (3 + index)}.torgb"
