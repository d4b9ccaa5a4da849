"""Growing: a training at twice the resolution that starts from where a smaller one stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Conv2dLayer, Discriminator, DiscriminatorBlock
from latentedit.networks.encoder import CodeNetwork
from latentedit.networks.stylegan2 import SynthesisBlock
from latentedit.training.gan import Training

CARRIERS = 6  # channels that carry r, g, b, -r, -g, -b through a leaky ReLU without loss
SLOPE = 0.2  # of the leaky ReLU below zero
SEEING = {"discriminator", "encoder"}
LEARNING: dict[str, Callable[[GeneratorConfig], nn.Module]] = {
    "generator": Generator,
    "discriminator": Discriminator,
    "encoder": CodeNetwork,
}


def grow(training: Training, small: GeneratorConfig, state: dict[str, Any]) -> None:
    """Take over the state of a training at half the resolution: weights, moments, averages, random state.

    The first images are the small generator's, upsampled by the network's own filter; the first logits are
    the small discriminator's, and an anchor's first codes the small encoder's, of the images halved by its filter.
    """
    _require_half(small, training.config)
    networks: dict[str, nn.Module] = {
        name: getattr(training, name) for name in ("generator", "average", "discriminator")
    }
    if training.anchor and "encoder" in state:
        networks["encoder"] = training.anchor.encoder
    for name, network in networks.items():
        _copy(network, state[name])
    newest = f"b{training.config.img_resolution}"
    for name in ("generator", "average"):
        _mute(cast(SynthesisBlock, networks[name].get_submodule(f"synthesis.{newest}")))
    for name in networks.keys() & SEEING:
        fromrgb = [state[name][f"b{small.img_resolution}.fromrgb.{part}"] for part in ("weight", "bias")]
        _pass_on(cast(DiscriminatorBlock, networks[name].get_submodule(newest)), *fromrgb)
    moments = {
        f"{name}_optimiser": _rename_moments(shape(small), networks[name], state[f"{name}_optimiser"])
        for name, shape in LEARNING.items()
        if name in networks
    }
    training.load_state_dict(state | {name: network.state_dict() for name, network in networks.items()} | moments)


def _require_half(small: GeneratorConfig, config: GeneratorConfig) -> None:
    """Refuse a config that is not the small one with one block more."""
    widths = (*small.channels, config.channels[-1])
    if replace(small, img_resolution=2 * small.img_resolution, channels=widths) != config:
        raise InputError(
            f"{small.img_resolution} px with widths {list(small.channels)} does not grow to {config.img_resolution} px "
            f"with widths {list(config.channels)}: give twice the resolution and the same --cbase and --cmax"
        )
    if config.channels[-1] < CARRIERS:
        raise InputError(f"a block of {config.channels[-1]} channels is too narrow to grow: it takes {CARRIERS}")


def _copy(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load the weights that both have; the small discriminator's fromrgb is dropped."""
    known = module.state_dict().keys()
    module.load_state_dict({name: tensor for name, tensor in weights.items() if name in known}, strict=False)


@torch.no_grad()
def _mute(block: SynthesisBlock) -> None:
    """Let a new block add nothing to the image yet."""
    block.torgb.weight.zero_()


@torch.no_grad()
def _pass_on(block: DiscriminatorBlock, weight: Tensor, bias: Tensor) -> None:
    """Let a new block compute what the old fromrgb [O, 3, 1, 1] did, on the image halved.

    Six channels carry the colours and their negatives, since lrelu(x) - lrelu(-x) = (1 + slope) x.
    The channels beyond them keep their random weights and are listened to from the first step on.
    """
    eye = torch.eye(3)
    colours = torch.cat([eye, -eye])  # [6, 3]
    rebuild = torch.cat([eye, -eye], dim=1) / (math.sqrt(2) * (1 + SLOPE))  # [3, 6]
    _set_centre(block.fromrgb, colours)
    _set_centre(block.conv0, colours @ rebuild)
    for layer in (block.conv1, block.skip):
        layer.weight.zero_()
    _set_centre(block.conv1, math.sqrt(2) * (weight[:, :, 0, 0] / math.sqrt(3)) @ rebuild)
    cast(Tensor, block.conv1.bias).copy_(math.sqrt(2) * bias)  # against the root of one half behind both branches


def _set_centre(layer: Conv2dLayer, values: Tensor) -> None:
    """Write the weights [O, I] of the first O outputs, which look at nothing but the first I inputs' centre tap."""
    outputs, inputs = values.shape
    middle = layer.weight.shape[-1] // 2
    layer.weight[:outputs].zero_()
    layer.weight[:outputs, :inputs, middle, middle] = values / layer.weight_gain


def _rename_moments(small: nn.Module, large: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Number an optimiser's moments as the larger network's parameters are; new parameters have none."""
    numbers = {name: i for i, (name, _) in enumerate(large.named_parameters())}
    names = [name for name, _ in small.named_parameters()]
    moments = {numbers[names[i]]: moment for i, moment in state["state"].items() if names[i] in numbers}
    return {"state": moments, "param_groups": [state["param_groups"][0] | {"params": list(numbers.values())}]}
