"""Pivotal tuning (Roich et al. 2021): the generator fitted to photographs at their latents, as a small difference."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.checkpoints import fingerprint
from latentedit.checkpoints.records import load_record, save_record
from latentedit.errors import InputError, about
from latentedit.inversion.resemblance import compare, describe
from latentedit.latents import check_fit, sample
from latentedit.networks import Generator

KIND = "tuning"
LEFT, RIGHT = ".left", ".right"  # factors of a difference [rows, rank], [rank, columns]


@dataclass(frozen=True)
class TuningSettings:
    """How a generator is tuned."""

    num_steps: int = 60
    learning_rate: float = 0.003
    rank: int = 16  # of the difference of each convolution
    locality_weight: float = 0.3  # of staying as it was on random faces
    locality_faces: int = 1  # a step
    target_loss: float = 0.005  # at which it stops
    seed: int = 0


Difference = Mapping[str, Tensor]


def tune(
    generator: Generator,
    ws: Tensor,
    targets: Tensor,
    settings: TuningSettings | None = None,
    class_index: int | None = None,
    quiet: bool = True,
) -> dict[str, Tensor]:
    """Fit synthesis to photographs at their latents: ws [N, num_ws, w_dim], [N, 3, R, R] -> difference.

    The difference holds low-rank factors of the convolutions and whole small tensors. Mapping and
    affines stay, so that W, directions and StyleSpace's channels mean what they meant. Random faces
    between the pivots and the population are held where the generator had them (the locality
    regularisation). Steps end at `num_steps`, or where the mean loss falls below `target_loss`.
    """
    settings = settings or TuningSettings()
    check_fit(ws, (generator.config.num_ws, generator.config.w_dim))
    difference = _start(generator, settings)
    optimiser = torch.optim.Adam(difference.values(), settings.learning_rate, betas=(0.9, 0.99))
    described = describe(targets)
    others = sample(generator, range(settings.seed, settings.seed + 256), 1.0, class_index=class_index)
    random = torch.Generator().manual_seed(settings.seed)
    bar = tqdm(range(settings.num_steps), desc="tuning", unit="step", disable=quiet)
    for step in bar:
        optimiser.param_groups[0]["lr"] = settings.learning_rate * min(1.0, 2 * (1 - step / settings.num_steps))
        fits = compare(_paint(generator, difference, ws), described)
        if float(fits.detach().mean()) < settings.target_loss:
            break
        total = fits.mean() + settings.locality_weight * _stray(generator, difference, ws, others, settings, random)
        bar.set_postfix_str(f"loss {float(fits.detach().mean()):.4f}", refresh=False)
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {name: tensor.detach().half().float() for name, tensor in difference.items()}


def _start(generator: Generator, settings: TuningSettings) -> dict[str, Tensor]:
    """Make a difference of nothing: random right factors beside left ones of zero."""
    difference: dict[str, Tensor] = {}
    random = torch.Generator().manual_seed(settings.seed)
    for name, weight in generator.synthesis.named_parameters():
        if ".affine." in name:
            continue
        rows, columns = len(weight) if weight.ndim else 1, weight[0].numel() if weight.ndim > 1 else 1
        if settings.rank * (rows + columns) < weight.numel():
            right = torch.randn(settings.rank, columns, generator=random) / math.sqrt(settings.rank)
            difference |= {name + LEFT: torch.zeros(rows, settings.rank), name + RIGHT: right}
        else:
            difference[name] = torch.zeros_like(weight)
    device = generator.mapping.w_avg.device
    return {name: tensor.to(device).requires_grad_() for name, tensor in difference.items()}


def add(state: Mapping[str, Tensor], difference: Difference) -> dict[str, Tensor]:
    """Compute the tuned weights, only those that differ: W + left @ right, or W + D."""
    tuned = {}
    for name, change in difference.items():
        if name.endswith(LEFT):
            base = name.removesuffix(LEFT)
            tuned[base] = state[base] + (change @ difference[base + RIGHT]).reshape(state[base].shape)
        elif not name.endswith(RIGHT):
            tuned[name] = state[name] + change
    return tuned


def _paint(generator: Generator, difference: Difference, ws: Tensor) -> Tensor:
    """Render by the tuned weights, with gradients."""
    weights = add(dict(generator.synthesis.named_parameters()), difference)
    images: Tensor = torch.func.functional_call(generator.synthesis, weights, ws)
    return images


def _stray(
    generator: Generator,
    difference: Difference,
    ws: Tensor,
    others: Tensor,
    settings: TuningSettings,
    random: torch.Generator,
) -> Tensor:
    """Measure how far faces on the way from pivots to random faces leave where they were: -> scalar."""
    count = settings.locality_faces
    pivots = ws[torch.randint(len(ws), [count], generator=random)]
    faces = others[torch.randint(len(others), [count], generator=random)]
    between = pivots.lerp(faces, torch.rand(count, 1, 1, generator=random).to(ws))
    with torch.no_grad():
        before = describe(generator.synthesis(between))
    return compare(_paint(generator, difference, between), before).mean()


def apply_difference(generator: Generator, difference: Difference) -> Generator:
    """Make the tuned generator; the given one stays as it is."""
    tuned = copy.deepcopy(generator)
    weights = add(dict(generator.synthesis.named_parameters()), difference)
    tuned.synthesis.load_state_dict({**tuned.synthesis.state_dict(), **weights})
    return tuned.eval().requires_grad_(False)


def save_difference(
    path: str | Path, difference: Difference, base: str, settings: TuningSettings | None = None
) -> None:
    """Write a difference in float16 to one safetensors file, with the fingerprint of the generator it is to."""
    header = {"kind": KIND, "base": base, "settings": asdict(settings or TuningSettings())}
    save_record(path, {name: tensor.half() for name, tensor in difference.items()}, header)


def load_tuned(path: str | Path, generator: Generator) -> Generator:
    """Load the generator that a file's difference makes of this one.

    Raises InputError where the file is none, or belongs to another generator.
    """
    tensors, header = load_record(path)
    with about(path):
        if header.get("kind") != KIND:
            raise InputError("holds no tuning: give what `latentedit invert --tune` wrote")
        own = fingerprint(generator)
        if header.get("base") != own:
            raise InputError(f"tunes generator {str(header.get('base'))[:12]}, this one is {own[:12]}: give its own")
        return apply_difference(generator, _check(tensors, generator))


def _check(tensors: Mapping[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """Hold a file's tensors against the weights that they are to change."""
    state = dict(generator.synthesis.named_parameters())
    for name, tensor in tensors.items():
        base = name.removesuffix(LEFT).removesuffix(RIGHT)
        if base not in state or not tensor.is_floating_point() or not tensor.isfinite().all():
            raise InputError(f"damaged: {name[:80]!r} changes no weight, or is not finite")
        if name.endswith((LEFT, RIGHT)) and not {base + LEFT, base + RIGHT} <= tensors.keys():
            raise InputError(f"damaged: half of {base[:80]!r} is missing")
    difference = {name: tensor.float().to(generator.mapping.w_avg.device) for name, tensor in tensors.items()}
    try:
        weights = add(state, difference)
    except (RuntimeError, ValueError) as error:
        raise InputError("damaged: its tensors don't fit the generator's") from error
    if any(weights[name].shape != state[name].shape for name in weights):
        raise InputError("damaged: its tensors don't fit the generator's")
    return difference
