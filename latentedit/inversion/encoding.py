"""Encoders' files: an image to W+ in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.checkpoints.records import load_record, save_record, starts_as_record
from latentedit.downloads.registry import ASSETS
from latentedit.errors import InputError, about, damaged
from latentedit.files import require_regular
from latentedit.inversion.published import NO_ENCODER, read_published
from latentedit.inversion.resemblance import shrink
from latentedit.networks import Generator
from latentedit.networks.encoder import EncoderConfig, EncoderNetwork
from latentedit.vocabulary import BUNDLED

KIND = "encoder"


def save_encoder(path: str | Path, encoder: EncoderNetwork, base: str, card: Mapping[str, Any]) -> None:
    """Write an encoder in float16 to one safetensors file, with the fingerprint of its generator."""
    header = {"kind": KIND, "config": encoder.config.to_dict(), "base": base, "card": dict(card)}
    save_record(path, {name: tensor.half() for name, tensor in encoder.state_dict().items()}, header)


@dataclass(frozen=True, eq=False)
class Encoder:
    """From images [N, 3, R, R] to ws [N, num_ws, w_dim], and the axes of its generator's curvature if it knows them."""

    encode: Callable[[Tensor], Tensor]
    axes: Tensor | None = None  # [K, num_ws, w_dim]: `project` takes far better steps with them

    def __call__(self, images: Tensor) -> Tensor:
        return self.encode(images)


def load_encoder(address: str | Path, generator: Generator) -> Encoder:
    """Load the bundled encoder, `faces`, or what `train encoder` wrote for this generator.

    Files of pSp, e4e and ReStyle are read too, for any generator that takes their ws. Raises InputError
    where the file is none, or belongs to another generator.
    """
    path = ASSETS / f"{BUNDLED}_encoder.safetensors" if str(address) == BUNDLED else Path(address)
    with about(path):
        require_regular(path)
        if not starts_as_record(path):
            return Encoder(read_published(path, generator))
    network = read_encoder(path, generator)
    return Encoder(lambda images: _encode(network, images), network.axes)


def read_encoder(path: str | Path, generator: Generator) -> EncoderNetwork:
    """Read the network that `load_encoder` wraps."""
    encoder, base = read_any_encoder(path)
    own = fingerprint(generator)
    if base != own:
        raise InputError(
            f"{path}: encodes for generator {base[:12]}, this one is {own[:12]}: give its own with --encoder FILE"
        )
    return encoder.to(generator.mapping.w_avg.device)


def read_any_encoder(path: str | Path) -> tuple[EncoderNetwork, str]:
    """Read what `train encoder` wrote, whichever generator it is for: -> the network, the generator's fingerprint."""
    tensors, header = load_record(path)
    with about(path):
        if header.get("kind") != KIND:
            raise InputError(NO_ENCODER)
        with damaged("damaged: its tensors are not those of its encoder, fetch it again"):
            return _build(tensors, header), str(header["base"])


def _build(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> EncoderNetwork:
    """Make the network that a header and its tensors describe."""
    config = EncoderConfig(**header["config"])
    with torch.device("meta"):  # whose shapes are compared before memory is taken
        expected = {name: tensor.shape for name, tensor in EncoderNetwork(config).state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError("tensors of other shapes")
    encoder = EncoderNetwork(config)
    encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return encoder.eval().requires_grad_(False)


@torch.no_grad()
def _encode(encoder: EncoderNetwork, images: Tensor) -> Tensor:
    seen = shrink(images, encoder.config.img_resolution)
    if seen.shape[-1] != encoder.config.img_resolution:
        raise InputError(f"the encoder sees {encoder.config.img_resolution} px, these images have {images.shape[-1]}")
    ws: Tensor = encoder(seen)
    return ws
