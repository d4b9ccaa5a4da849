import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from latentedit.checkpoints import fingerprint
from latentedit.discovery import METHODS, discover, discover_by_gradient
from latentedit.discovery.examples import Examples
from latentedit.discovery.gradient import average_gradients, steer
from latentedit.discovery.labels import label_scores
from latentedit.discovery.logistic import fit_logistic
from latentedit.errors import InputError


@pytest.mark.parametrize("method", METHODS)
def test_every_method_recovers_the_true_direction(tiny_generator, linear_world, method):
    direction = discover(tiny_generator, linear_world.ws, linear_world.scores, method)
    cosines = torch.nn.functional.cosine_similarity(direction.vector, linear_world.truth.double(), dim=1)
    assert cosines.min() > 0.99


def test_a_direction_says_where_it_comes_from(tiny_generator, linear_world):
    direction = discover(tiny_generator, linear_world.ws, linear_world.scores, name="up", provenance={"scorer": "true"})
    assert direction.space == "w"
    assert direction.generator == fingerprint(tiny_generator)
    assert torch.allclose(direction.vector.norm(dim=1), torch.ones(6).double())
    assert direction.sigma > 0
    assert direction.provenance["scorer"] == "true"
    assert direction.provenance["hold_out_accuracy"] > 0.95


def test_the_papers_tiled_copies_give_the_same_direction(linear_world):
    w, scores = linear_world.ws[:400, 0].double().numpy(), linear_world.scores[:400].double().numpy()
    labels = label_scores(scores, "mean")
    normal = torch.from_numpy(fit_logistic(Examples(w, scores, labels, copies=6)).normal)
    tiled = LogisticRegression(C=1, max_iter=4000, tol=1e-8).fit(np.tile(w, 6), labels.high)
    copies = torch.from_numpy(tiled.coef_).reshape(6, 16)
    for row in copies:
        assert torch.nn.functional.cosine_similarity(row, normal, dim=0) > 1 - 1e-6


def test_what_cannot_be_learned_from_is_refused(tiny_generator, linear_world):
    ws, scores = linear_world.ws, linear_world.scores
    with pytest.raises(InputError, match="method 'magic'"):
        discover(tiny_generator, ws, scores, method="magic")
    with pytest.raises(InputError, match="no direction can be found"):
        discover(tiny_generator, ws, torch.ones(len(ws)))
    with pytest.raises(InputError, match="at least 20 faces"):
        discover(tiny_generator, ws[:5], scores[:5])
    with pytest.raises(InputError, match="not finite"):
        discover(tiny_generator, ws, torch.where(torch.arange(len(ws)) == 3, torch.nan, scores))
    with pytest.raises(InputError, match="rows of some ws differ"):
        discover(tiny_generator, ws + torch.arange(6)[:, None], scores)
    with pytest.raises(InputError, match="one score for each face"):
        discover(tiny_generator, ws, scores[:-1])
    with pytest.raises(InputError, match="space 'x' is not known: choose one of z, w, w\\+, s"):
        discover(tiny_generator, ws, scores, space="x")
    with pytest.raises(InputError, match="layers \\[6\\] in W: give some of 0-5"):
        discover(tiny_generator, ws, scores, layers=(6,))
    with pytest.raises(InputError, match="in Z: give \\[N, 12\\]"):
        discover(tiny_generator, ws[:, 0], scores, space="z")
    lonely = torch.zeros(100).index_fill(0, torch.tensor([3]), 1.0)
    with pytest.raises(InputError, match="leave 89 low and 1 high faces"):
        discover(tiny_generator, ws[:100], lonely)


def test_the_average_gradient_is_that_of_the_score(tiny_generator, linear_world):
    class Contrast:
        name, range = "contrast", (-1.0, 1.0)

        def __call__(self, images):
            return images[..., 0, :8, :].mean(dim=[-2, -1]) - images[..., 1, 8:, :].mean(dim=[-2, -1])

    ws = linear_world.ws[:6]
    (gradient,) = average_gradients(tiny_generator, [Contrast()], ws, chunk=4)
    step = 1e-2 * torch.randn(16, generator=torch.Generator().manual_seed(0))
    ahead, behind = (Contrast()(tiny_generator.synthesis(ws + sign * step)).mean() for sign in (1, -1))
    assert float(gradient @ step.double()) == pytest.approx(
        float(ahead - behind) / 2, rel=0.1
    )  # kinks of the leaky ReLU
    direction = discover_by_gradient(tiny_generator, ws, Contrast(), "contrast")
    assert torch.nn.functional.cosine_similarity(direction.vector[3], gradient, dim=0) == pytest.approx(1)
    assert direction.provenance["scorer"] == "contrast"


class Channel:
    """Score the mean of one colour."""

    range = (-1.0, 1.0)

    def __init__(self, index):
        self.index, self.name = index, f"channel{index}"

    def __call__(self, images):
        return images[..., self.index, :, :].mean(dim=[-2, -1])


@pytest.mark.parametrize("has_metric", [False, True])
def test_kept_scores_do_not_change_to_first_order(tiny_generator, linear_world, has_metric):
    ws, scorers = linear_world.ws[:20], [Channel(i) for i in range(3)]
    metric = (
        torch.cov(linear_world.ws[:, 0].double().t()) @ torch.arange(1.0, 17).double().diag() if has_metric else None
    )
    metric = None if metric is None else metric @ metric.t()
    found = discover_by_gradient(tiny_generator, ws, scorers[0], keep=scorers[1:], metric=metric)
    slopes = average_gradients(tiny_generator, scorers, ws) @ found.vector[0]
    assert slopes[0] > 1e-3
    assert slopes[1:].abs().max() < 1e-9
    assert found.provenance["kept_scores"] == ["channel1", "channel2"]


def test_what_is_kept_must_leave_something(tiny_generator, linear_world):
    ws = linear_world.ws[:20]
    with pytest.raises(InputError, match="up: nothing raises channel0 and keeps channel1, channel0: keep fewer"):
        discover_by_gradient(tiny_generator, ws, Channel(0), "up", keep=[Channel(1), Channel(0)])


def test_a_step_goes_farther_where_the_metric_is_larger():
    gradient, metric = torch.ones(3).double(), torch.tensor([1.0, 4.0, 9.0]).double().diag()
    assert steer(gradient, torch.zeros(0, 3).double(), metric).tolist() == [1, 4, 9]
    kept = torch.tensor([[0.0, 0.0, 1.0]]).double()
    assert steer(gradient, kept, metric).tolist() == pytest.approx([1, 4, 0])
