"""Latents: seeds to z to w to ws, truncation, and the .npz files that hold them."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.networks import Generator
from latentedit.ranges import LARGEST_SEED


def sample_z(seeds: Iterable[int], z_dim: int) -> Tensor:
    """Draw everyone's z of each seed, RandomState(seed).randn(1, z_dim): -> [N, z_dim] in float32."""
    seeds = list(seeds)
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise InputError(f"seeds {seeds[:3]}: give at least one, each from 0 to {LARGEST_SEED}")
    rows = [np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]
    return torch.from_numpy(np.concatenate(rows).astype(np.float32))


@torch.no_grad()
def sample(
    generator: Generator,
    seeds: Iterable[int],
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    class_index: int | None = None,
) -> Tensor:
    """Map seeds to latents: N seeds -> ws [N, num_ws, w_dim].

    psi pulls the rows before `truncation_cutoff` (all by default) towards the mean face: 1 is the
    plain sample, 0 the mean. Each seed is mapped alone, so it gives the same bits in any batch.
    """
    if not math.isfinite(truncation_psi):
        raise InputError(f"truncation psi {truncation_psi} is not a finite number: give one such as 0.7")
    device = generator.mapping.w_avg.device
    label = one_hot(generator, class_index).to(device)
    z = sample_z(seeds, generator.config.z_dim).to(device)
    rows = [generator.map(z[i : i + 1], label, truncation_psi, truncation_cutoff) for i in range(len(z))]
    return torch.cat(rows)


def one_hot(generator: Generator, class_index: int | None) -> Tensor:
    """Make the label of a class: -> c [1, c_dim], empty for an unconditional generator."""
    c_dim = generator.config.c_dim
    if c_dim == 0 and class_index is not None:
        raise InputError(f"class {class_index}: this generator is not conditional, leave the class out")
    if c_dim > 0 and (class_index is None or not 0 <= class_index < c_dim):
        given = "no class" if class_index is None else f"class {class_index}"
        raise InputError(f"{given}: this generator is conditional, name a class from 0 to {c_dim - 1}")
    label = torch.zeros(1, c_dim)
    if class_index is not None:
        label[0, class_index] = 1
    return label


def save_latents(path: str | Path, ws: Tensor, **notes: Any) -> None:
    """Write ws [N, num_ws, w_dim] as .npz under the key `w`, NVIDIA's --projected-w, with notes beside it."""
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, w=ws.detach().cpu().float().numpy(), **notes)


def load_latents(path: str | Path, generator: Generator) -> Tensor:
    """Read the key `w` of an .npz: w [N, w_dim] (repeated) or ws [N, num_ws, w_dim] -> ws [N, num_ws, w_dim]."""
    w = torch.from_numpy(_read_array(Path(path), "w"))
    config = generator.config
    if w.ndim == 2 and w.shape[1] == config.w_dim:
        w = w[:, None].repeat(1, config.num_ws, 1)
    if w.ndim != 3 or w.shape[1:] != (config.num_ws, config.w_dim) or len(w) == 0:
        raise InputError(
            f"{path} holds w of shape {list(w.shape)}: this generator needs [N, {config.num_ws}, {config.w_dim}]"
        )
    if not torch.isfinite(w).all():
        raise InputError(f"{path} holds a w that is not finite: make the file anew")
    return w.to(generator.mapping.w_avg.device)


def _read_array(path: Path, key: str) -> np.ndarray:
    """Read one float array of an .npz, never unpickling: -> float32."""
    with about(path):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return np.asarray(arrays[key], dtype=np.float32)
        except (ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"no .npz of plain numbers with the key {key!r}, as NVIDIA's projector writes") from error
