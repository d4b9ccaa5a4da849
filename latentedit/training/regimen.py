"""Losses, optimisers, schedules and precision of a predictor's training, made from what a preset says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from latentedit.predictors.presets import Preset

Schedule = Literal["plateau", "cosine"]
Precision = Literal["fp32", "bf16"]
SCHEDULES: tuple[Schedule, ...] = ("plateau", "cosine")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


@dataclass(frozen=True)
class Regimen:
    """A preset, and what presets leave open. `bf16` trains in half precision, with weights in full."""

    preset: Preset
    schedule: Schedule = "plateau"
    precision: Precision = "fp32"
    seed: int = 0


def measure_loss(kind: str, scores: Tensor, predictions: Tensor) -> Tensor:
    """Measure how far predictions lie off: [N], [N] -> [N]."""
    return (F.l1_loss if kind == "mae" else F.mse_loss)(predictions.float(), scores, reduction="none")


def make_optimizer(preset: Preset, network: nn.Module) -> Optimizer:
    """Make the optimiser of the weights that learn."""
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    kind = AdamW if preset.optimizer == "adamw" else Adam
    return kind(learning, preset.learning_rate, weight_decay=preset.weight_decay)


def make_schedule(regimen: Regimen, optimizer: Optimizer) -> ReduceLROnPlateau | CosineAnnealingLR:
    """Lower the learning rate where the validation loss no longer falls, or along a cosine to zero."""
    preset = regimen.preset
    if regimen.schedule == "cosine":
        return CosineAnnealingLR(optimizer, preset.epochs)
    return ReduceLROnPlateau(optimizer, factor=preset.plateau_factor, patience=preset.plateau_patience)
