"""Report cards on edits whose effect is planted in the pixels, judged by what reads pixels."""

import json
import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from latentedit.addresses import load_direction
from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.evaluation import evaluate
from latentedit.evaluation.pictures import draw_cards, draw_rescoring
from latentedit.evaluation.tables import as_facts, compare_cards, format_estimate, format_markdown, rescoring_matrix
from latentedit.latents import sample
from latentedit.rendering import render
from latentedit.spaces import ZDirection
from latentedit.statistics import Estimate

SEEDS, POPULATION = range(100, 112), range(200, 230)
REQUEST = {"target": "red", "seeds": SEEDS, "population": POPULATION, "alphas": (-2, -1, 0, 1, 2)}


@dataclass(frozen=True)
class Tint:
    """Rate a face by the mean of its colours, times a gain."""

    name: str = "tint"
    gain: float = 1.0
    attributes: tuple[str, ...] = ("red", "green", "blue")

    def __call__(self, images: Tensor) -> Tensor:
        return self.gain * images.mean(dim=[-2, -1])


@dataclass(frozen=True)
class Stain:
    """Add a colour to every pixel, as often as alpha says."""

    generator: object
    colour: tuple[float, ...]
    name: str = "stain"

    def __call__(self, faces, alphas):
        images = render(self.generator, faces.ws)[:, None]
        return images + torch.tensor(alphas).view(-1, 1, 1, 1) * torch.tensor(self.colour).view(1, 1, 3, 1, 1)


@pytest.fixture
def sd(tiny_generator):
    return Tint()(render(tiny_generator, sample(tiny_generator, POPULATION, 0.7))).double().std(dim=0)


def test_planted_changes_are_reported_at_matched_change(tiny_generator, sd):
    edits = [Stain(tiny_generator, (0.3, 0.1, -0.2)), Stain(tiny_generator, (0.6, 0.2, -0.4), "twice")]
    slow, fast = evaluate(tiny_generator, edits, [Tint()], level=0.5, **REQUEST)
    assert slow.verdict.course.slope.value == pytest.approx(0.3 / float(sd[0]), rel=1e-4)
    assert slow.alpha.value == pytest.approx(0.5 * float(sd[0]) / 0.3, rel=1e-4)
    assert fast.alpha.value == pytest.approx(slow.alpha.value / 2, rel=1e-4)
    for card in (slow, fast):
        assert card.verdict.changes["red"].value == pytest.approx(0.5, rel=1e-4)
        assert card.verdict.changes["green"].value == pytest.approx(0.5 * float(sd[0] / sd[1]) / 3, rel=1e-3)
        assert card.verdict.changes["blue"].value == pytest.approx(-1 / 3 * float(sd[0] / sd[2]), rel=1e-3)
        assert card.verdict.sizes["blue"].value == pytest.approx(1 / 3 * float(sd[0] / sd[2]), rel=1e-3)
        assert 0 < card.similarities["ms_ssim"].value < 1
        assert card.frechet > 0
        assert card.frechet_before > 0


def test_an_edit_the_wrong_way_round_is_turned(tiny_generator):
    colour = (0.3, 0.1, -0.2)
    right, wrong = evaluate(
        tiny_generator,
        [Stain(tiny_generator, colour), Stain(tiny_generator, tuple(-c for c in colour))],
        [Tint()],
        level=0.5,
        **REQUEST,
    )
    assert wrong.alpha.value == pytest.approx(right.alpha.value)
    assert wrong.verdict.changes["blue"].value == pytest.approx(right.verdict.changes["blue"].value)
    assert wrong.frechet == pytest.approx(right.frechet)
    ahead = {**REQUEST, "alphas": (0, 1, 2)}
    (blank,) = evaluate(tiny_generator, [Stain(tiny_generator, tuple(-c for c in colour))], [Tint()], **ahead)
    assert math.isnan(blank.alpha.value)


