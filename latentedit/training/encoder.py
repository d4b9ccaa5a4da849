"""Train an encoder for a generator: on faces that it rendered, whose ws are known, and on photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.checkpoints import fingerprint
from latentedit.errors import InputError, about, damaged
from latentedit.files import staged
from latentedit.inversion.coordinates import measure_axes
from latentedit.inversion.curvature import measure_curvature, mix_rows
from latentedit.inversion.encoding import read_any_encoder, save_encoder
from latentedit.inversion.resemblance import compare, describe, shrink
from latentedit.latents import sample
from latentedit.networks import Generator
from latentedit.networks.config import AnyConfig
from latentedit.networks.encoder import LARGEST, EncoderConfig, EncoderNetwork, rename_code
from latentedit.pictures import image_grid
from latentedit.training.ada import rotation, scaling, translation, warp
from latentedit.training.gan import DTYPES
from latentedit.training.generator import load_state, save_state
from latentedit.training.images import draw_batch, load_images

STATE = "state.pt"  # in the folder, until all is done
OTHER = "was trained with other settings or data: repeat them or name another --outdir"
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
    num_axes: int = 256  # of W+, along which it moves: those that images answer to most
    probes: int = 5  # by which these are measured, for each dimension of W+
    latent_weight: float = 0.1  # of the rendered faces' own coordinates
    population_weight: float = 0.001  # of the mean square of coordinates
    delta_weight: float = 0.001  # of that of the rows' difference from their mean
    precision: str = "bf16"  # of feature maps
    snapshot: int = 200  # steps between two saves
    seed: int = 0


class EncoderTraining:
    """An encoder, its optimiser and the losses of every step so far."""

    def __init__(
        self,
        generator: Generator,
        encoder: EncoderNetwork,
        images: Tensor,
        settings: EncoderSettings,
        start: Path | None = None,
    ) -> None:
        self.generator, self.encoder, self.images = generator, encoder, images
        self.settings, self.start = settings, start
        self.population, self.ws = measure_axes(generator), sample(generator, range(settings.num_faces))
        self.optimiser = torch.optim.Adam(encoder.parameters(), settings.learning_rate, betas=(0.9, 0.99))
        self.history: list[dict[str, float]] = []

    def step(self) -> dict[str, float]:
        """Lower the losses of one batch; return them."""
        done = len(self.history)
        self.optimiser.param_groups[0]["lr"] = self.settings.learning_rate * _decay(done / self.settings.num_steps)
        losses = self._losses(mix_rows(self.ws, self.settings.batch), draw_batch(self.images, self.settings.batch))
        total: Tensor = sum(losses.values(), torch.zeros([], device=self.ws.device))
        if not torch.isfinite(total):
            raise InputError(f"the training broke down at step {done}: give a lower --lr")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.history.append({name: float(loss.detach()) for name, loss in losses.items()})
        return self.history[-1]

    def _losses(self, ws: Tensor, images: Tensor) -> dict[str, Tensor]:
        """Compute what a step lowers: for photographs, what a projection to W+ would lower."""
        settings, dtype = self.settings, DTYPES[self.settings.precision]
        with torch.no_grad():
            rendered = self.generator.synthesis(ws, dtype=dtype).clamp(-1, 1)
        shown = torch.cat([rendered, vary(images.to(ws.device))])
        found = self.encoder.to_ws(self.encoder.see(_view(self.encoder, shown), dtype))
        x = self.population.to_coordinates(found)
        apart = x - x.mean(dim=1, keepdim=True)
        fits = compare(self.generator.synthesis(found, dtype=dtype), describe(shown))
        strays = (x[: len(ws)] - self.population.to_coordinates(ws)).square().mean()
        return {
            "rendered": fits[: len(ws)].mean(),
            "photographs": fits[len(ws) :].mean(),
            "latents": settings.latent_weight * strays,
            "population": settings.population_weight * x.square().mean(),
            "delta": settings.delta_weight * apart.square().mean(),
        }

    def last_losses(self) -> dict[str, float]:
        """Average the losses of the last tenth."""
        last = self.history[-max(1, len(self.history) // 10) :]
        return {name: sum(row[name] for row in last) / len(last) for name in last[0]}

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs, as plain values and tensors."""
        return {
            "record": self._record(),
            "config": self.encoder.config.to_dict(),
            "encoder": self.encoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same training."""
        if state["record"] != self._record():
            raise InputError(OTHER)
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = list(state["history"])
        torch.set_rng_state(state["rng"])

    def _record(self) -> str:
        """Write what must be the same for a training to go on."""
        seen = len(self.images), int(self.images.sum(dtype=torch.int64))
        return repr((self.settings, str(self.start), fingerprint(self.generator), seen))


def train_encoder(
    generator: Generator,
    data: Sequence[Path],
    outdir: Path,
    settings: EncoderSettings,
    quiet: bool = False,
    start: Path | None = None,
) -> dict[str, float]:
    """Train to the last step and write encoder.safetensors and samples.png; return the last losses.

    Rendered faces mix two faces' styles half of the time, photographs are varied a little. `start` is
    an encoder to go on from, of this generator or of one that it grew from, or the state of a generator's training
    with an anchor. Now and then all is saved in state.pt, so that the same call goes on after a stop, and ends in
    the same weights. Raises InputError for a conditional generator, whose classes photographs don't name.
    """
    config = generator.config
    if config.c_dim or config.img_channels != 3:
        raise InputError("an encoder is trained for a generator of colours without classes: name another --network")
    images = load_images(data, config.img_resolution, quiet)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        training = _begin(generator, images, outdir / STATE, settings, start, quiet)
        _train(training, outdir / STATE, quiet)
        sheet = draw_batch(images, SHEET).to(generator.mapping.w_avg.device)
    losses, encoder = training.last_losses(), training.encoder.eval().requires_grad_(False)
    with torch.no_grad(), staged(outdir) as folder:
        pairs = torch.stack([sheet, generator.synthesis(encoder(_view(encoder, sheet)))])
        image_grid(pairs, row_labels=["photograph", "encoded"]).save(folder / "samples.png")
        card = {"settings": asdict(settings), "images": len(images), "losses": losses}
        save_encoder(folder / "encoder.safetensors", encoder, fingerprint(generator), card)
    (outdir / STATE).unlink(missing_ok=True)
    return losses


def _begin(
    generator: Generator, images: Tensor, path: Path, settings: EncoderSettings, start: Path | None, quiet: bool
) -> EncoderTraining:
    """Set up a training, going on from the state where there is one."""
    if not path.exists():
        return EncoderTraining(generator, make_encoder(generator, settings, start, quiet), images, settings, start)
    state = load_state(path)
    with damaged(f"{path} is no state of an encoder's training: move it away or name another --outdir"):
        encoder = EncoderNetwork(EncoderConfig(**state["config"])).to(generator.mapping.w_avg.device)
        training = EncoderTraining(generator, encoder, images, settings, start)
        with about(path):
            training.load_state_dict(state)
    return training


def _train(training: EncoderTraining, state: Path, quiet: bool) -> None:
    """Take the steps that are left."""
    settings = training.settings
    steps = range(len(training.history), settings.num_steps)
    for step in (bar := tqdm(steps, "training the encoder", settings.num_steps, initial=steps.start, disable=quiet)):
        losses = training.step()
        bar.set_postfix_str(f"photographs {losses['photographs']:.3f}", refresh=False)
        if (step + 1) % settings.snapshot == 0 and step + 1 < settings.num_steps:
            state.parent.mkdir(parents=True, exist_ok=True)
            save_state(training, state)


def _decay(t: float) -> float:
    """Fall along a cosine over the second half: t in [0, 1] -> [0, 1]."""
    return 0.5 + 0.5 * math.cos(math.pi * max(0.0, 2 * t - 1))


def make_encoder(generator: Generator, settings: EncoderSettings, start: Path | None, quiet: bool) -> EncoderNetwork:
    """Make an encoder: what `start` holds for this generator, or one that begins as near as can be to another's."""
    config, population = generator.config, measure_axes(generator)
    shape, begin = _size(config, settings), None
    if start and start.suffix == ".safetensors":
        begin, base = read_any_encoder(start)
        if base == fingerprint(generator):
            return begin.to(population.mean.device).train().requires_grad_(True)
        shape = _refit(begin.config, config, start)
    encoder, whitening = EncoderNetwork(shape), population.whitening.cpu()
    num_probes = settings.probes * config.num_ws * config.w_dim
    torch.nn.init.zeros_(encoder.out.weight)
    encoder.mean.copy_(population.mean)
    encoder.axes.copy_(measure_curvature(generator, population, shape.num_axes, num_probes, quiet))
    if begin:
        encoder.take_over(dict(begin.named_parameters()), begin.axes, begin.mean, whitening)
    elif start:
        with about(start), damaged("holds no anchor of this generator: give the state of `train generator --anchor`"):
            code = rename_code(load_state(start)["encoder"], config.img_resolution)
            encoder.take_over(code, torch.eye(config.w_dim)[:, None], generator.mapping.w_avg.cpu(), whitening)
    return encoder.to(population.mean.device)


def _refit(shape: EncoderConfig, config: AnyConfig, start: Path) -> EncoderConfig:
    """Give another generator's encoder the rows of this one."""
    if shape.w_dim != config.w_dim or shape.img_resolution > config.img_resolution:
        raise InputError(
            f"{start}: sees {shape.img_resolution} px and names {shape.w_dim} numbers a layer, this generator draws "
            f"{config.img_resolution} px of {config.w_dim}: train without --start-from"
        )
    return replace(shape, num_ws=config.num_ws, num_axes=min(shape.num_axes, config.num_ws * config.w_dim))


def _size(config: AnyConfig, settings: EncoderSettings) -> EncoderConfig:
    """Choose the shape of a new encoder."""
    return EncoderConfig(
        min(config.img_resolution, LARGEST["img_resolution"]),
        config.num_ws,
        config.w_dim,
        channel_max=settings.channel_max,
        num_features=config.w_dim,
        num_axes=min(settings.num_axes, config.num_ws * config.w_dim),
    )


def vary(images: Tensor) -> Tensor:
    """Zoom, turn, shift and tint images a little: [N, 3, R, R] in [-1, 1] -> same."""
    zoom, turn, x, y = (most * (2 * torch.rand(len(images)) - 1) for most in (ZOOM, TURN, SHIFT, SHIFT))
    maps = translation(2 * x, 2 * y) @ rotation(turn) @ scaling(zoom.exp(), zoom.exp())
    gain, offset = (most * (2 * torch.rand(len(images), 3, 1, 1) - 1).to(images) for most in (GAIN, OFFSET))
    return (warp(images, maps.to(images)) * (1 + gain) + offset).clamp(-1, 1)


def _view(encoder: EncoderNetwork, images: Tensor) -> Tensor:
    return shrink(images, encoder.config.img_resolution)
