"""Draw docs/faces.png, interpolation.png and video.png, the bundled generator's faces: python docs/making/faces.py"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image, ImageSequence

import latentedit as le
from latentedit.cli.main import main

DOCS = Path(__file__).parents[1]
WIDTH, SPACE = 1400, 12  # pixels
PSIS, SHOWN, COLUMNS = (0.7, 1.0), range(64), 16
WAY, STOPS = (7, 12, 29, 3, 41), 9  # seeds from one to the next, and faces of each line
FILM = "sweep --direction w_sq --seeds 1 --start -6 --end 6 --quiet --video a.webp --outdir"
FRAMES = 5


def fit(picture: Image.Image) -> Image.Image:
    """Bring a picture to WIDTH."""
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


def draw_samples(generator: le.Generator) -> Image.Image:
    """Draw the same seeds at each psi, one sheet below the other."""
    sheets = [le.render(generator, le.sample(generator, SHOWN, psi)) for psi in PSIS]
    above, below = (fit(le.image_grid(sheet.unflatten(0, (-1, COLUMNS)))) for sheet in sheets)
    both = Image.new("RGB", (WIDTH, above.height + SPACE + below.height), "white")
    both.paste(above, (0, 0))
    both.paste(below, (0, above.height + SPACE))
    return both


def draw_lines(generator: le.Generator) -> Image.Image:
    """Draw straight lines in W, a row each."""
    ws = le.sample(generator, WAY, PSIS[0])
    shares = torch.linspace(0, 1, STOPS)[:, None, None]
    return fit(le.image_grid(le.render(generator, torch.stack([torch.lerp(a, b, shares) for a, b in pairwise(ws)]))))


def draw_film() -> Image.Image:
    """Lay some moments of a film side by side."""
    with tempfile.TemporaryDirectory() as folder:
        main([*FILM.split(), folder])
        with Image.open(Path(folder) / "a.webp") as film:
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
    shown = [frames[round(i * (len(frames) - 1) / (FRAMES - 1))] for i in range(FRAMES)]
    strip = Image.new("RGB", (FRAMES * shown[0].width, shown[0].height), "white")
    for i, frame in enumerate(shown):
        strip.paste(frame, (i * frame.width, 0))
    return fit(strip)


if __name__ == "__main__":
    generator = le.load_generator()
    draw_samples(generator).save(DOCS / "faces.png", optimize=True)
    draw_lines(generator).save(DOCS / "interpolation.png", optimize=True)
    draw_film().save(DOCS / "video.png", optimize=True)
