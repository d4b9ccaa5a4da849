"""Channels get the images that move them, and images made for them move them more."""

import pytest
import torch
from torch import nn

from latentedit.errors import InputError
from latentedit.explanation import Explained
from latentedit.explanation.channels import answer, find_top_images, maximise
from latentedit.predictors import PredictorScorer, make_predictor


class Colours(nn.Module):
    """A layer with a channel for each colour."""

    name, range = "colours", (0.0, 1.0)

    def __init__(self):
        super().__init__()
        self.sees = nn.Conv2d(3, 3, 1, bias=False)
        self.sees.weight = nn.Parameter(torch.eye(3)[..., None, None])

    def forward(self, images):
        return self.sees(images).mean(dim=(1, 2, 3))


class Held:
    def __init__(self, images):
        self.images, self.names, self.most = images, [f"{i}.png" for i in range(len(images))], 0

    def load(self, rows, framing):
        self.most = max(self.most, len(rows))
        return [InputError("broken") if row == 5 else self.images[row] for row in rows]


def test_top_images_are_those_of_a_full_search():
    images = torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    source, means = Held(images), images.mean(dim=(2, 3))
    means[5] = -1  # can't be read
    found = find_top_images(Explained(Colours()), source, num=4)
    assert found.layer == "sees"
    assert torch.equal(found.rows, means.argsort(dim=0, descending=True)[:4].t())
    assert torch.allclose(found.answers, means.sort(dim=0, descending=True).values[:4].t())
    assert source.most == 8


def test_a_source_that_cannot_be_read_is_named():
    class Broken(Held):
        def load(self, rows, framing):
            return [InputError("broken")] * len(rows)

    with pytest.raises(InputError, match=r"0\.png and all others"):
        find_top_images(Explained(Colours()), Broken(torch.zeros(2, 3, 8, 8)))


def test_an_image_made_for_a_channel_has_its_colour():
    made = maximise(Explained(Colours()), "sees", [0, 2], side=32, steps=10)
    assert made.shape == (2, 3, 32, 32)
    for image, channel in zip(made, (0, 2), strict=True):
        means = image.mean(dim=(1, 2))
        assert means[channel] > 0.7
        assert means[1].abs() < 0.2
    assert torch.equal(made, maximise(Explained(Colours()), "sees", [0, 2], side=32, steps=10))


def test_channels_of_a_network_are_moved_beyond_noise():
    torch.manual_seed(0)
    explained = Explained(PredictorScorer("small", make_predictor("sigmoid_head", width=4, input_size=64).eval()))
    layer, noise = "backbone.layer1", torch.rand(8, 3, 64, 64) * 2 - 1
    made = maximise(explained, layer, [0, 1], side=64, steps=6)
    reached, by_chance = answer(explained, made, layer), answer(explained, noise, layer)
    for i in (0, 1):
        assert reached[i, i] > by_chance[:, i].max()