def test_a_second_judge_is_read_where_the_first_is_matched(tiny_generator):
    class Deaf(Tint):
        """See half of any change beyond a third."""

        def __call__(self, images):
            red, *rest = super().__call__(images).unbind(dim=-1)
            return torch.stack([red.clamp(max=0.0), *rest], dim=-1)

    edit = Stain(tiny_generator, (0.3, 0.1, -0.2))
    (card,) = evaluate(tiny_generator, [edit], [Tint(), Tint("loud", 7.0), Deaf("deaf")], level=0.5, **REQUEST)
    assert card.gap["loud"] == pytest.approx(0, abs=1e-6)  # a gain is no gap: changes count standard deviations
    assert card.gap["deaf"] < -0.01
    assert [verdict.match.alpha for verdict in card.verdicts] == [card.alpha] * 3


def test_a_level_out_of_reach_leaves_blanks(tiny_generator, tmp_path):
    edits = [Stain(tiny_generator, (1e-4, 1e-4, 0)), Stain(tiny_generator, (0.3, 0.1, -0.2), "enough")]
    cards = evaluate(tiny_generator, edits, [Tint()], level=0.5, **REQUEST)
    assert math.isnan(cards[0].alpha.value)
    assert json.loads(json.dumps(as_facts(cards[0]), allow_nan=False))["frechet"] is None
    header, rows = compare_cards(cards, ["green", "blue"])
    assert header == ["red by tint", "stain", "enough"]
    assert {name: first for name, first, _ in rows}["alpha at 0.5 SD"] == "-"
    assert format_markdown(header, rows).startswith("| red by tint | stain | enough |\n|")
    edits, attributes, changes = rescoring_matrix(cards)
    assert (edits, attributes, changes.shape) == (["enough"], ["red", "green", "blue"], (1, 3))
    draw_cards(cards, ["green", "blue"]).savefig(tmp_path / "curves.png")
    assert draw_rescoring(cards).width > 100


def test_figures_are_written_with_what_is_known_of_their_interval():
    assert format_estimate(Estimate(1.25, 1.0, 1.5)) == "+1.25 [+1.00, +1.50]"
    assert format_estimate(Estimate(1.25, 1.0, math.nan), 1) == "+1.2 [+1.0, -]"
    assert format_estimate(Estimate(1.25, math.nan, math.nan)) == "+1.25"
    assert format_estimate(Estimate(math.nan, math.nan, math.nan)) == "-"


def test_directions_of_every_space_are_shown(tiny_generator, tiny_direction):
    z = ZDirection("z", torch.ones(1, 12), (0,), sigma=1.0)
    edits = [tiny_direction, replace(load_direction("3_2", tiny_generator), sigma=1.0), z]
    cards = evaluate(tiny_generator, edits, [Tint()], level=0.01, **{**REQUEST, "seeds": range(100, 108)})
    assert [card.edit for card in cards] == ["up", "3_2", "z"]
    assert all(card.verdict.course.slope.value > 0 for card in cards)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "yellow"}, "tint does not rate 'yellow': choose from red, green, blue"),
        ({"seeds": range(4)}, "4 faces, 30 for the population: give at least 8"),
        ({"level": 0.0}, "level 0: give the change"),
        ({"level": math.nan}, "level nan: give the change"),
        ({"alphas": (0, 1)}, "give at least three that rise"),
        ({"alphas": (1, 2, 3)}, "0 among them"),
    ],
)
def test_a_wrong_request_is_refused(tiny_generator, tiny_direction, change, message):
    with pytest.raises(InputError, match=message):
        evaluate(tiny_generator, [tiny_direction], [Tint()], **{**REQUEST, **change})


def test_a_judge_that_rates_all_alike_is_refused(tiny_generator, tiny_direction):
    with pytest.raises(InputError, match="blind rates all faces alike in red"):
        evaluate(tiny_generator, [tiny_direction], [Tint("blind", 0.0)], **REQUEST)


@pytest.mark.parametrize(
    "provenance",
    [
        {"seeds": "0-100"},
        {"parent_provenance": {"seeds": "0-100"}},
        {"seeds": "5000-5010", "parent_provenance": {"seeds": "0-100"}},
    ],
)
def test_faces_that_a_direction_was_found_on_cannot_judge_it(tiny_generator, tiny_direction, provenance):
    direction = Direction("known", tiny_direction.vector, tiny_direction.layers, sigma=1.0, provenance=provenance)
    with pytest.raises(InputError, match="known was found on seeds 0-100, seed 100 among them"):
        evaluate(tiny_generator, [direction], [Tint()], **REQUEST)
