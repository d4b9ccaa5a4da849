"""Photographs to latents by optimisation: what StyleGAN2's projector does (Karras et al. 2020), in W, W+ and S."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from latentedit.checkpoints import fingerprint
from latentedit.errors import InputError
from latentedit.inversion.coordinates import Coordinates, measure_axes
from latentedit.inversion.curvature import make_preconditioner
from latentedit.inversion.noise import colouring, normalise, own_noise
from latentedit.inversion.quasi_newton import QuasiNewton
from latentedit.inversion.resemblance import describe, load_loss, shrink
from latentedit.inversion.snapshots import Projection, load_snapshot, save_snapshot
from latentedit.latents import sample
from latentedit.networks import Generator, StyledNetwork
from latentedit.rendering import render
from latentedit.vocabulary import ProjectionLoss, ProjectionSpace

CHUNK = 32  # candidates rendered at once
FRAMES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)  # of all steps, that the strip of the progress shows
CANDIDATE_SIDE = 64  # pixels at which random faces are compared


@dataclass(frozen=True)
class ProjectionSettings:
    """How photographs are projected; a learning rate of 1 is a standard deviation of the population a step."""

    space: ProjectionSpace = "w+"
    loss: ProjectionLoss = "multiscale"
    num_steps: int = 200
    learning_rate: float = 0.15
    rampup: float = 0.05  # share of all steps
    rampdown: float = 0.25
    candidates: int = 256  # random faces from which the start is chosen, at psi 0.7
    population_weight: float = 1e-3  # of the mean square of the coordinates
    delta_weight: float = 1e-3  # of that of the rows' difference from their mean, in W+ (Tov et al. 2021)
    noise_weight: float = 1.0
    patience: int = 60  # steps within which the loss must fall by `least_gain`
    least_gain: float = 0.01
    snapshot: int = 50  # steps between two saves
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Inversion:
    """What a projection found: latents, ws [N, num_ws, w_dim] or styles [N, num_styles], and how it went."""

    latents: Tensor
    losses: tuple[float, ...]
    frames: Tensor  # latents along the way, [F, N, ...]
    settings: ProjectionSettings


def project(
    generator: Generator,
    targets: Tensor,
    settings: ProjectionSettings | None = None,
    start: Tensor | None = None,
    folder: Path | None = None,
    class_index: int | None = None,
    quiet: bool = True,
    on_step: Callable[[int], None] | None = None,
    axes: Tensor | None = None,
) -> Inversion:
    """Project photographs, all in one batch: [N, 3, R, R] in [-1, 1] -> Inversion.

    Each starts from the nearest of many random faces, or from `start`, ws [N, num_ws, w_dim]. Where
    `axes` [K, num_ws, w_dim] tell the generator's curvature in W+, as an encoder's do, steps are
    quasi-Newton's instead of Adam's, need no learning rate, and leave the noise as it is. With a
    `folder` the state is saved there now and then, and the same projection goes on where it stopped;
    it ends in the same bits. Stops early where the loss no longer falls. `on_step` is told how
    many steps are done, after each. Raises InputError where targets are not of the generator's size.
    """
    settings = settings or ProjectionSettings()
    side = generator.config.img_resolution
    if targets.ndim != 4 or targets.shape[1:] != (3, side, side) or generator.config.img_channels != 3:
        raise InputError(f"photographs of shape {list(targets.shape)}: this generator needs [N, 3, {side}, {side}]")
    targets = targets.to(generator.mapping.w_avg.device)
    population = measure_axes(generator, class_index)
    coordinates = Coordinates.of(generator, population, settings.space)
    start = choose_start(generator, targets, settings, class_index) if start is None else start
    state, optimiser = _prepare(coordinates, start, axes if settings.space == "w+" else None)
    path = folder and folder / f".projection-{_digest(generator, targets, start, settings, axes)}.safetensors"
    if path and path.exists():
        load_snapshot(state, optimiser, path)
    _run(coordinates, load_loss(settings.loss, targets), settings, state, optimiser, path, quiet, on_step)
    if path:
        path.unlink(missing_ok=True)
    latents = coordinates.to_latents(state.best).detach()
    frames = torch.stack([coordinates.to_latents(x) for x in (*state.frames, state.best)]).detach()
    return Inversion(latents, tuple(state.losses), frames, settings)


@torch.no_grad()
def choose_start(
    generator: Generator, targets: Tensor, settings: ProjectionSettings, class_index: int | None = None
) -> Tensor:
    """Choose the nearest of many random faces to each target: [N, 3, R, R] -> ws [N, num_ws, w_dim]."""
    seeds = range(settings.seed, settings.seed + settings.candidates)
    ws = sample(generator, seeds, 0.7, class_index=class_index)
    wanted = describe(shrink(targets, CANDIDATE_SIDE))
    parts = (ws[i : i + CHUNK] for i in range(0, len(ws), CHUNK))
    described = [describe(shrink(render(generator, part), CANDIDATE_SIDE)) for part in parts]
    return ws[torch.cdist(wanted, torch.cat(described)).argmin(dim=1)]


def _prepare(coordinates: Coordinates, start: Tensor, axes: Tensor | None) -> tuple[Projection, torch.optim.Optimizer]:
    """Set up the state, and what moves it."""
    x = coordinates.start(start).detach().clone()
    noise = own_noise(coordinates.generator, len(x)) if axes is None else {}
    state = Projection(x, noise, x.clone(), torch.full([len(x)], math.inf, device=x.device))
    unknowns = [tensor.requires_grad_() for tensor in state.unknowns]
    if axes is None:
        return state, torch.optim.Adam(unknowns, betas=(0.9, 0.999))
    return state, QuasiNewton(x, make_preconditioner(axes.to(x), coordinates.population))


def _run(
    coordinates: Coordinates,
    loss: Callable[[Tensor], Tensor],
    settings: ProjectionSettings,
    state: Projection,
    optimiser: torch.optim.Optimizer,
    path: Path | None,
    quiet: bool,
    on_step: Callable[[int], None] | None,
) -> None:
    """Take the steps that are left."""
    frames = {round(share * settings.num_steps) for share in FRAMES}
    steps = range(len(state.losses), settings.num_steps)
    bar = tqdm(steps, desc="projecting", unit="step", disable=quiet)
    for step in bar:
        if step in frames:
            state.frames.append(state.x.detach().clone())
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step / settings.num_steps, settings)
        _step(coordinates, loss, settings, state, optimiser)
        bar.set_postfix_str(f"loss {state.losses[-1]:.4f}", refresh=False)
        if path and (step + 1) % settings.snapshot == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_snapshot(state, optimiser, path)
        if on_step is not None:
            on_step(step + 1)
        if _stands_still(state.losses, settings):
            break


def learning_rate(t: float, settings: ProjectionSettings) -> float:
    """Ramp the rate up linearly and down along a cosine: t in [0, 1] -> rate."""
    down = min(1.0, (1 - t) / settings.rampdown) if settings.rampdown else 1.0
    up = min(1.0, t / settings.rampup + 0.05) if settings.rampup else 1.0
    return settings.learning_rate * up * (0.5 - 0.5 * math.cos(math.pi * down))


def _step(
    coordinates: Coordinates,
    loss: Callable[[Tensor], Tensor],
    settings: ProjectionSettings,
    state: Projection,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Take one step and remember the best x of each photograph."""
    images = paint(coordinates, state.x, state.noise)
    losses = loss(images) + _penalties(state.x, settings)  # [N]
    total = losses.sum() + settings.noise_weight * colouring(state.noise)
    if not torch.isfinite(total):
        raise InputError(f"projection broke down at step {len(state.losses)}: give a lower --lr")
    is_better = losses.detach() < state.best_losses
    state.best[is_better] = state.x.detach()[is_better]
    state.best_losses = torch.minimum(state.best_losses, losses.detach())
    state.losses.append(float(losses.detach().mean()))
    optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    optimiser.step(losses.detach)  # type: ignore[arg-type]  # of every row
    normalise(state.noise)


