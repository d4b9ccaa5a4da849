"""Latents: seeds to z to w to ws to styles, truncation, and the files that hold them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.arrays import load_content, to_tensor
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.networks import Generator
from latentedit.ranges import LARGEST_SEED


def sample_z(seeds: Iterable[int], z_dim: int) -> Tensor:
    """Draw everyone's z of each seed, RandomState(seed).randn(1, z_dim): -> [N, z_dim] in float32."""
    seeds = list(seeds)
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED:
        raise InputError(f"seeds {seeds[:3]}: give at least one, each from 0 to {LARGEST_SEED}")
    random, rows = np.random.RandomState(), np.empty((len(seeds), z_dim), np.float32)
    for row, seed in zip(rows, seeds, strict=True):
        random.seed(seed)  # a new RandomState of this seed, in a tenth of the time
        row[:] = random.randn(1, z_dim)
    return torch.from_numpy(rows)


@torch.no_grad()
def sample(
    generator: Generator,
    seeds: Iterable[int],
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    class_index: int | None = None,
) -> Tensor:
    """Map seeds to latents: N seeds -> ws [N, num_ws, w_dim]; the rest as in `to_ws`."""
    z = sample_z(seeds, generator.config.z_dim)
    return to_ws(generator, z, truncation_psi, truncation_cutoff, class_index)


@torch.no_grad()
def to_ws(
    generator: Generator,
    z: Tensor,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    class_index: int | None = None,
) -> Tensor:
    """Map and truncate z: [..., z_dim] -> ws [..., num_ws, w_dim].

    psi pulls the rows before `truncation_cutoff` (all by default) towards the mean face: 1 is the
    plain sample, 0 the mean. Each z is mapped alone, so it gives the same bits in any batch.
    """
    check_fit(z, (generator.config.z_dim,))
    if not math.isfinite(truncation_psi):
        raise InputError(f"truncation psi {truncation_psi} is not a finite number: give one such as 0.7")
    device = generator.mapping.w_avg.device
    label = one_hot(generator, class_index).to(device)
    flat = z.reshape(-1, 1, z.shape[-1]).to(device)
    rows = [generator.map(one, label, truncation_psi, truncation_cutoff) for one in flat]
    return torch.cat(rows).reshape(*z.shape[:-1], generator.config.num_ws, -1)


def mix_styles(ws: Tensor, seed: int = 0) -> Tensor:
    """Swap each face's rows from a random layer on for another face's: ws [N, num_ws, w_dim] -> same, in W+.

    Training mixes styles so, which makes these the W+ that a generator knows (Karras et al. 2019).
    """
    if ws.shape[1] < 2:
        raise InputError(f"ws of shape {list(ws.shape)}: styles of one layer can't be mixed, stay in W")
    random = torch.Generator().manual_seed(seed)
    others = ws[torch.randperm(len(ws), generator=random)]
    crossover = torch.randint(1, ws.shape[1], (len(ws), 1, 1), generator=random)
    first = torch.arange(ws.shape[1])[:, None] < crossover
    return torch.where(first.to(ws.device), ws, others)


@torch.no_grad()
def to_styles(generator: Generator, ws: Tensor) -> Tensor:
    """Put ws through every layer's affine: [..., num_ws, w_dim] -> styles [..., num_styles], StyleSpace's latents.

    They stand side by side in the order of `generator.config.style_layers`: the affines' raw
    outputs, before a toRGB layer's weight_gain. `render_styles` makes images of them. Each face goes
    through alone, so it gives the same bits in any batch.
    """
    check_fit(ws, (generator.config.num_ws, generator.config.w_dim))
    rows = [generator.synthesis.make_styles(one) for one in ws.reshape(-1, 1, *ws.shape[-2:])]
    return torch.cat(rows).reshape(*ws.shape[:-2], -1)


def check_fit(latents: Tensor, shape: tuple[int, ...]) -> None:
    """Raise InputError if latents [..., *shape] are not of the shape that a generator needs."""
    if tuple(latents.shape[-len(shape) :]) != shape:
        needed = ", ".join(map(str, ("...", *shape)))
        raise InputError(f"latents of shape {list(latents.shape)}: this generator needs [{needed}]")


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
    _save(Path(path), w=ws.detach().cpu().float().numpy(), **notes)


def save_styles(path: str | Path, styles: Tensor, **notes: Any) -> None:
    """Write styles [N, num_styles] as .npz under the key `styles`, with notes beside it."""
    _save(Path(path), styles=styles.detach().cpu().float().numpy(), **notes)


