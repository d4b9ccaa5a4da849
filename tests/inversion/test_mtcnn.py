"""MTCNN's networks have the published weights' shapes, its cascade keeps places, and it sees what YuNet sees."""

import pytest
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.inversion import mtcnn
from latentedit.inversion.detection import find_faces, load_detector
from latentedit.inversion.mtcnn import (
    Cascade,
    OutputNetwork,
    ProposalNetwork,
    RefinementNetwork,
    cut_out,
    list_scales,
    load_mtcnn,
    make_square,
    move,
)
from latentedit.photographs import load_photograph


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return ProposalNetwork(), RefinementNetwork(), OutputNetwork()


@torch.no_grad()
def test_networks_answer_in_their_shapes(networks):
    propose, refine, decide = networks
    scores, moves = propose(torch.rand(1, 3, 30, 41))
    assert scores.shape == (10, 16)  # one place every two pixels
    assert moves.shape == (4, 10, 16)
    assert [answer.shape for answer in refine(torch.rand(2, 3, 24, 24))] == [(2,), (2, 4)]
    assert [answer.shape for answer in decide(torch.rand(2, 3, 48, 48))] == [(2,), (2, 4), (2, 5, 2)]
    assert sum(p.numel() for network in networks for p in network.parameters()) == 6632 + 100178 + 389040


def test_images_are_looked_at_in_sizes_down_to_one_cell():
    scales = list(list_scales(200))
    assert scales[0] * mtcnn.SMALLEST == pytest.approx(mtcnn.CELL)
    assert 200 * scales[-1] >= mtcnn.CELL > 200 * scales[-1] * mtcnn.SHRINKAGE
    assert list(list_scales(19)) == []


def test_boxes_are_widened_moved_and_cut_out():
    boxes = torch.tensor([[2.0, 1, 6, 11], [-3, -3, 1, 1]])
    assert torch.equal(make_square(boxes), torch.tensor([[-1.0, 1, 9, 11], [-3, -3, 1, 1]]))
    moved = move(boxes, torch.tensor([[0.5, 0, 0, -0.1], [0, 0, 0, 0]]))
    assert torch.equal(moved, torch.tensor([[4.0, 1, 6, 10], [-3, -3, 1, 1]]))
    pixels = torch.arange(3 * 12 * 12.0).reshape(1, 3, 12, 12)
    crops = cut_out(pixels, torch.tensor([[2.0, 1, 6, 5], [-2, -2, 2, 2]]), 4)
    assert torch.equal(crops[0], pixels[0, :, 1:5, 2:6])
    assert torch.equal(crops[1, :, 2:, 2:], pixels[0, :, :2, :2])
    assert bool((crops[1, :, :2] == mtcnn.BLACK).all())


def test_an_unsure_cascade_finds_nothing_and_a_sure_one_keeps_places(networks):
    def answer(score, *points):
        return lambda x: (torch.full([len(x)], score), torch.zeros(len(x), 4), *points)

    class Cell(torch.nn.Module):
        def forward(self, x):
            scores = torch.zeros(1, 1)
            if x.shape[3] == 60:  # the first look: 100 x 80 pixels at 12 / 20
                scores = torch.zeros(19, 25)
                scores[10, 5] = 0.9
            return scores, torch.zeros(4, *scores.shape)

    def stub(side, reply):
        network = torch.nn.Module()
        network.side, network.forward = side, reply
        return network

    picture = Image.new("RGB", (100, 80))
    points = torch.tensor([[[0.25, 0.5]] * 5])
    refine, decide = stub(24, answer(0.8)), stub(48, answer(0.8, points))
    (face,) = Cascade(Cell(), refine, decide)(picture)
    assert face.box == pytest.approx((10 / 0.6, 20 / 0.6, 20, 20))
    assert torch.allclose(face.landmarks, torch.tensor([10 / 0.6 + 5, 20 / 0.6 + 10]).expand(5, 2))
    assert Cascade(Cell(), stub(24, answer(0.6)), decide)(picture) == []
    assert Cascade(Cell(), refine, stub(48, answer(0.6, points)))(picture) == []
    assert Cascade(*networks)(Image.new("RGB", (5, 5))) == []


def test_foreign_and_missing_weights_are_named(networks, tmp_path, monkeypatch):
    for network, name in zip(networks, ("pnet", "rnet", "onet"), strict=True):
        torch.save(network.state_dict(), tmp_path / f"{name}.pt")
    loaded = load_mtcnn(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(loaded.decide.parameters(), networks[2].parameters(), strict=True))
    torch.save(networks[0].state_dict(), tmp_path / "rnet.pt")
    with pytest.raises(InputError, match=r"rnet.pt: .* RefinementNetwork|rnet.pt: conv4_1"):
        load_mtcnn(tmp_path)
    monkeypatch.setattr(mtcnn, "PACKAGE", "no-such-package")
    with pytest.raises(InputError, match="pip install --no-deps facenet-pytorch"):
        load_detector("mtcnn")


@pytest.fixture(scope="module")
def detector():
    try:
        return load_detector("mtcnn")
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["congress_02"])
def test_it_sees_the_face_where_yunet_does(name, detector, shared):
    photograph = load_photograph(shared / "data" / "photos" / f"{name}.jpg")
    yunet = load_detector(shared / "reference" / "yunet" / "yunet_n_dynamic.onnx")
    (face,), (other,) = find_faces(photograph, detector), find_faces(photograph, yunet)
    assert face.score > 0.99
    eyes = (other.landmarks[1] - other.landmarks[0]).norm()
    assert (face.landmarks - other.landmarks).norm(dim=1).max() < 0.15 * eyes