def paint(coordinates: Coordinates, x: Tensor, noise: dict[str, Tensor]) -> Tensor:
    """Render coordinates with gradients, each face with noise maps of its own: -> [N, 3, R, R]."""
    synthesis, latents = coordinates.generator.synthesis, coordinates.to_latents(x)
    if coordinates.space != "s":
        latents = synthesis.make_styles(latents)
    maps = {f"synthesis.{name}": noise_map for name, noise_map in noise.items()}
    return cast(Tensor, torch.func.functional_call(_Painter(synthesis), maps, latents))


class _Painter(nn.Module):
    """Let `functional_call` reach `render_styles`."""

    def __init__(self, synthesis: StyledNetwork) -> None:
        super().__init__()
        self.synthesis = synthesis

    def forward(self, styles: Tensor) -> Tensor:
        return self.synthesis.render_styles(styles)


def _penalties(x: Tensor, settings: ProjectionSettings) -> Tensor:
    """Weigh how far x lies from the population and, in W+, how far its rows lie apart: -> [N]."""
    total = settings.population_weight * x.square().flatten(1).mean(dim=1)
    if settings.space == "w+":
        apart = x - x.mean(dim=1, keepdim=True)
        total = total + settings.delta_weight * apart.square().flatten(1).mean(dim=1)
    return total


def _stands_still(losses: list[float], settings: ProjectionSettings) -> bool:
    """Tell whether the loss has fallen too little of late."""
    if len(losses) <= settings.patience:
        return False
    return min(losses[-settings.patience :]) > (1 - settings.least_gain) * min(losses[: -settings.patience])


def _digest(
    generator: Generator, targets: Tensor, start: Tensor, settings: ProjectionSettings, axes: Tensor | None
) -> str:
    """Name a projection by all that decides how it ends."""
    digest = hashlib.sha256(json.dumps(asdict(settings)).encode())
    digest.update(fingerprint(generator).encode())
    for tensor in (targets, start, *([] if axes is None else [axes])):
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
