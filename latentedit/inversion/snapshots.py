"""The state of a projection, saved now and then so that it can go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints.records import load_record, save_record
from latentedit.errors import InputError


@dataclass(eq=False)
class Projection:
    """The state of a projection: x by photograph, the best so far, and how it went."""

    x: Tensor
    noise: dict[str, Tensor]
    best: Tensor
    best_losses: Tensor  # [N]
    losses: list[float] = field(default_factory=list)  # mean over photographs, by step
    frames: list[Tensor] = field(default_factory=list)

    @property
    def unknowns(self) -> list[Tensor]:
        """What the optimiser moves."""
        return [self.x, *self.noise.values()]


def save_snapshot(state: Projection, optimiser: torch.optim.Optimizer, path: Path) -> None:
    """Save all that decides how a projection goes on."""
    tensors = {f"unknown.{i}": tensor for i, tensor in enumerate(state.unknowns)}
    for i, entry in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{key}": torch.as_tensor(value) for key, value in entry.items()}
    tensors |= {"best": state.best, "best_losses": state.best_losses, "frames": torch.stack(state.frames)}
    save_record(path, tensors, {"kind": "projection", "losses": state.losses})


def load_snapshot(state: Projection, optimiser: torch.optim.Optimizer, path: Path) -> None:
    """Go on from a saved state, whose name says that it is of the same projection."""
    tensors, header = load_record(path)
    try:
        with torch.no_grad():
            for i, unknown in enumerate(state.unknowns):
                unknown.copy_(tensors[f"unknown.{i}"])
        entries: dict[int, dict[str, Any]] = {i: {} for i in range(len(state.unknowns))}
        for name in (name for name in tensors if name.startswith("optimiser.")):
            _, number, key = name.split(".")
            entries[int(number)][key] = tensors[name]
        state.best.copy_(tensors["best"])
        state.best_losses.copy_(tensors["best_losses"])
        state.frames, state.losses = list(tensors["frames"].to(state.x.device)), [float(x) for x in header["losses"]]
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no state of a projection, or a damaged one: delete it") from error
    optimiser.load_state_dict({**optimiser.state_dict(), "state": entries})
