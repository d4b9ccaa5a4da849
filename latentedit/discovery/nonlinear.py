"""An edit learned through generator and scorer that steps otherwise at every face, by a small network of w."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentedit.checkpoints import fingerprint, load_record, save_record
from latentedit.direction import Direction, check_same_generator
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import FEWEST, assemble, calibrate
from latentedit.discovery.learning import Penalty, Schedule, train_step
from latentedit.editing import Sweep, choose_moved, to_raw
from latentedit.errors import InputError, about, damaged
from latentedit.library import check_name
from latentedit.networks import Generator
from latentedit.scoring import Scorer
from latentedit.vocabulary import Unit

KIND, SUFFIX = "nonlinear edit", ".safetensors"
HIDDEN = 64


class StepNetwork(nn.Module):
    """Give each face a step of its own: ws [N, num_ws, w_dim] -> scale (theta + B tanh(A u)), same shape, equal rows.

    u is w, in W+ the mean of its rows, in standard deviations about the mean face; B is zero at first,
    so that it begins as one step for all.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, w_dim: int, hidden: int = HIDDEN, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.theta = nn.Parameter(torch.zeros(w_dim))
        self.inner = nn.Parameter(torch.randn(hidden, w_dim, generator=random) / w_dim**0.5)
        self.outer = nn.Parameter(torch.zeros(w_dim, hidden))
        self.register_buffer("center", torch.zeros(w_dim))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, ws: Tensor) -> Tensor:
        u = (ws.mean(dim=1) - self.center) / self.scale
        bend = torch.tanh(u @ self.inner.t()) @ self.outer.t() / self.outer.shape[1] ** 0.5
        step: Tensor = self.scale * (self.theta + bend)
        return step[:, None].expand_as(ws)


@dataclass(frozen=True, eq=False)
class NonlinearEdit:
    """A learned path in W: each face goes straight, by its own step, ws + alpha * step(w).

    `direction` is the mean step, and alpha counts what it counts along it: a face whose step is twice
    the mean one goes twice as far.
    """

    network: StepNetwork
    direction: Direction
    length: float  # of the mean step, in rows of the direction's vector

    @property
    def name(self) -> str:
        """The direction's."""
        return self.direction.name

    @torch.no_grad()
    def sweep(
        self,
        ws: Tensor,
        alphas: Sequence[float],
        layers: Sequence[int] | None = None,
        unit: Unit | None = None,
    ) -> Sweep:
        """Move every face to every alpha: [N, num_ws, w_dim] -> Sweep of [N, num_alphas, num_ws, w_dim]."""
        moved = list(choose_moved(self.direction, ws, alphas, layers))
        step = torch.zeros_like(ws)
        step[:, moved] = self.network(ws)[:, moved] / self.length
        strides = [to_raw(self.direction, alpha, unit) for alpha in alphas]
        latents = torch.stack([ws + stride * step for stride in strides], dim=1)
        return Sweep(latents, self.direction, tuple(map(float, alphas)), unit or self.direction.unit)


def learn_nonlinear(
    generator: Generator,
    ws: Tensor,
    scorer: Scorer,
    name: str = "nonlinear",
    penalties: Sequence[Penalty] = (),
    schedule: Schedule | None = None,
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> NonlinearEdit:
    """Learn a step for every face so that MSE(A(G(w + alpha step(w))), A(G(w)) + alpha) is least: -> NonlinearEdit.

    As `learn_direction`, with a network of w in place of one theta: what it gains over that is what
    faces need differently. W alone, all layers. Compare Goetschalckx et al. 2019, "GANalyze", eq. 2.
    """
    if len(ws) < FEWEST:
        raise InputError(f"{len(ws)} faces to learn from: give at least {FEWEST}")
    schedule = schedule or Schedule()
    network = StepNetwork(ws.shape[-1], seed=schedule.seed).to(ws.device)
    network.center.copy_(ws[:, 0].mean(dim=0))
    network.scale.fill_(float(ws.std(dim=0).mean()) or 1.0)
    figures = train_step(generator, ws, scorer, network, penalties, schedule, quiet)
    mean = network.requires_grad_(False)(ws).mean(dim=0)[0].cpu()
    facts = {"method": "nonlinear", "scorer": scorer.name, **figures, **(provenance or {})}
    direction = assemble(generator, name, mean, choose_coordinates(generator.config, "w", None), facts)
    return NonlinearEdit(network, calibrate(direction, generator, class_index), float(mean.double().norm()))


def save_nonlinear(edit: NonlinearEdit, path: Path) -> None:
    """Write an edit to one safetensors file, whole or not at all."""
    direction = edit.direction
    header = {
        "kind": KIND,
        "name": direction.name,
        "sigma": direction.sigma,
        "generator": direction.generator,
        "length": edit.length,
        "provenance": direction.provenance,
    }
    save_record(path, {**edit.network.state_dict(), "vector": direction.vector}, header)


def is_nonlinear(path: str | Path) -> bool:
    """Tell whether a file is what `save_nonlinear` wrote."""
    if not str(path).endswith(SUFFIX) or not Path(path).is_file():
        return False
    return load_record(path)[1].get("kind") == KIND


def load_nonlinear(path: str | Path, generator: Generator, any_generator: bool = False) -> NonlinearEdit:
    """Read what `save_nonlinear` wrote, for its own generator unless `any_generator`."""
    state, header = load_record(path)
    with about(path), damaged("no intact nonlinear edit: learn it again"):
        if header["kind"] != KIND:
            raise ValueError("another kind of record")
        name, owner = check_name(header["name"]), str(header["generator"])
        if not any_generator:
            check_same_generator(name, owner, fingerprint(generator))
        vector, sigma, length = state.pop("vector"), float(header["sigma"]), float(header["length"])
        network = StepNetwork(vector.shape[1], len(state["inner"])).requires_grad_(False)
        network.load_state_dict(state)
        if not 0 < length < float("inf") or not all(tensor.isfinite().all() for tensor in state.values()):
            raise ValueError("a step that is not finite")
        layers = tuple(range(generator.config.num_ws))
        direction = Direction(name, vector, layers, "sigma", sigma, owner, dict(header["provenance"]))
    return NonlinearEdit(network.to(generator.mapping.w_avg.device), direction, length)
