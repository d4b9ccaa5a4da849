"""One row an image: its scores, or why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentedit.errors import InputError, one_line
from latentedit.machine import free_memory
from latentedit.predictors import AnyScorer, PredictorScorer
from latentedit.scoresheet.sources import RESOLUTION, Source

LARGEST_BATCH = 64
SHARE = 0.25  # of the free memory that one batch may take
Describe = Callable[[AnyScorer, str], tuple[Tensor, ...]]  # the words [1, ...] that a scorer reads beside an image
Inputs = tuple[Tensor, ...]  # an image [1, 3, H, W] and its words


@dataclass(frozen=True)
class Rating:
    """A scorer's score of one image, and where people's rating lies nine times in ten, if the scorer knows."""

    scorer: str
    score: float
    interval: tuple[float, float] | None = None
    at_floor: bool = False  # no image scores lower, whatever it shows


@dataclass(frozen=True)
class Row:
    """An image's name and its ratings, or what is wrong with it."""

    image: str
    ratings: tuple[Rating, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, fit for JSON."""
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        intervals = {rating.scorer: list(rating.interval) for rating in self.ratings if rating.interval}
        floored = [rating.scorer for rating in self.ratings if rating.at_floor]
        scores = {rating.scorer: rating.score for rating in self.ratings}
        return {"image": self.image, **scores, "intervals": intervals, **({"at_floor": floored} if floored else {})}


@torch.no_grad()
def score_rows(
    source: Source, scorers: Sequence[AnyScorer], start: int = 0, describe: Describe = lambda *_: ()
) -> Iterator[Row]:
    """Score images in their order, from one on; an image that can't be read gives a row that says why."""
    count, batch = len(source.names), choose_batch(len(source.names), scorers)
    for first in range(start, count, batch):
        rows = range(first, min(first + batch, count))
        loaded = {framing: source.load(rows, framing) for framing in {scorer.framing for scorer in scorers}}
        names = source.names[rows.start : rows.stop]
        columns = [_rate(scorer, _join(scorer, loaded[scorer.framing], names, describe)) for scorer in scorers]
        for row, *ratings in zip(rows, *columns, strict=True):
            yield _gather(source.names[row], ratings)


@torch.no_grad()
def choose_batch(count: int, scorers: Sequence[AnyScorer]) -> int:
    """Choose how many of `count` images to score at once: what a quarter of the free memory holds, at most 64."""
    networks = [scorer for scorer in scorers if isinstance(scorer, PredictorScorer)]
    sizes = [int(SHARE * free_memory(scorer.device) / measure_answers(scorer)) for scorer in networks]
    return max(1, min(LARGEST_BATCH, count, *sizes))


def measure_answers(scorer: PredictorScorer) -> int:
    """Measure what all layers of a network answer to one image, more than is held at once: -> bytes."""
    sizes = []

    def note(module: object, given: object, answer: object) -> None:
        sizes.append(answer.nbytes if isinstance(answer, Tensor) else 0)

    handles = [layer.register_forward_hook(note) for layer in scorer.network.modules()]
    try:
        scorer(torch.zeros(1, 3, RESOLUTION, RESOLUTION), *scorer.network.blank_words(1))
    finally:
        for handle in handles:
            handle.remove()
    return sum(sizes)


def _join(
    scorer: AnyScorer, images: list[Tensor | InputError], names: Sequence[str], describe: Describe
) -> list[Inputs | InputError]:
    """Put its words beside each image; one without words that the scorer reads is as good as one that can't be read."""

    def join(image: Tensor | InputError, name: str) -> Inputs | InputError:
        if isinstance(image, InputError):
            return image
        try:
            return (image[None], *describe(scorer, name))
        except InputError as error:
            return error

    return [join(*pair) for pair in zip(images, names, strict=True)]


def _rate(scorer: AnyScorer, inputs: list[Inputs | InputError]) -> list[Rating | InputError]:
    """Rate the images that could be loaded, keep the others' errors in their places."""
    sound = [given for given in inputs if isinstance(given, tuple)]
    if not sound:
        return [error for error in inputs if isinstance(error, InputError)]
    scores = scorer(*(torch.cat(part) for part in zip(*sound, strict=True))).cpu()
    intervals = scorer.interval(scores)
    ends = [None] * len(sound) if intervals is None else [(low, high) for low, high in intervals.tolist()]
    ratings = iter([_rating(scorer, *pair) for pair in zip(scores.tolist(), ends, strict=True)])
    return [given if isinstance(given, InputError) else next(ratings) for given in inputs]


def _rating(scorer: AnyScorer, score: float, interval: tuple[float, float] | None) -> Rating:
    return Rating(scorer.name, score, interval, scorer.floor is not None and score <= scorer.floor)


def _gather(name: str, ratings: Sequence[Rating | InputError]) -> Row:
    for rating in ratings:
        if isinstance(rating, InputError):
            return Row(name, error=one_line(rating))
    return Row(name, tuple(rating for rating in ratings if isinstance(rating, Rating)))
