"""The faces that a direction is found on, and their scores: a scorer's, or the user's own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments
from latentedit.errors import InputError
from latentedit.ranges import format_ranges, parse_seeds

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.direction import Space
    from latentedit.discovery.ratings import Ratings

DEFAULT_SEEDS, DEFAULT_PSI = "0-1999", 0.7


@dataclass(frozen=True)
class Faces:
    """ws [N, num_ws, w_dim] of faces, where they come from, and what else is known of them."""

    ws: Tensor
    z: Tensor | None  # [N, z_dim], where seeds made them
    origin: dict[str, Any]
    scores: Tensor | None = None  # [N], those that lie beside the latents


def add_faces(parser: argparse.ArgumentParser) -> None:
    """Add the choice of faces and of their scores."""
    parser.add_argument("--scorer", default="omi", help="omi (rated memorability, default), or such as omi:happy")
    parser.add_argument(
        "--rendering", choices=["square", "oval"], help="what is scored: the image (default), or an ellipse on white"
    )
    parser.add_argument("--scores", type=Path, metavar="CSV", help="your own: columns score, and seed or latent")
    parser.add_argument(
        "--latents",
        type=Path,
        metavar="FILE",
        help="faces from a file, not seeds; an .npz may hold scores too, and so "
        "may a folder of `latentedit sample`, of which --scorer names the column",
    )
    parser.add_argument(
        "--seeds", type=arguments.as_argument(parse_seeds), metavar="S", help=f"faces (default {DEFAULT_SEEDS})"
    )
    parser.add_argument(
        "--trunc", type=arguments.parse_number, metavar="PSI", help=f"truncation psi of seeds (default {DEFAULT_PSI})"
    )
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")


def choose_psi(args: argparse.Namespace) -> float:
    """Take --trunc, or its default."""
    return DEFAULT_PSI if args.trunc is None else float(args.trunc)


def open_faces(args: argparse.Namespace, checkpoint: le.Checkpoint, ratings: Ratings | None = None) -> Faces:
    """Make or load the faces that the arguments choose, those that ratings are about where there are any."""
    if args.latents is not None:
        return _load_faces(args, checkpoint, ratings)
    seeds = _choose_seeds(args, ratings)
    psi = choose_psi(args)
    z = le.sample_z(seeds, checkpoint.config.z_dim)
    ws = le.to_ws(checkpoint.generator, z, psi, class_index=args.class_index)
    return Faces(ws, z, {"seeds": format_ranges(sorted(seeds)), "truncation_psi": psi})


def _choose_seeds(args: argparse.Namespace, ratings: Ratings | None) -> list[int]:
    """Take the seeds of --scores or those of --seeds."""
    if ratings is None:
        return args.seeds or parse_seeds(DEFAULT_SEEDS)
    if ratings.latents is not None or (ratings.seeds is None and args.seeds is None):
        raise InputError(f"--scores {args.scores} says no seeds: add a column seed, or give --latents")
    if ratings.seeds is not None and args.seeds is not None:
        raise InputError(f"--scores {args.scores} says its seeds: leave --seeds out")
    return list(ratings.seeds or args.seeds)


def _load_faces(args: argparse.Namespace, checkpoint: le.Checkpoint, ratings: Ratings | None) -> Faces:
    """Load the faces of --latents, in the order of their ratings."""
    for flag in ("seeds", "trunc", "class_index"):
        if getattr(args, flag) is not None:
            raise InputError(f"--{flag.split('_')[0]} and --latents: latents are taken as they are, give one of them")
    faces = _load_population(args, checkpoint) if args.latents.is_dir() else _load_file(args, checkpoint)
    if ratings is not None and ratings.seeds is not None:
        raise InputError(f"--scores {args.scores} says seeds, and --latents gives others: name the column latent")
    if ratings is not None and ratings.latents is not None:
        last, rows = len(faces.ws) - 1, list(ratings.latents)
        if max(rows) > last:
            raise InputError(f"--scores {args.scores}: latent {max(rows)} of {last + 1}, 0-{last}")
        return replace(faces, ws=faces.ws[rows], z=None if faces.z is None else faces.z[rows])
    return faces


def _load_file(args: argparse.Namespace, checkpoint: le.Checkpoint) -> Faces:
    """Load a file of latents, and the scores that may lie beside them."""
    from latentedit.discovery.ratings import read_scores

    ws = le.load_latents(args.latents, checkpoint.generator)
    return Faces(ws, None, {"latents": str(args.latents)}, read_scores(args.latents))


def _load_population(args: argparse.Namespace, checkpoint: le.Checkpoint) -> Faces:
    """Load what `latentedit sample` wrote, with the column of its scores that --scorer names."""
    population = le.load_population(args.latents)
    manifest, config = population.manifest, checkpoint.config
    if manifest.generator != checkpoint.fingerprint:
        raise InputError(
            f"--latents {args.latents}: made by another generator ({manifest.generator[:12]}, "
            f"this is {checkpoint.fingerprint[:12]}): name that one as --network"
        )
    w = population.w[:].to(checkpoint.generator.mapping.w_avg.device)
    ws = w if w.ndim == 3 else w[:, None].expand(-1, config.num_ws, -1)
    origin: dict[str, Any] = {
        "latents": str(args.latents),
        "seeds": manifest.seeds,
        "truncation_psi": manifest.truncation_psi,
    }
    scores = None
    if population.attributes and args.scores is None:
        origin["scorer"] = args.scorer if args.scorer in population.attributes else le.load_scorer(args.scorer).name
        scores = population.read_scores(origin["scorer"])
    return Faces(ws, le.sample_z(population.seeds.tolist(), config.z_dim), origin, scores)


def open_scored(
    args: argparse.Namespace, checkpoint: le.Checkpoint, space: Space
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Make what a direction is found on: -> latents of the space [N, ...], scores [N], and where they come from."""
    from latentedit.discovery.ratings import read_ratings

    ratings = None if args.scores is None else read_ratings(args.scores)
    faces = open_faces(args, checkpoint, ratings)
    own = faces.scores if ratings is None else ratings.scores
    ws = _bring_to_space(args, faces, own, space)
    latents = _choose_latents(args, checkpoint, faces, ws, space)
    if own is None:
        scorer = le.load_scorer(args.scorer)
        rendering = args.rendering or "square"
        scores = le.score_faces(checkpoint.generator, scorer, ws, [rendering], quiet=args.quiet)[:, 0]
        return latents, scores, {**faces.origin, "scorer": scorer.name, "rendering": rendering}
    file = args.scores or args.latents
    if args.rendering:
        raise InputError(f"--rendering {args.rendering}: the scores of {file} are taken as they are, leave it out")
    if len(own) != len(ws):
        raise InputError(f"{file} has {len(own)} scores for {len(ws)} faces: give one for each")
    return latents, own, {**faces.origin, "scores": str(file)}


def _bring_to_space(args: argparse.Namespace, faces: Faces, own: Tensor | None, space: Space) -> Tensor:
    """Mix the styles of faces for W+, where their rows are equal otherwise."""
    if space != "w+" or faces.z is None:
        return faces.ws
    if own is not None:
        file = args.scores or args.latents
        raise InputError(f"--space w+, scores of {file}: the rows of a seed's ws are equal, give --latents in W+")
    return le.mix_styles(faces.ws)


def _choose_latents(
    args: argparse.Namespace, checkpoint: le.Checkpoint, faces: Faces, ws: Tensor, space: Space
) -> Tensor:
    """Take faces as latents of a space: z, ws or styles."""
    if space == "z" and faces.z is None:
        raise InputError(f"--space z --latents {args.latents}: they are ws, which no z gives back, give --seeds")
    if space == "z" and faces.z is not None:
        return faces.z
    return le.to_styles(checkpoint.generator, ws) if space == "s" else ws
