"""Faces are found where they are, at any turn and size, and the crops are FFHQ's."""

import pytest
import torch
from PIL import Image
from registration import displacement

from latentedit.errors import InputError
from latentedit.inversion.detection import find_faces, load_detector
from latentedit.inversion.portraits import open_portraits
from latentedit.photographs import load_photograph, to_tensor

CONGRESS = ["E000179", "H001064", "M001163", "B001284", "M001196", "E000215", "A000365", "S001153"]
FAKER = ["m62", "f68", "m9", "f91", "m78", "m69", "m40", "f15", "m26", "m98", "f66", "f20", "f45", "f34", "f95", "m27"]
REFERENCES = {f"congress_{i:02d}": f"congress/{name}" for i, name in enumerate(CONGRESS)}
REFERENCES |= {f"faker_{i:02d}": f"faker/{name}" for i, name in enumerate(FAKER)}


@pytest.fixture
def yunet(shared):
    return shared / "reference" / "yunet" / "yunet_n_dynamic.onnx"


@pytest.fixture
def picture(shared):
    return Image.open(shared / "data" / "photos" / "faker_04.jpg")


def eyes(picture, yunet):
    (face,) = find_faces(to_tensor(picture), load_detector(yunet))
    return face.landmarks[:2]


@pytest.mark.parametrize("name", REFERENCES)
def test_photographs_are_aligned_within_2_px_of_the_reference_crop(name, shared, yunet):
    (portrait,) = open_portraits([shared / "data" / "photos" / f"{name}.jpg"], yunet)
    crop = ((portrait.crop(256) + 1) * 127.5).round().to(torch.uint8)
    assert displacement(crop, load_photograph(shared / "data" / "faces" / f"{REFERENCES[name]}.jpg")) < 2


def test_a_registration_sees_a_shift(shared):
    reference = load_photograph(shared / "data" / "faces" / "faker" / "m62.jpg")
    assert displacement(reference, reference) < 0.01
    assert displacement(reference.roll(4, dims=2), reference) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_on_its_side_is_found_upright(quarters, picture, yunet):
    upright = eyes(picture, yunet)
    for _ in range(quarters):
        upright = torch.stack([upright[:, 1], 640 - upright[:, 0]], dim=1)
    assert (eyes(picture.rotate(90 * quarters), yunet) - upright).abs().max() < 1


def test_a_small_face_in_a_large_photograph_is_found(picture, yunet):
    large = Image.new("RGB", (2400, 1800), "grey")
    large.paste(picture.resize((60, 60)), (1500, 900))
    found = eyes(large, yunet)
    expected = eyes(picture, yunet) * 60 / 640 + torch.tensor([1500, 900])
    assert (found - expected).abs().max() < 4


def test_a_face_that_fills_a_large_photograph_is_found(picture, yunet):
    close = picture.crop((235, 140, 435, 400)).resize((2000, 2600))
    expected = (eyes(picture, yunet) - torch.tensor([235, 140])) * 10
    assert (eyes(close, yunet) - expected).abs().max() < 120  # of 2,000


def test_several_faces_come_with_the_largest_first(shared, picture, yunet, tmp_path):
    both = Image.new("RGB", (900, 640), "white")
    both.paste(picture.resize((260, 260)), (0, 0))
    both.paste(picture, (260, 0))
    both.save(tmp_path / "both.png")
    faces = find_faces(to_tensor(both), load_detector(yunet))
    assert [face.landmarks[0, 0] > 260 for face in faces] == [True, False]
    (second,) = open_portraits([tmp_path / "both.png"], yunet, face=2)
    assert second.num_faces == 2
    assert torch.equal(second.landmarks, faces[1].landmarks)
    with pytest.raises(InputError, match=r"both.png: --face 3: 2 faces are seen"):
        open_portraits([tmp_path / "both.png"], yunet, face=3)


def test_noise_has_no_face(yunet, tmp_path):
    Image.effect_noise((300, 300), 60).save(tmp_path / "noise.png")
    with pytest.raises(InputError, match=r"noise.png: no face is seen"):
        open_portraits([tmp_path / "noise.png"], yunet)
