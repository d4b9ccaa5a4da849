"""The StyleGAN3 generators against NVIDIA's values, and the equivariance they are made for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from latentedit.networks import Generator, StyleGAN3Config, band_channels
from latentedit.networks.config import Band
from latentedit.networks.stylegan3 import design_filter

DATA = Path(__file__).parents[1] / "data"
IMAGES = {"image": "ws", "image_psi07": "ws_psi07", "image_wplus": "wplus"}
RADIAL: dict[str, Any] = {"conv_kernel": 1, "use_radial_filters": True}


def tiny(**changes: Any) -> Generator:
    """Make a generator of random weights whose magnitudes are those of its own signals."""
    torch.manual_seed(0)
    values = {"img_resolution": 64, "channels": (12,) * 14, "z_dim": 7, "w_dim": 8}
    generator = Generator(StyleGAN3Config(**(values | changes))).eval().requires_grad_(False)
    layers = [generator.synthesis.get_submodule(name) for name in generator.config.layer_names]
    hooks = [layer.register_forward_pre_hook(measure_magnitude) for layer in layers]
    generator(torch.randn(4, 7))
    for hook in hooks:
        hook.remove()
    return generator


def measure_magnitude(layer: Any, inputs: tuple[Tensor, Tensor]) -> None:
    layer.magnitude_ema.copy_(inputs[0].square().mean())


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


def psnr(actual: Tensor, expected: Tensor) -> float:
    """Measure the agreement in dB, against the range of the values."""
    return float(10 * ((expected.max() - expected.min()).square() / (actual - expected).square().mean()).log10())


@pytest.fixture(scope="module")
def reference() -> tuple[Generator, dict[str, Tensor]]:
    """The generator with the parameters of NVIDIA's run, and the values of that run."""
    with np.load(DATA / "stylegan3-t-64.npz", allow_pickle=False) as file:
        values = {name: torch.from_numpy(file[name]).float() for name in file.files if name != "config"}
    generator = Generator(StyleGAN3Config(64, (32,) * 10 + (25, 20, 16, 16), z_dim=64, w_dim=64))
    names = [name for name in values if name.startswith("param/") and not name.endswith(("up_filter", "down_filter"))]
    generator.load_state_dict({name.removeprefix("param/"): values[name] for name in names})
    return generator.eval().requires_grad_(False), values


@pytest.mark.parametrize(
    ("name", "truncation"), [("ws", (1.0, None)), ("ws_psi07", (0.7, None)), ("ws_psi05_cutoff4", (0.5, 4))]
)
def test_mapping(
    reference: tuple[Generator, dict[str, Tensor]], name: str, truncation: tuple[float, int | None]
) -> None:
    generator, values = reference
    assert relative_error(generator.map(values["z"], None, *truncation), values[name]) < 1e-5


@pytest.mark.parametrize("name", IMAGES)
def test_synthesis(reference: tuple[Generator, dict[str, Tensor]], name: str) -> None:
    generator, values = reference
    assert relative_error(generator.synthesis(values[IMAGES[name]]), values[name]) < 1e-5


def test_filters(reference: tuple[Generator, dict[str, Tensor]]) -> None:
    generator, values = reference
    filters = {name: taps for name, taps in generator.named_buffers() if name.endswith(("up_filter", "down_filter"))}
    assert len(filters) == 28
    for name, taps in filters.items():
        torch.testing.assert_close(taps, values[f"param/{name}"], rtol=0, atol=1e-7)


def test_every_noise_mode_is_the_same() -> None:
    generator = tiny()
    ws = generator.map(torch.randn(1, 7))
    images = [generator.synthesis(ws, mode) for mode in ("const", "random", "none")]
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), row=st.integers(0, 2))
def test_a_latent_is_the_same_face_in_any_batch(seed: int, row: int) -> None:
    generator = tiny(img_resolution=16, channels=(4, 4, 4))
    z = torch.from_numpy(np.random.default_rng(seed).standard_normal((3, 7))).float()
    torch.testing.assert_close(generator(z)[row], generator(z[row : row + 1])[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 8), (2, 5, 8), (2, 16, 7), (16, 8)])
def test_ws_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs \[N, 16, 8\]"):
        tiny().synthesis(torch.zeros(shape))


