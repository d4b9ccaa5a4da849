"""Latents to images, and images to labelled pictures that a person looks at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from tqdm import tqdm

from latentedit.errors import InputError
from latentedit.latents import check_fit
from latentedit.networks import Generator, NoiseMode
from latentedit.networks.cuda_synthesis import cuda_synthesis
from latentedit.networks.frozen import freeze
from latentedit.vocabulary import Precision

INK, PAPER, FAINT = (28, 28, 30), (255, 255, 255), (110, 110, 115)
FACE_BOX = (0.25, 0.19, 0.75, 0.86)  # left, top, right, bottom of a face in FFHQ's frame, forehead to chin
MARGIN = 75 / 1024  # by which the memorability paper enlarges it
SMALLEST_CELL = 192  # pixels: smaller faces are enlarged in grids
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


def to_pixels(image: Tensor) -> np.ndarray:
    """Quantise one image: [C, H, W] in [-1, 1] -> uint8 [H, W, 3]."""
    pixels = ((image.detach().cpu().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    rgb = pixels[:3] if len(pixels) >= 3 else pixels[:1].expand(3, -1, -1)
    return rgb.permute(1, 2, 0).numpy()


def to_pil(image: Tensor) -> Image.Image:
    """Make a picture: [C, H, W] in [-1, 1] -> RGB image."""
    return Image.fromarray(to_pixels(image))


def image_grid(
    images: Tensor,
    captions: Sequence[Sequence[str]] | None = None,
    column_labels: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Image.Image:
    """Lay images out with words around them: [rows, columns, 3, H, W] or [columns, 3, H, W] -> one picture.

    `captions` stand under each image, labels above the columns and left of the rows. Faces smaller
    than 192 pixels are enlarged.
    """
    images = images[None] if images.ndim == 4 else images
    num_rows, num_columns = images.shape[:2]
    grid = _Grid.around(max(images.shape[-1], SMALLEST_CELL), bool(captions), column_labels, row_labels, title)
    picture = Image.new("RGB", grid.size(num_rows, num_columns), PAPER)
    draw = ImageDraw.Draw(picture)
    if title:
        room = picture.width - grid.left - grid.gap
        draw.text((grid.left, grid.gap + grid.line), title, INK, _fit(title, grid.large, room), anchor="lm")
    for j, label in enumerate(column_labels or []):
        centre = grid.x(j) + grid.side // 2
        draw.text((centre, grid.top - grid.gap), label, FAINT, _fit(label, grid.small, grid.side), anchor="ms")
    for i, label in enumerate(row_labels or []):
        draw.text((grid.left - grid.gap, grid.y(i) + grid.side // 2), label, FAINT, grid.small, anchor="rm")
    for i, j in itertools.product(range(num_rows), range(num_columns)):
        picture.paste(_enlarge(to_pil(images[i, j]), grid.side), (grid.x(j), grid.y(i)))
        if captions:
            below = (grid.x(j) + grid.side // 2, grid.y(i) + grid.side + grid.gap)
            draw.text(below, captions[i][j], INK, _fit(captions[i][j], grid.small, grid.side), anchor="mt")
    return picture


@dataclass(frozen=True)
class _Grid:
    """Where everything stands in a grid, in pixels."""

    side: int
    gap: int
    line: int
    left: int
    top: int
    step_y: int
    small: ImageFont.FreeTypeFont
    large: ImageFont.FreeTypeFont

    @classmethod
    def around(
        cls,
        side: int,
        has_captions: bool,
        column_labels: Sequence[str] | None,
        row_labels: Sequence[str] | None,
        title: str | None,
    ) -> _Grid:
        """Leave room for just the words that there are."""
        small, gap, line = _font(side / 13), max(4, side // 32), round(side / 9)
        words = max((round(small.getlength(label)) for label in row_labels), default=0) if row_labels else 0
        left = gap + (words + 2 * gap if row_labels else 0)
        top = gap + (line + 2 * gap if title else 0) + (line + gap if column_labels else 0)
        step_y = side + gap + (line + gap if has_captions else 0)
        return cls(side, gap, line, left, top, step_y, small, _font(side / 11))

    def x(self, column: int) -> int:
        return self.left + column * (self.side + self.gap)

    def y(self, row: int) -> int:
        return self.top + row * self.step_y

    def size(self, num_rows: int, num_columns: int) -> tuple[int, int]:
        return self.x(num_columns), self.y(num_rows)


def _enlarge(face: Image.Image, side: int) -> Image.Image:
    return face if face.width == side else face.resize((side, side), Image.Resampling.BICUBIC)


def heat_map(values: Tensor, row_labels: Sequence[str], column_labels: Sequence[str], title: str) -> Image.Image:
    """Draw a table of numbers in [-1, 1] as colours, blue below zero and red above: [rows, columns] -> picture.

    Numbers stand in the cells; where there are more than 24 columns the cells shrink and go without.
    """
    cell, written = (56, True) if values.shape[1] <= 24 else (12, False)
    font, large = _font(15 if written else 10), _font(20)
    gap, line = 12, round(font.size * 1.4)
    margin = max(round(font.getlength(label)) for label in [*row_labels, *column_labels]) + 2 * gap
    width = max(margin + values.shape[1] * cell, round(large.getlength(title)) + gap) + gap
    top = 3 * gap + line
    picture = Image.new("RGB", (width, top + values.shape[0] * cell + margin), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((gap, gap + line // 2), title, INK, large, anchor="lm")
    for i, row in enumerate(values.tolist()):
        y = top + i * cell
        draw.text((margin - gap, y + cell // 2), row_labels[i], FAINT, font, anchor="rm")
        for j, value in enumerate(row):
            x = margin + j * cell
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), _tint(value))
            if written:
                ink = PAPER if abs(value) > 0.6 else INK
                draw.text((x + cell // 2, y + cell // 2), f"{round(value, 2) + 0.0:+.2f}", ink, font, anchor="mm")
    for j, label in enumerate(column_labels):
        centre = margin + j * cell + cell // 2
        _draw_upright(picture, label, (centre - line // 2, top + values.shape[0] * cell + gap // 2), font)
    return picture


def _draw_upright(picture: Image.Image, text: str, corner: tuple[int, int], font: ImageFont.FreeTypeFont) -> None:
    """Write a word that reads from the bottom to the top, its end at the corner's height."""
    word = Image.new("RGB", (round(font.getlength(text)) + 2, round(font.size * 1.4)), PAPER)
    ImageDraw.Draw(word).text((word.width, word.height // 2), text, FAINT, font, anchor="rm")
    picture.paste(word.rotate(90, expand=True), corner)


def _tint(value: float) -> tuple[int, int, int]:
    """Choose the colour of a number in [-1, 1]: white at zero, the same lightness at either sign."""
    far = (178, 34, 52) if value > 0 else (33, 92, 168)
    share = min(abs(value), 1.0)
    red, green, blue = (round(255 + share * (channel - 255)) for channel in far)
    return red, green, blue


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow without FreeType has one tiny bitmap font
        raise InputError("this Pillow was built without FreeType: install Pillow's own wheel to draw labels")
    return font


def _fit(text: str, font: ImageFont.FreeTypeFont, width: float) -> ImageFont.FreeTypeFont:
    """Shrink the font until the text is no wider than `width`."""
    length = font.getlength(text)
    return font if length <= width else font.font_variant(size=font.size * width / length)
