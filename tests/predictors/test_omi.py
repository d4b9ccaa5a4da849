"""The bundled assessor of rated faces, its record and its features."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
import torch

from latentedit.checkpoints import save_record
from latentedit.errors import InputError
from latentedit.photographs import to_images
from latentedit.predictors import ASSESSORS, BORROWING, OmiAssessor, load_assessor
from latentedit.predictors.features import FeatureConfig, GradientFeatures, face_features, oriented_gradients
from latentedit.predictors.patches import PatchConfig, PatchFeatures
from latentedit.statistics import spearman
from latentedit.training.ratings import load_faces
from latentedit.training.views import VIEWS

OMI = Path(__file__).parents[3] / "shared" / "data" / "omi"
OWN = [name for name in ASSESSORS if name not in BORROWING]


def test_the_header_says_how_well_it_ranks() -> None:
    header = OmiAssessor.load().header
    figures = header["cross_validation"]["spearman"]
    assert set(figures) == set(header["attributes"])
    assert len(figures) == 34
    assert header["licence"] == "CC BY-NC-SA 4.0"
    assert "Peterson" in header["source"]
    for attribute, floor in {"memorable": 0.55, "happy": 0.92, "age": 0.85, "gender": 0.90}.items():
        assert figures[attribute]["low"] < figures[attribute]["rho"] < figures[attribute]["high"]
        assert figures[attribute]["rho"] > floor
        assert figures[attribute]["n"] == 1004
    assert header["calibration"].keys() == figures.keys()
    for measured in header["calibration"].values():
        assert 0.9 < measured["slope"] < 1.1
        assert 0.87 < measured["coverage"] < 0.93


@pytest.mark.parametrize("name", OWN)
def test_the_header_says_what_rendering_does_to_scores(name: str) -> None:
    robustness = load_assessor(name).header["robustness"]
    assert robustness.keys() == VIEWS.keys()
    assert max(robustness["mirrored"].values()) < 0.01
    for view in VIEWS.keys() - {"128 px, JPEG", "64 px, JPEG"}:
        assert max(robustness[view].values()) < 0.1


@pytest.mark.parametrize("name", OWN)
def test_a_bundled_assessor_is_small_and_has_a_card(name: str) -> None:
    with resources.as_file(resources.files("latentedit") / "assets" / f"{name}.safetensors") as path:
        assert path.stat().st_size < {"omi": 6e6, "patches": 4e6}[name]
        assert f"`{name}`" in path.with_suffix(".md").read_text()


def test_the_default_scorer_is_memorability() -> None:
    assert OmiAssessor.load().scorer().name == "omi:memorable"


@pytest.mark.skipif(not OMI.exists(), reason=f"{OMI} is not here")
@pytest.mark.parametrize("name", OWN)
def test_the_bundled_weights_fit_their_training_faces(name: str) -> None:
    faces = load_faces(OMI, quiet=True)
    assessor = load_assessor(name)
    assert assessor.attributes == faces.attributes
    with torch.no_grad():
        ratings = assessor(to_images(faces.images[:200])).double()
    assert spearman(ratings.t().numpy(), faces.ratings[:200].t().numpy()).min() > 0.7


@pytest.mark.parametrize("name", OWN)
def test_save_then_load_is_equal(tmp_path: Path, name: str) -> None:
    assessor, images = load_assessor(name), torch.rand(2, 3, 64, 64)
    assessor.save(tmp_path / "copy.safetensors", {"licence": "none"})
    again = OmiAssessor.load(tmp_path / "copy.safetensors")
    assert torch.equal(again(images), assessor(images))
    assert again.header["licence"] == "none"
    assert again.name == name
    assert torch.equal(again.half_width, assessor.half_width)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.safetensors"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.safetensors").write_bytes(b"noise")
    save_record(tmp_path / "recipe.safetensors", {"a": torch.ones(1)}, {"kind": "recipe"})
    with pytest.raises(InputError, match=r"noise\.safetensors: no safetensors file"):
        OmiAssessor.load(tmp_path / "noise.safetensors")
    with pytest.raises(InputError, match=r"recipe\.safetensors: not an assessor"):
        OmiAssessor.load(tmp_path / "recipe.safetensors")
    with pytest.raises(InputError, match=r"none\.safetensors.*No such file"):
        OmiAssessor.load(tmp_path / "none.safetensors")


def test_features_have_the_stated_length() -> None:
    gradients = (FeatureConfig(), FeatureConfig(img_resolution=32, cells=(4,), num_orientations=6, octaves=1))
    patches = (PatchConfig(), PatchConfig(img_resolution=32, patch=4, regions=3, num_filters=2))
    for features in (*map(GradientFeatures, gradients), *map(PatchFeatures, patches)):
        blocks = features(torch.rand(2, 3, 48, 48))
        assert sum(block.shape[1] for block in blocks) == features.config.num_features


def test_settings_that_would_exhaust_the_memory_are_refused() -> None:
    for settings in ({"num_filters": 2**20}, {"patch": 65, "img_resolution": 64}, {"stride": 3}, {"regions": 2.5}):
        with pytest.raises(ValueError, match=r"is not within|don't cover"):
            PatchConfig(**settings)


def test_mirroring_a_face_permutes_its_patch_features() -> None:
    features, face = load_assessor("patches").features, torch.rand(1, 3, 64, 64)
    (one,), (other,) = features(face), features(face.flip(-1))
    k, regions = features.config.num_filters, features.config.regions
    maps = one.reshape(2, 2, k, regions, regions)  # sign, mirrored or not, filter, row, column
    torch.testing.assert_close(maps.flip(1, -1).flatten(), other.flatten(), rtol=1e-4, atol=1e-4)


def test_a_ramp_falls_into_the_bin_of_its_direction() -> None:
    x = torch.linspace(-1, 1, 16)
    right, down = x.expand(1, 1, 16, 16), x[:, None].expand(1, 1, 16, 16)
    for image, bin_ in ((right, 0), (down, 2), (-right, 4), (-down, 6)):
        share = oriented_gradients(image, 8)[0, :, 8, 8]
        assert share.argmax() == bin_
        torch.testing.assert_close(share.sum(), torch.tensor(4 / 15), rtol=1e-3, atol=0)


def test_features_ignore_how_bright_and_how_contrasty_a_textured_face_is() -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5
    gradients, dim = face_features(image, FeatureConfig())[0], face_features(0.5 * image + 0.2, FeatureConfig())[0]
    assert (gradients - dim).norm() < 0.25 * gradients.norm()
