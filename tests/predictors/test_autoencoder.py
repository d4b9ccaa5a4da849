"""The autoencoder and what is measured with it."""

import importlib.metadata

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from latentedit.errors import InputError
from latentedit.predictors import reconstruction, weights
from latentedit.predictors.autoencoder import Autoencoder, LatentRegressor, load_autoencoder, prepare
from latentedit.predictors.distinctiveness import distinctiveness, nearest_distances
from latentedit.predictors.perception import LPIPS, STYLE_TAPS, TAPS, Fire, StyleDistance, gram, make_features, tap
from latentedit.predictors.reconstruction import ERRORS, load_error, load_lpips, load_style_distance


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_the_autoencoder_is_as_large_as_its_original():
    """Its encoder is torchvision's vgg16_bn without classes (docs.pytorch.org/vision: 138,365,992 in all)."""
    with torch.device("meta"):
        network = Autoencoder()
    classes = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert count(network.encoder) == 138_365_992 - classes
    # The mirror: a 2 x 2 doubling, then 3 x 3 convolutions after normalisations, 512-512-256-128-64-3.
    pairs = [(512, 512, 3), (512, 256, 3), (256, 128, 3), (128, 64, 2), (64, 3, 2)]
    decoder = sum(4 * a * a + a + (n - 1) * (9 * a * a + a + 2 * a) + 9 * a * b + b + 2 * a for a, b, n in pairs)
    assert count(network.decoder) == decoder


def test_tensors_have_the_originals_names():
    """Those of Horizon2333/imagenet-autoencoder, models/vgg.py."""
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in Autoencoder().state_dict().items()}
    assert shapes["encoder.conv1.0 EncoderLayer.layer.0.weight"] == (64, 3, 3, 3)
    assert shapes["encoder.conv5.2 EncoderLayer.layer.1.running_var"] == (512,)
    assert shapes["decoder.conv1.0 UpSampling.weight"] == (512, 512, 2, 2)
    assert shapes["decoder.conv2.3 DecoderLayer.layer.2.weight"] == (256, 512, 3, 3)
    assert shapes["decoder.conv5.2 DecoderLayer.layer.0.weight"] == (64,)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Autoencoder(width=2).eval()


def test_a_latent_is_a_thirty_second_on_each_side(network):
    images = torch.rand(2, 3, 64, 96)
    assert network(images).shape == images.shape
    assert network.encode(images).shape == (2, 16 * 2 * 3)
    assert torch.equal(network(images), network.decoder(network.encoder(images)))
    assert 0 < network(images).min() < network(images).max() < 1


def test_a_checkpoint_of_several_processes_is_opened(monkeypatch, tmp_path):
    network = Autoencoder(width=2).eval()
    monkeypatch.setattr(Autoencoder.__init__, "__defaults__", (2,))
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 99, "arch": "vgg16", "state_dict": state}, tmp_path / "vgg16.pth")
    loaded = load_autoencoder(tmp_path / "vgg16.pth")
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded(images), network(images))
    assert not any(tensor.is_meta for tensor in loaded.state_dict().values())  # its counters have memory too
    torch.save(state, tmp_path / "half.pth")
    state.popitem()
    state.popitem()
    torch.save(state, tmp_path / "half.pth")
    with pytest.raises(InputError, match=r"half.pth: decoder.* is missing"):
        load_autoencoder(tmp_path / "half.pth")


def test_images_are_resized_by_their_shorter_side_and_cropped():
    images = torch.linspace(-1, 1, 200).expand(1, 3, 100, 200)
    x = prepare(images, 50)
    assert x.shape == (1, 3, 50, 50)
    assert 0.24 < x.min() < 0.26
    assert 0.74 < x.max() < 0.76


