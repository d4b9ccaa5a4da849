"""Image files to tensors."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from latentedit.errors import InputError, damaged, one_line
from latentedit.files import require_regular

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # not EPS, for which Pillow runs Ghostscript
LARGEST_FILE = 2**28  # bytes
LARGEST = 100_000_000  # pixels: a larger file is a mistake or an attack


def list_images(paths: Iterable[Path]) -> list[Path]:
    """List image files: files as given, folders with all below them in the order of their paths; at least one each."""
    return [image for path in paths for image in (_list_folder(path) if path.is_dir() else [path])]


def _list_folder(folder: Path) -> list[Path]:
    images = sorted(path for path in _walk(folder, set()) if path.suffix.lower() in SUFFIXES)
    if not images:
        raise InputError(f"{folder} holds no image: name a folder with {', '.join(sorted(SUFFIXES))} files")
    return images


def _walk(folder: Path, visited: set[Path]) -> Iterator[Path]:
    """Yield every file below, through links too, but each folder once."""
    if folder.resolve() in visited:
        return
    visited.add(folder.resolve())
    for path in sorted(folder.iterdir()):
        yield from _walk(path, visited) if path.is_dir() else [path]


def load_square(path: Path, resolution: int) -> Tensor:
    """Read an image upright, crop its central square and resize: -> uint8 [3, R, R]."""
    return crop_square(open_picture(path), resolution)


def load_squeezed(path: Path, resolution: int) -> Tensor:
    """Read an image upright and squeeze all of it into a square, as torchvision's Resize does: -> uint8 [3, R, R]."""
    return squeeze(open_picture(path), resolution)


def load_photograph(path: Path) -> Tensor:
    """Read a whole image upright, whatever its mode: -> uint8 [3, H, W]."""
    return to_tensor(open_picture(path))


def squeeze(rgb: Image.Image, resolution: int) -> Tensor:
    """Resize both sides alike, whatever the picture's shape: -> uint8 [3, R, R]."""
    return to_tensor(rgb.resize((resolution, resolution), Image.Resampling.BILINEAR))


def to_picture(pixels: Tensor) -> Image.Image:
    """Make an image of pixels: uint8 [3, H, W] -> RGB image."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def open_picture(path: Path) -> Image.Image:
    """Read an image file upright and in RGB."""
    require_regular(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} has more than {LARGEST_FILE >> 20} MiB: shrink it")
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise InputError(f"{path} can't be read ({one_line(error)}): give a PNG or JPEG") from error
    return decode_picture(content, str(path))


def decode_picture(content: bytes, name: str) -> Image.Image:
    """Decode an image of the formats that Pillow reads itself, upright and in RGB; `name` is for the errors.

    From memory, where a part that claims gigabytes gets no more than the file has.
    """
    message = f"{name} can't be read as an image: give a PNG or JPEG that is whole"
    with damaged(message), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which no one asked about
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > LARGEST:
                    limit = f"shrink it to {LARGEST:,} at most"
                    raise InputError(f"{name} has {image.width} x {image.height} pixels: {limit}")
                return _to_rgb(ImageOps.exif_transpose(image))
        except UnidentifiedImageError:
            raise InputError(f"{name} can't be read as an image: give a PNG or JPEG") from None
        except OSError as error:
            raise InputError(f"{name} can't be read as an image ({one_line(error)}): give a PNG or JPEG") from error


def crop_square(rgb: Image.Image, resolution: int) -> Tensor:
    """Crop the central square and resize: -> uint8 [3, R, R]."""
    side = min(rgb.size)
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    square = rgb.crop((left, top, left + side, top + side))
    return to_tensor(square.resize((resolution, resolution), Image.Resampling.LANCZOS))


def to_tensor(rgb: Image.Image) -> Tensor:
    """Take an image's pixels: -> uint8 [3, H, W]."""
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring any mode to 8-bit RGB: 16-bit greys scaled, transparency laid on white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def to_images(pixels: Tensor) -> Tensor:
    """Scale pixels to the range of renderings: uint8 [..., 3, H, W] -> float [..., 3, H, W] in [-1, 1]."""
    return pixels.float() / 127.5 - 1
