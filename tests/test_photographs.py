import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.photographs import list_images, load_photograph, load_square, to_images, to_picture


def test_the_central_square_is_taken(tmp_path):
    image = Image.new("RGB", (40, 20), "blue")
    image.paste("red", (10, 0, 30, 20))
    image.save(tmp_path / "wide.png")
    square = load_square(tmp_path / "wide.png", 8)
    assert (square.shape, square.dtype) == ((3, 8, 8), torch.uint8)
    assert square.float().mean(dim=[1, 2]).tolist() == [255, 0, 0]


def test_a_turned_photograph_is_read_upright(tmp_path):
    image = Image.new("RGB", (16, 16), "white")
    image.paste("black", (0, 0, 16, 8))  # black above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image.save(tmp_path / "turned.png", exif=exif)
    square = load_square(tmp_path / "turned.png", 16)
    assert square[:, 0].float().mean() == 255
    assert square[:, -1].float().mean() == 0


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    Image.new(mode, (9, 9)).save(tmp_path / ("face.jpg" if mode == "CMYK" else "face.png"))
    assert load_square(next(tmp_path.iterdir()), 8).shape == (3, 8, 8)


def test_sixteen_bits_are_scaled_and_transparency_is_white(tmp_path):
    Image.fromarray(np.full((8, 8), 32896, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert load_square(tmp_path / "deep.png", 8).unique().tolist() == [128]
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert load_square(tmp_path / "clear.png", 8).unique().tolist() == [255]


def test_a_link_in_a_circle_is_followed_once(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.name for path in list_images([tmp_path])] == ["a.png"]


def test_pixels_span_the_range_of_renderings():
    assert to_images(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_folders_are_searched_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.jpg", "1.PNG", "note.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images([tmp_path])] == ["1.PNG", "2.jpg"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no image"):
        list_images([tmp_path / "empty"])


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    whole = tmp_path / "whole.jpg"
    Image.effect_noise((64, 64), 50).save(whole)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:-400])
    for name in ("text.png", "cut.jpg", "absent.png"):
        with pytest.raises(InputError, match=name):
            load_square(tmp_path / name, 8)


@pytest.mark.parametrize(("mode", "name"), [("L", "face.png"), ("CMYK", "face.jpg"), ("I;16", "face.png")])
def test_a_whole_photograph_is_read_in_every_mode(tmp_path, mode, name):
    Image.new(mode, (11, 7)).save(tmp_path / name)
    photograph = load_photograph(tmp_path / name)
    assert (photograph.shape, photograph.dtype) == ((3, 7, 11), torch.uint8)
    assert photograph.unique().tolist() == [255 if mode == "CMYK" else 0]


def test_a_photograph_lying_on_its_side_is_read_upright_and_goes_back_to_a_picture(tmp_path):
    image = Image.new("RGB", (4, 6), "white")
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees
    image.save(tmp_path / "lying.png", exif=exif)
    photograph = load_photograph(tmp_path / "lying.png")
    assert photograph.shape == (3, 4, 6)
    assert photograph[:, 0, 5].tolist() == [255, 0, 0]
    assert to_picture(photograph).getpixel((5, 0)) == (255, 0, 0)
