"""A generator read from a file, and how its network is rebuilt from named tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.checkpoints.archive import require_plain
from latentedit.checkpoints.identity import fingerprint
from latentedit.errors import InputError
from latentedit.networks import AnyConfig, Generator, GeneratorConfig


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A generator fit for use (evaluation mode, no gradients) and what its file says of it."""

    generator: Generator
    format: str  # the tool that wrote the file, such as "nvidia"
    source: str | None = None
    licence: str | None = None
    notes: tuple[str, ...] = ()  # what the reader had to assume
    card: Mapping[str, Any] = field(default_factory=dict)
    stated_fingerprint: str | None = None
    path: Path | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Which generator it is: the hash of its weights as they were when it was first asked for.

        Computing it takes about as long as opening the file, so it is not done then: what was changed
        in a file of latentedit's after it was saved is noticed here, where an InputError is raised.
        """
        found = fingerprint(self.generator)
        if self.stated_fingerprint not in (None, found):
            raise InputError(
                f"{self.path or 'a checkpoint'}: the weights are not those it was saved with "
                f"(fingerprint {found[:12]}): fetch it again"
            )
        return found

    @property
    def config(self) -> AnyConfig:
        """The shape of the generator."""
        return self.generator.config


def pick_network(content: Mapping[str, Any], *names: str) -> tuple[Any, tuple[str, ...]]:
    """Return the first of the named networks that a checkpoint holds, and a note unless it is the first choice."""
    held = [name for name in names if content.get(name) is not None]
    if not held:
        raise InputError(f"holds no {' and no '.join(names)}: no checkpoint of a StyleGAN generator")
    notes = () if held[0] == names[0] else (f"no {names[0]} in the file: {held[0]} is used",)
    return content[held[0]], notes


def build_generator(config: AnyConfig, state: Mapping[str, Tensor]) -> Generator:
    """Build the network and give it the weights, each of which must be there, fit and be known.

    The names and shapes are compared before memory is taken, so that a file's claims can't exhaust it;
    the weights themselves are taken over, not copied, wherever they are float32 already.
    """
    try:
        with torch.device("meta"):
            generator = Generator(config)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"its network cannot be built: {error}") from error
    _compare(generator.state_dict(), state)
    generator.load_state_dict({name: _own(tensor) for name, tensor in state.items()}, assign=True)
    _require_finite(generator.state_dict())
    return generator.eval().requires_grad_(False)


def require_stylegan2(config: AnyConfig) -> GeneratorConfig:
    """Return the config of a StyleGAN2 generator, the only one that most formats can hold."""
    if not isinstance(config, GeneratorConfig):
        raise InputError("the format cannot hold a StyleGAN3 generator: convert to latentedit instead")
    return config


def _own(tensor: Tensor) -> Tensor:
    """Make a tensor float32 and the only one in its storage."""
    own = tensor.detach().float().contiguous()
    return own if own.untyped_storage().nbytes() == own.nbytes else own.clone()


def _require_finite(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not _is_finite(tensor.numpy()):
            raise InputError(f"{name} is not finite: the training broke down, or the file is damaged")


def _is_finite(numbers: np.ndarray) -> bool:
    """Tell whether no number is infinite or NaN; a finite sum says so at once, and takes no second core."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum()) or np.isfinite(numbers).all())


def _compare(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if unknown := state.keys() - expected.keys():
        raise InputError(f"holds {_listing(unknown)}, which its generator has no place for")
    if missing := expected.keys() - state.keys():
        raise InputError(f"lacks {_listing(missing)}, which its generator needs")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise InputError(f"{name} is {list(tensor.shape)}: the other tensors ask for {list(expected[name].shape)}")
        require_plain(name, tensor)


def _listing(names: Collection[str]) -> str:
    """Name the first three: -> "'a', 'b', 'c' and 7 more"."""
    shown = ", ".join(repr(name[:80]) for name in sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
