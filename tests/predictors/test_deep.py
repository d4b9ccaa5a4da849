"""The assessor that borrows its eyes: the head is ours, the network stays in the user's package."""

from __future__ import annotations

import csv
import importlib.metadata
from importlib import resources
from pathlib import Path
from statistics import mean

import pytest
import torch
from torch import Tensor

from latentedit.checkpoints import load_header
from latentedit.errors import InputError
from latentedit.photographs import load_square, to_images
from latentedit.predictors import load_assessor, load_scorer
from latentedit.predictors.deep import DeepConfig, DeepFeatures
from latentedit.predictors.resmem import find_resmem
from latentedit.predictors.resnet import ResNet
from latentedit.training.views import VIEWS

OMI = Path(__file__).parents[3] / "shared" / "data" / "omi"
HEAD = resources.files("latentedit") / "assets" / "deep.safetensors"


@pytest.fixture(scope="module")
def features() -> DeepFeatures:
    """Look through a small network with numbers that nothing taught."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DeepFeatures(DeepConfig(32, 128), ResNet(50, width=4).eval().requires_grad_(False))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def package() -> Path:
    try:
        return find_resmem()
    except InputError:
        pytest.skip("resmem is not installed")


def test_the_header_says_how_well_it_ranks_and_what_rendering_does() -> None:
    with resources.as_file(HEAD) as path:
        header = load_header(path)
        assert path.stat().st_size < 1e6  # the head alone
        assert "`deep`" in path.with_suffix(".md").read_text()
    figures = header["cross_validation"]["spearman"]
    for attribute, floor in {"memorable": 0.5, "happy": 0.72, "age": 0.8, "gender": 0.89}.items():
        assert figures[attribute]["low"] < figures[attribute]["rho"] < figures[attribute]["high"]
        assert figures[attribute]["rho"] > floor
    assert header["robustness"].keys() == VIEWS.keys()
    assert max(header["robustness"]["mirrored"].values()) < 1e-3


def test_a_face_and_its_mirror_image_are_described_alike_in_any_batch(features: DeepFeatures, images: Tensor) -> None:
    (both,) = features(images)
    assert both.shape == (2, 128)
    assert torch.equal(features(images.flip(-1))[0], both)
    assert torch.equal(features(images[1:])[0], both[1:])
    assert not torch.allclose(both[0], both[1])


def test_the_borrowed_network_is_in_no_file_of_ours_and_passes_gradients(
    features: DeepFeatures, images: Tensor
) -> None:
    assert not features.state_dict()
    faces = images.requires_grad_()
    (gradient,) = torch.autograd.grad(features(faces)[0].sum(), faces)
    assert gradient.abs().amax(dim=(1, 2, 3)).min() > 0


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", find_nothing)
    with pytest.raises(InputError, match="pip install --no-deps resmem"):
        load_scorer("deep:happy")


@pytest.mark.skipif(not OMI.exists(), reason=f"{OMI} is not here")
def test_the_head_on_the_packages_features_tells_who_smiles(package: Path) -> None:
    with (OMI / "attribute_means.csv").open(newline="") as file:
        ranked = sorted(csv.DictReader(file), key=lambda row: float(row["happy"]))
    chosen = [ranked[0], ranked[-1]]
    paths = {path.stem: path for path in (OMI / "images").iterdir()}
    faces = torch.stack([load_square(paths[row["stimulus"].partition(".")[0]], 64) for row in chosen])
    assessor = load_assessor("deep")
    with torch.no_grad():
        sad, happy = assessor.scorer("happy")(to_images(faces)).tolist()
    assert sad + 20 < mean(float(row["happy"]) for row in chosen) < happy - 20
