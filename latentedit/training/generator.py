"""Train a small StyleGAN2 generator from folders of photographs."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from latentedit.checkpoints import load_generator_file, save_generator
from latentedit.errors import InputError
from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Discriminator
from latentedit.training.augmentation import augment
from latentedit.training.images import draw_batch, load_images

SMALL_CONFIG = GeneratorConfig(
    img_resolution=64,
    channels=(256, 256, 128, 64, 32),
    z_dim=256,
    w_dim=256,
    num_mapping_layers=4,
    use_noise=False,  # with so few images it draws features from the noise instead of from w
)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Settings:
    """How a generator is trained; the defaults suit a few thousand faces at 64 px on a CPU."""

    batch: int = 16
    learning_rate: float = 0.0025
    r1_gamma: float = 0.1
    r1_interval: int = 16  # lazy regularisation: every so many steps
    ema_images: int = 10_000  # half-life of the averaged weights
    ema_rampup: float = 0.05
    style_mixing: float = 0.5
    precision: str = "bf16"
    seed: int = 0


class Training:
    """Everything that changes while a generator is trained; `state_dict` holds all of it."""

    def __init__(self, config: GeneratorConfig, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        self.config, self.settings = config, settings
        self.dtype = DTYPES[settings.precision]
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        for module in (self.generator, self.discriminator):  # a CPU convolves channels_last weights far faster
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        lazy = settings.r1_interval / (settings.r1_interval + 1)  # Karras et al. 2020, appendix B
        self.generator_optimiser = _adam(self.generator, settings.learning_rate, 1.0)
        self.discriminator_optimiser = _adam(self.discriminator, settings.learning_rate, lazy)
        self.num_images = 0

    def step(self, images: Tensor) -> dict[str, float]:
        """Take one step of discriminator and generator on uint8 images; return the losses."""
        reals = draw_batch(images, self.settings.batch).contiguous(memory_format=torch.channels_last)
        losses = self._step_discriminator(reals)
        if self.num_images // self.settings.batch % self.settings.r1_interval == 0:
            losses |= self._regularise(reals)
        losses |= self._step_generator()
        self.num_images += self.settings.batch
        self._update_average()
        return losses

    def _step_discriminator(self, reals: Tensor) -> dict[str, float]:
        with torch.no_grad():
            fakes = self._render()
        real_logits = self._judge(reals)
        loss = F.softplus(self._judge(fakes)).mean() + F.softplus(-real_logits).mean()
        _descend(loss, self.discriminator_optimiser)
        return {"discriminator": float(loss.detach()), "real_sign": float(real_logits.detach().sign().mean())}

    def _regularise(self, reals: Tensor) -> dict[str, float]:
        """Penalise the gradient at real images (lazy R1; Mescheder et al. 2018)."""
        reals = reals.detach().requires_grad_()
        logits = self.discriminator(augment(reals))
        (gradient,) = torch.autograd.grad(logits.sum(), reals, create_graph=True)
        penalty = gradient.square().sum(dim=[1, 2, 3]).mean()
        _descend(penalty * (self.settings.r1_gamma / 2 * self.settings.r1_interval), self.discriminator_optimiser)
        return {"r1": float(penalty.detach())}

    def _step_generator(self) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        loss = F.softplus(-self._judge(self._render(track=True))).mean()
        _descend(loss, self.generator_optimiser)
        self.discriminator.requires_grad_(True)
        return {"generator": float(loss.detach())}

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(augment(images), self.dtype)
        return logits

    def _render(self, track: bool = False) -> Tensor:
        """Render a batch of random faces, some with two styles mixed: -> [batch, 3, R, R]."""
        z = torch.randn(2, self.settings.batch, self.config.z_dim)
        w = self.generator.mapping(z[0])
        if track:
            self.generator.mapping.track_average(w)
        ws = mix_styles(w, self.generator.mapping(z[1]), self.config.num_ws, self.settings.style_mixing)
        images: Tensor = self.generator.synthesis(ws, noise_mode="random", dtype=self.dtype)
        return images

    @torch.no_grad()
    def _update_average(self) -> None:
        half_life = min(self.settings.ema_images, self.num_images * self.settings.ema_rampup)
        keep = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        for average, live in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            average.lerp_(live, 1 - keep)
        self.average.mapping.w_avg.copy_(self.generator.mapping.w_avg)

    def state_dict(self) -> dict[str, Any]:
        """Collect all that a later run needs to go on as if it had never stopped."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        record = {"config": self.config.to_dict(), "settings": asdict(self.settings)}
        return parts | {"num_images": self.num_images, "rng": torch.get_rng_state(), "record": json.dumps(record)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.num_images = state["num_images"]
        torch.set_rng_state(state["rng"])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        names = ("generator", "discriminator", "average", "generator_optimiser", "discriminator_optimiser")
        return {name: getattr(self, name) for name in names}


def train_generator(
    data: Sequence[Path],
    outdir: Path,
    num_images: int,
    config: GeneratorConfig = SMALL_CONFIG,
    settings: Settings | None = None,
    snapshot_images: int = 8_000,
    quiet: bool = False,
) -> Path:
    """Train until `num_images` have been seen, going on from what `outdir` holds; return the state's path.

    Every `snapshot_images` the state is written (`state.pt`, whole or not at all), with a sheet of
    samples and a line in `log.jsonl`. A killed run repeats the images since then and ends in the
    same weights as one that never stopped.
    """
    images = load_images(data, config.img_resolution, quiet)
    outdir.mkdir(parents=True, exist_ok=True)
    state_path = outdir / "state.pt"
    with torch.random.fork_rng():
        training = resume(state_path, config, settings or Settings())
        for losses in _steps(training, images, num_images, quiet):
            if training.num_images % snapshot_images < training.settings.batch or training.num_images >= num_images:
                save_state(training, state_path)
                write_snapshot(training, outdir, losses)
    return state_path


def resume(state_path: Path, config: GeneratorConfig, settings: Settings) -> Training:
    """Set up a training, going on from the state file where there is one."""
    training = Training(config, settings)
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        record = json.loads(state["record"])
        if GeneratorConfig.from_dict(record["config"]) != config or Settings(**record["settings"]) != settings:
            raise InputError(f"{state_path} was trained with other settings: repeat them or name another --outdir")
        training.load_state_dict(state)
    return training


def export_generator(state_path: Path, out: Path, source: str, licence: str | None) -> str:
    """Write the averaged weights of a training's state as a float16 checkpoint; return its fingerprint."""
    state = torch.load(state_path, weights_only=True)
    record = json.loads(state["record"])
    generator = Generator(GeneratorConfig.from_dict(record["config"]))
    generator.load_state_dict(state["average"])
    card = {"num_images": state["num_images"], "settings": record["settings"]}
    save_generator(out, generator, source, licence, torch.float16, card)
    return load_generator_file(out).fingerprint


def _steps(training: Training, images: Tensor, num_images: int, quiet: bool) -> Iterator[dict[str, float]]:
    """Step until enough images were seen, showing progress."""
    with tqdm(
        total=num_images, initial=training.num_images, unit="img", desc="training", disable=quiet, smoothing=0.01
    ) as bar:
        while training.num_images < num_images:
            losses = training.step(images)
            bar.update(training.settings.batch)
            bar.set_postfix({name: f"{value:.2f}" for name, value in losses.items()}, refresh=False)
            yield losses


def save_state(training: Training, path: Path) -> None:
    """Write the training's state, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(training.state_dict(), temporary)
    os.replace(temporary, path)


@torch.no_grad()
def write_snapshot(
    training: Training, outdir: Path, losses: dict[str, float], rows: int = 4, columns: int = 12
) -> None:
    """Write a sheet of samples at psi 0.7 and a line of losses."""
    z = torch.randn(rows * columns, training.config.z_dim, generator=torch.Generator().manual_seed(3))
    average = training.average
    images = average.synthesis(average.map(z, truncation_psi=0.7))
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)  # [N, R, R, 3]
    side = training.config.img_resolution
    sheet = pixels.reshape(rows, columns, side, side, -1).transpose(1, 2).reshape(rows * side, columns * side, -1)
    Image.fromarray(sheet.numpy()).save(outdir / f"samples-{training.num_images:07d}.png")
    line = {"num_images": training.num_images, "time": round(time.time()), **losses}
    with (outdir / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def mix_styles(w: Tensor, other: Tensor, num_ws: int, probability: float) -> Tensor:
    """Take some rows' upper layers from another face: two [N, w_dim] -> ws [N, num_ws, w_dim]."""
    crossover = torch.randint(1, num_ws, [len(w), 1])
    mixed = (torch.rand(len(w), 1) < probability) & (torch.arange(num_ws) >= crossover)  # [N, num_ws]
    return torch.where(mixed[..., None], other[:, None], w[:, None])


def _adam(module: nn.Module, learning_rate: float, lazy: float) -> torch.optim.Adam:
    """Adam with the rate and memory shortened by the share of regularised steps."""
    return torch.optim.Adam(module.parameters(), lr=learning_rate * lazy, betas=(0.0, 0.99**lazy), eps=1e-8)


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
