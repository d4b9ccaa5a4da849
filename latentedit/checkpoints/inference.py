"""Read a generator's architecture off its tensors, which can't lie as keyword arguments can."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.networks import MAX_TAPS, GeneratorConfig, StyleGAN3Config
from stylegan_ops import setup_filter

TRAINING = ("lr_multiplier", "w_avg_beta", "conv_clamp", "num_fp16_res")
TUNING = {  # the settings that neither shapes nor names tell
    "stylegan2": TRAINING,
    "stylegan3": (
        *TRAINING,
        "use_radial_filters",
        "num_critical",
        "first_cutoff",
        "first_stopband",
        "last_stopband_rel",
        "margin_size",
        "output_scale",
        "filter_size",
        "lrelu_upsampling",
    ),
}


def infer_config(state: Mapping[str, Tensor]) -> GeneratorConfig:
    """Infer what the shapes tell of a StyleGAN2: a state dict under NVIDIA's names -> config.

    Shapes say nothing of resample_filter and of what `TUNING` lists: these keep their defaults.
    """
    resolutions = _numbers(state, r"synthesis\.b(\d{1,6})\.conv1\.weight")
    _shape(state, "synthesis.b4.conv1.weight", 4)
    w_dim = _shape(state, "synthesis.b4.conv1.affine.weight", 2)[1]
    try:
        return GeneratorConfig(
            img_resolution=resolutions[-1],
            channels=tuple(_shape(state, f"synthesis.b{r}.conv1.weight", 4)[0] for r in resolutions),
            img_channels=_shape(state, "synthesis.b4.torgb.weight", 4)[0],
            use_noise="synthesis.b4.conv1.noise_strength" in state,
            **_infer_mapping(state, w_dim),
        )
    except ValueError as error:
        raise InputError(f"its blocks make no generator: {error}") from error


def infer_stylegan3_config(state: Mapping[str, Tensor]) -> StyleGAN3Config:
    """Infer what names and shapes tell of a StyleGAN3: a state dict under NVIDIA's names -> config.

    A layer's name tells its place and its canvas, a kernel of one pixel StyleGAN3-R with its radial
    filters. What else `TUNING` lists keeps its default.
    """
    pattern = re.compile(r"synthesis\.L(\d{1,3})_(\d{1,6})_\d{1,6}\.weight")
    layers = sorted((int(found[1]), int(found[2]), name) for name in state if (found := pattern.fullmatch(name)))
    if len(layers) < 2:
        raise InputError("lacks its layers: no StyleGAN3 generator")
    *widths, img_channels = [_shape(state, name, 4)[0] for _, _, name in layers]
    conv_kernel = state[layers[0][2]].shape[-1]
    try:
        return StyleGAN3Config(
            img_resolution=layers[-1][1],
            channels=tuple(widths),
            img_channels=img_channels,
            conv_kernel=conv_kernel,
            use_radial_filters=conv_kernel == 1,
            **_infer_mapping(state, w_dim=_shape(state, "synthesis.input.affine.weight", 2)[1]),
        )
    except ValueError as error:
        raise InputError(f"its layers make no generator: {error}") from error


def _infer_mapping(state: Mapping[str, Tensor], w_dim: int) -> dict[str, Any]:
    """Infer the settings of the mapping network."""
    depth = len(_numbers(state, r"mapping\.fc(\d{1,6})\.weight"))
    hidden, fan_in = _shape(state, "mapping.fc0.weight", 2)
    embed_features, c_dim = _shape(state, "mapping.embed.weight", 2) if "mapping.embed.weight" in state else (0, 0)
    return {
        "z_dim": fan_in - embed_features,
        "c_dim": c_dim,
        "w_dim": w_dim,
        "num_mapping_layers": depth,
        "embed_features": embed_features if embed_features not in (0, w_dim) else None,
        "layer_features": hidden if depth > 1 and hidden != w_dim else None,
    }


def _numbers(state: Mapping[str, Tensor], pattern: str) -> list[int]:
    """Collect the numbers in the names that match, in order."""
    return sorted(int(found[1]) for name in state if (found := re.fullmatch(pattern, name)))


def _shape(state: Mapping[str, Tensor], name: str, ndim: int) -> tuple[int, ...]:
    if name not in state or state[name].ndim != ndim or not state[name].numel():
        raise InputError(f"lacks {name!r} with {ndim} axes: no StyleGAN generator")
    return tuple(state[name].shape)


def split_filters(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[float, ...]]:
    """Part the low-pass filters from the weights: tensors -> weights, the taps all filters agree on."""
    weights = {name: tensor for name, tensor in tensors.items() if not name.endswith("resample_filter")}
    taps = {_read_taps(name, tensors[name]) for name in tensors.keys() - weights.keys()}
    if len(taps) > 1:
        raise InputError(f"its resample_filters differ ({len(taps)} kinds): not supported")
    return weights, taps.pop() if taps else GeneratorConfig.resample_filter


def _read_taps(name: str, kernel: Tensor) -> tuple[float, ...]:
    """Read the taps off a normalised filter, [n, n] or separable [n]."""
    if kernel.ndim in (1, 2) and 0 < max(kernel.shape) <= MAX_TAPS:
        row = kernel.float() if kernel.ndim == 1 else kernel.float().sum(dim=0)
        square = torch.outer(row, row) if kernel.ndim == 1 else kernel.float()
        for taps in (GeneratorConfig.resample_filter, tuple(row.tolist())):
            expected = setup_filter(taps)
            if expected.shape == square.shape and torch.allclose(square, expected, atol=1e-6):
                return taps
    raise InputError(f"{name!r} is no separable filter of unit sum: not supported")