def _save(path: Path, **arrays: Any) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_latents(path: str | Path, generator: Generator) -> Tensor:
    """Load the faces of a file of latents, whatever tool wrote it: -> ws [N, num_ws, w_dim] in float32.

    w [N, w_dim] is repeated for every layer. Where a file has two axes, as many rows as the
    generator has layers are one face, as PDillis's tools write it, and not that many faces.
    """
    with about(path):
        return fit_latents(read_latents(Path(path)), generator)


def load_styles(path: str | Path, generator: Generator) -> Tensor:
    """Load the faces of a file as styles, of what `save_styles` wrote or of any latents: -> [N, num_styles]."""
    with about(path):
        match load_content(Path(path)):
            case {"styles": content}:
                return fit_styles(to_tensor(content), generator)
        return to_styles(generator, fit_latents(read_latents(Path(path)), generator))


def fit_styles(styles: Tensor | None, generator: Generator) -> Tensor:
    """Bring a file's styles to the generator's device: [N, num_styles] -> same, in float32."""
    num_styles = generator.config.num_styles
    if styles is None or styles.ndim != 2 or styles.shape[1] != num_styles or not styles.isfinite().all():
        held = "no array" if styles is None else f"shape {list(styles.shape)}"
        raise InputError(f"holds styles of {held}, this generator needs finite ones of [N, {num_styles}]")
    return styles.float().to(generator.mapping.w_avg.device)


def fit_latents(w: Tensor, generator: Generator) -> Tensor:
    """Bring a file's latents to the generator's shape and device: w of two or three axes -> [N, num_ws, w_dim]."""
    config = generator.config
    if w.ndim == 2:
        w = w[None] if len(w) == config.num_ws else w[:, None]
    if w.shape[1:] == (1, config.w_dim):
        w = w.repeat(1, config.num_ws, 1)
    if w.shape[1:] != (config.num_ws, config.w_dim):
        needed = f"[N, {config.num_ws}, {config.w_dim}]"
        raise InputError(f"holds w of shape {list(w.shape)}, this generator needs {needed}: they don't fit")
    if not torch.isfinite(w).all():
        raise InputError("holds a w that is not finite: make the file anew")
    return w.to(generator.mapping.w_avg.device)


def read_latents(path: Path) -> Tensor:
    """Read what a file of latents holds, w [N, w_dim] or ws [N, num_ws, w_dim] (or one face's rows), in float32.

    .npz with the key w (NVIDIA), .npy and .pt of one array (PDillis, SeFa, e4e, PTI), rosinality's
    projections and ReStyle's dictionary, the last step of each face. Nothing in the file is run.
    """
    content = load_content(path)
    found = pick_latents(content)
    if isinstance(content, dict) and "styles" in content:
        raise InputError("holds styles, which no ws give back: edit them along a direction in StyleSpace")
    if found is None:
        raise InputError("holds no latents: give an .npz with the key w, or an .npy or .pt of w or w+")
    return found[1]


def pick_latents(content: object) -> tuple[str, Tensor] | None:
    """Find the latents in a file's content: -> the name of the format and w, or None where there are none."""
    match content:
        case {"w": w}:
            format, faces = "NVIDIA projected_w", to_tensor(w)
        case {"latent": latent}:
            format, faces = "rosinality projection", _stack([latent])
        case dict() if content and all(isinstance(face, dict) and "latent" in face for face in content.values()):
            format, faces = "rosinality projection", _stack([face["latent"] for face in content.values()])
        case dict() if content and all(isinstance(face, list) and face for face in content.values()):
            format, faces = "ReStyle latents", _stack([steps[-1] for steps in content.values()])
        case _:
            format, faces = "array", to_tensor(content) if isinstance(content, np.ndarray | Tensor) else None
    if faces is None or faces.ndim not in (1, 2, 3):
        return None
    return format, faces.float() if faces.ndim > 1 else faces[None].float()


def _stack(values: Sequence[object]) -> Tensor | None:
    """Stack faces of one shape: N of [w_dim] or [num_ws, w_dim] -> [N, 1 or num_ws, w_dim]; None if not all are."""
    faces = [face for value in values if (face := to_tensor(value)) is not None]
    if len(faces) < len(values) or len({face.shape for face in faces}) > 1 or faces[0].ndim not in (1, 2):
        return None
    return torch.stack([face.reshape(-1, face.shape[-1]) for face in faces])
