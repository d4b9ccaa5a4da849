import itertools
import math

import pytest
import torch

from latentedit import load_generator
from latentedit.editing import sweep
from latentedit.errors import InputError
from latentedit.latents import sample, to_styles
from latentedit.networks.cuda_synthesis import CudaSynthesis
from latentedit.rendering import FACE_BOX, MARGIN, oval, render, render_styles
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
