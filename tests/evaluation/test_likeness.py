"""Comparing people and looks by networks of random weights, and the report card that holds the figures."""

import pytest
import torch

from latentedit.errors import InputError
from latentedit.evaluation import compare_identities, load_distance, load_identity
from latentedit.evaluation.likeness import compare_looks
from latentedit.predictors.face_regressor import BACKBONES
from latentedit.predictors.perception import LPIPS


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make_network(name):
    torch.manual_seed(0)
    network = BACKBONES[name](width=4).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(2)  # as lively as trained ones
    return network


@pytest.mark.parametrize("name", BACKBONES)
def test_the_same_face_is_the_same_person_and_another_is_less(images, name):
    compare = compare_identities(make_network(name), side=64)
    assert compare(images, images) == pytest.approx([1, 1], abs=1e-5)
    assert (compare(images, images.flip(0)) < 0.9999).all()
    beyond = torch.where(images > 0.9, 2.0, images)  # what is shown is clamped
    assert torch.allclose(compare(images, beyond), compare(images, beyond.clamp(-1, 1)))


def test_equal_images_look_alike_and_others_do_not(images):
    torch.manual_seed(0)
    network = LPIPS("alex").requires_grad_(False)
    for i in range(5):
        network.get_submodule(f"lin{i}.model.1").weight.abs_()
    compare = compare_looks(network)
    assert compare(images, images).tolist() == [0, 0]
    near, far = (compare(images, images + amount * images.flip(0)) for amount in (0.1, 0.5))
    assert (near > 0).all()
    assert (near < far).all()


def test_weights_come_from_the_file_that_is_named(images, tmp_path, monkeypatch):
    small = {name: lambda name=name: make_network(name) for name in BACKBONES}
    monkeypatch.setattr("latentedit.evaluation.likeness.BACKBONES", small)
    network = make_network("resnet50")
    network.conv1.weight.mul_(-1)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    loaded = load_identity(f"resnet50={tmp_path / 'mine.pth'}")
    others = images.flip(0)
    assert torch.equal(loaded(images, others), compare_identities(network)(images, others))
    assert not torch.equal(loaded(images, others), compare_identities(make_network("resnet50"))(images, others))
    with pytest.raises(InputError, match="give the file of this network"):
        load_identity(f"vgg16={tmp_path / 'mine.pth'}")
    headless = {name: weight for name, weight in make_network("vgg16").state_dict().items() if "fc" not in name}
    torch.save(headless, tmp_path / "headless.pth")
    with pytest.raises(InputError, match="give the file with its top"):
        load_identity(f"vgg16={tmp_path / 'headless.pth'}")
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    with pytest.raises(InputError, match="vggface-senet50: not downloaded yet"):
        load_identity("senet50")


def test_an_unknown_network_is_refused():
    with pytest.raises(
        InputError, match="no identity network is called 'arcface': choose from vgg16, resnet50, senet50"
    ):
        load_identity("arcface")
    with pytest.raises(InputError, match="LPIPS knows no 'deep'"):
        load_distance("deep")
