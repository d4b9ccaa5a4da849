"""`discover --method learned` and `--method nonlinear`: what is trained through generator and scorer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, printing, scored_faces
from latentedit.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.discovery.learning import Penalty

SPREAD_FACES = 128  # whose standard deviations the ratings to keep are counted in


def learn_direction(
    args: argparse.Namespace, checkpoint: le.Checkpoint, layers: tuple[int, ...] | None
) -> le.Direction:
    """Learn one step for all faces."""
    faces, scorer = scored_faces.open_faces(args, checkpoint), le.load_scorer(args.scorer)
    penalties, rest = _open_penalties(args, checkpoint, faces.ws), _rest(args, faces.origin)
    return le.learn_direction(checkpoint.generator, faces.ws, scorer, args.name, penalties, args.space, layers, **rest)


def find_nonlinear(args: argparse.Namespace) -> None:
    """Learn a step for every face, write the file and print."""
    from latentedit.library import check_name

    if args.out is None or args.out.suffix != ".safetensors":
        raise InputError(f"--method nonlinear --out {args.out}: name the file to write, such as --out mine.safetensors")
    if (args.space, args.layers) != ("w", "all"):
        raise InputError("--method nonlinear moves all layers of W: leave --space and --layers out, or take learned")
    name, checkpoint = check_name(args.name or args.out.stem), arguments.open_network(args)
    faces, scorer = scored_faces.open_faces(args, checkpoint), le.load_scorer(args.scorer)
    penalties, rest = _open_penalties(args, checkpoint, faces.ws), _rest(args, faces.origin)
    edit = le.learn_nonlinear(checkpoint.generator, faces.ws, scorer, name, penalties, **rest)
    check_progress(edit.direction)
    le.save_nonlinear(edit, args.out)
    facts = {**printing.describe_direction(edit.direction), "file": str(args.out)}
    lines = [
        f"edit       {name}: a step of each face's own, in w, all layers",
        loss_line(edit.direction.provenance),
        f"use it     latentedit apply --direction {args.out}, or evaluate",
        f"written    {args.out}",
    ]
    printing.announce(args, facts, lines)


def check_progress(direction: le.Direction) -> None:
    """Raise InputError if learning led nowhere."""
    found = direction.provenance
    if "last_loss" in found and found["last_loss"] >= found["first_loss"]:
        losses = f"{found['first_loss']:.3g} to {found['last_loss']:.3g}"
        raise InputError(f"{direction.name} failed and was not kept: its loss went from {losses}, take another method")


def loss_line(found: dict[str, Any]) -> str:
    """Say how far learning led, on one line."""
    return f"learned    squared error {found['first_loss']:.3g} at first, {found['last_loss']:.3g} at last"


def _rest(args: argparse.Namespace, origin: dict[str, Any]) -> dict[str, Any]:
    """Gather what both ways of learning are told."""
    schedule = le.Schedule(num_steps=args.steps)
    return {"schedule": schedule, "provenance": origin, "class_index": args.class_index, "quiet": args.quiet}


def _open_penalties(args: argparse.Namespace, checkpoint: le.Checkpoint, ws: Tensor) -> list[Penalty]:
    """Make a penalty of what --keep names, in standard deviations over the first faces."""
    keep = arguments.open_attributes(args.keep)
    if not keep:
        return []
    spreads = [le.score_faces(checkpoint.generator, one, ws[:SPREAD_FACES], quiet=True)[:, 0].std() for one in keep]
    return [le.hold_scores([(one, float(sd)) for one, sd in zip(keep, spreads, strict=True)])]