def test_the_regressor_trains_its_head_alone():
    network = LatentRegressor(hidden=(4,), width=2, input_size=64)
    assert [name for name, weight in network.named_parameters() if weight.requires_grad] == [
        "head.0.weight",
        "head.0.bias",
        "head.3.weight",
        "head.3.bias",
    ]
    assert network.train().head.training
    assert not any(module.training for module in network.autoencoder.modules())
    x = network.preprocess(torch.rand(2, 3, 64, 64))
    assert ((network(x) > 0) & (network(x) < 1)).all()


@pytest.mark.parametrize("name", ["mse", "mae", "ssim", "ms-ssim"])
def test_errors_are_none_for_equal_images_and_grow_with_noise(name):
    random = torch.Generator().manual_seed(0)
    images = F.interpolate(torch.rand(2, 3, 21, 21, generator=random), size=(168, 168), mode="bilinear")
    noise = torch.randn(images.shape, generator=random)
    error = load_error(name)
    small, large = (error(images, (images + strength * noise).clamp(0, 1)) for strength in (0.02, 0.2))
    assert error(images, images).abs().max() < 1e-6
    assert ((small > 0) & (large > 2 * small)).all()
    one = error(images[:1], (images + 0.2 * noise).clamp(0, 1)[:1])
    torch.testing.assert_close(large[:1], one)


def test_plain_errors_are_their_formulas():
    a, b = torch.zeros(1, 3, 2, 2), torch.full([1, 3, 2, 2], 0.5)
    assert load_error("mse")(a, b).item() == 0.25
    assert load_error("mae")(a, b).item() == 0.5
    with pytest.raises(InputError, match="no reconstruction error is called 'lpips': choose from mse"):
        load_error("lpips")


