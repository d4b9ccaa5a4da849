"""NVIDIA's own generator, run from a checkout that the user names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from latentedit.checkpoints.checkpoint import require_stylegan2
from latentedit.errors import InputError
from latentedit.networks import Generator

MODULE = "training.networks_stylegan2"


def load_peer(checkout: Path, generator: Generator) -> Callable[[Generator, Tensor], Tensor]:
    """Import NVIDIA's network and give it a generator's weights: -> a renderer of that generator.

    It renders one image at a time in fp32 with its modulated convolutions fused, its fastest setting on a CPU.
    """
    if not (checkout / "training" / "networks_stylegan2.py").is_file():
        raise InputError(f"{checkout} is no checkout of NVIDIA's stylegan3: training/networks_stylegan2.py is missing")
    config, module = require_stylegan2(generator.config), _import_from(checkout)
    peer = module.SynthesisNetwork(
        w_dim=config.w_dim,
        img_resolution=config.img_resolution,
        img_channels=config.img_channels,
        channel_base=config.img_resolution * config.channels[-1],
        channel_max=max(config.channels),
        num_fp16_res=0,
        conv_clamp=config.conv_clamp,
    )
    state = {**peer.state_dict(), **generator.synthesis.state_dict()}
    peer.load_state_dict(state)
    peer.eval().requires_grad_(False)
    return partial(_render_singly, partial(peer, noise_mode="const", force_fp32=True, fused_modconv=True))


def _render_singly(render: Callable[[Tensor], Tensor], generator: Generator, ws: Tensor) -> Tensor:
    """Render one image at a time: [..., num_ws, w_dim] -> [N, 3, H, W]."""
    return torch.cat([render(row) for row in ws.reshape(-1, 1, *ws.shape[-2:])])


def _import_from(checkout: Path) -> ModuleType:
    """Import the module with a stand-in for pkg_resources, which setuptools no longer has."""
    from packaging.version import parse

    stand_in = ModuleType("pkg_resources")
    stand_in.parse_version = parse  # type: ignore[attr-defined]
    sys.modules.setdefault("pkg_resources", stand_in)
    sys.path.append(str(checkout))
    return importlib.import_module(MODULE)
