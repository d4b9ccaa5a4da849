"""The StyleGAN3 synthesis network (Karras et al. 2021), T and R, under NVIDIA's parameter names."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentedit.networks.config import Band, StyleGAN3Config
from latentedit.networks.layers import FullyConnectedLayer, draw_normal, normalize_2nd_moment
from latentedit.networks.synthesis import NoiseMode, StyledNetwork, split_styles
from stylegan_ops import bias_act, filtered_lrelu
from stylegan_ops.modulated_conv2d import demodulation


def design_filter(band: Band, factor: int, filter_size: int, radial: bool = False) -> Tensor:
    """Design the low-pass filter between a band's rate and `factor` times that rate: -> [n], or [n, n] where radial.

    An ideal filter, sinc or for radial ones jinc, times the Kaiser window whose transition is the
    band's; its sum is 1. Source: Karras et al. 2021, appendix C.1.
    """
    num_taps = filter_size * factor if factor > 1 else 1
    rate = band.sampling_rate * factor
    attenuation = 2.285 * (num_taps - 1) * math.pi * (4 * band.half_width / rate) + 7.95  # in dB
    window = torch.kaiser_window(
        num_taps, periodic=False, beta=kaiser_beta(attenuation), dtype=torch.float64, device="cpu"
    )
    t = (torch.arange(num_taps, dtype=torch.float64, device="cpu") - (num_taps - 1) / 2) / rate
    taps: Tensor = torch.sinc(2 * band.cutoff * t) * window
    if radial:
        taps = jinc(2 * band.cutoff * torch.hypot(t[:, None], t)) * torch.outer(window, window)
    return (taps / taps.sum()).float()


def kaiser_beta(attenuation: float) -> float:
    """Turn a stopband's attenuation in dB into the shape of the window, by Kaiser's formula."""
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21) if attenuation > 21 else 0.0


def jinc(r: Tensor) -> Tensor:
    """Compute 2 J1(pi r) / (pi r), the disc's counterpart of sinc: [...] -> [...]."""
    u = math.pi * r.clamp(min=1e-9)
    return cast(Tensor, 2 * torch.special.bessel_j1(u) / u)


class SynthesisInput(nn.Module):
    """Fourier features, posed as styles (cos, sin, x, y) and `transform` say: [N, 4] -> [N, C, S, S]."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, w_dim: int, channels: int, band: Band) -> None:
        super().__init__()
        self.channels, self.band = channels, band
        freqs = draw_disc(channels, band.cutoff)
        self.weight = nn.Parameter(draw_normal(channels, channels))
        self.affine = FullyConnectedLayer(w_dim, 4)
        nn.init.zeros_(self.affine.weight)
        self.affine.bias = nn.Parameter(torch.tensor([1.0, 0, 0, 0]))  # cosine and sine of no rotation, no move
        self.register_buffer("transform", torch.eye(3, device="cpu"))  # what the user turns and moves the image by
        self.register_buffer("freqs", freqs)
        self.register_buffer("phases", torch.empty(channels).uniform_(-0.5, 0.5))

    def forward(self, styles: Tensor) -> Tensor:
        matrix = pose(styles) @ self.transform  # [N, 3, 3]
        freqs = self.freqs @ matrix[:, :2, :2]  # [N, C, 2]
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)  # [N, C]
        # Frequencies that the user's scaling has pushed out of the band fade, lest they alias.
        nyquist = self.band.sampling_rate / 2
        fade = 1 - (freqs.norm(dim=2) - self.band.cutoff) / (nyquist - self.band.cutoff)  # [N, C]
        waves = torch.sin(2 * math.pi * (self._grid() @ freqs.mT[:, None] + phases[:, None, None]))  # [N, S, S, C]
        x = waves * fade.clamp(0, 1)[:, None, None]
        mixed = x @ (self.weight.t() / math.sqrt(self.channels))
        return cast(Tensor, mixed.permute(0, 3, 1, 2).contiguous())

    def _grid(self) -> Tensor:
        """Place the canvas around the image [-0.5, 0.5]^2: -> x and y of its pixels' centres [S, S, 2]."""
        size = self.band.size
        at = (torch.arange(size, device=self.freqs.device) + 0.5 - size / 2) / self.band.sampling_rate
        return torch.stack([at.expand(size, size), at[:, None].expand(size, size)], dim=2)


def draw_disc(count: int, radius: float) -> Tensor:
    """Draw points uniformly in a disc; on the meta device nothing is computed: -> [count, 2]."""
    points = torch.empty(count, 2)
    if not points.is_meta:
        radii, angles = radius * torch.rand(count).sqrt(), 2 * math.pi * torch.rand(count)
        torch.stack([radii * angles.cos(), radii * angles.sin()], dim=1, out=points)
    return points


