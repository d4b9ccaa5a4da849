import torch

from latentedit.predictors import AttributeScorer, load_scorer, score_together


class Counting:
    """Count how often faces are looked at."""

    name, attributes, range = "counting", ("sum", "mean"), (0.0, 1.0)
    rated_mean = stretch = half_width = torch.ones(2)

    def __init__(self):
        self.looks = 0

    def __call__(self, images):
        self.looks += 1
        return torch.stack([images.sum(dim=[-3, -2, -1]), images.mean(dim=[-3, -2, -1])], dim=-1)


def test_an_assessor_is_asked_once_for_all_that_look_at_it():
    images, counting = torch.rand(3, 3, 8, 8), Counting()
    first, second = (AttributeScorer(counting, name) for name in ("sum", "mean"))
    together = score_together([first, lambda x: x[:, 0, 0, 0], second], images)
    assert counting.looks == 1
    assert torch.equal(together, torch.stack([first(images), images[:, 0, 0, 0], second(images)], dim=1))


def test_scores_together_are_those_of_each_alone():
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    scorers = [load_scorer(name) for name in ("patches:happy", "patches:age:matched")]
    assert torch.allclose(score_together(scorers, images), torch.stack([s(images) for s in scorers], dim=1))
