"""The VGG16 autoencoder whose failures follow memorability (Bagheri & Mohsenzadeh 2024, arXiv 2410.15235).

Tensor names are those of Horizon2333/imagenet-autoencoder, whose checkpoints it opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from latentedit.checkpoints import load_record, save_record
from latentedit.errors import InputError, about
from latentedit.predictors.predictor import Predictor, crop_centre, resize
from latentedit.predictors.weights import COUNTER, fill, read_weights

KIND, SUFFIX = "autoencoder", ".safetensors"
STAGES = (2, 2, 3, 3, 3)  # convolutions between halvings, from the image on
GROWTH = (1, 2, 4, 8, 8)  # of the channels
SHRINK = 32  # times smaller than the image the latent is on each side


class Autoencoder(nn.Module):
    """Reconstruct images through a narrow latent: [N, 3, H, W] in [0, 1] -> same; 224 px in the original.

    `encoder` gives the latent [N, 8 width, H / 32, W / 32], 25,088 numbers at 224 px, `decoder` turns it back.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = [3, *(width * growth for growth in GROWTH)]
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        for i, count in enumerate(STAGES):
            self.encoder.add_module(f"conv{i + 1}", _down(channels[i], channels[i + 1], count))
        for i, count in enumerate(reversed(STAGES)):
            self.decoder.add_module(f"conv{i + 1}", _up(channels[5 - i], channels[4 - i], count))
        self.decoder.add_module("gate", nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.decoder(self.encoder(x)))

    def encode(self, x: Tensor) -> Tensor:
        """Lay out the latent as one row: [N, 3, H, W] in [0, 1] -> [N, D]."""
        return cast(Tensor, self.encoder(x)).flatten(1)


def load_autoencoder(path: Path) -> Autoencoder:
    """Open a checkpoint of imagenet-autoencoder's vgg16, or a file that `save_autoencoder` wrote."""
    is_own = path.suffix == SUFFIX
    with torch.device("meta"):
        network = Autoencoder(_read_own(path)[1]["width"]) if is_own else Autoencoder()
    fill_autoencoder(network, path)
    return network.eval()


def fill_autoencoder(network: Autoencoder, path: Path) -> None:
    """Give an autoencoder the weights of a file of its width."""
    found = _read_own(path)[0] if path.suffix == SUFFIX else None
    with about(path):
        fill(network, read_weights(path) if found is None else found)


def save_autoencoder(path: Path, network: Autoencoder, width: int, header: Mapping[str, Any]) -> None:
    """Write an autoencoder as one safetensors file, without the counters of its normalisations."""
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    save_record(path, state, {**header, "kind": KIND, "width": width})


def _read_own(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    state, header = load_record(path)
    if header.get("kind") != KIND or not isinstance(header.get("width"), int):
        raise InputError(f"{path} is no autoencoder: give what `latentedit train autoencoder` wrote")
    return state, header


def prepare(images: Tensor, side: int = 224) -> Tensor:
    """Resize the shorter side and crop the centre: [N, 3, H, W] in [-1, 1] -> [N, 3, side, side] in [0, 1]."""
    height, width = images.shape[-2:]
    shorter = min(height, width)
    resized = resize(images, round(height * side / shorter), round(width * side / shorter))
    return crop_centre(resized, side) / 2 + 0.5


class LatentRegressor(Predictor):
    """Predict memorability from an autoencoder's latent: [N, D] -> [N] in (0, 1); `preprocess` takes it of images.

    The authors describe such a network and never released it: `hidden` units, ReLU, dropout, one unit, sigmoid.
    The encoder stays as it is; `input_size` is in px.
    """

    licence = "none stated by imagenet-autoencoder"
    is_frozen = True

    def __init__(
        self, hidden: Sequence[int] = (256,), dropout: float = 0.5, width: int = 64, input_size: int = 224
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.autoencoder = Autoencoder(width).eval().requires_grad_(False)
        sizes = [8 * width * (input_size // SHRINK) ** 2, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], 1), nn.Sigmoid())

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """The autoencoder from imagenet-autoencoder's file, or from one that `save_autoencoder` wrote."""
        return {"autoencoder": partial(fill_autoencoder, self.autoencoder)}

    def train(self, mode: bool = True) -> LatentRegressor:
        """Train the head; the autoencoder keeps the statistics of its own training."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    def preprocess(self, images: Tensor) -> Tensor:
        """Take the latents of images: [N, 3, H, W] in [-1, 1] -> [N, D]."""
        return self.autoencoder.encode(prepare(images, self.input_size))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(x))[:, 0]


def _down(in_channels: int, out_channels: int, count: int) -> nn.Sequential:
    """Convolve `count` times, each with normalisation and ReLU, then halve."""
    stage = nn.Sequential()
    for i in range(count):
        convolution = nn.Conv2d(in_channels if i == 0 else out_channels, out_channels, 3, padding=1)
        layer = nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
        stage.add_module(f"{i} EncoderLayer", _Layer(layer))
    stage.add_module(f"{count} MaxPooling", nn.MaxPool2d(2))
    return stage


def _up(in_channels: int, out_channels: int, count: int) -> nn.Sequential:
    """Double, then `count` times normalise, ReLU and convolve."""
    stage = nn.Sequential()
    stage.add_module("0 UpSampling", nn.ConvTranspose2d(in_channels, in_channels, 2, stride=2))
    for i in range(count):
        convolution = nn.Conv2d(in_channels, out_channels if i == count - 1 else in_channels, 3, padding=1)
        layer = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True), convolution)
        stage.add_module(f"{i + 1} DecoderLayer", _Layer(layer))
    return stage


class _Layer(nn.Module):
    """Layers under one more name, as in the original."""

    def __init__(self, layer: nn.Sequential) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layer(x))
