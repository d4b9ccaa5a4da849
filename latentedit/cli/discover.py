"""`latentedit discover`: find a direction, say how well it separates faces it never saw, and keep it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import latentedit as le
from latentedit.cli import arguments, learning, printing, scored_faces
from latentedit.errors import InputError
from latentedit.ranges import format_ranges, parse_layers, parse_seeds

EXAMPLES = """\
  latentedit discover --scorer omi:happy --name joy                   faces of seeds 0-1999, logistic regression
  latentedit discover --method ridge --space s --layers fine --scorer omi:age --name old
  latentedit discover --scores ratings.csv --name mine                columns seed and score
  latentedit discover --latents ws.npz --scores ratings.csv --labels quantile:.1 --name mine
  latentedit discover --method learned --seeds 0-255 --scorer omi --name memorable
  latentedit discover --method gradient --seeds 0-255 --keep happy age gender attractive --name only_memorable
  latentedit discover --method nonlinear --keep happy age --out bent.safetensors
  latentedit discover --method channels --scorer omi:gender           ranks channels, to use as --direction 3_20
  latentedit discover --unsupervised sefa --layers 4-7 --num 10       comp0 to comp9
  latentedit discover --table --seeds 0-3999 --trunc .5               accuracy by space, threshold and rendering
"""
BY_SCORES = ("logistic", "svm", "ridge", "pls", "mean")
BY_GRADIENT = ("gradient", "learned")
NEAREST = 6  # known directions to compare with


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "discover", run, "find a direction from scores, or without any", EXAMPLES)
    parser.add_argument(
        "--method",
        choices=[*BY_SCORES, *BY_GRADIENT, "nonlinear", "channels"],
        default="logistic",
        help="logistic (default), svm, ridge, pls (partial least squares) or mean (difference of means) from scores; "
        "gradient (averaged) or learned (GANalyze) through a scorer; nonlinear: learned, each face its own step; "
        "channels ranks those of StyleSpace",
    )
    parser.add_argument("--unsupervised", choices=["pca", "sefa"], help="without scores: GANSpace or SeFa")
    parser.add_argument("--table", action="store_true", help="the memorability paper's table, in markdown; keeps none")
    parser.add_argument("--name", help="what to call it in your own library; unsupervised: comp, before 0, 1, ...")
    parser.add_argument("--num", type=arguments.parse_count, default=10, help="how many components (default 10)")
    parser.add_argument("--steps", type=arguments.parse_count, default=300, help="of learning (default 300)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the .safetensors that --method nonlinear writes")
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE",
        help="what gradient, learned and nonlinear shall leave, such as happy age",
    )
    parser.add_argument("--space", choices=["z", "w", "w+", "s"], default="w", help="default: w; w+ mixes styles")
    parser.add_argument("--layers", default="all", metavar="L", help="all, coarse, middle, fine or such as 4-7")
    parser.add_argument("--labels", metavar="RULE", help="which scores are high: mean, median or quantile:.1")
    scored_faces.add_faces(parser)
    arguments.add_network(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Choose what to do."""
    if args.table:
        print_table(args)
    elif args.unsupervised:
        find_unsupervised(args)
    elif args.method == "channels":
        print_channels(args)
    elif args.method == "nonlinear":
        learning.find_nonlinear(args)
    else:
        find_supervised(args)


def print_table(args: argparse.Namespace) -> None:
    """Fit in every space and print a table in markdown."""
    from latentedit.discovery.table import compare_spaces

    checkpoint = arguments.open_network(args)
    seeds = args.seeds or parse_seeds(scored_faces.DEFAULT_SEEDS)
    psi, scorer = scored_faces.choose_psi(args), le.load_scorer(args.scorer)
    facts = compare_spaces(checkpoint.generator, scorer, seeds, psi, args.class_index, args.quiet)
    rows = [[row["space"], row["labels"], row["rendering"], _say_accuracy(row)] for row in facts["rows"]]
    agreement = facts["agreement"]
    lines = [
        "| space | threshold | rendering | hold-out accuracy, 95 % interval |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"{scorer.name} on {len(seeds)} faces at psi {psi:g}; its scores of square and oval pictures agree with "
        f"a Spearman correlation of {agreement['spearman']:.3f}, Kendall's tau {agreement['kendall']:.3f}.",
    ]
    printing.announce(args, facts, lines)


def _say_accuracy(figures: dict[str, Any]) -> str:
    """Write a share of held-out faces with its interval."""
    low, high = figures["hold_out_interval"]
    return f"{figures['hold_out_accuracy']:.3f} [{low:.3f}, {high:.3f}] of {figures['hold_out_faces']}"


def find_unsupervised(args: argparse.Namespace) -> None:
    """Find axes, store them and print."""
    from latentedit.discovery import UNSUPERVISED
    from latentedit.library import check_name, store_direction

    prefix = check_name(args.name or "comp")
    if args.space != "w":
        raise InputError(f"--space {args.space}: the axes of {args.unsupervised} lie in W, leave --space out")
    checkpoint = arguments.open_network(args)
    find, layers = UNSUPERVISED[args.unsupervised], parse_layers(args.layers, checkpoint.config.num_ws)
    found = find(checkpoint.generator, args.num, layers, args.class_index, quiet=args.quiet)
    named = [replace(direction, name=f"{prefix}{i}") for i, direction in enumerate(found)]
    paths = [store_direction(direction, checkpoint.fingerprint) for direction in named]
    facts = [
        {**printing.describe_direction(direction), "file": str(path)}
        for direction, path in zip(named, paths, strict=True)
    ]
    weight = "explained_variance" if args.unsupervised == "pca" else "eigenvalue"
    rows = [[d.name, f"{d.provenance[weight]:.3g}", f"{d.sigma:.3g}"] for d in named]
    lines = [*printing.table(["direction", weight.replace("_", " "), "sigma"], rows), f"kept       {paths[0].parent}"]
    printing.announce(args, facts, lines)


