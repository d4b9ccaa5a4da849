import math

import pytest
import torch

from latentedit.training.measures import frechet_distance, kernel_distance, nearest, precision_and_recall


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_equal_sets_lie_at_no_frechet_distance():
    x = torch.randn(50, 80)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_of_gaussians_is_known():
    a, b = torch.randn(40_000, 3), torch.randn(40_000, 3) * torch.tensor([1.0, 2.0, 0.5]) + torch.tensor([1.0, 0, 2.0])
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + (2 - 1) ** 2 + (0.5 - 1) ** 2, rel=0.03)


def test_the_frechet_distance_takes_the_root_of_the_product_of_covariances():
    a, b = torch.randn(30, 4), torch.randn(20, 4) @ torch.randn(4, 4) + 1
    roots = torch.linalg.eigvals(torch.cov(a.double().t()) @ torch.cov(b.double().t())).real.sqrt().sum()
    traces = a.double().var(dim=0).sum() + b.double().var(dim=0).sum()
    shift = (a.double().mean(dim=0) - b.double().mean(dim=0)).square().sum()
    assert frechet_distance(a, b) == pytest.approx(float(shift + traces - 2 * roots), rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))


def test_the_kernel_distance_is_its_definition():
    a, b = torch.randn(5, 4).double(), torch.randn(7, 4).double()

    def kernel(x, y):
        return (float(x @ y) / 4 + 1) ** 3

    def within(rows):
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(x, y) for x in a for y in b]
    expected = within(a) + within(b) - 2 * sum(between) / len(between)
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_the_kernel_distance_has_no_bias():
    found = torch.tensor([kernel_distance(torch.randn(20, 4), torch.randn(30, 4)) for _ in range(400)])
    assert found.mean().abs() < 3 * found.std() / math.sqrt(400)
    assert found.min() < 0 < kernel_distance(torch.randn(20, 4), torch.randn(30, 4) + 1)


def test_many_rows_are_summed_in_parts():
    a, b = torch.randn(2100, 2), torch.randn(1500, 2)
    kernel = (a.double() @ b.double().t() / 2 + 1) ** 3
    own = [((x.double() @ x.double().t() / 2 + 1) ** 3).fill_diagonal_(0).sum() / len(x) / (len(x) - 1) for x in (a, b)]
    assert kernel_distance(a, b) == pytest.approx(float(sum(own) - 2 * kernel.mean()))


def test_precision_and_recall_of_equal_and_of_disjoint_sets():
    x = torch.randn(60, 5)
    assert precision_and_recall(x, x.flip(0)) == (1, 1)
    assert precision_and_recall(x, x + 100) == (0, 0)


def test_samples_of_one_mode_are_precise_and_reach_half():
    modes = torch.tensor([[0.0, 0.0], [100.0, 0.0]]).repeat_interleave(500, dim=0)
    real = torch.randn(1000, 2) + modes
    coverage = precision_and_recall(real, torch.randn(500, 2))
    assert coverage.precision > 0.95
    assert 0.45 < coverage.recall <= 0.5


def test_balls_reach_to_the_third_neighbour():
    real = torch.tensor([[0.0], [1.0], [2.0], [4.0]])
    assert precision_and_recall(real, torch.tensor([[7.9], [8.1], [-3.9], [-4.1]]), k=3).precision == 0.5
    assert precision_and_recall(real, torch.tensor([[7.9], [6.1], [-1.9], [2.1]]), k=1).precision == 0.25


def test_recall_is_precision_seen_from_the_other_side():
    a, b = torch.randn(50, 3), torch.randn(40, 3) + 1
    forth, back = precision_and_recall(a, b), precision_and_recall(b, a)
    assert forth == back[::-1]
    assert 0.1 < forth.recall < forth.precision < 1 or 0.1 < forth.precision < forth.recall < 1


def test_the_nearest_is_found():
    bank = torch.randn(40, 6)
    order = torch.randperm(40)
    distances, indices = nearest(bank[order] + 0.05, bank)
    assert torch.equal(indices, order)
    assert torch.allclose(distances, torch.full([40], 0.05 * math.sqrt(6)), rtol=1e-3)
