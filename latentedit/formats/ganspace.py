"""GANSpace's principal components (.npz caches, e4e's ffhq_pca.pt) and its named edits (.pkl)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from latentedit.arrays import to_tensor
from latentedit.checkpoints.unpickler import rebuild_number
from latentedit.direction import Direction
from latentedit.errors import InputError
from latentedit.formats.entry import MOST_LAYERS, Entry
from latentedit.formats.old_pickle import dump_old
from latentedit.formats.writing import Owner, check_space, only_row, replace_file
from latentedit.ranges import format_ranges

SLIDER_RANGE = 2.0  # how many deviations GANSpace's slider goes to either side
SLIDERS = "an alpha counts standard deviations along it, as GANSpace's sliders do"
EXCLUSIVE = "layers {start}-{last}: the file says {start} to {end}, which leaves the end out"


def read_components(content: object, stem: str) -> list[Entry]:
    """Read every component with its standard deviation, the strongest first."""
    match content:
        case {"comp": comp, "std": std}:
            return _components(comp, std)
        case {"lat_comp": comp, "lat_stdev": std, "act_comp": activations, "act_stdev": spread}:
            # GANSpace writes deviations of exactly 1 where its latents are z.
            of_z = (deviations := to_tensor(std)) is not None and bool((deviations == 1).all())
            return _components(activations, spread) if of_z else _components(comp, std)
    return []


def _components(comp: object, std: object) -> list[Entry]:
    rows, deviations = to_tensor(comp), to_tensor(std)
    if rows is None or deviations is None or deviations.shape != rows.shape[:1]:
        raise InputError("its components and their standard deviations don't match: damaged")
    if rows.numel() != len(rows) * rows.shape[-1]:
        raise InputError(
            f"components of shape {list(rows.shape)}: activations of a layer or steps in Z, not in W, "
            "run GANSpace with --use_w and --layer=style"
        )
    pairs = zip(rows.flatten(1), deviations.tolist(), strict=True)
    return [_entry(f"comp{i}", row, float(deviation)) for i, (row, deviation) in enumerate(pairs)]


def _entry(name: str, row: Tensor, deviation: float) -> Entry:
    """Make an entry in units of sigma: the deviation is that of <w, row>, sigma that of <w, row> / <row, row>."""
    square = float(row.double().square().sum())
    if not (square > 0 and 0 < deviation < float("inf")):
        return Entry(name, row[None])
    return Entry(name, row[None], unit="sigma", sigma=deviation / square, assumed=(SLIDERS,))


def read_edit(content: object, stem: str) -> list[Entry]:
    """Read one component with its layers, [edit_start, edit_end), which become an inclusive range."""
    match content:
        case {"lat_comp": comp, "lat_stdev": deviation, "edit_start": int(start), "edit_end": int(end)}:
            edit = cast(Mapping[str, object], content)
        case _:
            return []
    if edit.get("latent_space") != "W" or edit.get("edit_type") != "latent":
        space = edit.get("latent_space") if edit.get("edit_type") == "latent" else "activations"
        raise InputError(f"a GANSpace edit of {str(space)[:20]}, not of W: export it again in W's latent mode")
    if not 0 <= start < end <= MOST_LAYERS:
        raise InputError(f"a GANSpace edit of layers {start} up to but without {end}: no such range")
    row, deviation = to_tensor(comp), rebuild_number(deviation)
    if row is None or row.numel() != row.shape[-1] or not isinstance(deviation, float):
        raise InputError("a GANSpace edit without its component or deviation: damaged")
    facts = {key: edit.get(key) for key in ("name", "model_name", "output_class", "component_index")}
    entry = _entry(stem, row.flatten(), deviation)
    return [
        replace(
            entry,
            layers=tuple(range(start, end)),
            facts={key: value for key, value in facts.items() if isinstance(value, str | int)},
            assumed=(*entry.assumed, EXCLUSIVE.format(start=start, end=end, last=end - 1)),
        )
    ]


def write_components(path: Path, direction: Direction, owner: Owner) -> None:
    """Write a direction of W as the one component: as GANSpace's .npz cache, or for a .pt as e4e's file.

    What GANSpace knows of its components and nobody does of a direction is written as NaN.
    """
    if owner.w_avg is None:
        raise InputError(f"direction {direction.name}: pass --network, whose mean face such a file holds")
    row, deviation = only_row(direction, owner).float(), _deviation(direction)
    e4e = {"comp": row[None], "mean": owner.w_avg.cpu().float()[None], "std": torch.tensor([deviation])}
    with replace_file(path) as file:
        if path.suffix == ".pt":
            torch.save(e4e, file)
        else:
            arrays = {key: tensor.numpy() for key, tensor in e4e.items()}
            unknown = np.full(1, np.nan, dtype=np.float32)
            np.savez(file, allow_pickle=False, **_as_cache(**arrays), var_ratio=unknown, random_stdevs=unknown)


def _as_cache(comp: np.ndarray, mean: np.ndarray, std: np.ndarray) -> dict[str, np.ndarray]:
    """Name components as GANSpace does, whose activations are its latents in W."""
    parts = {"comp": comp, "mean": mean, "stdev": std}
    return {f"{kind}_{key}": array for kind in ("act", "lat") for key, array in parts.items()}


def write_edit(path: Path, direction: Direction, owner: Owner) -> None:
    """Write a direction of W that moves a range of layers, whose end GANSpace leaves out."""
    check_space(direction, ("w",))
    start, end = direction.layers[0], direction.layers[-1] + 1
    if len(direction.layers) < end - start:
        raise InputError(f"direction {direction.name} moves layers {format_ranges(direction.layers)}: no single range")
    known, comp, deviation = direction.provenance, direction.vector[:1].float().numpy(), _deviation(direction)
    edit = {
        "name": known.get("name", direction.name),
        "sigma_range": SLIDER_RANGE,
        "component_index": known.get("component_index", 0),
        "act_comp": comp,
        "lat_comp": comp,
        "latent_space": "W",
        "act_stdev": deviation,
        "lat_stdev": deviation,
        "model_name": known.get("model_name", "StyleGAN2"),
        "output_class": known.get("output_class", ""),
        "decomposition": {"name": "", "components": 1, "samples": 0, "layer": "style", "class_name": ""},
        "edit_type": "latent",
        "truncation": 1.0,
        "edit_start": start,
        "edit_end": end,
        "example_seed": 0,
    }
    with replace_file(path) as file:
        file.write(dump_old(edit))


def _deviation(direction: Direction) -> float:
    """Give the standard deviation of <w, row>, which is sigma's times <row, row>."""
    if direction.sigma is None:
        raise InputError(
            f"direction {direction.name}: nobody measured its sigma, which the file holds: import it first"
        )
    return direction.sigma * float(direction.vector[0].float().double().square().sum())
