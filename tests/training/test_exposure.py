"""One exposure: seen once, alone, in order; what is left then is held against scores."""

import pytest
import torch

from latentedit.predictors.autoencoder import Autoencoder
from latentedit.predictors.reconstruction import mean_absolute, mean_squared
from latentedit.training.exposure import Exposure, correlate, examine, expose_once


@pytest.fixture
def images():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Autoencoder(width=2)


def test_each_image_is_seen_once_alone_and_in_order(network, images):
    seen = []

    def load(row):
        seen.append(row)
        return images[row]

    before = network.encoder.conv1[0].layer[0].weight.clone()
    first = mean_squared(images[:1], network.train()(images[:1])).item()
    errors = expose_once(network, 6, load, mean_squared)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert errors[0] == pytest.approx(first)
    assert not torch.equal(before, network.encoder.conv1[0].layer[0].weight)


def test_the_error_falls(network, images):
    errors = expose_once(network, 60, lambda row: images[row % 6], mean_squared, learning_rate=1e-2)
    assert sum(errors[-6:]) < 0.5 * sum(errors[:6])


def test_what_is_examined_does_not_depend_on_the_batch(network, images):
    measures = {"mse": mean_squared, "mae": mean_absolute}
    together = examine(network, 6, lambda row: images[row], measures)
    alone = examine(network, 6, lambda row: images[row], measures, chunk=1)
    for name in measures:
        torch.testing.assert_close(together.errors[name], alone.errors[name], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(together.errors["mse"], mean_squared(images, network.eval()(images)))
    assert together.distinctiveness.shape == (6,)


def test_correlations_are_of_pairs():
    values = torch.arange(50.0)
    exposure = Exposure({"mse": values}, -values.double())
    rows = correlate(exposure, {"memorable": values.square().tolist()})
    assert [(row["measure"], row["score"], round(row["spearman"], 6), row["count"]) for row in rows] == [
        ("mse", "memorable", 1.0, 50),
        ("distinctiveness", "memorable", -1.0, 50),
    ]
    assert rows[0]["interval"] == pytest.approx(
        [1, 1]
    )  # resampling scores apart from errors would give some of [-.3, .3]
