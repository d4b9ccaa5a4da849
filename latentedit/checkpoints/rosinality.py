"""rosinality's stylegan2-pytorch and its descendants: converted files and training checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentedit.checkpoints.archive import require_plain, require_state
from latentedit.checkpoints.checkpoint import Checkpoint, pick_network, require_stylegan2
from latentedit.checkpoints.completion import complete_generator, silence
from latentedit.checkpoints.inference import infer_config, split_filters
from latentedit.checkpoints.stored import StoredTensor
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig
from stylegan_ops import setup_filter


class Rule(NamedTuple):
    """How a tensor is called here, and how its values are read and written."""

    name: str
    read: Callable[[Tensor], Tensor]
    write: Callable[[Tensor], Tensor]


def _keep(x: Tensor) -> Tensor:
    return x


def _drop_axis(x: Tensor) -> Tensor:
    return x.squeeze(0)


def _add_axis(x: Tensor) -> Tensor:
    return x.unsqueeze(0)


def _divide_by_gain(kernel: Tensor) -> Tensor:
    return kernel / 4  # rosinality keeps the gain of upsampling in the filter


def _multiply_by_gain(kernel: Tensor) -> Tensor:
    return kernel * 4


# A layer's tensors: the name there, the rule.
PARTS = {
    "conv.weight": Rule("weight", _drop_axis, _add_axis),
    "conv.modulation.weight": Rule("affine.weight", _keep, _keep),
    "conv.modulation.bias": Rule("affine.bias", _keep, _keep),
    "activate.bias": Rule("bias", _keep, _keep),
    "noise.weight": Rule("noise_strength", _drop_axis, _add_axis),
    "bias": Rule("bias", torch.flatten, lambda x: x.reshape(1, -1, 1, 1)),
    "conv.blur.kernel": Rule("resample_filter", _divide_by_gain, _multiply_by_gain),
    "upsample.kernel": Rule("resample_filter", _divide_by_gain, _multiply_by_gain),
}
CONV = ("conv.weight", "conv.modulation.weight", "conv.modulation.bias", "activate.bias", "noise.weight")
TORGB = ("conv.weight", "conv.modulation.weight", "conv.modulation.bias", "bias")


def interpret(content: dict[str, Any]) -> Checkpoint:
    """Read the generator of a .pt file: g_ema, or g where there is no average."""
    network, notes = pick_network(content, "g_ema", "g")
    return assemble(network, content.get("latent_avg"), _name_tool(content), notes)


def assemble(network: object, latent_avg: object, format: str, notes: tuple[str, ...]) -> Checkpoint:
    """Build the generator from a state dict under rosinality's names, and the mean of w beside it."""
    found = [(_find_rule(name), x) for name, x in require_state(network).items()]
    weights, taps = split_filters({rule.name: rule.read(x) for rule, x in found})
    config = replace(infer_config(weights), resample_filter=taps)
    if isinstance(latent_avg, Tensor | StoredTensor):
        weights["mapping.w_avg"], averaged = _read_average(require_plain("latent_avg", latent_avg))
        notes += averaged
    generator, made_up = complete_generator(config, weights)
    return Checkpoint(generator, format, notes=notes + made_up)


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


def _find_rule(name: str) -> Rule:
    """Look up a tensor; a name that is not rosinality's stays, to be refused as unknown."""
    # The two layers at 4 x 4 stand outside the lists there; as number -1 they obey the lists' rule.
    indexed = re.sub(r"^(conv|to_rgb)1\.", r"\1s.-1.", name)
    if name == "input.input":
        return Rule("synthesis.b4.const", _drop_axis, _add_axis)
    if found := re.fullmatch(r"style\.(\d{1,3})\.(weight|bias)", name):
        return Rule(f"mapping.fc{int(found[1]) - 1}.{found[2]}", _keep, _keep)
    if found := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        layer = _conv(int(found[1]) - 1)
        return Rule(f"{layer}.noise_const", lambda x: x.squeeze(0).squeeze(0), lambda x: x[None, None])
    if (found := re.fullmatch(r"(convs|to_rgbs)\.(-1|\d{1,2})\.(.+)", indexed)) and found[3] in PARTS:
        layer = (_conv if found[1] == "convs" else _torgb)(int(found[2]))
        return PARTS[found[3]]._replace(name=f"{layer}.{PARTS[found[3]].name}")
    return Rule(name, _keep, _keep)


def _conv(index: int) -> str:
    """Name a convolution: 0 and 1 are those at 8 x 8, -1 the one at 4 x 4."""
    return f"synthesis.b{2 ** (3 + index // 2)}.conv{index % 2}"


def _torgb(index: int) -> str:
    """Name a toRGB layer: 0 is the one at 8 x 8, -1 the one at 4 x 4."""
    return f"synthesis.b{2 ** (3 + index)}.torgb"


def express(generator: Generator) -> dict[str, Any]:
    """Write a generator as convert_weight.py does: -> {"g_ema": a state dict, "latent_avg": [w_dim]}."""
    config = require_stylegan2(generator.config)
    _require_plain_config(config)
    state = generator.state_dict()
    if not config.use_noise:
        state = {**state, **_silent_layers(config)}
    kernel = setup_filter(config.resample_filter)
    rules = {name: _find_rule(name) for name in _names(config)}
    g_ema = {name: rule.write(state.get(rule.name, kernel)).clone() for name, rule in rules.items()}
    return {"g_ema": g_ema, "latent_avg": state["mapping.w_avg"]}


def _require_plain_config(config: GeneratorConfig) -> None:
    """Refuse what that code has no place for."""
    obstacles = {
        f"{config.c_dim} classes": config.c_dim > 0,
        f"{config.img_channels} image channels, not 3": config.img_channels != 3,
        f"z_dim {config.z_dim} beside w_dim {config.w_dim}": config.z_dim != config.w_dim,
        f"mapping layers of width {config.layer_features}": config.layer_features not in (None, config.w_dim),
    }
    if found := [obstacle for obstacle, is_there in obstacles.items() if is_there]:
        raise InputError(f"rosinality's format cannot hold this generator: it has {', '.join(found)}")


def _silent_layers(config: GeneratorConfig) -> dict[str, Tensor]:
    """Make the noise inputs that every generator has there, for one that has none: all zero."""
    maps = silence(config)
    return {**maps, **{name.replace("noise_const", "noise_strength"): torch.zeros([]) for name in maps}}


def _names(config: GeneratorConfig) -> Iterator[str]:
    """List the tensors of a state dict there."""
    count = len(config.resolutions) - 1
    yield "input.input"
    for i in range(config.num_mapping_layers):
        yield from (f"style.{i + 1}.weight", f"style.{i + 1}.bias")
    yield from ("conv1." + part for part in CONV)
    yield from ("to_rgb1." + part for part in TORGB)
    for i in range(2 * count):
        yield from (f"convs.{i}.{part}" for part in CONV)
    for i in range(0, 2 * count, 2):
        yield f"convs.{i}.conv.blur.kernel"
    for i in range(count):
        yield from (f"to_rgbs.{i}.{part}" for part in (*TORGB, "upsample.kernel"))
    yield from (f"noises.noise_{i}" for i in range(2 * count + 1))
