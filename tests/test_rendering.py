import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit import load_generator
from latentedit.editing import sweep
from latentedit.errors import InputError
from latentedit.latents import sample, to_styles
from latentedit.networks.cuda_synthesis import CudaSynthesis
from latentedit.rendering import FACE_BOX, MARGIN, heat_map, image_grid, oval, render, render_styles, to_pil, to_pixels
from stylegan_ops import build


def test_leading_axes_are_kept(tiny_generator):
    ws = sample(tiny_generator, range(6))
    images = render(tiny_generator, ws.reshape(2, 3, 6, 16))
    assert images.shape == (2, 3, 3, 16, 16)
    assert torch.equal(images.reshape(6, 3, 16, 16), render(tiny_generator, ws))


def test_styles_of_ws_render_to_the_same_bits(tiny_generator):
    ws = sample(tiny_generator, range(6), 0.7).reshape(2, 3, 6, 16)
    styles = to_styles(tiny_generator, ws)
    for noise_mode in ("const", "none"):
        assert torch.equal(render_styles(tiny_generator, styles, noise_mode), render(tiny_generator, ws, noise_mode))


def test_latents_of_another_shape_are_refused(tiny_generator):
    ws = sample(tiny_generator, range(2))
    with pytest.raises(InputError, match=r"\[2, 64\]: this generator needs \[..., 6, 16\]"):
        render(tiny_generator, to_styles(tiny_generator, ws))
    with pytest.raises(InputError, match=r"\[2, 6, 16\]: this generator needs \[..., 64\]"):
        render_styles(tiny_generator, ws)


def test_a_face_is_the_same_in_any_chunk(tiny_generator):
    ws = sample(tiny_generator, range(5))
    for chunk in (1, 2, 5):
        assert torch.equal(render(tiny_generator, ws, chunk=chunk), render(tiny_generator, ws))


def test_images_stay_in_range(tiny_generator):
    images = render(tiny_generator, sample(tiny_generator, range(4)) * 50)
    assert images.min() >= -1
    assert images.max() <= 1
    assert not images.requires_grad


class ClaimsToBeOnTheGpu(torch.Tensor):
    is_cuda = True


def test_a_gpu_takes_its_own_way(tiny_generator, monkeypatch):
    monkeypatch.setattr(build, "_ops", [None])
    ws, chunks = sample(tiny_generator, range(3)), []
    render_on_gpu = CudaSynthesis.render_styles

    def spy(self, styles, noise_mode):
        chunks.append((len(styles), noise_mode))
        return render_on_gpu(self, styles.as_subclass(torch.Tensor), noise_mode)

    monkeypatch.setattr(CudaSynthesis, "render_styles", spy)
    for function, latents in [(render, ws), (render_styles, to_styles(tiny_generator, ws))]:
        expected = function(tiny_generator, latents, "none")
        images = function(tiny_generator, latents.as_subclass(ClaimsToBeOnTheGpu), "none", chunk=2)
        assert torch.allclose(images.as_subclass(torch.Tensor), expected, atol=1e-5)
    assert chunks == 2 * [(2, "none"), (1, "none")]


def test_nothing_to_render_is_an_error(tiny_generator):
    with pytest.raises(InputError, match="empty"):
        render(tiny_generator, torch.zeros(0, 6, 16))


def test_random_noise_is_the_same_for_all_edits_of_a_face_and_another_for_each_face(tiny_generator):
    ws = sample(tiny_generator, [3]).expand(4, 5, 6, 16)  # four times the same face, five times unedited
    images = render(tiny_generator, ws, "random", chunk=3)
    assert torch.equal(images, images[:, :1].expand_as(images))
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images, render(tiny_generator, ws, "random", chunk=3))


def test_random_noise_is_the_same_for_all_edits_of_a_faces_styles(tiny_generator):
    styles = to_styles(tiny_generator, sample(tiny_generator, [3])).expand(4, 5, -1)
    images = render_styles(tiny_generator, styles, "random", chunk=3)
    assert torch.equal(images, images[:, :1].expand_as(images))
    assert not torch.equal(images[0], images[1])


def test_random_noise_leaves_the_callers_random_numbers_alone(tiny_generator):
    ws = sample(tiny_generator, [3]).expand(2, 2, 6, 16)
    torch.manual_seed(0)
    torch.randint(2**31, ())
    expected = torch.rand(3)
    torch.manual_seed(0)
    render(tiny_generator, ws, "random")
    assert torch.equal(torch.rand(3), expected)


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


def test_an_oval_keeps_the_face_and_whitens_the_rest():
    images = torch.zeros(2, 3, 64, 48)
    shown = oval(images)
    assert shown.shape == images.shape
    assert (shown[..., 32, 24] == 0).all()
    assert (shown[..., [0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
    assert torch.equal(shown, shown.flip(-1))
    inside = (shown[0, 0] == 0).double().mean()
    left, top, right, bottom = FACE_BOX
    box = (right - left + 2 * MARGIN) * (bottom - top + 2 * MARGIN)
    assert inside == pytest.approx(math.pi / 4 * box, rel=0.02)


@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-5), ("bf16", 1e-2)])
def test_the_bundled_generator_renders_as_its_own_forward_does(precision, bound):
    generator = load_generator()
    ws = sample(generator, range(32), truncation_psi=0.7)
    expected = generator.synthesis(ws).clamp(-1, 1)
    error = (render(generator, ws, precision=precision) - expected).norm() / expected.norm()
    assert 0 < error < bound


def test_a_sweep_has_the_bits_of_its_faces_alone(tiny_generator, tiny_direction):
    swept = sweep(sample(tiny_generator, range(2)), tiny_direction, [-1, 0, 2], layers=[4, 5]).ws
    images = render(tiny_generator, swept)
    for i, j in itertools.product(range(2), range(3)):
        assert torch.equal(images[i, j], render(tiny_generator, swept[i, j]))


def test_a_preview_of_any_generator_holds_its_features_in_bfloat16(tiny_generator):
    ws = sample(tiny_generator, range(2))
    with torch.no_grad():
        expected = tiny_generator.synthesis(ws, dtype=torch.bfloat16).clamp(-1, 1)
    try:
        images = render(tiny_generator.train(), ws, precision="bf16")
    finally:
        tiny_generator.eval()
    assert torch.equal(images, expected)


def test_an_unknown_precision_is_an_error(tiny_generator):
    with pytest.raises(InputError, match="precision 'fp8' is not known: choose one of fp32, bf16"):
        render(tiny_generator, sample(tiny_generator, [0]), precision="fp8")
