"""Quasi-Newton steps go to the bottom of a bowl, each row its own way, and back from where it was worse."""

import pytest
import torch

from latentedit.inversion.quasi_newton import QuasiNewton


def descend(losses_of, x, precondition, steps):
    """Take steps: -> x, and losses [steps, N]."""
    x = x.clone().requires_grad_()
    optimiser, history = QuasiNewton(x, precondition), []
    for _ in range(steps):
        losses = losses_of(x)
        x.grad = None
        losses.sum().backward()
        history.append(optimiser.step(losses.detach))
    return x.detach(), torch.stack(history)


@pytest.fixture
def bowls():
    """Three bowls of squares of one curvature, 1 to 10,000, with bottoms of their own."""
    strengths = torch.logspace(0, 4, 12).double()
    bottoms = torch.randn(3, 12, generator=torch.Generator().manual_seed(0)).double()
    return strengths, bottoms, lambda x: (strengths * (x - bottoms).square()).sum(dim=1)


def test_with_the_true_curvature_one_step_is_all(bowls):
    strengths, bottoms, losses_of = bowls
    x, _ = descend(losses_of, torch.zeros_like(bottoms), lambda gradient: gradient / strengths, 1)
    assert torch.allclose(x, bottoms)


def test_the_curvature_is_learned_on_the_way(bowls):
    _, bottoms, losses_of = bowls
    _, history = descend(losses_of, torch.zeros_like(bottoms), lambda gradient: gradient / 1e4, 100)
    assert bool((history[-1] < 1e-6 * history[0]).all())


def test_rows_do_not_know_of_one_another(bowls):
    _, bottoms, losses_of = bowls
    together, _ = descend(losses_of, torch.zeros_like(bottoms), lambda gradient: gradient / 1e4, 15)
    strengths = bowls[0]
    alone, _ = descend(
        lambda x: (strengths * (x - bottoms[1:2]).square()).sum(dim=1),
        torch.zeros(1, 12).double(),
        lambda g: g / 1e4,
        15,
    )
    assert torch.allclose(together[1:2], alone, atol=1e-6)


def test_a_step_that_goes_too_far_is_halved_until_it_falls():
    """From 1 the first step leads to -5.2, into the next trough, where the loss is higher and bent the other way."""
    x, history = descend(
        lambda x: (1 - x.cos()).sum(dim=1), torch.ones(1, 1).double(), lambda gradient: 14.736 * gradient, 20
    )
    assert float(history[1]) > float(history[0])
    assert float(x) == pytest.approx(0, abs=1e-6)
