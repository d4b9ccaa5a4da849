import numpy as np
import torch
from PIL import Image

from latentedit.pictures import heat_map, image_grid, to_pil, to_pixels


def test_pixels_are_rounded_at_the_border():
    image = torch.tensor([-1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 4)
    assert to_pixels(image)[0, :, 0].tolist() == [0, 128, 255, 255]
    assert to_pixels(image).shape == (1, 4, 3)
    assert to_pixels(torch.zeros(4, 2, 2)).shape == (2, 2, 3)


def test_a_grid_shows_every_face_enlarged_at_its_place():
    images = torch.linspace(-1, 1, 6).reshape(2, 3, 1, 1, 1).expand(2, 3, 3, 64, 64)
    captions = [["1", "2", "3"], ["4", "5", "6"]]
    grid = image_grid(images, captions, ["a", "b", "c"], ["seed0001", "seed0002"], "title")
    pixels = np.asarray(grid)
    greys = [int(value) for value in to_pixels(images[:, :, :1, 0, 0].reshape(1, 1, 6))[0, :, 0]]
    for grey in greys:
        assert (pixels == grey).all(axis=-1).sum() >= 192 * 192


def test_a_plain_grid_has_no_margin_for_words():
    plain = image_grid(torch.zeros(3, 3, 256, 256))
    assert plain.size == (8 + 3 * 264, 8 + 264)
    assert isinstance(to_pil(torch.zeros(3, 8, 8)), Image.Image)


def test_a_heat_map_is_red_above_zero_and_blue_below_and_says_the_numbers():
    values = torch.tensor([[1.0, 0.0], [-1.0, -0.001]])
    picture = np.asarray(heat_map(values, ["one", "other"], ["left", "right"], "title")).astype(int)
    red, blue = (picture == (178, 34, 52)).all(axis=2), (picture == (33, 92, 168)).all(axis=2)
    assert red.sum() > 1000 < blue.sum()
    assert red.nonzero()[0].max() < blue.nonzero()[0].min()  # the first row above the second
    zeros = [np.asarray(heat_map(torch.tensor([[value]]), ["a"], ["b"], "t")) for value in (0.0, -0.001)]
    assert np.array_equal(zeros[0] == 28, zeros[1] == 28)  # -0.001 is written +0.00


def test_a_large_heat_map_has_room_for_its_labels():
    labels = [f"direction {i}" for i in range(40)]
    picture = heat_map(torch.eye(40), labels, labels, "title")
    assert picture.width < 700
    bottom = np.asarray(picture)[-60:]
    assert (bottom < 200).any(axis=2).sum() > 1000
