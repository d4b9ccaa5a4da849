"""rosinality's stylegan2-pytorch and its descendants: converted files and training checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints.archive import require_plain, require_state
from latentedit.checkpoints.checkpoint import Checkpoint, pick_network
from latentedit.checkpoints.completion import complete_generator
from latentedit.checkpoints.fingerprint import fingerprint
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.errors import InputError


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


def interpret(content: dict[str, Any]) -> Checkpoint:
    """Read the generator of a .pt file: g_ema, or g where there is no average."""
    network, notes = pick_network(content, "g_ema", "g")
    return assemble(network, content.get("latent_avg"), _name_tool(content), notes)


def assemble(network: object, latent_avg: object, format: str, notes: tuple[str, ...]) -> Checkpoint:
    """Build the generator from a state dict under rosinality's names, and the mean of w beside it."""
    state = dict(_translate_tensor(name, x) for name, x in require_state(network).items())
    weights, taps = split_filters(state)
    config = replace(infer_config(weights), resample_filter=taps)
    if isinstance(latent_avg, Tensor):
        weights["mapping.w_avg"], averaged = _read_average(require_plain("latent_avg", latent_avg))
        notes += averaged
    generator, made_up = complete_generator(config, weights)
    return Checkpoint(generator, format, fingerprint(generator), notes=notes + made_up)


def _name_tool(content: dict[str, Any]) -> str:
    """Tell the descendants apart by what they save: JoJoGAN g alone, StyleGAN-NADA g_ema with an optimizer."""
    if content.keys() == {"g"}:
        return "jojogan"
    return "stylegan-nada" if content.keys() == {"g_ema", "g_optim"} else "rosinality"


def _read_average(latent_avg: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Reduce a mean [w_dim] or [num_ws, w_dim] to one row: -> [w_dim], a note if the rows differ."""
    if not latent_avg.numel():
        raise InputError("damaged: its latent_avg is empty")
    rows = latent_avg.reshape(-1, latent_avg.shape[-1] if latent_avg.ndim else 1)
    if (rows == rows[0]).all():
        return rows[0], ()
    return rows.mean(dim=0), (f"the {len(rows)} rows of latent_avg differ: w_avg is their mean",)


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
