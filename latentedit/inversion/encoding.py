"""Encoders' files: an image to W+ in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentedit.checkpoints import fingerprint
from latentedit.checkpoints.records import load_record, save_record, starts_as_record
from latentedit.errors import InputError, about, damaged
from latentedit.files import require_regular
from latentedit.inversion.published import NO_ENCODER, read_published
from latentedit.inversion.resemblance import shrink
from latentedit.networks import Generator
from latentedit.networks.encoder import EncoderConfig, EncoderNetwork

KIND = "encoder"


def save_encoder(path: str | Path, encoder: EncoderNetwork, base: str, card: Mapping[str, Any]) -> None:
    """Write an encoder in float16 to one safetensors file, with the fingerprint of its generator."""
    header = {"kind": KIND, "config": encoder.config.to_dict(), "base": base, "card": dict(card)}
    save_record(path, {name: tensor.half() for name, tensor in encoder.state_dict().items()}, header)


def load_encoder(path: str | Path, generator: Generator) -> Callable[[Tensor], Tensor]:
    """Load what `train encoder` wrote for this generator: -> images [N, 3, R, R] to ws [N, num_ws, w_dim].

    Files of pSp, e4e and ReStyle are read too, for any generator that takes their ws. Raises InputError
    where the file is none, or belongs to another generator.
    """
    path = Path(path)
    with about(path):
        require_regular(path)
        if not starts_as_record(path):
            return read_published(path, generator)
    encoder = read_encoder(path, generator)
    return lambda images: _encode(encoder, images)


def read_encoder(path: str | Path, generator: Generator) -> EncoderNetwork:
    """Read the network that `load_encoder` wraps."""
    tensors, header = load_record(path)
    with about(path):
        if header.get("kind") != KIND:
            raise InputError(NO_ENCODER)
        own = fingerprint(generator)
        if header.get("base") != own:
            raise InputError(f"encodes for generator {str(header.get('base'))[:12]}, this one is {own[:12]}")
        with damaged("damaged: its tensors are not those of its encoder, fetch it again"):
            encoder = _build(tensors, header)
    return encoder.to(generator.mapping.w_avg.device)


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
