"""The state of a GAN's training, and one step of it."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.networks import Generator, GeneratorConfig
from latentedit.networks.discriminator import Discriminator
from latentedit.training.augmentation import augment
from latentedit.training.images import draw_batch
from latentedit.training.settings import Settings as Settings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Training:
    """Everything that changes while a generator is trained; `state_dict` holds all of it."""

    def __init__(self, config: GeneratorConfig, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.config, self.settings, self.device = config, settings, device
        self.dtype = DTYPES[settings.precision]
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        for module in (self.generator, self.discriminator):  # convolutions are far faster on channels_last weights
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.lazy = settings.r1_interval / (settings.r1_interval + 1)  # Karras et al. 2020, appendix B
        self.generator_optimiser = _adam(self.generator, settings.learning_rate, 1.0)
        self.discriminator_optimiser = _adam(self.discriminator, settings.learning_rate, self.lazy)
        self.num_images = 0

    def step(self, images: Tensor) -> dict[str, float]:
        """Take one step of discriminator and generator on uint8 images; return the losses."""
        reals = draw_batch(images, self.settings.batch).to(self.device, memory_format=torch.channels_last)
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
        z = torch.randn(2, self.settings.batch, self.config.z_dim).to(self.device)
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
        random = {"rng": torch.get_rng_state()}
        if self.device.type == "cuda":  # the noise inputs are drawn there, everything else on the CPU
            random["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        return parts | random | {"num_images": self.num_images, "record": json.dumps(record)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, at the learning rate of the present settings."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.generator_optimiser.param_groups[0]["lr"] = self.settings.learning_rate
        self.discriminator_optimiser.param_groups[0]["lr"] = self.settings.learning_rate * self.lazy
        self.num_images = state["num_images"]
        torch.set_rng_state(state["rng"])
        if self.device.type == "cuda" and "cuda_rng" in state:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        names = ("generator", "discriminator", "average", "generator_optimiser", "discriminator_optimiser")
        return {name: getattr(self, name) for name in names}


def mix_styles(w: Tensor, other: Tensor, num_ws: int, probability: float) -> Tensor:
    """Take some rows' upper layers from another face: two [N, w_dim] -> ws [N, num_ws, w_dim]."""
    crossover = torch.randint(1, num_ws, [len(w), 1])
    mixed = (torch.rand(len(w), 1) < probability) & (torch.arange(num_ws) >= crossover)  # [N, num_ws]
    return torch.where(mixed[..., None].to(w.device), other[:, None], w[:, None])


def _adam(module: nn.Module, learning_rate: float, lazy: float) -> torch.optim.Adam:
    """Adam with the rate and memory shortened by the share of regularised steps."""
    return torch.optim.Adam(module.parameters(), lr=learning_rate * lazy, betas=(0.0, 0.99**lazy), eps=1e-8)


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
