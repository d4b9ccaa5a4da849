"""Axes of W and of the affines, against planted ones; channels against an attribute that asks for one."""

import copy

import pytest
import torch
from torch.nn.functional import cosine_similarity

from latentedit.discovery import UNSUPERVISED, factorize, find_components, rank_channels
from latentedit.discovery.components import add_scatter, leading_axes
from latentedit.discovery.factorization import stack_affines
from latentedit.errors import InputError


@pytest.fixture(autouse=True)
def small_population(monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))


@pytest.fixture
def axes():
    """An orthonormal basis of W."""
    return torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(3))).Q.t()


def test_components_are_the_axes_of_a_planted_spread(tiny_generator, axes, monkeypatch):
    def sample_planted(generator, seeds, class_index=None):
        normal = torch.randn(len(seeds), 16, generator=torch.Generator().manual_seed(seeds[0]))
        w = 5 + (normal * torch.linspace(4, 1, 16)) @ axes
        return w[:, None].expand(-1, 6, -1)

    monkeypatch.setattr("latentedit.discovery.components.sample", sample_planted)
    monkeypatch.setattr("latentedit.discovery.components.CHUNK", 7000)
    found = find_components(tiny_generator, num=4, layers=(1, 2), seeds=range(40_000))
    assert [direction.name for direction in found] == ["comp0", "comp1", "comp2", "comp3"]
    for direction, axis, sd in zip(found, axes, torch.linspace(4, 1, 16).tolist(), strict=False):
        assert direction.layers == (1, 2)
        assert cosine_similarity(direction.vector[0], axis.double(), dim=0).abs() > 0.99
        assert direction.sigma == pytest.approx(sd, rel=0.03)
    shares = [direction.provenance["explained_variance"] for direction in found]
    assert shares[0] == pytest.approx(16 / float(torch.linspace(4, 1, 16).square().sum()), rel=0.03)


def test_the_scatter_does_not_depend_on_the_chunks():
    w = torch.randn(100, 5, dtype=torch.float64) + 3
    done, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for chunk in w.split([1, 60, 39]):
        done, mean, scatter = add_scatter(done, mean, scatter, chunk)
    assert done == 100
    assert torch.allclose(mean, w.mean(dim=0))
    assert torch.allclose(scatter / 99, w.t().cov())


def test_factorization_finds_what_moves_the_planted_affines_most(tiny_generator, axes):
    generator = copy.deepcopy(tiny_generator)
    for layer in generator.config.style_layers:
        weight = generator.synthesis.get_submodule(f"{layer.name}.affine").weight
        leading = axes[0] if layer.row in (2, 3) else axes[1]
        weight.copy_(3 * torch.sign(torch.randn(len(weight), 1)) * leading + 0.1 * torch.randn_like(weight))
    for layers, axis in (((2, 3), axes[0]), ((0, 1), axes[1])):
        found = factorize(generator, num=3, layers=layers)
        assert cosine_similarity(found[0].vector[0], axis.double(), dim=0).abs() > 0.99
        values = [direction.provenance["eigenvalue"] for direction in found]
        assert values == sorted(values, reverse=True)
        assert found[0].layers == layers
        affines = stack_affines(generator, layers)
        assert float((affines @ found[0].vector[0]).square().sum()) == pytest.approx(values[0])


def test_factorization_leaves_the_colours_out(tiny_generator):
    widths = [layer.width for layer in tiny_generator.config.style_layers if "torgb" not in layer.name]
    assert len(stack_affines(tiny_generator, tuple(range(6)))) == sum(widths)


def test_axes_have_a_sign_and_fall():
    values, vectors = leading_axes(torch.diag(torch.tensor([1.0, 5.0, 3.0])), 2)
    assert values.tolist() == [5, 3]
    assert torch.equal(vectors, torch.tensor([[0.0, 1, 0], [0, 0, 1]]))


@pytest.mark.parametrize("find", UNSUPERVISED.values(), ids=UNSUPERVISED)
def test_no_more_axes_than_dimensions(tiny_generator, find):
    with pytest.raises(InputError, match="17 directions of a W of 16"):
        find(tiny_generator, 17)


def test_the_channel_that_an_attribute_asks_for_ranks_first(tiny_generator):
    random = torch.Generator().manual_seed(0)
    config = tiny_generator.config
    styles = torch.randn(4000, config.num_styles, generator=random)
    styles[:, 5] = 0.25  # a dead channel
    wanted = config.style_layers[2]
    scores = -styles[:, wanted.start + 3] + 0.2 * torch.randn(4000, generator=random)
    ranked = rank_channels(tiny_generator, 50 + 9 * styles, scores, num=5)
    assert len(ranked) == 5
    assert ranked[0][0] == "2_3"
    assert ranked[0][1] < -2
    assert abs(ranked[1][1]) < 0.5
    with pytest.raises(InputError, match="4000 styles and 3 scores"):
        rank_channels(tiny_generator, styles, scores[:3])
