"""Scoring any number of images with any scorer, in bounded memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.latents import sample
from latentedit.networks import Generator
from latentedit.rendering import oval, render
from latentedit.scoring import Scorer, score, score_faces


class Brightness:
    """The mean of an image; remembers how many it saw at once."""

    name = "brightness"
    range = (-1.0, 1.0)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return images.mean(dim=[-3, -2, -1])


def test_scores_keep_the_leading_axes() -> None:
    images = torch.rand(2, 5, 3, 8, 8)
    torch.testing.assert_close(score(Brightness(), images, chunk=3), images.mean(dim=[2, 3, 4]))


def test_one_image_gives_one_number() -> None:
    assert score(Brightness(), torch.rand(3, 8, 8)).shape == ()


def test_memory_is_bounded_by_chunk() -> None:
    scorer = Brightness()
    score(scorer, torch.rand(7, 3, 8, 8), chunk=3)
    assert scorer.batches == [3, 3, 1]


def test_score_makes_no_gradients() -> None:
    assert not score(Brightness(), torch.rand(2, 3, 8, 8, requires_grad=True)).requires_grad


def test_no_images_is_a_mistake() -> None:
    with pytest.raises(InputError, match=r"\[0, 3, 8, 8\] is empty"):
        score(Brightness(), torch.rand(0, 3, 8, 8))


def test_progress_names_the_scorer(capsys: pytest.CaptureFixture[str]) -> None:
    scorer: Scorer = Brightness()
    score(scorer, torch.rand(2, 3, 8, 8), quiet=False)
    assert "scoring brightness" in capsys.readouterr().err


def test_faces_are_scored_in_every_rendering_in_any_chunk(tiny_generator: Generator) -> None:
    ws = sample(tiny_generator, range(5))
    images = render(tiny_generator, ws)
    scores = score_faces(tiny_generator, Brightness(), ws, ["oval", "square"], chunk=2)
    wanted = torch.stack([Brightness()(oval(images)), Brightness()(images)], dim=1)
    torch.testing.assert_close(scores, wanted, atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="rendering 'round' is not known: choose one of square, oval"):
        score_faces(tiny_generator, Brightness(), ws, ["round"])