def print_channels(args: argparse.Namespace) -> None:
    """Rank the channels of StyleSpace and print them."""
    checkpoint = arguments.open_network(args)
    styles, scores, _ = scored_faces.open_scored(args, checkpoint, "s")
    ranked = le.rank_channels(checkpoint.generator, styles, scores, args.num, args.labels or "quantile:0.1")
    facts = [{"channel": channel, "strength": strength} for channel, strength in ranked]
    rows = [[channel, f"{strength:+.2f}"] for channel, strength in ranked]
    lines = [*printing.table(["channel", "mean / SD of the high"], rows), f"use it     --direction {ranked[0][0]}"]
    printing.announce(args, facts, lines)


def find_supervised(args: argparse.Namespace) -> None:
    """Find a direction, judge it, store it if it holds, and print."""
    from latentedit.library import check_name, store_direction

    if args.name is None:
        raise InputError("--name: say what to call the direction, such as --name mine")
    check_name(args.name)
    checkpoint = arguments.open_network(args)
    direction = _find(args, checkpoint)
    _check_success(direction)
    cosines = _known_cosines(direction, checkpoint)
    path = store_direction(direction, checkpoint.fingerprint)
    facts = {**printing.describe_direction(direction), "cosines": cosines, "kept": True, "file": str(path)}
    where = f"in {direction.space}, layers {format_ranges(direction.layers)}"
    lines = [
        f"direction  {direction.name}: {args.method} {where}",
        _quality_line(direction.provenance),
        f"sigma      {direction.sigma:.3g}",
        *printing.table(["cosine with", ""], [[name, f"{value:+.3f}"] for name, value in cosines.items()]),
        f"kept       {path}",
    ]
    printing.announce(args, facts, lines)


def _find(args: argparse.Namespace, checkpoint: le.Checkpoint) -> le.Direction:
    """Find the direction that the arguments ask for."""
    layers = _choose_layers(args, checkpoint)
    if args.method in BY_GRADIENT and (args.scores or args.labels or args.rendering):
        raise InputError(f"--method {args.method} follows a scorer: leave out --scores, --labels and --rendering")
    if args.method == "gradient" and (args.space, args.layers) != ("w", "all"):
        raise InputError("--method gradient moves all layers of W: leave out --space and --layers, or take learned")
    if args.keep and args.method in BY_SCORES:
        raise InputError(f"--keep and --method {args.method}: ratings are kept by gradient, learned and nonlinear")
    if args.method in BY_SCORES:
        latents, scores, origin = scored_faces.open_scored(args, checkpoint, args.space)
        return le.discover(
            checkpoint.generator,
            latents,
            scores,
            args.method,
            args.name,
            origin,
            args.class_index,
            args.space,
            layers,
            args.labels,
        )
    if args.method == "learned":
        return learning.learn_direction(args, checkpoint, layers)
    faces, scorer = scored_faces.open_faces(args, checkpoint), le.load_scorer(args.scorer)
    rest: dict[str, Any] = {"provenance": faces.origin, "class_index": args.class_index, "quiet": args.quiet}
    keep = arguments.open_attributes(args.keep)
    return le.discover_by_gradient(checkpoint.generator, faces.ws, scorer, args.name, **rest, keep=keep)


def _choose_layers(args: argparse.Namespace, checkpoint: le.Checkpoint) -> tuple[int, ...] | None:
    """Read --layers as those of --space."""
    if args.layers == "all":
        return None
    if args.space == "z":
        raise InputError(f"--layers {args.layers} --space z: z has no layers, leave --layers out")
    config = checkpoint.config
    if args.space == "s":
        return parse_layers(args.layers, len(config.style_layers), [layer.row for layer in config.style_layers])
    return parse_layers(args.layers, config.num_ws)


def _check_success(direction: le.Direction) -> None:
    """Raise InputError if a direction is no better than guessing, or if learning led nowhere."""
    found = direction.provenance
    if "hold_out_interval" in found and found["hold_out_interval"][0] <= found["guessing_accuracy"]:
        raise InputError(
            f"{direction.name} failed and was not kept: {_say_accuracy(found)} held-out faces on the right side, "
            f"guessing gives {found['guessing_accuracy']:.3f}: give more faces, or scores that the latents tell"
        )
    learning.check_progress(direction)


def _quality_line(found: dict[str, Any]) -> str:
    """Say how good a direction is, on one line."""
    if "hold_out_interval" in found:
        right = f"{_say_accuracy(found)} faces on the right side, guessing {found['guessing_accuracy']:.3f}"
        return f"hold-out   {right}, Spearman {found['hold_out_spearman']:.3f}"
    if "last_loss" in found:
        return learning.loss_line(found)
    return f"averaged   gradients of {found['num_faces']} faces"


def _known_cosines(direction: le.Direction, checkpoint: le.Checkpoint) -> dict[str, float]:
    """Compare with the known directions of its space, the nearest first."""
    from latentedit.library import read_intact

    known = [found for _, found in read_intact(le.list_directions(checkpoint.fingerprint).values())]
    alike = [found for found in known if (type(found), found.widths) == (type(direction), direction.widths)]
    values = {found.name: le.cosine(direction, found) for found in alike if found.name != direction.name}
    return dict(sorted(values.items(), key=lambda pair: -abs(pair[1]))[:NEAREST])
