"""What `apply` does with photographs: their latents, the edit pasted back, and the strip."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import inverting, portraits
from latentedit.errors import InputError
from latentedit.vocabulary import PASTE_MODES

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.inversion.portraits import Portrait

NEEDS_PHOTO = (
    "paste_back",
    "strip",
    "landmarks",
    "detector",
    "aligned",
    "face",
    "steps",
    "lr",
    "loss",
    "encoder",
    "fast",
    "upright",
)
SEEDS_ONLY = ("seeds", "trunc", "trunc_cutoff")
SIDE = 256  # pixels of a face in the strip


def add_photographs(parser: argparse.ArgumentParser) -> None:
    """Add the choice of photographs, and what becomes of them."""
    group = parser.add_argument_group("photographs")
    group.add_argument(
        "--photo", type=Path, nargs="+", metavar="FILE", help="edit these, inverted first unless --latents are theirs"
    )
    group.add_argument(
        "--paste-back",
        choices=PASTE_MODES,
        nargs="?",
        const=PASTE_MODES[0],
        help="put the edited face back into the photograph (face, default), or add what the edit changed (change)",
    )
    group.add_argument(
        "--strip", action="store_true", help="photograph, inversion, edit and pasted in strip.png: pastes back too"
    )
    portraits.add_alignment(group)
    inverting.add_projection(group)
    inverting.add_tuned(group)


def open_photographs(args: argparse.Namespace) -> list[Portrait]:
    """Open and align the photographs of --photo; none without it, where what only they need is refused."""
    if args.photo is None:
        if given := [flag for flag in NEEDS_PHOTO if getattr(args, flag)]:
            raise InputError(f"--{given[0].replace('_', '-')} is about a photograph: name one with --photo")
        return []
    if given := [flag for flag in SEEDS_ONLY if getattr(args, flag) is not None]:
        raise InputError(f"--{given[0].replace('_', '-')} and --photo: a photograph has no seed, give one of them")
    inverting.check_projection(args)
    return portraits.open_portraits(args, args.photo)


def open_latents(
    args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction, found: list[Portrait]
) -> tuple[Tensor, list[str]]:
    """Find the latents of photographs, or take those of --latents: -> ws or styles [N, ...], and a name for each."""
    from latentedit.inversion.portraits import stack_crops

    if direction.space == "z":
        raise InputError(f"--photo: direction {direction.name} moves z, which no photograph has: give one in W or S")
    names = [portrait.path.stem for portrait in found]
    if args.latents is None:
        targets = stack_crops(found, checkpoint.config.img_resolution).to(checkpoint.generator.mapping.w_avg.device)
        ws = inverting.invert(args, checkpoint, targets, "w+").latents
        return (le.to_styles(checkpoint.generator, ws) if direction.space == "s" else ws), names
    load = le.load_styles if direction.space == "s" else le.load_latents
    latents = load(args.latents, checkpoint.generator)
    if len(latents) != len(found):
        raise InputError(
            f"--latents {args.latents} holds {len(latents)} faces, --photo names {len(found)}: give as many"
        )
    return latents, names


def paste_back(args: argparse.Namespace, found: list[Portrait], pairs: Tensor) -> list[Tensor]:
    """Put each edited face back: pairs [N, 2, 3, R, R], before and after -> uint8 [3, H, W] each; none unasked."""
    from latentedit.inversion.pasting import paste

    mode = args.paste_back or (PASTE_MODES[0] if args.strip else None)
    if mode is None:
        return []
    pairs = pairs.cpu()
    return [
        paste(p.photograph, p.alignment, after, before, p.crop(before.shape[-1]), mode)
        for p, (before, after) in zip(found, pairs, strict=True)
    ]


def save_pasted(folder: Path, found: list[Portrait], pasted: list[Tensor]) -> None:
    """Write the photographs with the edit in them."""
    from latentedit.photographs import to_picture

    for portrait, pixels in zip(found, pasted, strict=False):
        to_picture(pixels).save(folder / f"{portrait.path.stem}_pasted.png")


def lay_out(found: list[Portrait], pairs: Tensor, pasted: list[Tensor]) -> tuple[Tensor, list[str]]:
    """Put photograph, inversion, edit and result side by side: -> [N, columns, 3, 256, 256] and labels."""
    from dataclasses import replace

    import torch
    import torch.nn.functional as F

    crops = torch.stack([portrait.crop(SIDE) for portrait in found])
    sides = [F.interpolate(faces, (SIDE, SIDE), mode="bicubic").clamp(-1, 1) for faces in pairs.cpu().unbind(1)]
    results = [replace(p, photograph=pixels).crop(SIDE) for p, pixels in zip(found, pasted, strict=False)]
    columns = [crops, *sides, *([torch.stack(results)] if results else [])]
    return torch.stack(columns, dim=1), ["photograph", "inversion", "edit", "pasted"][: len(columns)]
