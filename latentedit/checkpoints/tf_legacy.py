"""NVIDIA's TensorFlow pickles (stylegan2, stylegan2-ada), read without TensorFlow and without running their code."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.checkpoint import Checkpoint, build_generator
from latentedit.checkpoints.inert import Network
from latentedit.checkpoints.inference import infer_config
from latentedit.checkpoints.settings import Parts, join, reconcile, require_supported, walk
from latentedit.checkpoints.stored import allocate
from latentedit.checkpoints.unpickler import rebuild_array, rebuild_number
from latentedit.errors import InputError
from latentedit.networks import MAX_TAPS, GeneratorConfig

VERSIONS = (2, 3, 4)
SETTINGS = {  # TensorFlow's keyword arguments: what stylegan2-ada-pytorch calls them
    "latent_size": "z_dim",
    "label_size": "c_dim",
    "dlatent_size": "w_dim",
    "resolution": "img_resolution",
    "num_channels": "img_channels",
    "use_noise": "use_noise",
    "mapping_layers": "num_layers",
    "mapping_fmaps": "layer_features",
    "mapping_lrmul": "lr_multiplier",
    "dlatent_avg_beta": "w_avg_beta",
    "conv_clamp": "conv_clamp",
    "num_fp16_res": "num_fp16_res",
    "resample_kernel": "resample_filter",
    "architecture": "architecture",
    "nonlinearity": "activation",
    "mapping_nonlinearity": "activation",
}
W_AVG_BETA = 0.995  # where nothing is said
STRIP = 16  # inputs of a kernel that are turned at a time

Change = Callable[[np.ndarray], np.ndarray]  # of a tensor's layout and values


def _keep(x: np.ndarray) -> np.ndarray:
    return x


def _transpose(x: np.ndarray) -> np.ndarray:
    """Transpose [I, O] into [O, I], a few inputs at a time, which the cache holds; on one core, unlike torch's."""
    inputs, outputs = x.shape
    turned = allocate(x.nbytes).numpy().view(x.dtype).reshape(outputs, inputs)
    for start in range(0, inputs, STRIP):
        turned[:, start : start + STRIP] = x[start : start + STRIP].T
    return turned


def _order_axes(kernel: np.ndarray) -> np.ndarray:
    """Turn a kernel [k, k, I, O] into [O, I, k, k], a few inputs at a time, which the cache holds.

    What an input does to an output, k * k numbers, moves as one item.
    """
    height, width, inputs, outputs = kernel.shape
    turned, item = allocate(kernel.nbytes).numpy(), np.dtype((np.void, height * width * kernel.itemsize))
    pairs = turned.view(item).reshape(outputs, inputs)
    buffer = np.empty((STRIP, outputs, height, width), kernel.dtype)
    for start in range(0, inputs, STRIP):
        strip = buffer[: inputs - start]
        strip[:] = kernel[:, :, start : start + STRIP].transpose(2, 3, 0, 1)
        pairs[:, start : start + STRIP] = strip.reshape(-1).view(item).reshape(-1, outputs).T
    return turned.view(kernel.dtype).reshape(outputs, inputs, height, width)


def _flip(kernel: np.ndarray) -> np.ndarray:
    return _order_axes(kernel[::-1, ::-1])  # the up-sampling convolution there is a transposed one


# A layer's tensors: the name there, the name here, the change of the values.
DENSE: dict[str, tuple[str, Change]] = {
    "weight": ("weight", _transpose),
    "bias": ("bias", _keep),
}
MODULATED: dict[str, tuple[str, Change]] = {
    "weight": ("weight", _order_axes),
    "bias": ("bias", _keep),
    "mod_weight": ("affine.weight", _transpose),
    "mod_bias": ("affine.bias", lambda x: x + 1),  # styles are 1 + x there
    "noise_strength": ("noise_strength", _keep),
}
LAYERS = {
    "Conv": ("conv1", MODULATED),
    "Conv0_up": ("conv0", MODULATED | {"weight": ("weight", _flip)}),
    "Conv1": ("conv1", MODULATED),
    "ToRGB": ("torgb", MODULATED),
}


def interpret(content: object) -> Checkpoint:
    """Read the averaged generator Gs of a pickle that holds (G, D, Gs), or the only network of another."""
    networks = dict(walk(_pick(content), "/", _read))
    settings = _gather_settings(networks)
    variables = dict(_variables(networks))
    _require_skip(variables)
    with ThreadPoolExecutor(2) as pool:  # one takes memory while the other turns
        weights = dict(pool.map(_translate, variables, map(rebuild_array, variables.values())))
    config = infer_config(weights)
    if not config.use_noise:  # the maps are there all the same
        weights = {name: x for name, x in weights.items() if not name.endswith("noise_const")}
    config = replace(config, resample_filter=_taps(settings))
    return Checkpoint(build_generator(reconcile(config, settings), weights), "nvidia-tensorflow")