def pose(t: Tensor) -> Tensor:
    """Make the inverse of a turn and then a move of the image: (cos, sin, x, y) of any scale [N, 4] -> [N, 3, 3]."""
    cosine, sine, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rotation = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], dim=1)
    translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1)
    return rotation.reshape(-1, 3, 3) @ translation.reshape(-1, 3, 3)


class SynthesisLayer(nn.Module):
    """Modulated convolution, then bias and filtered leaky ReLU: [N, I, S, S], styles [N, I] -> [N, O, S', S']."""

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, config: StyleGAN3Config, index: int) -> None:
        super().__init__()
        below = max(index - 1, 0)  # the first layer takes what it emits
        band_in, band_out = config.bands[below], config.bands[index]
        in_channels, out_channels = config.channels[below], config.channels[index]
        self.conv_clamp = config.conv_clamp
        self.affine = FullyConnectedLayer(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(draw_normal(out_channels, in_channels, config.conv_kernel, config.conv_kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("magnitude_ema", torch.ones([]))

        rate = max(band_in.sampling_rate, band_out.sampling_rate) * config.lrelu_upsampling
        self.up, self.down = rate // band_in.sampling_rate, rate // band_out.sampling_rate
        self.band_in, self.band_out, self.filter_size = band_in, band_out, config.filter_size
        self.is_radial = config.use_radial_filters and index < config.num_layers - config.num_critical
        up_filter, down_filter = self.design_filters()
        self.register_buffer("up_filter", up_filter, persistent=False)
        self.register_buffer("down_filter", down_filter, persistent=False)

        convolved = band_in.size + config.conv_kernel - 1  # the convolution pads in full
        lost = len(up_filter) + len(down_filter) - 2
        missing = (band_out.size - 1) * self.down + 1 + lost - convolved * self.up
        # Half of it, and half of the zeros that upsampling puts behind the last pixel.
        before = (missing + self.up) // 2
        self.padding = (before, missing - before, before, missing - before)

    def design_filters(self) -> tuple[Tensor, Tensor]:
        """Design the filters that go with its upsampling and its downsampling."""
        up_filter = design_filter(self.band_in, self.up, self.filter_size)
        return up_filter, design_filter(self.band_out, self.down, self.filter_size, self.is_radial)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        # The powers of style and weight cancel in the demodulation; at one they keep half precision in its range.
        styles = normalize_2nd_moment(styles)
        weight = self.weight * self.weight.square().mean(dim=[1, 2, 3], keepdim=True).rsqrt()
        x = scale_channels(x, styles * self.magnitude_ema.rsqrt())
        x = F.conv2d(x, weight.to(x.dtype), padding=weight.shape[-1] - 1)
        x = scale_channels(x, demodulation(weight, styles))
        return filtered_lrelu(
            x, self.up_filter, self.down_filter, self.bias, self.up, self.down, self.padding, clamp=self.conv_clamp
        )


class ToRGBLayer(nn.Module):
    """Modulated 1 x 1 convolution without demodulation: [N, I, R, R], styles [N, I] -> [N, img_channels, R, R]."""

    magnitude_ema: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        in_channels = config.channels[-1]
        self.conv_clamp = config.conv_clamp
        self.affine = FullyConnectedLayer(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(draw_normal(config.img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.img_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.register_buffer("magnitude_ema", torch.ones([]))

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = scale_channels(x, styles * self.weight_gain * self.magnitude_ema.rsqrt())
        return bias_act(F.conv2d(x, self.weight.to(x.dtype)), self.bias, clamp=self.conv_clamp)


def scale_channels(x: Tensor, scales: Tensor) -> Tensor:
    """Multiply every channel: [N, C, H, W], [N, C] -> [N, C, H, W]."""
    return x * scales.to(x.dtype)[:, :, None, None]


class StyleGAN3SynthesisNetwork(StyledNetwork):
    """StyleGAN3's synthesis. There is no noise: every `noise_mode` is the same."""

    config: StyleGAN3Config

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config)
        self.input = SynthesisInput(config.w_dim, config.channels[0], config.bands[0])
        *names, last = config.layer_names
        for i, name in enumerate(names):
            self.add_module(name, SynthesisLayer(config, i))
        self.add_module(last, ToRGBLayer(config))

    def render_styles(
        self, styles: Tensor, noise_mode: NoiseMode = "const", dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Render styles [N, num_styles], as `make_styles` lays them out: -> images [N, img_channels, R, R]."""
        part = split_styles(styles, self.config)
        x = self.input(part["input"]).to(dtype)
        for name in self.config.layer_names:
            x = self.get_submodule(name)(x, part[name])
        return cast(Tensor, x.float() * self.config.output_scale)
