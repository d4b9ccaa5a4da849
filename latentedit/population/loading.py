"""A population in memory-mapped files, as `latentedit sample` wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.population.manifest import Manifest, read_manifest
from latentedit.population.shards import Rows, Shards


@dataclass(frozen=True)
class Population:
    """Faces by the hundred thousand: arrays stay on disk until rows of them are asked for, such as `w[:1000]`.

    `w` is [N, w_dim], or ws [N, num_ws, w_dim] where a truncation cutoff makes the rows differ;
    `scores` [N, len(attributes)] and `images`, uint8 [N, H, W, 3], are None where none were kept.
    """

    shards: Shards

    @property
    def manifest(self) -> Manifest:
        """What the population is, and how it was made."""
        return self.shards.manifest

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns of `scores`, such as `omi:happy`."""
        return self.manifest.attributes

    @property
    def seeds(self) -> Tensor:
        """The seed of each face: int64 [N]."""
        return self.manifest.read_seeds()

    @property
    def w(self) -> Rows:
        """The latents."""
        return Rows(self.shards, "w")

    @property
    def scores(self) -> Rows | None:
        """The scores, a column an attribute."""
        return Rows(self.shards, "scores") if "scores" in self.manifest.arrays else None

    @property
    def images(self) -> Rows | None:
        """The pictures."""
        return Rows(self.shards, "images") if "images" in self.manifest.arrays else None

    def __len__(self) -> int:
        return self.manifest.num

    def read_scores(self, attribute: str) -> Tensor:
        """Read the scores of one attribute, such as `omi:happy`: -> [N]."""
        if self.scores is None or attribute not in self.attributes:
            held = ", ".join(self.attributes) or "none: sample again with --score"
            raise InputError(f"{self.shards.folder} holds no scores of {attribute!r}: it has {held}")
        return self.scores[:][:, self.attributes.index(attribute)].clone()


def load_population(folder: str | Path) -> Population:
    """Open what `sample_population` wrote, without reading more than its headers; all shards must be there.

    >>> population = load_population("pop")  # doctest: +SKIP
    >>> le.discover(G, population.w[:], population.read_scores("omi:happy"))  # doctest: +SKIP
    """
    shards = Shards(Path(folder), read_manifest(Path(folder)))
    if missing := shards.find_missing():
        with about(folder):
            raise InputError(
                f"{len(missing)} of {len(shards)} shards are missing or damaged: run latentedit sample again to finish"
            )
    return Population(shards)
