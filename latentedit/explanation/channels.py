"""What a layer's channels look for: the images that move each most, and one made to move it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.explanation.layers import Explained, choose_layers, tapped, to_maps
from latentedit.scoresheet import Source

CHUNK, OCTAVES, STEPS, RATE, ROUGHNESS = 8, 4, 24, 0.05, 0.2
SMALLEST = 32  # pixels that the bundled assessors take


@dataclass(frozen=True, eq=False)
class TopImages:
    """The images that move each channel of a layer most: rows of the source and mean answers, [C, num] each."""

    layer: str
    rows: Tensor
    answers: Tensor


def find_top_images(
    explained: Explained, source: Source, layer: str | None = None, num: int = 9, quiet: bool = True
) -> TopImages:
    """Find the `num` images of a source that each channel answers most, mean over places, in bounded memory.

    What can't be read is passed over. Raises InputError where nothing can.
    """
    best: TopImages | None = None
    for start in tqdm(range(0, len(source.names), CHUNK), desc="looking", unit="chunk", disable=quiet):
        part = range(start, min(start + CHUNK, len(source.names)))
        loaded = zip(part, source.load(part, explained.framing), strict=True)
        whole = [(row, image) for row, image in loaded if isinstance(image, Tensor)]
        if not whole:
            continue
        images, rows = torch.stack([image for _, image in whole]), torch.tensor([row for row, _ in whole])
        name = best.layer if best else choose_layers(explained, images[0], layer)[0]
        with torch.no_grad():
            answers = answer(explained, images, name).cpu().t()  # [C, n]
        best = _keep_best(best, TopImages(name, rows.expand(len(answers), -1), answers), num)
    if best is None:
        raise InputError(f"{source.names[0]} and all others can't be read as images")
    return best


def _keep_best(best: TopImages | None, new: TopImages, num: int) -> TopImages:
    """Keep the largest answers of both in each channel."""
    both = [new] if best is None else [best, new]
    answers, rows = torch.cat([one.answers for one in both], dim=1), torch.cat([one.rows for one in both], dim=1)
    top = answers.topk(min(num, answers.shape[1]), dim=1)
    return TopImages(new.layer, rows.gather(1, top.indices), top.values)


def answer(explained: Explained, images: Tensor, layer: str) -> Tensor:
    """Average a layer's answer over places: [N, 3, H, W] -> [N, C]."""
    with tapped(explained.network, [layer]) as seen:
        explained(images)
    return to_maps(seen[layer]).mean(dim=(2, 3))


def maximise(
    explained: Explained, layer: str, channels: Sequence[int], side: int = 128, steps: int = STEPS, seed: int = 0
) -> Tensor:
    """Make an image for each channel that it answers most (Erhan et al. 2009): -> [len(channels), 3, side, side].

    Gradient ascent from noise, coarse to fine over four octaves, with a cost on roughness.
    """
    random = torch.Generator().manual_seed(seed)
    smallest = max(SMALLEST, side >> (OCTAVES - 1))
    start = 0.1 * torch.randn(1, 3, smallest, smallest, generator=random)
    free = start.expand(len(channels), -1, -1, -1).to(explained.device)
    for octave in range(OCTAVES):
        size = max(smallest, side >> (OCTAVES - 1 - octave))
        free = F.interpolate(free, (size, size), mode="bilinear", align_corners=False).detach().requires_grad_()
        optimizer = torch.optim.Adam([free], RATE)
        for _ in range(steps):
            images = free.tanh()
            wanted = answer(explained, images, layer)[range(len(channels)), list(channels)]
            scale = wanted.detach().abs() + 1e-3  # so that each channel weighs alike beside the cost
            loss = ROUGHNESS * _roughness(images) - wanted / scale
            optimizer.zero_grad()
            loss.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return free.tanh().detach().cpu()


def _roughness(images: Tensor) -> Tensor:
    """Measure the mean step between neighbours: [N, 3, H, W] -> [N]."""
    steps = [images.diff(dim=axis).abs().mean(dim=(1, 2, 3)) for axis in (2, 3)]
    return steps[0] + steps[1]
