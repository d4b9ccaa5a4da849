import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.direction import Direction, cosine, cosines
from latentedit.errors import InputError

seeds = st.integers(0, 2**31)


def draw(seed: int, count: int, num_layers: int = 4, width: int = 24) -> list[Direction]:
    """Draw W+ directions at random."""
    random = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, num_layers, width, generator=random, dtype=torch.float64)
    return [Direction(f"d{i}", vector, tuple(range(num_layers))) for i, vector in enumerate(vectors)]


def inner(one: Direction, other: Direction) -> float:
    return abs(cosine(one, other))


@given(seeds, st.integers(1, 5), st.booleans())
def test_the_result_is_orthogonal_to_every_condition(seed, count, per_layer):
    direction, *conditions = draw(seed, count + 1)
    result = direction.condition_on(conditions, per_layer)
    assert max(inner(result, condition) for condition in conditions) < 1e-12
    if per_layer:
        rows = [(result.vector * c.vector).sum(dim=1) / c.vector.norm(dim=1) for c in conditions]
        assert torch.stack(rows).abs().max() < 1e-12


@given(seeds, st.integers(2, 4))
def test_conditioning_is_idempotent_and_free_of_order_and_scale(seed, count):
    direction, *conditions = draw(seed, count + 1)
    once = direction.condition_on(conditions)
    scaled = [Direction(c.name, c.vector * (5.0 + i), c.layers) for i, c in enumerate(conditions)]
    for again in (once.condition_on(conditions), direction.condition_on(scaled[::-1])):
        assert torch.allclose(again.vector, once.vector, atol=1e-10)


@given(seeds)
def test_the_share_that_was_kept_is_recorded(seed):
    direction, condition = draw(seed, 2)
    kept = direction.condition_on([condition]).provenance["kept"]
    assert kept == pytest.approx(math.sqrt(1 - cosine(direction, condition) ** 2), abs=1e-9)


def test_equal_and_nearly_equal_conditions_count_once():
    direction, condition = draw(0, 2)
    twin = Direction("twin", condition.vector * (1 + 1e-13), condition.layers)
    alone = direction.condition_on([condition])
    assert torch.allclose(direction.condition_on([condition, twin]).vector, alone.vector, atol=1e-9)


def test_in_w_both_ways_are_the_same():
    rows = draw(0, 2, num_layers=1)
    direction, condition = (Direction(d.name, d.vector.repeat(5, 1), tuple(range(5))) for d in rows)
    flat, per_layer = direction.condition_on([condition]), direction.condition_on([condition], per_layer=True)
    assert torch.allclose(flat.vector, per_layer.vector, atol=1e-12)
    assert torch.allclose(flat.vector.norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_nothing_left_is_an_error():
    (direction,) = draw(0, 1)
    with pytest.raises(InputError, match=r"d0 without d0: only 0\.0% is left"):
        direction.condition_on([direction])
    with pytest.raises(InputError, match="no condition"):
        direction.condition_on([])


def test_a_condition_counts_only_on_the_layers_that_move():
    wide, condition = draw(0, 2)
    narrow = Direction("narrow", wide.vector[1:3], (1, 2))
    result = narrow.condition_on([condition])
    assert result.layers == (1, 2)
    assert abs(float((result.vector * condition.vector[1:3]).sum())) < 1e-12
    elsewhere = Direction("elsewhere", condition.vector[:1], (0,))
    assert cosine(narrow.condition_on([elsewhere]), narrow) == pytest.approx(1)


def test_directions_of_different_generators_do_not_mix():
    a, b = draw(0, 2)
    a, b = (Direction(d.name, d.vector, d.layers, generator=g) for d, g in ((a, "1" * 64), (b, "2" * 64)))
    with pytest.raises(InputError, match="d1 belongs to generator 222222222222, not to 111111111111"):
        a.condition_on([b])
    with pytest.raises(InputError, match="different generators"):
        a.condition_on(draw(0, 1, width=8))


def test_space_is_computed():
    (direction,) = draw(0, 1)
    assert direction.space == "w+"
    assert Direction("w", direction.vector[:1].repeat(4, 1), direction.layers).space == "w"


def test_sigma_follows_the_scale_of_the_vector():
    (direction,) = draw(3, 1)
    ws = torch.randn(500, 4, 24, generator=torch.Generator().manual_seed(0))
    measured = direction.calibrated(ws)
    assert measured.normalized().sigma == pytest.approx(direction.normalized().calibrated(ws).sigma)
    assert measured.sigma == pytest.approx(1 / direction.norm, rel=0.1)  # unit Gaussian along any line


def test_the_coordinate_is_how_often_the_vector_was_added():
    (direction,) = draw(4, 1)
    ws = torch.randn(3, 4, 24, dtype=torch.float64)
    moved = ws + 2.5 * direction.vector
    assert torch.allclose(direction.coordinate(moved) - direction.coordinate(ws), torch.tensor(2.5).double())


@pytest.mark.parametrize(
    "vector", [torch.zeros(2, 4), torch.full((2, 4), float("nan")), torch.ones(3, 4), torch.ones(4)]
)
def test_a_vector_that_is_no_direction_is_refused(vector):
    with pytest.raises(InputError, match="direction bad"):
        Direction("bad", vector, (0, 1))


@pytest.mark.parametrize("conditions", [["gender"], ["gender", "eyeglasses"]])
def test_the_published_conditional_boundaries_are_reproduced(shared, conditions):
    def boundary(name: str) -> Direction:
        file = shared / "reference" / "ffhq-directions" / "interfacegan" / f"pggan_celebahq_{name}_boundary.npy"
        return Direction(name, torch.from_numpy(np.load(file)), (0,))

    published = boundary("age_c_" + "_".join(conditions))
    result = boundary("age").condition_on([boundary(name) for name in conditions])
    assert (result.vector - published.vector).abs().max() < 1e-12


@given(seeds, st.integers(1, 5))
def test_a_table_of_cosines_is_symmetric_and_holds_each_cosine(seed, count):
    directions = draw(seed, count)
    table = cosines(directions)
    assert torch.allclose(table, table.t(), atol=1e-12)
    assert torch.allclose(table.diagonal(), torch.ones(count, dtype=torch.float64))
    for i, one in enumerate(directions):
        for j, other in enumerate(directions):
            assert float(table[i, j]) == pytest.approx(cosine(one, other), abs=1e-12)


def test_directions_of_other_layers_share_what_they_share():
    row = torch.ones(1, 4)
    everywhere, part = Direction("all", row.repeat(8, 1), tuple(range(8))), Direction("part", row.repeat(2, 1), (1, 2))
    apart = Direction("apart", row, (5,))
    assert cosines([everywhere, part, apart])[0].tolist() == pytest.approx([1, 0.5, 8**-0.5])
    assert float(cosines([part, apart])[0, 1]) == 0
    with pytest.raises(InputError, match="part has 4, wide has 5"):
        cosines([part, Direction("wide", torch.ones(1, 5), (0,))])


@pytest.mark.parametrize("layers", [(1, 0), (1, 1), (-1, 0)])
def test_layers_rise(layers):
    with pytest.raises(InputError, match="do not rise"):
        Direction("bad", torch.ones(2, 4), layers)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_sigma_is_a_positive_number(sigma):
    with pytest.raises(InputError, match="no positive number"):
        Direction("bad", torch.ones(2, 4), (0, 1), sigma=sigma)


def draw_covariance(seed: int, width: int = 24) -> torch.Tensor:
    """Draw a covariance whose axes vary by very different amounts."""
    random = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(width, width, generator=random, dtype=torch.float64)).Q
    return axes @ torch.logspace(-2, 1, width, dtype=torch.float64).diag() @ axes.t()


