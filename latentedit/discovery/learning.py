"""A direction learned through generator and scorer: a step of alpha shall change the score by alpha."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from latentedit.direction import Direction, Space
from latentedit.discovery.coordinates import Coordinates, choose_coordinates
from latentedit.discovery.finding import FEWEST, assemble, calibrate
from latentedit.errors import InputError
from latentedit.networks import Generator
from latentedit.predictors import score_together
from latentedit.scoring import Scorer

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From images before and after [N, 3, H, W] and the step between their ws [N, num_ws, w_dim] to a loss [N]."""


MOMENTUM = 0.8


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn; alphas are drawn from -reach to reach standard deviations of the score."""

    num_steps: int = 300
    batch: int = 8
    learning_rate: float = 0.02
    reach: float = 2.0
    seed: int = 0


def learn_direction(
    generator: Generator,
    ws: Tensor,
    scorer: Scorer,
    name: str = "direction",
    penalties: Sequence[Penalty] = (),
    space: Space = "w",
    layers: tuple[int, ...] | None = None,
    schedule: Schedule = Schedule(),
    provenance: Mapping[str, Any] | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> Direction:
    """Learn theta so that MSE(A(G(w + alpha theta)), A(G(w)) + alpha) is least: ws [N, num_ws, w_dim] -> Direction.

    A is a differentiable scorer in standard deviations over the faces ws. In W all `layers` move by
    one row, in W+ each by its own. GANalyze moves z and scales it back to its norm, face by face; W
    needs no such thing. `penalties` are added to the squared error (`hold_scores`, `keep_identity`,
    `stay_near`, or your own). Of the many theta that would do, plain gradient steps from zero lead to a
    short one; Adam's, which GANalyze takes, lean towards the axes of W, which mean nothing. The same
    schedule, faces and machine give the same direction.
    Source: Goetschalckx et al. 2019, "GANalyze", equation 2.
    """
    if space not in ("w", "w+"):
        raise InputError(f"space {space!r}: a direction is learned in w or w+")
    if len(ws) < FEWEST:
        raise InputError(f"{len(ws)} faces to learn from: give at least {FEWEST}")
    coordinates = choose_coordinates(generator.config, space, layers)
    step = ConstantStep(coordinates, float(ws.std(dim=0).mean()) or 1.0).to(ws.device)
    figures = train_step(generator, ws, scorer, step, penalties, schedule, quiet)
    facts = {"method": "learned", "scorer": scorer.name, **figures, **(provenance or {})}
    found = assemble(generator, name, step.theta.detach().flatten().cpu(), coordinates, facts)
    return calibrate(found, generator, class_index)


class ConstantStep(nn.Module):
    """The same step for every face: ws [N, num_ws, w_dim] -> theta of W's scale on its layers, zero elsewhere."""

    def __init__(self, coordinates: Coordinates, scale: float) -> None:
        super().__init__()
        num_rows = len(coordinates.layers) if coordinates.space == "w+" else 1
        self.layers, self.scale = list(coordinates.layers), scale
        self.theta = nn.Parameter(torch.zeros(num_rows, coordinates.config.w_dim))

    def forward(self, ws: Tensor) -> Tensor:
        step = torch.zeros_like(ws)
        step[:, self.layers] = self.scale * self.theta
        return step


def train_step(
    generator: Generator,
    ws: Tensor,
    scorer: Scorer,
    step: nn.Module,
    penalties: Sequence[Penalty],
    schedule: Schedule,
    quiet: bool,
) -> dict[str, Any]:
    """Train what maps ws to a step of one alpha; return the losses and settings, fit for JSON."""
    random = torch.Generator().manual_seed(schedule.seed)
    optimizer = torch.optim.SGD(step.parameters(), lr=schedule.learning_rate, momentum=MOMENTUM)
    sd, losses = _spread(generator, scorer, ws), []
    for _ in tqdm(range(schedule.num_steps), desc=f"learning {scorer.name}", disable=quiet):
        w = ws[torch.randint(len(ws), (schedule.batch,), generator=random)]
        alpha = schedule.reach * (2 * torch.rand(schedule.batch, generator=random) - 1).to(ws)
        move = alpha[:, None, None] * step(w)
        with torch.no_grad():
            before = generator.synthesis(w)
        after = generator.synthesis(w + move)
        error = ((scorer(after) - scorer(before)) / sd - alpha).square()
        loss = sum((penalty(before, after, move) for penalty in penalties), error).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    if not all(parameter.isfinite().all() for parameter in step.parameters()):
        raise InputError(
            f"learning {scorer.name} went astray: give a smaller learning rate than {schedule.learning_rate:g}"
        )
    tenth = max(1, len(losses) // 10)
    return {
        "schedule": asdict(schedule),
        "num_penalties": len(penalties),
        "sd_score": float(sd),
        "first_loss": sum(losses[:tenth]) / tenth,
        "last_loss": sum(losses[-tenth:]) / tenth,
    }


@torch.no_grad()
def _spread(generator: Generator, scorer: Scorer, ws: Tensor, num_faces: int = 128) -> Tensor:
    """Measure the standard deviation of a score over the first faces."""
    sd = torch.cat([scorer(generator.synthesis(w)) for w in torch.split(ws[:num_faces], 16)]).std()
    if not sd > 0:
        raise InputError(f"{scorer.name} gives every face the same score: no direction can be learned from it")
    return sd


def hold_scores(scorers: Sequence[tuple[Scorer, float]], weight: float = 1.0) -> Penalty:
    """Penalise the squared change of other scores, each in the standard deviations given with it."""

    def penalize(before: Tensor, after: Tensor, move: Tensor) -> Tensor:
        held, sds = zip(*scorers, strict=True)
        changes = score_together(held, after) - score_together(held, before)
        return weight * (changes / changes.new_tensor(sds)).square().sum(dim=-1)

    return penalize


def keep_identity(embed: Callable[[Tensor], Tensor], weight: float = 1.0) -> Penalty:
    """Penalise 1 - cosine of any embedding, images [N, 3, H, W] -> [N, D], before and after."""

    def penalize(before: Tensor, after: Tensor, move: Tensor) -> Tensor:
        return weight * (1 - F.cosine_similarity(embed(after), embed(before), dim=1))

    return penalize


def stay_near(weight: float = 1.0) -> Penalty:
    """Penalise the mean square of the step in ws."""

    def penalize(before: Tensor, after: Tensor, move: Tensor) -> Tensor:
        return weight * move.square().mean(dim=[1, 2])

    return penalize