def _pick(content: object) -> Network:
    match content:
        case (Network(), Network(), Network() as network) | (Network() as network):
            return network
    raise InputError("holds no networks (G, D, Gs), as NVIDIA's TensorFlow pickles do")


def _read(path: str, network: object) -> tuple[dict[str, Any], Mapping[Any, object]]:
    """Return what a network keeps, and its components; the source text beside it is never looked at."""
    match network:
        case Network(state={"version": version, "static_kwargs": dict(), "variables": list()} as state):
            if version not in VERSIONS:
                raise InputError(f"its networks are of version {reprlib.repr(version)}: not supported, 2 to 4 are")
            if isinstance(components := state.get("components") or {}, dict):
                return state, components
    raise InputError(f"damaged: the network {path!r} in it holds no variables")


def _gather_settings(networks: Parts) -> dict[str, Any]:
    """Collect the keyword arguments under PyTorch's names; the generator's own overrule its components'."""
    settings: dict[str, Any] = {"w_avg_beta": W_AVG_BETA}
    for path, state in reversed(networks.items()):
        for key, value in state["static_kwargs"].items():
            if key == "normalize_latents" and not value:
                raise InputError("a StyleGAN2 generator that does not normalize z: not supported")
            if key in SETTINGS and value is not None:
                settings[SETTINGS[key]] = rebuild_number(value)
                require_supported(path, SETTINGS[key], settings[SETTINGS[key]])
    return settings


def _taps(settings: Mapping[str, Any]) -> tuple[float, ...]:
    taps = tuple(settings.get("resample_filter", GeneratorConfig.resample_filter))
    if not 0 < len(taps) <= MAX_TAPS or sum(taps) <= 0:
        raise InputError(f"its resample_kernel of {len(taps)} taps makes no filter")
    return taps


def _variables(networks: Parts) -> Iterator[tuple[str, object]]:
    """Yield every variable's full name and its array, still written down."""
    for path, state in networks.items():
        for variable in state["variables"]:
            match variable:
                case (str(name), array):
                    yield join(path, "/", name), array
                case _:
                    raise InputError(f"damaged: a variable of the network {path!r} has no name")


def _require_skip(variables: Mapping[str, object]) -> None:
    """Refuse the generators that share the file format but not the architecture."""
    for mark, kind in {
        "/StyleMod/": "a StyleGAN1 generator (or StyleGAN2 config A)",
        "/ToRGB_lod": "a StyleGAN2 generator of config B, C or D (progressive growing)",
        "/Skip/": "a StyleGAN2 generator of architecture 'resnet'",
    }.items():
        if any(mark in name for name in variables):
            raise InputError(f"{kind}: not supported, only configs E and F with architecture 'skip' are")


def _translate(name: str, array: np.ndarray) -> tuple[str, Tensor]:
    """Find NVIDIA's PyTorch name and layout; a name that is unknown stays, to be refused as such."""
    translated, change = _find(name)
    x = array.astype(np.float32, copy=False)
    try:
        return translated, torch.from_numpy(np.require(change(x), requirements=["C", "W"]))
    except (IndexError, ValueError) as error:
        raise InputError(f"damaged: {name[:80]!r} is {list(x.shape)}, which has the wrong number of axes") from error


def _find(name: str) -> tuple[str, Change]:
    """Look up the new name and the change of the values."""
    if name == "dlatent_avg":
        return "mapping.w_avg", _keep
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", lambda x: x[0]
    if found := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
        index = int(found[1])  # 0 at 4 x 4, 1 and 2 at 8 x 8, ...
        return f"synthesis.b{2 ** ((index + 5) // 2)}.conv{(index + 1) % 2}.noise_const", lambda x: x[0, 0]
    if found := re.fullmatch(r"mapping/(Dense\d{1,3}|LabelEmbed)/(weight|bias)", name):
        part, change = DENSE[found[2]]
        return f"mapping.{found[1].replace('Dense', 'fc').replace('LabelEmbed', 'embed')}.{part}", change
    if (found := re.fullmatch(r"synthesis/(\d{1,6})x\1/(\w+)/(\w+)", name)) and found[2] in LAYERS:
        layer, parts = LAYERS[found[2]]
        if found[3] in parts:
            part, change = parts[found[3]]
            return f"synthesis.b{found[1]}.{layer}.{part}", change
    return name, _keep
