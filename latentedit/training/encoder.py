"""Train an encoder for a generator: on faces that it rendered, whose ws are known, and on photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.checkpoints import fingerprint
from latentedit.errors import InputError, about, damaged
from latentedit.files import staged
from latentedit.inversion.coordinates import PrincipalAxes, measure_axes
from latentedit.inversion.encoding import read_encoder, save_encoder
from latentedit.inversion.resemblance import compare, describe, shrink
from latentedit.latents import sample
from latentedit.networks import Generator
from latentedit.networks.encoder import LARGEST, EncoderConfig, EncoderNetwork
from latentedit.pictures import image_grid
from latentedit.training.ada import rotation, scaling, translation, warp
from latentedit.training.gan import DTYPES
from latentedit.training.generator import load_state
from latentedit.training.images import draw_batch, load_images

SHEET = 8  # photographs on the sheet of samples
ZOOM, TURN, SHIFT = 0.06, 0.06, 0.03  # by which a photograph is varied at most: logarithm, radians, share of the side
GAIN, OFFSET = 0.15, 0.1  # the same of its colours


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder is trained."""

    num_steps: int = 2000
    batch: int = 8  # rendered faces a step, and as many photographs
    num_faces: int = 4096  # seeds whose ws are rendered
    learning_rate: float = 0.001
    channel_max: int = 256  # width of the widest blocks
    latent_weight: float = 0.1  # of the rendered faces' own coordinates
    population_weight: float = 0.001  # of the mean square of coordinates
    delta_weight: float = 0.001  # of that of the rows' difference from their mean
    precision: str = "bf16"  # of feature maps
    seed: int = 0


def train_encoder(
    generator: Generator,
    data: Sequence[Path],
    outdir: Path,
    settings: EncoderSettings,
    quiet: bool = False,
    start: Path | None = None,
) -> dict[str, float]:
    """Train from the first step to the last and write encoder.safetensors and samples.png; return the last losses.

    Rendered faces mix two faces' styles half of the time, photographs are varied a little. `start` is
    an encoder to go on from, or the state of a generator's training with an anchor. Raises InputError for a conditional
    generator, whose classes photographs don't name.
    """
    config = generator.config
    if config.c_dim or config.img_channels != 3:
        raise InputError("an encoder is trained for a generator of colours without classes: name another --network")
    images = load_images(data, config.img_resolution, quiet)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        encoder = _make(generator, settings, start)
        losses = _train(generator, encoder, images, settings, quiet)
        sheet = draw_batch(images, SHEET).to(generator.mapping.w_avg.device)
    with torch.no_grad(), staged(outdir) as folder:
        pairs = torch.stack([sheet, generator.synthesis(encoder(_view(encoder, sheet)))])
        image_grid(pairs, row_labels=["photograph", "encoded"]).save(folder / "samples.png")
        card = {"settings": asdict(settings), "images": len(images), "losses": losses}
        save_encoder(folder / "encoder.safetensors", encoder, fingerprint(generator), card)
    return losses