@pytest.mark.parametrize("changes", [{}, RADIAL], ids=["T", "R"])
def test_moving_the_input_moves_the_image(changes: dict[str, Any]) -> None:
    """By 5 and 3 pixels of the image, which are fractions of the first layers' pixels."""
    generator = tiny(**changes)
    ws = generator.map(torch.randn(2, 7))
    still = generator.synthesis(ws)
    pose(generator)[:2, 2] = torch.tensor([-5 / 64, -3 / 64])
    assert psnr(generator.synthesis(ws)[..., 3:, 5:], still[..., :-3, :-5]) > 55


@pytest.mark.parametrize("degrees", [30, 45])
def test_turning_the_input_turns_the_image_of_r_only(degrees: float) -> None:
    agreement = []
    for changes in [{}, RADIAL]:
        generator = tiny(**changes)
        ws = generator.map(torch.randn(2, 7))
        still = generator.synthesis(ws)
        turn = rotation(degrees)
        pose(generator)[:2, :2] = turn
        agreement.append(psnr(*inside_disc(generator.synthesis(ws), resample(still, turn))))
    assert agreement[0] < 30
    assert agreement[1] > 50


def test_a_quarter_turn_of_r_is_exact() -> None:
    generator = tiny(**RADIAL)
    ws = generator.map(torch.randn(2, 7))
    still = generator.synthesis(ws)
    pose(generator)[:2, :2] = rotation(90)
    assert psnr(generator.synthesis(ws), still.rot90(1, (2, 3))) > 100


def pose(generator: Generator) -> Tensor:
    return generator.synthesis.get_submodule("input").transform  # type: ignore[return-value]


