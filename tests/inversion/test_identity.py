"""An edit ends where the face stops being like itself, by MS-SSIM or by the features of a face network."""

from functools import partial

import pytest
import torch

from latentedit.errors import InputError
from latentedit.inversion import identity
from latentedit.inversion.identity import Likeness, keep_likeness, load_likeness
from latentedit.predictors.face_resnet import FaceResNet, FaceSENet
from latentedit.predictors.vgg_face import VGG16

LINEAR = Likeness("a line", lambda before, after: 1 - (after - before).abs().mean(dim=(1, 2, 3)) / 10)


def show(alphas):
    """A picture as bright as alpha is large."""
    return torch.tensor(alphas)[:, None, None, None].expand(-1, 3, 4, 4)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_end_is_where_the_likeness_falls_below_the_least(sign):
    kept = keep_likeness(show, LINEAR, 0.77, sign * 4.0)
    assert sign * kept.alpha == pytest.approx(2.3, abs=4 / 8 / 64 + 1e-6)
    assert sign * kept.alpha <= 2.3
    assert kept.likeness == pytest.approx(1 - abs(kept.alpha) / 10)
    assert kept.is_cut


def test_nothing_is_cut_that_stays_alike():
    kept = keep_likeness(show, LINEAR, 0.5, 4.0)
    assert (kept.alpha, kept.is_cut) == (4.0, False)
    assert kept.likeness == pytest.approx(0.6)


def test_the_first_fall_counts():
    dips = Likeness("a dip", lambda before, after: 1 - ((after.mean(dim=(1, 2, 3)) - 2).abs() < 0.3).float())
    assert 1.5 <= keep_likeness(show, dips, 0.5, 4.0).alpha <= 1.71


def test_an_alpha_of_nothing_stays():
    assert keep_likeness(show, LINEAR, 1.0, 0.0).alpha == 0.0
    assert keep_likeness(show, LINEAR, 1.0, 4.0).alpha == pytest.approx(0.0, abs=1e-6)


def test_a_likeness_above_one_is_refused():
    with pytest.raises(InputError, match="likeness 2"):
        keep_likeness(show, LINEAR, 2.0, 1.0)


def test_without_a_network_it_is_ms_ssim():
    likeness, faces = load_likeness(), torch.rand(2, 3, 32, 32) * 2 - 1
    assert likeness.name == "MS-SSIM"
    assert torch.allclose(likeness.measure(faces, faces), torch.ones(2))


@pytest.fixture
def small_networks(monkeypatch):
    """The face networks, four channels wide."""
    kinds = {"resnet50": FaceResNet, "senet50": FaceSENet}
    monkeypatch.setattr(identity, "BACKBONES", {n: partial(k, num_classes=5, width=4) for n, k in kinds.items()})


@pytest.mark.parametrize("name", ["resnet50", "senet50"])
def test_a_file_tells_which_network_it_is_of(small_networks, tmp_path, name):
    torch.manual_seed(0)
    network = identity.BACKBONES[name]()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    likeness = load_likeness(tmp_path / "weights.pth")
    assert likeness.name == f"cosine of {name}"
    faces = torch.rand(2, 3, 32, 32) * 2 - 1
    assert torch.allclose(likeness.measure(faces, faces), torch.ones(2))
    apart = likeness.measure(faces, faces.flip(0))
    assert (apart < 0.99999).all()
    background = faces.clone()
    background[..., :6] = 1  # beside the face
    assert torch.allclose(likeness.measure(faces, background), torch.ones(2))


def test_vgg16_needs_its_dense_layers(monkeypatch, tmp_path):
    monkeypatch.setattr(identity, "BACKBONES", {"vgg16": partial(VGG16, num_classes=5, width=1, hidden=6)})
    state = identity.BACKBONES["vgg16"]().state_dict()
    torch.save(state, tmp_path / "whole.pth")
    faces = torch.rand(1, 3, 32, 32)
    assert float(load_likeness(tmp_path / "whole.pth").measure(faces, faces)) == pytest.approx(1)
    torch.save({name: x for name, x in state.items() if not name.startswith("fc")}, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"part.pth: holds VGG16 without its dense layers"):
        load_likeness(tmp_path / "part.pth")


def test_files_of_no_face_network_are_refused(small_networks, tmp_path):
    torch.save({"x": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth: holds the weights of none of resnet50, senet50"):
        load_likeness(tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"no.pth: is no file"):
        load_likeness(tmp_path / "no.pth")
