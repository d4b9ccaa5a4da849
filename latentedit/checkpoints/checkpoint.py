"""A generator read from a file, and how its network is rebuilt from named tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.networks import AnyConfig, Generator


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A generator fit for use (evaluation mode, no gradients) and what its file says of it."""

    generator: Generator
    format: str  # "nvidia", "rosinality" or "latentedit"
    fingerprint: str
    source: str | None = None
    licence: str | None = None
    notes: tuple[str, ...] = ()  # what the reader had to assume
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> AnyConfig:
        """The shape of the generator."""
        return self.generator.config


def pick_network(content: object, *names: str) -> tuple[Any, tuple[str, ...]]:
    """Return the first of the named networks that a checkpoint holds, and a note unless it is the first choice."""
    held = [name for name in names if isinstance(content, dict) and content.get(name) is not None]
    if not held:
        raise InputError(f"holds no {' and no '.join(names)}: no checkpoint of a StyleGAN generator")
    notes = () if held[0] == names[0] else (f"no {names[0]} in the file: {held[0]} is used",)
    return cast(dict[str, Any], content)[held[0]], notes


def build_generator(config: AnyConfig, state: Mapping[str, Tensor]) -> Generator:
    """Build the network and give it the weights, each of which must be there, fit and be known.

    The names and shapes are compared before memory is taken, so that a file's claims can't exhaust it.
    """
    try:
        with torch.device("meta"):
            expected = Generator(config).state_dict()
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"its network cannot be built: {error}") from error
    _compare(expected, state)
    generator = Generator(config)
    generator.load_state_dict(dict(state))  # copies into float32
    return generator.eval().requires_grad_(False)


def _compare(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if unknown := state.keys() - expected.keys():
        raise InputError(f"holds {_listing(unknown)}, which its generator has no place for")
    if missing := expected.keys() - state.keys():
        raise InputError(f"lacks {_listing(missing)}, which its generator needs")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise InputError(f"{name} is {list(tensor.shape)}: the other tensors ask for {list(expected[name].shape)}")
        if not tensor.is_floating_point() or tensor.untyped_storage().nbytes() < tensor.nbytes:
            raise InputError(f"{name} is not stored as plain floating-point numbers")


def _listing(names: Collection[str]) -> str:
    """Name the first three: -> "'a', 'b', 'c' and 7 more"."""
    shown = ", ".join(repr(name[:80]) for name in sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
