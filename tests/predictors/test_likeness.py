"""Comparing people and looks: MS-SSIM, and networks of random weights under the names of the published ones."""

from functools import partial

import pytest
import torch

from latentedit.errors import InputError
from latentedit.predictors import likeness
from latentedit.predictors.face_resnet import FaceResNet, FaceSENet
from latentedit.predictors.likeness import load_distance, load_likeness
from latentedit.predictors.perception import LPIPS
from latentedit.predictors.vgg_face import VGG16

SMALL = {
    "vgg16": partial(VGG16, num_classes=5, width=4, hidden=16),
    "resnet50": partial(FaceResNet, num_classes=5, width=4),
    "senet50": partial(FaceSENet, num_classes=5, width=4),
}


@pytest.fixture
def faces():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    monkeypatch.setattr(likeness, "BACKBONES", SMALL)


@pytest.fixture(params=SMALL)
def weights(request, tmp_path):
    """A network's name, and a file of its weights."""
    torch.manual_seed(0)
    network = SMALL[request.param]()
    for parameter in network.parameters():
        parameter.data.mul_(2)  # as lively as trained ones
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return request.param, tmp_path / "weights.pth"


def test_without_a_network_it_is_ms_ssim(faces):
    found = load_likeness()
    assert found.name == "MS-SSIM"
    assert torch.allclose(found.measure(faces, faces), torch.ones(2))


def test_the_same_face_is_the_same_person_and_another_is_less(weights, faces):
    name, path = weights
    found = load_likeness(f"{name}={path}")
    assert found.name == f"cosine of {name}"
    assert found.measure(faces, faces) == pytest.approx([1, 1], abs=1e-5)
    assert (found.measure(faces, faces.flip(0)) < 0.99999).all()
    beyond = torch.where(faces > 0.9, 2.0, faces)  # what is shown is clamped
    assert torch.allclose(found.measure(faces, beyond), found.measure(faces, beyond.clamp(-1, 1)))


def test_a_file_alone_tells_which_network_it_is_of(weights, faces):
    name, path = weights
    found, named = load_likeness(str(path)), load_likeness(f"{name}={path}")
    assert found.name == named.name
    assert torch.equal(found.measure(faces, faces.flip(0)), named.measure(faces, faces.flip(0)))


def test_what_is_beside_the_face_does_not_count(weights, faces):
    background = faces.clone()
    background[..., :6] = 1
    assert torch.allclose(load_likeness(str(weights[1])).measure(faces, background), torch.ones(2))


def test_vgg16_needs_its_dense_layers(tmp_path):
    state = {name: x for name, x in SMALL["vgg16"]().state_dict().items() if not name.startswith("fc")}
    torch.save(state, tmp_path / "part.pth")
    for address in (str(tmp_path / "part.pth"), f"vgg16={tmp_path / 'part.pth'}"):
        with pytest.raises(InputError, match=r"part.pth: lacks layers .* give the file with its top"):
            load_likeness(address)


def test_files_of_no_face_network_are_refused(tmp_path, monkeypatch):
    torch.save({"x": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth holds the weights of none of vgg16, resnet50, senet50"):
        load_likeness(str(tmp_path / "other.pth"))
    with pytest.raises(InputError, match="give the file of this network"):
        load_likeness(f"vgg16={tmp_path / 'other.pth'}")
    with pytest.raises(InputError, match="arcface is neither a face network nor a file: give one of vgg16"):
        load_likeness("arcface")
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    with pytest.raises(InputError, match="vggface-senet50: not downloaded yet"):
        load_likeness("senet50")


def test_equal_images_look_alike_and_others_do_not(faces, monkeypatch):
    torch.manual_seed(0)
    network = LPIPS("alex").requires_grad_(False)
    for i in range(5):
        network.get_submodule(f"lin{i}.model.1").weight.abs_()
    monkeypatch.setattr(likeness, "load_lpips", lambda trunk: network)
    looks = load_distance("alex")
    assert looks.name == "LPIPS alex"
    assert looks.measure(faces, faces).tolist() == [0, 0]
    near, far = (looks.measure(faces, faces + amount * faces.flip(0)) for amount in (0.1, 0.5))
    assert (near > 0).all()
    assert (near < far).all()
    with pytest.raises(InputError, match="LPIPS knows no 'deep'"):
        load_distance("deep")