def rotation(degrees: float) -> Tensor:
    angle = math.radians(degrees)
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Read an image at matrix @ position, between its pixels by four times as many Fourier-interpolated ones."""
    n = images.shape[-1]
    spectrum = F.pad(torch.fft.fftshift(torch.fft.fft2(images), dim=(2, 3)), [3 * n // 2] * 4)
    fine = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(2, 3))).real * 16
    at = (torch.arange(n) + 0.5) / n - 0.5
    positions = torch.stack([at.expand(n, n), at[:, None].expand(n, n)], dim=2) @ matrix.T  # [n, n, 2]
    grid = 2 * positions - 3 / (4 * n)  # the first fine pixel lies on the first pixel, not beside it
    return F.grid_sample(fine, grid.expand(len(images), -1, -1, -1), mode="bicubic", align_corners=False)


def inside_disc(*images: Tensor) -> list[Tensor]:
    """Keep what no turn brings in from outside."""
    n = images[0].shape[-1]
    at = (torch.arange(n) + 0.5) / n - 0.5
    return [image[..., torch.hypot(at[:, None], at) < 0.35] for image in images]


def test_the_row_of_the_fourier_features_turns_the_image_then_moves_it() -> None:
    """By the learned path: a quarter turn, then 5 pixels right and 3 down."""
    generator = tiny(**RADIAL)
    ws = generator.map(torch.randn(1, 7))
    still = generator.synthesis(ws)
    affine = generator.synthesis.get_submodule("input.affine")
    affine.bias.copy_(2 * torch.tensor([0, 1, 5 / 64, 3 / 64]))  # type: ignore[operator]  # of any scale
    assert psnr(generator.synthesis(ws)[..., 3:, 5:], still.rot90(1, (2, 3))[..., :-3, :-5]) > 55


def test_frequencies_that_a_zoom_pushes_out_of_the_band_fade() -> None:
    """The image shrinks, and what its first canvas cannot hold goes rather than aliases."""
    features = tiny().synthesis.get_submodule("input")
    styles, power = torch.randn(1, 4), []
    for zoom in (1.0, 5.0, 100_000.0):
        features.transform.copy_(torch.diag(torch.tensor([zoom, zoom, 1.0])))  # type: ignore[operator]
        power.append(float(features(styles).square().mean()))
    assert power[0] > 3 * power[1] > 0
    assert power[2] == 0


bands = st.builds(
    lambda rate, cutoff, half_width: Band(rate, cutoff * rate, half_width * rate, 0),
    rate=st.sampled_from([16, 64, 1024]),
    cutoff=st.floats(0.15, 0.35),
    half_width=st.floats(0.1, 0.4),
)


@given(band=bands, factor=st.sampled_from([2, 4]))
def test_filters_pass_what_lies_below_the_band_and_stop_what_lies_above(band: Band, factor: int) -> None:
    for radial in (False, True):
        taps = design_filter(band, factor, 6, radial)
        assert taps.shape == (6 * factor,) * (1 + radial)
        torch.testing.assert_close(taps.sum(), torch.tensor(1.0))
        row = (taps.sum(dim=0) if radial else taps).double()
        spectrum = torch.fft.rfft(row, 4096).abs()
        frequencies = torch.arange(len(spectrum)) * factor * band.sampling_rate / 4096
        assert spectrum[frequencies < 0.1 * band.cutoff].sub(1).abs().max() < 0.1
        stop = frequencies > band.cutoff + band.half_width + 0.2 * band.sampling_rate
        assert spectrum[stop].max() < 0.1
        assert 0.3 < spectrum[frequencies >= band.cutoff][0] < 0.8


def test_radial_filters_look_the_same_from_every_side() -> None:
    """Their frequency response depends on the distance from zero alone; that of the others does not."""
    band = Band(64, 20.0, 18.0, 84)
    along, across = [], []
    for taps in (design_filter(band, 2, 6, radial=True), torch.outer(*[design_filter(band, 2, 6)] * 2)):
        t = torch.arange(12.0) - 5.5
        f = torch.linspace(0, 30, 31) / 128
        along.append(respond(taps, t, f, torch.zeros(31)))
        across.append(respond(taps, t, f / math.sqrt(2), f / math.sqrt(2)))
    assert (along[0] - across[0]).abs().max() < 0.01
    assert (along[1] - across[1]).abs().max() > 0.05
    radial = design_filter(band, 2, 6, radial=True)
    assert torch.equal(radial, radial.T)
    torch.testing.assert_close(radial, radial.flip(0))


def respond(taps: Tensor, t: Tensor, fx: Tensor, fy: Tensor) -> Tensor:
    """Compute the response of a symmetric filter [n, n] at frequencies [F]: -> [F]."""
    return torch.einsum(
        "yx,fy,fx->f", taps, torch.cos(2 * math.pi * fy[:, None] * t), torch.cos(2 * math.pi * fx[:, None] * t)
    )


def test_only_the_layers_before_the_critical_ones_are_radial() -> None:
    generator = tiny(**RADIAL)
    ndims = [taps.ndim for name, taps in generator.named_buffers() if name.endswith("down_filter")]
    assert ndims == [2] * 12 + [1] * 2
    assert {taps.ndim for name, taps in generator.named_buffers() if name.endswith("up_filter")} == {1}


@pytest.mark.parametrize(
    "changes",
    [
        {"img_resolution": 16, "channels": (3, 5, 2), "img_channels": 1},
        {"img_resolution": 32, "channels": (4,) * 5, "num_critical": 0, "margin_size": 3, "filter_size": 5},
        {"img_resolution": 32, "channels": (4,) * 5, "lrelu_upsampling": 1, "conv_kernel": 5, **{"c_dim": 2}},
        {
            "img_resolution": 32,
            "channels": (4,) * 5,
            "lrelu_upsampling": 4,
            "conv_clamp": None,
            "use_radial_filters": True,
        },
    ],
)
def test_other_settings(changes: dict[str, Any]) -> None:
    generator = Generator(StyleGAN3Config(z_dim=7, w_dim=8, **changes))
    config = generator.config
    ws = generator.map(torch.randn(2, 7), torch.eye(2) if config.c_dim else None)
    images = generator.synthesis(ws)
    assert images.shape == (2, config.img_channels, config.img_resolution, config.img_resolution)
    assert images.isfinite().all()


def test_half_precision_stays_close() -> None:
    generator = tiny()
    ws = generator.map(torch.randn(2, 7))
    assert relative_error(generator.synthesis(ws, dtype=torch.bfloat16), generator.synthesis(ws)) < 0.1


@pytest.mark.parametrize(
    ("resolution", "names"),
    [
        (256, "L0_36_512 L1_36_512 L2_36_512 L3_52_512 L4_52_512 L5_84_512 L6_84_512 L7_148_512 L8_148_512 "
              "L9_148_362 L10_276_256 L11_276_181 L12_276_128 L13_256_128 L14_256_3"),
        (1024, "L0_36_512 L1_36_512 L2_52_512 L3_52_512 L4_84_512 L5_148_512 L6_148_512 L7_276_323 L8_276_203 "
               "L9_532_128 L10_1044_81 L11_1044_51 L12_1044_32 L13_1024_32 L14_1024_3"),
    ],
)  # fmt: skip
def test_names_of_the_published_models(resolution: int, names: str) -> None:
    widths = band_channels(StyleGAN3Config(resolution, (1,) * 14), 32768, 512)
    assert StyleGAN3Config(resolution, widths).layer_names == names.split()