def _train(
    generator: Generator, encoder: EncoderNetwork, images: Tensor, settings: EncoderSettings, quiet: bool
) -> dict[str, float]:
    """Take all steps: -> the mean losses of the last tenth."""
    population, ws = measure_axes(generator), sample(generator, range(settings.num_faces))
    optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate, betas=(0.9, 0.99))
    history: list[dict[str, float]] = []
    for step in (bar := tqdm(range(settings.num_steps), desc="training the encoder", disable=quiet)):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * _decay(step / settings.num_steps)
        losses = _losses(generator, encoder, population, _draw_ws(ws, settings.batch), images, settings)
        total: Tensor = sum(losses.values(), torch.zeros([], device=ws.device))
        if not torch.isfinite(total):
            raise InputError(f"the training broke down at step {step}: give a lower --lr")
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append({name: float(loss.detach()) for name, loss in losses.items()})
        bar.set_postfix_str(f"photographs {history[-1]['photographs']:.3f}", refresh=False)
    last = history[-max(1, len(history) // 10) :]
    encoder.eval().requires_grad_(False)
    return {name: sum(row[name] for row in last) / len(last) for name in last[0]}


def _decay(t: float) -> float:
    """Fall along a cosine over the second half: t in [0, 1] -> [0, 1]."""
    return 0.5 + 0.5 * math.cos(math.pi * max(0.0, 2 * t - 1))


def _make(generator: Generator, settings: EncoderSettings, start: Path | None) -> EncoderNetwork:
    """Make an encoder: what `start` holds, or one whose output is at first the population's mean."""
    if start and start.suffix == ".safetensors":
        return read_encoder(start, generator).train().requires_grad_(True)
    config, population = generator.config, measure_axes(generator)
    side = min(config.img_resolution, LARGEST["img_resolution"])
    shape = EncoderConfig(
        side, config.num_ws, config.w_dim, channel_max=settings.channel_max, num_features=config.w_dim
    )
    encoder = EncoderNetwork(shape)
    torch.nn.init.zeros_(encoder.out.weight)
    encoder.mean.copy_(population.mean)
    encoder.axes.copy_(population.axes)
    if start:
        with about(start), damaged("holds no anchor of this generator: give the state of `train generator --anchor`"):
            encoder.take_over(load_state(start)["encoder"], generator.mapping.w_avg.cpu())
    return encoder.to(population.mean.device)


def _draw_ws(ws: Tensor, batch: int) -> Tensor:
    """Draw faces, half of them with another's styles from a random layer on: -> [batch, num_ws, w_dim]."""
    first, second = ws[torch.randint(len(ws), [batch])], ws[torch.randint(len(ws), [batch])]
    crossover = torch.randint(1, 2 * ws.shape[1], [batch, 1, 1])
    return torch.where((torch.arange(ws.shape[1])[:, None] < crossover).to(ws.device), first, second)


def _losses(
    generator: Generator,
    encoder: EncoderNetwork,
    population: PrincipalAxes,
    ws: Tensor,
    images: Tensor,
    settings: EncoderSettings,
) -> dict[str, Tensor]:
    """Compute what a step lowers: for photographs, what a projection to W+ would lower."""
    dtype = DTYPES[settings.precision]
    with torch.no_grad():
        rendered = generator.synthesis(ws, dtype=dtype).clamp(-1, 1)
    photographs = vary(draw_batch(images, settings.batch).to(ws.device))
    shown = torch.cat([rendered, photographs])
    x = encoder.see(_view(encoder, shown), dtype)
    apart = x - x.mean(dim=1, keepdim=True)
    fits = compare(generator.synthesis(population.to_ws(x), dtype=dtype), describe(shown))
    strays = (x[: len(ws)] - population.to_coordinates(ws)).square().mean()
    return {
        "rendered": fits[: len(ws)].mean(),
        "photographs": fits[len(ws) :].mean(),
        "latents": settings.latent_weight * strays,
        "population": settings.population_weight * x.square().mean(),
        "delta": settings.delta_weight * apart.square().mean(),
    }


def vary(images: Tensor) -> Tensor:
    """Zoom, turn, shift and tint images a little: [N, 3, R, R] in [-1, 1] -> same."""
    zoom, turn, x, y = (most * (2 * torch.rand(len(images)) - 1) for most in (ZOOM, TURN, SHIFT, SHIFT))
    maps = translation(2 * x, 2 * y) @ rotation(turn) @ scaling(zoom.exp(), zoom.exp())
    gain, offset = (most * (2 * torch.rand(len(images), 3, 1, 1) - 1).to(images) for most in (GAIN, OFFSET))
    return (warp(images, maps.to(images)) * (1 + gain) + offset).clamp(-1, 1)


def _view(encoder: EncoderNetwork, images: Tensor) -> Tensor:
    return shrink(images, encoder.config.img_resolution)