def test_structural_similarity_is_wangs_formula_in_one_window():
    """Of flat images only (2 m n + c) / (m^2 + n^2 + c) is left, with c = .01^2."""
    a, b = torch.full([1, 1, 11, 11], 0.4), torch.full([1, 1, 11, 11], 0.6)
    expected = 1 - (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
    assert load_error("ssim")(a, b).item() == pytest.approx(expected, abs=2e-4)


# Documented for torchvision's networks (docs.pytorch.org/vision, "num_params"), less their classifiers.
TRUNKS = {
    "alex": 61_100_840 - (9216 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000),
    "squeeze": 1_235_496 - (512 * 1000 + 1000),
    "vgg": 138_357_544 - (25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000),
    "vgg19": 143_667_240 - (25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000),
}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_trunks_are_as_large_as_torchvisions(trunk):
    with torch.device("meta"):
        assert count(make_features(trunk)) == TRUNKS[trunk]


def test_what_is_compared_are_answers_after_relu():
    for trunk, taps in [*TAPS.items(), ("vgg19", STYLE_TAPS)]:
        with torch.device("meta"):
            features = make_features(trunk)
        assert all(isinstance(features[place], torch.nn.ReLU | Fire) for place in taps)
    with torch.device("meta"):
        convolutions = [type(layer).__name__ for layer in make_features("vgg19")[: STYLE_TAPS[-1] + 1]].count("Conv2d")
    assert convolutions == 13  # relu5_1 follows the thirteenth


def test_lpips_is_the_weighed_distance_of_unit_answers():
    torch.manual_seed(0)
    network = LPIPS("squeeze").eval()
    for name, weight in network.named_parameters():
        if name.startswith("lin"):
            torch.nn.init.uniform_(weight, 0, 1)
    a, b = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    expected = torch.zeros(2)
    for i, (x, y) in enumerate(
        zip(*(tap(network.features, network.taps, (z - shift) / scale) for z in (a, b)), strict=True)
    ):
        weigh = network.state_dict()[f"lin{i}.model.1.weight"][0]
        expected += ((F.normalize(x, dim=1) - F.normalize(y, dim=1)).square() * weigh).sum(dim=1).mean(dim=(1, 2))
    torch.testing.assert_close(network(a, b), expected, rtol=1e-4, atol=1e-6)
    assert network(a, a).abs().max() < 1e-6
    assert (network(a, b) > network(a, 0.9 * a + 0.1 * b)).all()  # larger is farther


def test_a_style_forgets_where_things_are():
    answer = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(gram(answer), gram(answer.flip(-1)))
    torch.testing.assert_close(gram(answer)[0, 1, 2], (answer[0, 1] * answer[0, 2]).sum() / (4 * 36))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Trunks of random weights in the place of torchvision's files, with classifiers that are of no use."""

    def write(name):
        trunk = {"squeezenet-imagenet": "squeeze", "vgg19-imagenet": "vgg19"}[name]
        torch.manual_seed(0)
        features = make_features(trunk)
        state = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
        torch.save(state | {"classifier.1.weight": torch.zeros(2)}, tmp_path / f"{name}.pth")
        return tmp_path / f"{name}.pth"

    monkeypatch.setattr(reconstruction, "obtain_weights", write)


def test_lpips_is_filled_from_torchvision_and_its_package(published):
    try:
        importlib.metadata.distribution("lpips")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("lpips is not installed")
    network = load_lpips("squeeze")
    torch.manual_seed(0)
    assert torch.equal(network.features[0].weight, make_features("squeeze")[0].weight)
    weighs = [weight for name, weight in network.named_parameters() if name.startswith("lin")]
    assert all((weight >= 0).all() for weight in weighs)  # as they were trained
    error = load_error("lpips-squeeze")
    images = torch.rand(1, 3, 64, 64)
    assert error(images, 1 - images) > error(images, images) == 0


def test_without_the_package_lpips_says_what_is_missing(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", nothing)
    with pytest.raises(InputError, match="lpips-alex needs its weights: `pip install --no-deps lpips`"):
        load_error("lpips-alex")


def test_styles_are_compared_by_grams(published):
    torch.manual_seed(1)
    network = load_style_distance()
    assert isinstance(network, StyleDistance)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    x = (images / 2 + 0.5 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    blank = -torch.tensor([0.485, 0.456, 0.406])[:, None, None] / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    pairs = zip(*(tap(network.features, STYLE_TAPS, z) for z in (x, blank.expand_as(x))), strict=True)
    expected = sum((gram(a) - gram(b)).square().mean() for a, b in pairs)
    torch.testing.assert_close(network(images, -torch.ones_like(images))[0], expected)


def test_a_published_file_must_begin_as_its_name_says(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "obtain", lambda item: tmp_path / item.file)
    monkeypatch.setattr(weights, "recorded_sha256", lambda item: "397923af" + "0" * 56)
    assert weights.obtain_weights("vgg16-imagenet").name == "vgg16-397923af.pth"
    with pytest.raises(InputError, match=r"vgg19-dcbb9e9d.pth is not the file that its name tells"):
        weights.obtain_weights("vgg19-imagenet")
    with pytest.raises(InputError, match="vgg17-imagenet is not in the list"):
        weights.obtain_weights("vgg17-imagenet")


def test_each_latent_is_as_far_from_the_nearest_as_by_hand():
    latents = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)) + 1000
    by_hand = [
        min(float((a - b).double().norm()) for j, b in enumerate(latents) if j != i) for i, a in enumerate(latents)
    ]
    np.testing.assert_allclose(nearest_distances(latents, chunk=7), by_hand, rtol=1e-6)
    values = distinctiveness(latents)
    assert abs(values.mean()) < 1e-9
    assert values.std() == pytest.approx(1)
    assert nearest_distances(torch.cat([latents, latents[:1]]))[[0, -1]].max() < 1e-9
    with pytest.raises(InputError, match=r"latents of shape \[1, 5\]: give \[N, D\] of 2"):
        nearest_distances(latents[:1])


def test_every_error_is_named():
    assert [*ERRORS] == ["mse", "mae", "ssim", "ms-ssim", "style", "lpips-alex", "lpips-squeeze", "lpips-vgg"]