@given(seeds, st.integers(1, 4), st.booleans())
def test_under_a_covariance_the_result_is_orthogonal_too(seed, count, per_layer):
    direction, *conditions = draw(seed, count + 1)
    covariance = draw_covariance(seed)
    result = direction.condition_on(conditions, per_layer, covariance=covariance)
    assert max(abs(cosine(result, condition, covariance)) for condition in conditions) < 1e-10
    assert result.provenance["metric"] == "covariance"
    again = result.condition_on(conditions, per_layer, covariance=covariance)
    assert torch.allclose(again.vector, result.vector, atol=1e-9)


@given(seeds)
def test_the_identity_as_covariance_is_the_euclidean_metric(seed):
    direction, *conditions = draw(seed, 3)
    plain, same = (direction.condition_on(conditions, covariance=c) for c in (None, torch.eye(24)))
    assert torch.allclose(plain.vector, same.vector, atol=1e-12)
    assert plain.provenance["metric"] == "euclidean"


@given(seeds)
def test_a_linear_trait_is_constant_under_the_metric_that_its_condition_asks_for(seed):
    direction, normal = draw(seed, 2, num_layers=1)
    covariance = draw_covariance(seed)
    way = Direction("way", normal.vector @ covariance, (0,))  # how faces of more of the trait differ in the mean
    slopes = {
        name: float((normal.vector * result.vector).sum() / normal.norm)
        for name, result in {
            "normal, euclidean": direction.condition_on([normal]),
            "way, covariance": direction.condition_on([way], covariance=covariance),
            "normal, covariance": direction.condition_on([normal], covariance=covariance),
            "way, euclidean": direction.condition_on([way]),
        }.items()
    }
    assert abs(slopes["normal, euclidean"]) < 1e-10
    assert abs(slopes["way, covariance"]) < 1e-10
    assert min(abs(slopes["normal, covariance"]), abs(slopes["way, euclidean"])) > 1e-9


def test_a_covariance_that_does_not_fit_is_refused():
    direction, condition = draw(0, 2)
    with pytest.raises(InputError, match=r"covariance of shape \[3, 3\]: give that of its own generator"):
        direction.condition_on([condition], covariance=torch.eye(3))
    with pytest.raises(InputError, match="of too few faces"):
        direction.condition_on([condition], covariance=torch.eye(24).index_fill(0, torch.tensor([2]), 0.0))
