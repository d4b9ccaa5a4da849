"""Latents to images, square as the generator makes them or as an oval on white."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.latents import check_fit
from latentedit.networks import Generator, NoiseMode
from latentedit.networks.cuda_synthesis import cuda_synthesis
from latentedit.networks.frozen import freeze
from latentedit.vocabulary import Precision

FACE_BOX = (0.25, 0.19, 0.75, 0.86)  # left, top, right, bottom of a face in FFHQ's frame, forehead to chin
MARGIN = 75 / 1024  # by which the memorability paper enlarges it
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


@torch.no_grad()
def render(
    generator: Generator,
    ws: Tensor,
    noise_mode: NoiseMode = "const",
    chunk: int = 8,
    quiet: bool = True,
    precision: Precision = "fp32",
) -> Tensor:
    """Render latents: [..., num_ws, w_dim] -> [..., 3, H, W] in [-1, 1].

    A StyleGAN2 in eval mode on the CPU takes a path made for this, see `latentedit.networks.freeze`:
    face by face, the same bits in any batch, and layers below the first row that differs from the
    face before are not made twice, as in `sweep(...).ws` of the upper layers. Any other generator
    makes `chunk` faces at a time, on a GPU in half precision at the highest resolutions, as many as
    its `num_fp16_res` says. `precision="bf16"` is a faster preview. Random noise differs from face to
    face, and is the same for all edits of a face, the last axis of [N, num_alphas, num_ws, w_dim].
    `quiet=False` shows a progress bar. Raises InputError if a picture is not finite.
    """
    check_fit(ws, (generator.config.num_ws, generator.config.w_dim))
    return _paint_all(_choose_painter(generator, ws, 2, noise_mode, chunk, precision), ws, quiet)


@torch.no_grad()
def render_styles(
    generator: Generator,
    styles: Tensor,
    noise_mode: NoiseMode = "const",
    chunk: int = 8,
    quiet: bool = True,
    precision: Precision = "fp32",
) -> Tensor:
    """Render StyleSpace's latents, as `to_styles` lays them out: [..., num_styles] -> [..., 3, H, W] in [-1, 1].

    All else is as in `render`.
    """
    check_fit(styles, (generator.config.num_styles,))
    return _paint_all(_choose_painter(generator, styles, 1, noise_mode, chunk, precision), styles, quiet)


@dataclass(frozen=True)
class _Painter:
    """What makes images [n, 3, H, W] of up to `step` latents, of `num_axes` axes each."""

    paint: Callable[[Tensor, Tensor], object]  # latents [n, ...], images to fill
    step: int
    num_axes: int
    image_shape: tuple[int, int, int]
    is_random: bool


def _choose_painter(
    generator: Generator, latents: Tensor, num_axes: int, noise_mode: NoiseMode, chunk: int, precision: Precision
) -> _Painter:
    """Choose the fastest way to images where the latents, ws or styles, lie."""
    if precision not in DTYPES:
        raise InputError(f"precision {precision!r} is not known: choose one of {', '.join(DTYPES)}")
    config, synthesis, from_ws = generator.config, generator.synthesis, num_axes == 2
    settings = num_axes, (config.img_channels, config.img_resolution, config.img_resolution), noise_mode == "random"
    if latents.is_cuda and precision == "fp32":
        on_gpu = cuda_synthesis(synthesis)
        make = on_gpu if from_ws else on_gpu.render_styles
        return _Painter(lambda part, out: out.copy_(make(part, noise_mode)), chunk, *settings)
    if not latents.is_cuda and (frozen := freeze(synthesis, DTYPES[precision])):
        draw = frozen.render if from_ws else frozen.render_styles
        return _Painter(lambda part, out: draw(part[0], noise_mode, out[0]), 1, *settings)
    forward = synthesis if from_ws else synthesis.render_styles
    return _Painter(lambda part, out: out.copy_(forward(part, noise_mode, DTYPES[precision])), chunk, *settings)


def _paint_all(painter: _Painter, latents: Tensor, quiet: bool) -> Tensor:
    """Render latents part by part: [..., *latent] -> [..., 3, H, W]."""
    if latents.numel() == 0:
        raise InputError("no latents to render: the batch is empty")
    batch_shape = latents.shape[: -painter.num_axes]
    if painter.is_random and len(batch_shape) > 1:
        return _paint_alike(painter, latents, quiet)
    flat = latents.reshape(-1, *latents.shape[-painter.num_axes :])
    images = torch.empty(len(flat), *painter.image_shape, device=flat.device)
    for start in tqdm(range(0, len(flat), painter.step), desc="rendering", disable=quiet):
        part = images[start : start + painter.step]
        painter.paint(flat[start : start + painter.step], part)
        if not torch.isfinite(torch.stack(part.aminmax())).all():
            raise InputError("these latents give no finite image: they lie too far out, or the generator is damaged")
        part.clamp_(-1, 1)
    return images.reshape(*batch_shape, *painter.image_shape)


def _paint_alike(painter: _Painter, latents: Tensor, quiet: bool) -> Tensor:
    """Render every edit of a face with the same random noise: [..., num_alphas, *latent] -> [..., 3, H, W]."""
    seed, edits, axis = int(torch.randint(2**31, ())), [], latents.ndim - painter.num_axes - 1
    for moved in tqdm(latents.unbind(axis), desc="rendering", disable=quiet):
        with torch.random.fork_rng(devices=[latents.device] if latents.is_cuda else []):
            torch.manual_seed(seed)
            edits.append(_paint_all(replace(painter, is_random=False), moved, quiet=True))
    return torch.stack(edits, axis)


def oval(images: Tensor) -> Tensor:
    """Show faces as the 10k US Adult Faces are shown, an ellipse on white: [..., 3, H, W] in [-1, 1] -> same.

    The ellipse fills the face's box, enlarged by 7 % of the image on every side as in the memorability
    paper. No detector looks for that box: FFHQ's frame, which aligns eyes and mouth, fixes it. Nor is the
    picture cut to the box, so that an assessor of aligned faces finds the face where it expects it.
    """
    (left, top, right, bottom), (height, width) = FACE_BOX, images.shape[-2:]
    x, y = (_centre_pixels(images, width, left, right), _centre_pixels(images, height, top, bottom))
    inside = x.square() + y.square()[:, None] <= 1
    return torch.where(inside, images, images.new_ones(()))


RENDERINGS: dict[str, Callable[[Tensor], Tensor]] = {"square": torch.Tensor.clone, "oval": oval}


def _centre_pixels(images: Tensor, count: int, start: float, end: float) -> Tensor:
    """Place pixels between the enlarged bounds of the box, -1 at one and 1 at the other: -> [count]."""
    places = (torch.arange(count, device=images.device) + 0.5) / count
    return (places - (start + end) / 2) / ((end - start) / 2 + MARGIN)
