"""One exposure: an autoencoder sees each image once, and what it fails to reconstruct is held against memorability.

Bagheri & Mohsenzadeh 2024 (arXiv 2410.15235): batches of one, one epoch, in the order of the images. They lowered
1 - LPIPS, and so raised the distance; here every error is lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.predictors.autoencoder import Autoencoder
from latentedit.predictors.distinctiveness import distinctiveness
from latentedit.predictors.reconstruction import Error
from latentedit.statistics import bootstrap_spearman, spearman

LEARNING_RATE = 5e-6  # the script's; the file that was analysed is named after 1e-5
Load = Callable[[int], Tensor]  # a row -> an image [3, H, W] in [0, 1]


@dataclass(frozen=True)
class Exposure:
    """Per image, after the exposure: each error [N], and how far the latent lies from the nearest, in SD [N]."""

    errors: dict[str, Tensor]
    distinctiveness: Tensor


def expose_once(
    network: Autoencoder, count: int, load: Load, error: Error, learning_rate: float = LEARNING_RATE, quiet: bool = True
) -> list[float]:
    """Train on each image once, alone and in order: -> the error of each before its step."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    before = []
    for row in tqdm(range(count), desc="exposing", unit="img", disable=quiet):
        image = load(row)[None]
        loss = error(image, network(image)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        before.append(loss.item())
    return before


@torch.no_grad()
def examine(
    network: Autoencoder, count: int, load: Load, errors: Mapping[str, Error], chunk: int = 16, quiet: bool = True
) -> Exposure:
    """Measure what the autoencoder makes of each image now."""
    network.eval()
    rows: dict[str, list[Tensor]] = {name: [] for name in errors}
    latents = []
    for images in tqdm(_batches(count, load, chunk), desc="examining", disable=quiet, total=-(-count // chunk)):
        latents.append(network.encode(images))
        others = network.decoder(network.encoder(images))
        for name, error in errors.items():
            rows[name].append(error(images, others))
    return Exposure({name: torch.cat(parts) for name, parts in rows.items()}, distinctiveness(torch.cat(latents)))


def correlate(exposure: Exposure, scores: Mapping[str, Sequence[float]], seed: int = 0) -> list[dict[str, Any]]:
    """Correlate errors and distinctiveness with people's scores: Spearman, its 95 % interval over pairs, and N."""
    measures = {**exposure.errors, "distinctiveness": exposure.distinctiveness}
    rows = []
    for name, values in measures.items():
        for score, ratings in scores.items():
            pair = values.double().numpy(), torch.tensor(ratings).double().numpy()
            low, high = bootstrap_spearman(*pair, seed)
            facts = {"spearman": float(spearman(*pair)), "interval": [low, high], "count": len(values)}
            rows.append({"measure": name, "score": score, **facts})
    return rows


def _batches(count: int, load: Load, chunk: int) -> Iterator[Tensor]:
    for start in range(0, count, chunk):
        yield torch.stack([load(row) for row in range(start, min(start + chunk, count))])
