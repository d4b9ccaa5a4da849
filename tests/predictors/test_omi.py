"""The bundled assessor of rated faces, its record and its features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentedit.checkpoints import save_record
from latentedit.errors import InputError
from latentedit.photographs import to_images
from latentedit.predictors import OmiAssessor
from latentedit.predictors.features import FeatureConfig, face_features, oriented_gradients
from latentedit.statistics import spearman
from latentedit.training.assessor import load_faces

OMI = Path(__file__).parents[3] / "shared" / "data" / "omi"


def test_the_header_says_how_well_it_ranks() -> None:
    header = OmiAssessor.load().header
    figures = header["cross_validation"]["spearman"]
    assert set(figures) == set(header["attributes"])
    assert len(figures) == 34
    assert header["licence"] == "CC BY-NC-SA 4.0"
    assert "Peterson" in header["source"]
    for attribute, floor in {"memorable": 0.50, "happy": 0.90, "age": 0.80, "gender": 0.88}.items():
        assert figures[attribute]["low"] < figures[attribute]["rho"] < figures[attribute]["high"]
        assert figures[attribute]["rho"] > floor
        assert figures[attribute]["n"] == 1004
    for filter_name in ("64 px, box", "64 px, bicubic"):
        assert header["resolution"][filter_name]["least_correlation"] > 0.97


def test_the_default_scorer_is_memorability() -> None:
    assert OmiAssessor.load().scorer().name == "omi:memorable"


@pytest.mark.skipif(not OMI.exists(), reason=f"{OMI} is not here")
def test_the_bundled_weights_fit_their_training_faces() -> None:
    faces = load_faces(OMI, quiet=True)
    assessor = OmiAssessor.load()
    assert assessor.attributes == faces.attributes
    with torch.no_grad():
        ratings = assessor(to_images(faces.images[:200])).double()
    assert spearman(ratings.t().numpy(), faces.ratings[:200].t().numpy()).min() > 0.7


def test_save_then_load_is_equal(tmp_path: Path) -> None:
    assessor, images = OmiAssessor.load(), torch.rand(2, 3, 64, 64)
    assessor.save(tmp_path / "copy.safetensors", {"licence": "none"})
    again = OmiAssessor.load(tmp_path / "copy.safetensors")
    assert torch.equal(again(images), assessor(images))
    assert again.header["licence"] == "none"
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
    for config in (FeatureConfig(), FeatureConfig(img_resolution=32, cells=(4,), num_orientations=6)):
        blocks = face_features(torch.rand(2, 3, 48, 48), config)
        assert sum(block.shape[1] for block in blocks) == config.num_features


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
