"""ResMem against the package `resmem`, which is installed without torchvision."""

import importlib.metadata
import importlib.util
import sys
from types import ModuleType

import pytest
import torch
from PIL import Image

from latentedit.checkpoints.archive import load_archive
from latentedit.errors import InputError
from latentedit.photographs import load_squeezed, to_images
from latentedit.predictors import load_scorer, registry, resnet
from latentedit.predictors.resmem import ResMem, find_resmem, load_resmem, load_resmem_resnet
from latentedit.predictors.resnet import ResNet


@pytest.fixture(scope="module")
def package():
    """The file inside the installed package."""
    try:
        return find_resmem()
    except InputError:
        pytest.skip("resmem is not installed")


@pytest.fixture(scope="module")
def network(package):
    return load_resmem(package)


def test_tensors_have_the_files_names_and_shapes(package):
    published = load_archive(package, "meta")
    with torch.device("meta"):
        own = ResMem().state_dict()
    assert {name: tensor.shape for name, tensor in own.items()} == {
        name: tensor.shape for name, tensor in published.items()
    }


@pytest.fixture
def original(package, monkeypatch):
    """The package's own module, to which torchvision is a stub that has the ResNet of this project."""
    vision, models, transforms = (ModuleType(name) for name in ("torchvision", "torchvision.models", "transforms"))
    models.resnet152 = lambda pretrained: ResNet(152)
    for name in ("Compose", "Resize", "CenterCrop", "ToTensor"):
        setattr(transforms, name, lambda *arguments: None)
    vision.models, vision.transforms = models, transforms
    monkeypatch.setitem(sys.modules, "torchvision", vision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    spec = importlib.util.spec_from_file_location("resmem_original", package.with_name("__init__.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda weight, **settings: weight)  # which takes seconds
    return module.ResMem(pretrained=True).eval()


@torch.no_grad()
def test_scores_equal_the_packages(network, original):
    noise = torch.rand(3, 227, 227, generator=torch.Generator().manual_seed(0))
    images = torch.stack([noise, noise.mean(dim=-1, keepdim=True).expand_as(noise)])  # noise and stripes
    joined = []  # what both branches see, of which the local normalisation hardly shows in the score
    for module in (network, original):
        module.fc6.register_forward_hook(lambda layer, given, answer: joined.append(given[0]))
    scores = network(images)
    assert (scores[0] - scores[1]).abs() > 0.005
    torch.testing.assert_close(scores, original(images)[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(*joined, rtol=1e-5, atol=1e-5)


def test_a_photograph_is_squeezed_and_cropped_as_the_package_does(tmp_path):
    picture = Image.effect_noise((300, 200), 80).convert("RGB")
    picture.save(tmp_path / "wide.png")
    images = to_images(load_squeezed(tmp_path / "wide.png", 256))[None]
    with torch.device("meta"):
        own = ResMem().preprocess
    small = picture.resize((256, 256), Image.Resampling.BILINEAR).crop((14, 14, 241, 241))
    expected = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).reshape(227, 227, 3) / 255
    torch.testing.assert_close(own(images)[0].permute(1, 2, 0), expected, rtol=0, atol=1e-6)


def test_layers_answer_by_depth(network):
    assert len(network.list_depths()) == 155
    images = torch.rand(1, 3, 227, 227)
    assert torch.allclose(network.activations(images, 0), network.features.conv1(images).mean(dim=(-2, -1)))
    assert network.activations(images, 154).shape == (1, 2048)
    with pytest.raises(InputError, match="depth 155: the ResNet has convolutions 0 to 154"):
        network.activations(images, 155)


def test_the_scorer_says_its_scale_and_floor(network, monkeypatch):
    monkeypatch.setitem(registry.PUBLISHED, "resmem", lambda: network)
    scorer = load_scorer("resmem")
    assert (scorer.name, scorer.range, scorer.floor, scorer.framing) == ("resmem", (0, 1), 0.411, "whole")
    assert scorer(torch.zeros(3, 64, 64)).shape == ()
    assert "non-commercial" in scorer.network.licence.lower()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(resnet.BLOCKS, 152, (1, 1, 1, 1))
    torch.manual_seed(0)
    return ResNet(152)


def test_the_resnet_inside_resmem_is_found_under_its_names(small, tmp_path):
    weights = {f"features.{name}": tensor for name, tensor in small.state_dict().items()}
    torch.save(weights | {"fc12.bias": torch.zeros(1)}, tmp_path / "model.pt")
    loaded = load_resmem_resnet(tmp_path / "model.pt")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded(images), small.eval()(images))
    assert not any(weight.requires_grad for weight in loaded.parameters())


@pytest.mark.parametrize("change", ["missing", "another shape", "no weights"])
def test_other_files_are_refused(change, small, tmp_path):
    weights = {f"features.{name}": tensor for name, tensor in small.state_dict().items()}
    if change == "missing":
        del weights["features.fc.bias"]
    weights["features.fc.weight"] = torch.zeros(2) if change == "another shape" else weights["features.fc.weight"]
    torch.save([1, 2] if change == "no weights" else weights, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt: (fc.bias is missing|fc.weight has shape|holds no dictionary)"):
        load_resmem_resnet(tmp_path / "model.pt")


def test_without_the_package_its_installation_is_told(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", nothing)
    with pytest.raises(InputError, match="pip install --no-deps resmem"):
        find_resmem()
