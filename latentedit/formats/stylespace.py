"""StyleSpace's notation for channels, LAYER_CHANNEL such as `9_409`, and many as `9_409,12_479`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from latentedit.arrays import to_tensor
from latentedit.direction import Direction
from latentedit.errors import InputError, about
from latentedit.files import require_regular
from latentedit.formats.writing import Owner, check_space, replace_file
from latentedit.networks import AnyConfig, GeneratorConfig, block_channels
from latentedit.spaces import StyleDirection

LONGEST_LIST = 2**20  # bytes: more is no list that a person wrote
CLIP_WIDTH = 512
TEXT_TO_CHANNELS = (
    "StyleCLIP's fs3, what each style channel but the toRGB ones does to CLIP's features: from it CLIP turns a text "
    "into channels, it is no direction itself; name channels such as 9_409"
)
CHANNEL = re.compile(r"(\d{1,2})_(\d{1,4})", re.ASCII)


def parse_channels(text: str) -> list[tuple[int, int]] | None:
    """Read `9_409,12_479` as [(9, 409), (12, 479)], and None from what is no such notation.

    The layers are counted in the order of synthesis with the toRGB ones: two at 4 x 4, three at each
    resolution above. Source: Wu et al. 2021, "StyleSpace analysis".
    """
    matches = [CHANNEL.fullmatch(part.strip()) for part in text.split(",")]
    found = [(int(match[1]), int(match[2])) for match in matches if match]
    return found if len(found) == len(matches) else None


def is_text_to_channels(content: object) -> bool:
    """Tell StyleCLIP's fs3.npy, [style channels without toRGB, 512], of a config-f generator of 256 to 1024 px."""
    array = to_tensor(content) if isinstance(content, np.ndarray) else None
    return array is not None and array.ndim == 2 and array.shape[1] == CLIP_WIDTH and len(array) in _num_conv_styles()


def _num_conv_styles() -> set[int]:
    """Count the style channels but the toRGB ones of NVIDIA's published faces: 6048 at 1024 px."""
    configs = [GeneratorConfig(side, block_channels(side, 32768, 512)) for side in (256, 512, 1024)]
    layers = [[layer for layer in config.style_layers if not layer.name.endswith("torgb")] for config in configs]
    return {sum(layer.width for layer in kept) for kept in layers}


def read_channels(path: Path) -> str:
    """Read a .txt of channels, separated by commas, spaces or lines: -> `9_409,12_479`."""
    require_regular(path)
    with about(path):
        with path.open("rb") as file:
            words = file.read(LONGEST_LIST).decode("ascii", errors="replace").replace(",", " ").split()
        if not words or parse_channels(",".join(words)) is None:
            raise InputError("holds no channels of StyleSpace: write them as 9_409, 12_479")
        return ",".join(words)


def write(path: Path, direction: Direction, owner: Owner) -> None:
    """Write channels that move by 1 as a .txt, one a line."""
    check_space(direction, ("s",))
    assert isinstance(direction, StyleDirection)
    if any(distance != 1 for distance in direction.channels.values()):
        raise InputError(f"direction {direction.name} moves its channels unequally: a list cannot say how far")
    with replace_file(path) as file:
        file.write("".join(f"{channel}\n" for channel in direction.channels).encode())


def move_channels(text: str, channels: list[tuple[int, int]], config: AnyConfig) -> Direction:
    """Make the direction that moves each channel by 1 as the affine gives it, `text` being what the user wrote."""
    table = config.style_layers
    for layer, channel in channels:
        if layer >= len(table):
            raise InputError(f"channel {layer}_{channel}: this generator has style layers 0-{len(table) - 1}")
        if channel >= table[layer].width:
            name, last = table[layer].name, table[layer].width - 1
            raise InputError(f"channel {layer}_{channel}: style layer {layer}, {name}, has channels 0-{last}")
    layers = sorted({layer for layer, _ in channels})
    vector = torch.zeros(len(layers), max(layer.width for layer in table), dtype=torch.float64)
    for layer, channel in channels:
        vector[layers.index(layer), channel] = 1
    return StyleDirection(
        text.replace(" ", "").replace(",", "-"),
        vector,
        tuple(layers),
        provenance={"method": "StyleSpace", "channels": {f"{i}_{j}": table[i].name for i, j in channels}},
        style_widths=tuple(layer.width for layer in table),
    )
