"""How a frame looks: faces in a grid, where on the way they are, and what each is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from latentedit.pictures import FAINT, INK, PAPER, enlarge, fit_font, load_font, to_pil

WIDTH = 768  # pixels that the faces of a row fill at least, two at least in a row
TRACK = (214, 214, 218)


@dataclass(frozen=True)
class Stage:
    """Where everything stands in a frame, in pixels; all frames of a film share it, and are of even size."""

    columns: int
    rows: int
    side: int
    with_words: bool = True

    @classmethod
    def around(cls, num_faces: int, resolution: int, columns: int | None = None, with_words: bool = True) -> Stage:
        """Choose a grid about as wide as high, or of so many columns, and enlarge small faces."""
        columns = columns or (num_faces if num_faces <= 3 else math.ceil(math.sqrt(num_faces)))
        side = max(resolution, WIDTH // max(columns, 2))
        return cls(columns, math.ceil(num_faces / columns), side, with_words)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        width, height = self._corner(self.rows, self.columns)
        return width + width % 2, height + height % 2

    def draw(
        self, images: Tensor, title: str = "", share: float = 0.0, captions: Sequence[tuple[str, str]] = ()
    ) -> Image.Image:
        """Draw one frame: faces [N, 3, H, W] in [-1, 1] -> picture.

        The title stands above a line on which a dot shows the share of the way, in [0, 1]; a caption's
        two halves stand left and right below each face.
        """
        picture = Image.new("RGB", self.size, PAPER)
        draw = ImageDraw.Draw(picture)
        if self.with_words:
            self._draw_title(draw, title, share)
        for i, face in enumerate(images):
            corner = self._corner(*divmod(i, self.columns))
            picture.paste(enlarge(to_pil(face), self.side), corner)
            if self.with_words and captions:
                self._draw_caption(draw, corner, *captions[i])
        return picture

    @property
    def _gap(self) -> int:
        return max(8, self.side // 24) if self.with_words else 0

    @property
    def _line(self) -> int:
        """The height of a line of words."""
        return max(18, self.side // 12) if self.with_words else 0

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        """Find the left upper corner of a face."""
        top = 2 * self._gap + self._line if self.with_words else 0
        left = self._gap if self.with_words else 0
        return left + column * (self.side + self._gap), top + row * (self.side + self._line + self._gap)

    def _draw_title(self, draw: ImageDraw.ImageDraw, title: str, share: float) -> None:
        left, right = self._gap, self.size[0] - self._gap
        font = fit_font(title, load_font(self._line * 0.72), right - left)
        draw.text((left, self._gap), title, INK, font, anchor="lt")
        y, radius = self._gap + self._line, max(4, self._line // 5)
        draw.line((left, y, right, y), TRACK, 2)
        x = left + radius + share * (right - left - 2 * radius)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), INK)

    def _draw_caption(self, draw: ImageDraw.ImageDraw, corner: tuple[int, int], left: str, right: str) -> None:
        font = fit_font(f"{left}  {right}", load_font(self._line * 0.62), self.side)
        y = corner[1] + self.side + self._gap // 2 + self._line // 4
        draw.text((corner[0], y), left, FAINT, font, anchor="lm")
        draw.text((corner[0] + self.side, y), right, INK, font, anchor="rm")
