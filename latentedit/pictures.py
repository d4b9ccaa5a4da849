"""Images to labelled pictures that a person looks at: grids of faces, tables as colours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from latentedit.errors import InputError

INK, PAPER, FAINT = (28, 28, 30), (255, 255, 255), (110, 110, 115)
SMALLEST_CELL = 192  # pixels: smaller faces are enlarged in grids


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
        draw.text((grid.left, grid.gap + grid.line), title, INK, fit_font(title, grid.large, room), anchor="lm")
    for j, label in enumerate(column_labels or []):
        centre = grid.x(j) + grid.side // 2
        draw.text((centre, grid.top - grid.gap), label, FAINT, fit_font(label, grid.small, grid.side), anchor="ms")
    for i, label in enumerate(row_labels or []):
        draw.text((grid.left - grid.gap, grid.y(i) + grid.side // 2), label, FAINT, grid.small, anchor="rm")
    for i, j in itertools.product(range(num_rows), range(num_columns)):
        picture.paste(enlarge(to_pil(images[i, j]), grid.side), (grid.x(j), grid.y(i)))
        if captions:
            below = (grid.x(j) + grid.side // 2, grid.y(i) + grid.side + grid.gap)
            draw.text(below, captions[i][j], INK, fit_font(captions[i][j], grid.small, grid.side), anchor="mt")
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
        small, gap, line = load_font(side / 13), max(4, side // 32), round(side / 9)
        words = max((round(small.getlength(label)) for label in row_labels), default=0) if row_labels else 0
        left = gap + (words + 2 * gap if row_labels else 0)
        top = gap + (line + 2 * gap if title else 0) + (line + gap if column_labels else 0)
        step_y = side + gap + (line + gap if has_captions else 0)
        return cls(side, gap, line, left, top, step_y, small, load_font(side / 11))

    def x(self, column: int) -> int:
        return self.left + column * (self.side + self.gap)

    def y(self, row: int) -> int:
        return self.top + row * self.step_y

    def size(self, num_rows: int, num_columns: int) -> tuple[int, int]:
        return self.x(num_columns), self.y(num_rows)


def enlarge(face: Image.Image, side: int) -> Image.Image:
    """Bring a square picture to this side."""
    return face if face.width == side else face.resize((side, side), Image.Resampling.BICUBIC)


def heat_map(values: Tensor, row_labels: Sequence[str], column_labels: Sequence[str], title: str) -> Image.Image:
    """Draw a table of numbers in [-1, 1] as colours, blue below zero and red above: [rows, columns] -> picture.

    Numbers stand in the cells; where there are more than 24 columns the cells shrink and go without.
    """
    cell, written = (56, True) if values.shape[1] <= 24 else (12, False)
    font, large = load_font(15 if written else 10), load_font(20)
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


def load_font(size: float) -> ImageFont.FreeTypeFont:
    """Load Pillow's own font at a size in pixels."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow without FreeType has one tiny bitmap font
        raise InputError("this Pillow was built without FreeType: install Pillow's own wheel to draw labels")
    return font


def fit_font(text: str, font: ImageFont.FreeTypeFont, width: float) -> ImageFont.FreeTypeFont:
    """Shrink the font until the text is no wider than `width`."""
    length = font.getlength(text)
    return font if length <= width else font.font_variant(size=font.size * width / length)
