"""What all visitors share: the generator, its directions and the assessors, and pictures made with them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from latentedit.addresses import choose_layers, load_direction
from latentedit.checkpoints import Checkpoint
from latentedit.direction import Direction
from latentedit.discovery import calibrate
from latentedit.discovery.finding import sample_population
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.explorer.setting import Setting
from latentedit.formats import parse_channels
from latentedit.latents import sample_z, to_styles, to_ws
from latentedit.library import list_directions
from latentedit.predictors import ASSESSORS, BORROWING, AnyScorer, AttributeScorer, load_assessor, load_scorer
from latentedit.rendering import render, render_styles
from latentedit.vocabulary import Precision

PRELOADED = 64  # conditioned directions and scorers that are remembered


@dataclass(frozen=True)
class Rating:
    """A face's score with the interval that holds nine ratings in ten, and all else that its assessor rates."""

    name: str
    score: float
    interval: tuple[float, float] | None
    range: tuple[float, float]
    others: dict[str, float]


def _list_scorers() -> list[str]:
    """List what the bundled assessors rate that are quick."""
    quick = [name for name in ASSESSORS if name not in BORROWING]
    return [f"{name}:{attribute}" for name in quick for attribute in load_assessor(name).attributes]


class Workshop:
    """A generator with its directions and assessors. Safe to use from many threads: `turn` is held while painting."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        network: str = "faces",
        extra: Iterable[str] = (),
        scorer: str = "omi",
        class_index: int | None = None,
    ) -> None:
        self.checkpoint, self.network, self.class_index = checkpoint, network, class_index
        self.generator, self.config = checkpoint.generator, checkpoint.config
        self.turn = threading.Lock()
        self._opening = threading.RLock()
        names = dict.fromkeys([*extra, *list_directions(checkpoint.fingerprint)])
        self.directions = {name: self._measure(load_direction(name, self.generator)) for name in names}
        self.scorers = dict.fromkeys([load_scorer(scorer).name, *_list_scorers()])
        self.open_direction = lru_cache(PRELOADED)(self._open_direction)
        self.open_scorer = lru_cache(PRELOADED)(self._open_scorer)

    @cached_property
    def population(self) -> Tensor:
        """W's population without truncation, on which sigma is measured: [4096, w_dim]."""
        return sample_population(self.generator, "w", self.class_index)[:, 0].clone()

    def _measure(self, direction: Direction) -> Direction:
        """Measure sigma where nobody did, in W as `calibrate` does, but many faces at a time."""
        if direction.sigma is not None:
            return direction
        if direction.space[0] != "w":
            return calibrate(direction, self.generator, self.class_index)
        row = direction.vector.sum(dim=0)  # all rows of a population's ws are alike
        coordinates = self.population.cpu().double() @ row / direction.vector.square().sum()
        return replace(direction, sigma=float(coordinates.std()))

    def find_direction(self, name: str) -> Direction:
        """Take a direction of the library, or make one of channels such as 9_6, as yet without conditions."""
        if name not in self.directions and not parse_channels(name):
            raise InputError(f"direction {name!r} is not known: choose one of the list, or channels such as 9_6")
        if name not in self.directions:
            with self._opening:
                return self._measure(load_direction(name, self.generator))
        return self.directions[name]

    def _open_direction(self, name: str, keep: tuple[str, ...]) -> Direction:
        """Find a direction and project it off those that are to be kept, but for itself."""
        direction, others = self.find_direction(name), [other for other in keep if other != name]
        if not others:
            return direction
        with self._opening:
            conditioned = direction.condition_on([self.find_direction(other) for other in others])
            return self._measure(conditioned)

    def _open_scorer(self, name: str) -> AnyScorer:
        if name not in self.scorers:
            raise InputError(f"scorer {name!r} is not known: choose one of the list")
        with self._opening:
            return load_scorer(name)

    def move(self, setting: Setting, photo: Tensor | None = None) -> Tensor:
        """Move the face as the sliders say, in Z, then W, then StyleSpace: -> ws [1, num_ws, w_dim] or styles [1, S].

        A photograph's ws take the place of the seed's.
        """
        moves = [(self.open_direction(name, setting.keep), alpha) for name, alpha in setting.moves]
        ws = self._start(setting, [move for move in moves if move[0].space == "z"], photo)
        for direction, alpha in moves:
            if direction.space[0] == "w":
                ws = edit(ws, direction, alpha, self._layers(setting, direction), "sigma")
        in_styles = [move for move in moves if move[0].space == "s"]
        styles = to_styles(self.generator, ws) if in_styles else ws
        for direction, alpha in in_styles:
            styles = edit(styles, direction, alpha, self._layers(setting, direction), "sigma")
        return styles

    def _start(self, setting: Setting, in_z: list[tuple[Direction, float]], photo: Tensor | None) -> Tensor:
        """Make the ws that edits start from: [1, num_ws, w_dim]."""
        if setting.from_photo:
            if photo is None:
                raise InputError("no photograph is here: upload one, or choose a seed")
            if in_z:
                raise InputError(f"direction {in_z[0][0].name} moves z, which no photograph has: give one in W or S")
            return photo
        if len(in_z) > 1:
            raise InputError(f"directions {in_z[0][0].name} and {in_z[1][0].name} move z: one at a time")
        z = sample_z([setting.seed], self.config.z_dim)
        for direction, alpha in in_z:
            z = edit(z, direction, alpha, self._layers(setting, direction), "sigma")
        return to_ws(self.generator, z, setting.psi, class_index=self.class_index)

    def _layers(self, setting: Setting, direction: Direction) -> tuple[int, ...]:
        return choose_layers(setting.layers, direction, self.config)

    def paint(self, latents: Tensor, precision: Precision = "fp32") -> Tensor:
        """Render ws [N, num_ws, w_dim] or styles [N, num_styles]: -> [N, 3, H, W] on the CPU."""
        draw = render if latents.ndim == 3 else render_styles
        return draw(self.generator, latents, precision=precision).cpu()

    @torch.no_grad()
    def rate(self, name: str, images: Tensor) -> list[Rating]:
        """Rate faces [N, 3, H, W]."""
        scorer = self.open_scorer(name)
        if not isinstance(scorer, AttributeScorer):
            return [Rating(scorer.name, float(score), None, scorer.range, {}) for score in scorer(images)]
        ratings = scorer.assessor(images)
        scores = scorer.read(ratings)
        rows = zip(scores.tolist(), scorer.interval(scores).tolist(), ratings.tolist(), strict=True)
        attributes = scorer.assessor.attributes
        return [
            Rating(scorer.name, score, (low, high), scorer.range, dict(zip(attributes, others, strict=True)))
            for score, (low, high), others in rows
        ]
