"""Write pickles as NVIDIA's dnnlib.tflib.network does, without TensorFlow and without a line of its code."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from nvidia_pickle import EasyDict

from latentedit.networks import Generator, GeneratorConfig

Variables = dict[str, np.ndarray]


class Network:
    """What TensorFlow's networks pickle as: a new object, and the state that goes into it."""

    def __init__(self, variables: Variables, static_kwargs: dict[str, Any], version: int = 4, **more: Any) -> None:
        self.state = {
            "version": version,
            "name": "Gs",
            "static_kwargs": EasyDict(static_kwargs),
            "components": EasyDict(),
            "build_module_src": "raise SystemExit",
            "build_func_name": "G_main",
            "variables": [(name, np.asarray(x, order="C")) for name, x in variables.items()],
            **more,
        }

    def __getstate__(self) -> dict[str, Any]:
        return self.state


Network.__module__ = "dnnlib.tflib.network"


def write_pickle(path: Path, content: object, protocol: int = 4) -> Path:
    """Pickle the content with the names of NVIDIA's modules in place."""
    modules = {name: ModuleType(name) for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network", "dnnlib.util")}
    modules["dnnlib.tflib.network"].__dict__["Network"] = Network
    modules["dnnlib.util"].__dict__["EasyDict"] = EasyDict
    with mock.patch.dict(sys.modules, modules):
        path.write_bytes(pickle.dumps(content, protocol))
    return path


def translate(generator: Generator) -> Variables:
    """Name and lay out a generator's tensors as TensorFlow has them."""
    state = {name: x.numpy() for name, x in generator.state_dict().items()}
    found = {"dlatent_avg": state["mapping.w_avg"], "synthesis/4x4/Const/const": state["synthesis.b4.const"][None]}
    dense = {f"fc{i}": f"Dense{i}" for i in range(generator.config.num_mapping_layers)} | {"embed": "LabelEmbed"}
    for name, x in state.items():
        match name.split("."):
            case ["mapping", layer, "weight"]:
                found[f"mapping/{dense[layer]}/weight"] = x.T
            case ["mapping", layer, "bias"]:
                found[f"mapping/{dense[layer]}/bias"] = x
            case ["synthesis", block, layer, *part] if part:
                found |= _translate_layer(int(block[1:]), layer, ".".join(part), x)
    return found


def _translate_layer(resolution: int, layer: str, part: str, x: np.ndarray) -> Variables:
    there = {"torgb": "ToRGB", "conv0": "Conv0_up", "conv1": "Conv" if resolution == 4 else "Conv1"}[layer]
    prefix = f"synthesis/{resolution}x{resolution}/{there}"
    match part:
        case "weight" if layer == "conv0":
            return {f"{prefix}/weight": x.transpose(2, 3, 1, 0)[::-1, ::-1]}
        case "weight":
            return {f"{prefix}/weight": x.transpose(2, 3, 1, 0)}
        case "affine.weight":
            return {f"{prefix}/mod_weight": x.T}
        case "affine.bias":
            return {f"{prefix}/mod_bias": x - 1}
        case "noise_const":
            return {f"synthesis/noise{2 * resolution.bit_length() - 7 + int(layer[-1])}": x[None, None]}
    return {f"{prefix}/{part}": x}


def settings(config: GeneratorConfig) -> dict[str, Any]:
    """Say what a config says in TensorFlow's keyword arguments."""
    return {
        "latent_size": config.z_dim,
        "label_size": config.c_dim,
        "dlatent_size": config.w_dim,
        "resolution": config.img_resolution,
        "num_channels": config.img_channels,
        "mapping_layers": config.num_mapping_layers,
        "mapping_lrmul": config.lr_multiplier,
        "dlatent_avg_beta": np.float64(config.w_avg_beta),
        "conv_clamp": config.conv_clamp,
        "num_fp16_res": config.num_fp16_res,
        "architecture": "skip",
        "func_name": "training.networks.G_main",
    }


def make_network(generator: Generator, version: int = 4) -> Network:
    """Make the pickled form of a generator: components within, as from version 3 on, or all in one."""
    variables, static_kwargs = translate(generator), settings(generator.config)
    if version == 2:
        network = Network(variables, static_kwargs, version)
        del network.state["components"]
        return network
    parts = EasyDict(
        {
            part: Network(
                {name.removeprefix(f"{part}/"): x for name, x in variables.items() if name.startswith(part)},
                {"architecture": "skip"} if part == "synthesis" else {},
                version,
            )
            for part in ("synthesis", "mapping")
        }
    )
    own = {"dlatent_avg": variables["dlatent_avg"]}
    return Network(own, static_kwargs, version, components=parts)


def write_tensorflow(path: Path, generator: Generator, version: int = 4, protocol: int = 4) -> Path:
    """Write (G, D, Gs) of a generator."""
    other = Network({}, {}, version)
    return write_pickle(path, (other, other, make_network(generator, version)), protocol)
