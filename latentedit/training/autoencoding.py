"""An autoencoder of one's own: the network whose failures follow memorability, trained to reconstruct images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.predictors.autoencoder import SHRINK, Autoencoder, save_autoencoder
from latentedit.predictors.reconstruction import mean_squared
from latentedit.training.examples import vary


@dataclass(frozen=True)
class Autoencoding:
    """How an autoencoder is trained: channels at first (64 in the original), the images' side in px, and so on."""

    width: int = 64
    input_size: int = 224
    epochs: int = 20
    batch: int = 16
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.input_size % SHRINK:
            raise InputError(f"input size {self.input_size}: the latent needs a multiple of {SHRINK} px")


def train_autoencoder(pixels: Tensor, path: Path, settings: Autoencoding, quiet: bool = True) -> list[float]:
    """Train on images, uint8 [N, 3, S, S], half of them mirrored, and write the file: -> each epoch's mean error."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = Autoencoder(settings.width)
        optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
        bars = tqdm(range(settings.epochs), "epochs", disable=quiet)
        losses = [_run_epoch(network, optimizer, pixels, settings.batch) for _ in bars]
    save_autoencoder(path, network, settings.width, {**asdict(settings), "images": len(pixels), "losses": losses})
    return losses


def _run_epoch(network: Autoencoder, optimizer: torch.optim.Optimizer, pixels: Tensor, batch: int) -> float:
    """Reconstruct every image once in a random order: -> the mean squared error."""
    network.train()
    losses = []
    for rows in torch.split(torch.randperm(len(pixels)), batch):
        images = vary(pixels[rows] / 127.5 - 1, flip=True, rotation=0) / 2 + 0.5
        loss = mean_squared(images, network(images)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item() * len(rows))
    return sum(losses) / len(pixels)
