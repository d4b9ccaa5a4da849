"""Rating edited faces: what every edit is held against, and images to changes in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.evaluation.curves import Changes
from latentedit.evaluation.edits import Edit, Faces
from latentedit.evaluation.similarity import Similarity, describe_coarsely
from latentedit.networks import Generator
from latentedit.rendering import render
from latentedit.statistics import Estimate, Floats, resample_faces, summarise_resamples
from latentedit.training.measures import frechet_distance


class Judge(Protocol):
    """Anything that rates several attributes of a face at once."""

    name: str
    attributes: tuple[str, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Rate faces: [..., 3, H, W] in [-1, 1] -> [..., len(attributes)]."""


def find_target(judges: Sequence[Judge], target: str) -> tuple[int, ...]:
    """Look up an attribute among those of each judge."""
    for judge in judges:
        if target not in judge.attributes:
            raise InputError(f"{judge.name} does not rate {target!r}: choose from {', '.join(judge.attributes)}")
    return tuple(judge.attributes.index(target) for judge in judges)


@dataclass(frozen=True)
class Yardstick:
    """What edits are held against: each judge's ratings of a population that nobody edited."""

    judges: tuple[Judge, ...]
    sds: tuple[Floats, ...]  # of each judge's attributes
    features: Tensor  # of the population's images [N, D]

    @classmethod
    @torch.no_grad()
    def measure(
        cls, generator: Generator, judges: Sequence[Judge], population: Faces, chunk: int = 8, quiet: bool = True
    ) -> Yardstick:
        """Rate and describe a population."""
        ratings: list[list[Tensor]] = [[] for _ in judges]
        features = []
        bar = tqdm(range(0, len(population), chunk), desc="rating the population", unit="chunk", disable=quiet)
        for i in bar:
            images = render(generator, population.ws[i : i + chunk])
            features.append(describe_coarsely(images))
            for rows, judge in zip(ratings, judges, strict=True):
                rows.append(judge(images))
        sds = (torch.cat(rows).double().std(dim=0).cpu().numpy() for rows in ratings)
        return cls(tuple(judges), tuple(sds), torch.cat(features))

    def check_target(self, target: str) -> None:
        """Raise InputError if a judge does not tell faces apart by an attribute."""
        for judge, sd in zip(self.judges, self.sds, strict=True):
            if not sd[judge.attributes.index(target)] > 0:
                raise InputError(f"{judge.name} rates all faces alike in {target}: take another judge")

    def rate(self, images: Tensor) -> list[Floats]:
        """Rate images, in standard deviations: [n, A, 3, H, W] -> [n, A, K] for each judge."""
        rated = (judge(images).double().cpu().numpy() for judge in self.judges)
        return [_divide(rows, sd) for rows, sd in zip(rated, self.sds, strict=True)]


def _divide(ratings: Floats, sd: Floats) -> Floats:
    """Bring ratings to standard deviations; an attribute that never varies changes by no number of them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sd > 0, ratings / sd, np.nan)


@torch.no_grad()
def rate_edit(
    edit: Edit, faces: Faces, alphas: Sequence[float], yardstick: Yardstick, chunk: int = 8, quiet: bool = True
) -> list[Changes]:
    """Show faces at every alpha, 0 among them, and let each judge say what changed."""
    bar = tqdm(range(0, len(faces), chunk), desc=f"sweeping {edit.name}", unit="chunk", disable=quiet)
    rated = [yardstick.rate(edit(faces.part(i, i + chunk), alphas)) for i in bar]
    ratings = [np.concatenate(rows) for rows in zip(*rated, strict=True)]  # [N, A, K] for each judge
    start = list(alphas).index(0)
    return [Changes(np.array(alphas, np.float64), rows - rows[:, start : start + 1]) for rows in ratings]


@dataclass(frozen=True)
class Look:
    """How faces look at one alpha: what judges say changed, how alike they stayed, how far from others they are."""

    changes: list[Floats]  # [N, K] for each judge
    similarities: dict[str, Estimate]  # mean over faces
    frechet: float  # of the faces as edited
    frechet_before: float


@torch.no_grad()
def look_at(
    edit: Edit,
    faces: Faces,
    alpha: float,
    yardstick: Yardstick,
    similarities: Mapping[str, Similarity],
    chunk: int = 8,
) -> Look:
    """Show faces before and after one step of an edit, and compare."""
    changes, likenesses, features = [], [], []
    for i in range(0, len(faces), chunk):
        images = edit(faces.part(i, i + chunk), [0.0, alpha])  # [n, 2, 3, H, W]
        before, after = images.unbind(dim=1)
        changes.append([rows[:, 1] - rows[:, 0] for rows in yardstick.rate(images)])
        likenesses.append([compare(before, after).double().cpu().numpy() for compare in similarities.values()])
        features.append([describe_coarsely(before), describe_coarsely(after)])
    shares = resample_faces(len(faces))
    means = (summarise_resamples(shares @ np.concatenate(rows)) for rows in zip(*likenesses, strict=True))
    distances = (frechet_distance(yardstick.features, torch.cat(rows)) for rows in zip(*features, strict=True))
    frechet_before, frechet = distances
    return Look(
        [np.concatenate(rows) for rows in zip(*changes, strict=True)],
        dict(zip(similarities, means, strict=True)),
        frechet,
        frechet_before,
    )
