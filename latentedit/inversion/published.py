"""Published encoders (pSp, e4e, ReStyle): their files' encoder beside any generator that takes their ws."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.checkpoints.archive import open_archive, require_plain
from latentedit.checkpoints.inspection import TORCH_LEGACY, ZIP
from latentedit.checkpoints.loading import holds_pickle, load_pickled
from latentedit.errors import InputError, damaged
from latentedit.files import require_regular
from latentedit.inversion.resemblance import shrink
from latentedit.networks import Generator
from latentedit.networks.style_encoder import SIDE, StyleEncoder, StyleEncoderConfig
from latentedit.predictors.weights import COUNTER, fill

PREFIX = "encoder."
ITERATIONS = 5  # of ReStyle, where its file does not say
MOST_ITERATIONS = 100
NO_ENCODER = "holds no encoder: give what `latentedit train encoder` wrote, or a file of pSp, e4e or ReStyle"


@dataclass(frozen=True, eq=False)
class PublishedEncoder:
    """An encoder, the mean ws that it starts from, and how often it looks at its own attempt."""

    network: StyleEncoder
    mean: Tensor  # [num_ws, w_dim]
    generator: Generator
    iterations: int = 1

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Find latents: images [N, 3, R, R] in [-1, 1] -> ws [N, num_ws, w_dim]."""
        seen, ws = _resize(images), self.mean.expand(len(images), -1, -1)
        if self.network.config.in_channels == 3:
            return ws + cast(Tensor, self.network(seen))
        for _ in range(self.iterations):
            attempt = _resize(self.generator.synthesis(ws))
            ws = ws + self.network(torch.cat([seen, attempt], dim=1))
        return ws


def read_published(path: Path, generator: Generator) -> PublishedEncoder:
    """Read an encoder's file, of torch.save; errors don't name it."""
    require_regular(path)
    with path.open("rb") as file:
        start = file.read(len(TORCH_LEGACY))
    if not holds_pickle(start):
        raise InputError(NO_ENCODER)
    return interpret(open_archive(path) if start.startswith(ZIP) else load_pickled(path, start), generator)


def interpret(content: object, generator: Generator) -> PublishedEncoder:
    """Take the encoder out of what a file holds.

    Raises InputError where it is none of those that are read, or makes other ws than the generator takes.
    """
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise InputError(NO_ENCODER)
    found = {str(name): x for name, x in content["state_dict"].items() if str(name).startswith(PREFIX)}
    tensors = {
        name.removeprefix(PREFIX): require_plain(f"{name:.80}", x).float()
        for name, x in found.items()
        if not name.endswith(COUNTER)
    }
    options = _read_options(content)
    config = _infer(tensors, options)
    shape, wanted = (config.num_styles, 8 * config.width), (generator.config.num_ws, generator.config.w_dim)
    if shape != wanted:
        raise InputError(f"makes ws of {shape[0]} x {shape[1]}, this generator takes {wanted[0]} x {wanted[1]}")
    with torch.device("meta"):
        network = StyleEncoder(config)
    fill(network, tensors)
    device = generator.mapping.w_avg.device
    mean = _read_mean(content.get("latent_avg"), generator)
    return PublishedEncoder(
        network.eval().requires_grad_(False).to(device), mean.to(device), generator, _count_iterations(options)
    )


def _read_options(content: Mapping[str, Any]) -> Mapping[str, Any]:
    opts = content.get("opts")
    options = vars(opts) if isinstance(opts, argparse.Namespace) else opts
    return options if isinstance(options, dict) else {}


def _infer(tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> StyleEncoderConfig:
    """Read the encoder's type off a file's settings and its shape off the tensors."""
    first = tensors.get("input_layer.0.weight")
    if first is None or first.ndim != 4:
        raise InputError(f"{NO_ENCODER}, on IR-SE50")
    styles = {name.split(".")[1] for name in tensors if name.startswith("styles.")}
    try:
        return StyleEncoderConfig(str(options.get("encoder_type")), len(styles), first.shape[1], first.shape[0])
    except ValueError as error:
        raise InputError(str(error)) from error


def _read_mean(latent_avg: object, generator: Generator) -> Tensor:
    """Read the mean that differences are added to, the generator's own where the file has none: -> [num_ws, w_dim]."""
    if latent_avg is None:
        latent_avg = generator.mapping.w_avg
    with damaged("damaged: its latent_avg is no mean of this generator's ws"):
        mean = require_plain("latent_avg", latent_avg).float()
        return mean.reshape(-1, generator.config.w_dim).expand(generator.config.num_ws, -1)


def _count_iterations(options: Mapping[str, Any]) -> int:
    count = options.get("n_iters_per_batch", ITERATIONS)
    return count if isinstance(count, int) and 1 <= count <= MOST_ITERATIONS else ITERATIONS


def _resize(images: Tensor) -> Tensor:
    """Bring images to the side that encoders see: [N, 3, R, R] -> [N, 3, 256, 256]."""
    seen = shrink(images, SIDE)
    return seen if seen.shape[-1] == SIDE else F.interpolate(seen, (SIDE, SIDE), mode="bilinear", antialias=True)
