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
from latentedit.training.ada import Strength, augment_adaptively
from latentedit.training.anchor import Anchor
from latentedit.training.augmentation import augment
from latentedit.training.images import draw_batch
from latentedit.training.settings import Settings as Settings

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ADA = ("ada_target", "ada_images", "ada_start")
CHANGEABLE = ("learning_rate", "augment", *ADA, "path_weight", "path_interval", "anchor")
PATH_MEMORY = 0.01  # share of a batch in the running mean of path lengths


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
        self.strength = Strength(settings.ada_start, settings.ada_target, settings.ada_images)
        self.path_length = torch.zeros([], device=device)
        self.generator_optimiser = _adam(self.generator)
        self.discriminator_optimiser = _adam(self.discriminator)
        self.anchor = Anchor(config, device, self.dtype) if settings.anchor else None
        self._set_rates()
        self.num_images = 0

    def _set_rates(self) -> None:
        """Give both optimisers the present settings' rates."""
        paths = self.settings.path_interval if self.settings.path_weight else None
        _set_rate(self.generator_optimiser, self.settings.learning_rate, paths)
        _set_rate(self.discriminator_optimiser, self.settings.learning_rate, self.settings.r1_interval)
        if self.anchor:
            self.anchor.set_rate(self.settings.learning_rate)

    def step(self, images: Tensor) -> dict[str, float]:
        """Take one step of discriminator and generator on uint8 images; return the losses."""
        reals = draw_batch(images, self.settings.batch).to(self.device, memory_format=torch.channels_last)
        ws = self._draw_ws(self.settings.batch, track=True)
        fakes = self._render(ws)
        losses = self._step_discriminator(reals, fakes.detach())
        if self._is_due(self.settings.r1_interval):
            losses |= self._regularise(reals)
        losses |= self._step_generator(fakes, reals, ws)
        if self.settings.path_weight and self._is_due(self.settings.path_interval):
            losses |= self._regularise_paths()
        self.num_images += self.settings.batch
        self._update_average()
        return losses

    def _is_due(self, interval: int) -> bool:
        return self.num_images // self.settings.batch % interval == 0

    def _step_discriminator(self, reals: Tensor, fakes: Tensor) -> dict[str, float]:
        real_logits = self._judge(reals)
        loss = F.softplus(self._judge(fakes)).mean() + F.softplus(-real_logits).mean()
        _descend(loss, self.discriminator_optimiser)
        losses = {"discriminator": float(loss.detach()), "real_sign": float(real_logits.detach().sign().mean())}
        if self.settings.augment == "ada":
            self.strength.observe(real_logits)
            losses["p"] = self.strength.p
        return losses

    def _regularise(self, reals: Tensor) -> dict[str, float]:
        """Penalise the gradient at real images as the discriminator sees them (lazy R1; Mescheder et al. 2018)."""
        seen = self._augment(reals).detach().requires_grad_()
        logits = self.discriminator(seen, self.dtype)
        (gradient,) = torch.autograd.grad(logits.sum(), seen, create_graph=True)
        penalty = gradient.square().sum(dim=[1, 2, 3]).mean()
        _descend(penalty * (self.settings.r1_gamma / 2 * self.settings.r1_interval), self.discriminator_optimiser)
        return {"r1": float(penalty.detach())}

    def _step_generator(self, fakes: Tensor, reals: Tensor, ws: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        loss = F.softplus(-self._judge(fakes)).mean()
        costs = self._anchor_faces(reals, fakes, ws)
        total = loss + self.settings.anchor * sum(costs.values())
        _descend(total, self.generator_optimiser, *([self.anchor.optimiser] if self.anchor else []))
        self.discriminator.requires_grad_(True)
        return {name: float(value.detach()) for name, value in {"generator": loss, **costs}.items()}

    def _anchor_faces(self, reals: Tensor, fakes: Tensor, ws: Tensor) -> dict[str, Tensor]:
        """Rebuild half a batch, where the settings want it: rebuilding takes as long as judging."""
        if not self.anchor:
            return {}
        few = max(self.settings.batch // 2, 1)
        return self.anchor.measure(self.generator, self.discriminator, reals[:few], fakes[:few], ws[:few])

    def _regularise_paths(self) -> dict[str, float]:
        """Penalise unequal lengths of the image's gradient by ws, on half a batch (Karras et al. 2020, appendix B)."""
        ws = self._draw_ws(max(self.settings.batch // 2, 1))
        images = self.generator.synthesis(ws, noise_mode="random", dtype=self.dtype)
        noise = torch.randn(images.shape).to(images.device) / self.config.img_resolution
        (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
        self.path_length.lerp_(lengths.detach().mean(), PATH_MEMORY)
        penalty = (lengths - self.path_length).square().mean()
        _descend(penalty * (self.settings.path_weight * self.settings.path_interval), self.generator_optimiser)
        return {"paths": float(penalty.detach())}

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(self._augment(images), self.dtype)
        return logits

    def _augment(self, images: Tensor) -> Tensor:
        if self.settings.augment == "diff":
            return augment(images)
        return augment_adaptively(images, self.strength.p) if self.settings.augment == "ada" else images

    def _render(self, ws: Tensor) -> Tensor:
        """Render faces: [N, num_ws, w_dim] -> [N, 3, R, R]."""
        images: Tensor = self.generator.synthesis(ws, noise_mode="random", dtype=self.dtype)
        return images

    def _draw_ws(self, count: int, track: bool = False) -> Tensor:
        """Draw random faces, some with two styles mixed: -> ws [count, num_ws, w_dim]."""
        z = torch.randn(2, count, self.config.z_dim).to(self.device)
        w = self.generator.mapping(z[0])
        if track:
            self.generator.mapping.track_average(w)
        return mix_styles(w, self.generator.mapping(z[1]), self.config.num_ws, self.settings.style_mixing)

    @torch.no_grad()
    def _update_average(self) -> None:
        half_life = min(self.settings.ema_images, self.num_images * self.settings.ema_rampup)
        keep = 0.5 ** (self.settings.batch / max(half_life, 1e-8))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - keep)
        self.average.mapping.w_avg.copy_(self.generator.mapping.w_avg)

    def state_dict(self) -> dict[str, Any]:
        """Collect all that a later run needs to go on as if it had never stopped."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        record = {"config": self.config.to_dict(), "settings": asdict(self.settings)}
        random = {"rng": torch.get_rng_state()}
        if self.device.type == "cuda":  # the noise inputs are drawn there, everything else on the CPU
            random["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        if self.settings.augment == "ada":
            parts["strength"] = self.strength.state_dict()
        if self.anchor:
            parts |= self.anchor.state_dict()
        progress = {"num_images": self.num_images, "path_length": self.path_length.cpu()}
        return parts | random | progress | {"record": json.dumps(record)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, at the rates of the present settings."""
        for name, part in self._parts().items():
            part.load_state_dict(_fuse(state[name]) if isinstance(part, torch.optim.Optimizer) else state[name])
        if self.anchor and "encoder" in state:
            self.anchor.load_state_dict(state)
        elif self.anchor:
            self.anchor.take_over(state["discriminator"])
        self._set_rates()
        if self.settings.augment == "ada" and "strength" in state:
            self.strength.load_state_dict(state["strength"])
        self.path_length.copy_(state.get("path_length", self.path_length))  # the first states had none
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


def _adam(module: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), eps=1e-8, fused=True)


def _fuse(state: dict[str, Any]) -> dict[str, Any]:
    """Let an optimiser's state be loaded into the fused one; the first states were not."""
    return state | {"param_groups": [group | {"fused": True} for group in state["param_groups"]]}


def _set_rate(optimiser: torch.optim.Optimizer, learning_rate: float, interval: int | None) -> None:
    """Shorten rate and memory by the share of regularised steps (Karras et al. 2020, appendix B)."""
    lazy = interval / (interval + 1) if interval else 1.0
    optimiser.param_groups[0].update(lr=learning_rate * lazy, betas=(0.0, 0.99**lazy))


def _descend(loss: Tensor, *optimisers: torch.optim.Optimizer) -> None:
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimiser in optimisers:
        optimiser.step()
