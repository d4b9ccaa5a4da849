"""Directions that are turned until the mean of other scores stays put, on a generator that bends."""

from dataclasses import replace

import pytest
import torch

from latentedit.discovery import calibrate, discover_by_gradient, steady
from latentedit.errors import InputError
from latentedit.latents import sample
from latentedit.rendering import render


class Colour:
    """Score the mean square of one colour, which bends with w."""

    range = (0.0, 1.0)

    def __init__(self, index, gain=1.0):
        self.index, self.gain, self.name = index, gain, f"colour{index}"

    def __call__(self, images):
        return self.gain * (images[..., self.index, :, :] + 1).square().mean(dim=[-2, -1])


RED, GREEN, BLUE = (Colour(i) for i in range(3))


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


@pytest.fixture
def ws(tiny_generator):
    return sample(tiny_generator, range(40), 0.7)


@pytest.fixture
def projected(tiny_generator, ws):
    """Rise in red off the gradients of green and blue."""
    return discover_by_gradient(tiny_generator, ws, RED, "projected", keep=[GREEN, BLUE])


def changes_of(generator, ws, step):
    """Measure the mean changes of the three colours in standard deviations."""
    before, after = (
        torch.stack([c(render(generator, w)) for c in (RED, GREEN, BLUE)]).double() for w in (ws, ws + step)
    )
    return (after - before).mean(dim=1) / before.std(dim=1)


def test_what_is_kept_stays_where_the_score_has_gained(tiny_generator, ws, projected):
    found = steady(
        tiny_generator, projected, ws, RED, [GREEN, BLUE], gain=0.3, name="still", provenance={"seeds": "0-39"}
    )
    step = found.provenance["step"]
    changes = changes_of(tiny_generator, ws, step * found.vector.float())
    assert changes[0] == pytest.approx(0.3, abs=0.011)
    assert changes[1:].abs().max() < 0.011
    assert list(found.provenance["changes_in_sd"].values()) == pytest.approx(changes.tolist(), abs=1e-3)
    assert changes_of(tiny_generator, ws, step * projected.vector.float())[1:].abs().max() > 0.05  # to first order only
    assert (found.name, found.provenance["seeds"], found.provenance["parents"]) == ("still", "0-39", ["projected"])
    assert found.sigma == calibrate(found, tiny_generator).sigma


def test_what_cannot_be_steadied_is_refused(tiny_generator, ws, projected):
    def refuse(message, direction=projected, faces=ws, scorer=RED, keep=(GREEN,), gain=1.0):
        with pytest.raises(InputError, match=message):
            steady(tiny_generator, direction, faces, scorer, keep, gain)

    refuse("nothing of it raises colour0 and keeps colour0", keep=[RED])
    refuse("no step raises colour0 by 1000 SD and keeps colour1", gain=1000.0)
    refuse("colour1 gives every face the same score", keep=[Colour(1, gain=0.0)])
    refuse("name a score to keep, and a gain above 0", keep=[])
    refuse("gain nan", gain=float("nan"))
    refuse("rows of some ws differ", faces=ws + torch.arange(6)[:, None])
    refuse("3 faces to measure on: give at least 20", faces=ws[:3])
    refuse("give one in W that moves all 6 layers", replace(projected, vector=projected.vector[:2], layers=(0, 1)))
