"""`latentedit condition`: project a direction off others, turn it until ratings stay put, and keep the result."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.ranges import format_ranges, parse_seeds

EXAMPLES = """\
  latentedit condition w_sq --without smile --name cond_smile
  latentedit condition w_sq --without smile age gender --name memorable_only --out only.safetensors
  latentedit condition w_sq --without comp0 comp3 --metric covariance --name apart
  latentedit condition w_sq --keep happy age gender attractive --gain 1.2 --name steady
"""
SEEDS = "20000-20511"


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    summary = "make a direction leave other directions, or ratings, alone"
    parser = arguments.add_command(commands, "condition", run, summary, EXAMPLES)
    parser.add_argument("direction", help="a name of `latentedit directions list`, or a file")
    parser.add_argument("--without", nargs="+", default=[], metavar="DIRECTION", help="project it off all of these")
    parser.add_argument("--name", required=True, help="the new direction's name")
    parser.add_argument("--per-layer", action="store_true", help="layer by layer instead of flattened (same in W)")
    parser.add_argument(
        "--metric",
        choices=["euclidean", "covariance"],
        default="euclidean",
        help="euclidean (the paper's) where conditions are gradients or hyperplanes, covariance of W's population "
        "where they are differences of means, components or edits",
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE",
        help="turn it until the mean of these ratings stays put where --scorer has gained; face by face: apply --keep",
    )
    parser.add_argument("--scorer", default="omi", help="with --keep: what it raises (default omi, memorability)")
    parser.add_argument(
        "--gain",
        type=arguments.parse_positive,
        default=1.2,
        metavar="SD",
        help="with --keep: by how much (default 1.2)",
    )
    seeds = arguments.as_argument(parse_seeds)
    parser.add_argument(
        "--seeds", type=seeds, default=SEEDS, metavar="S", help=f"with --keep: measured on these (default {SEEDS})"
    )
    parser.add_argument("--trunc", type=arguments.parse_number, default=0.7, metavar="PSI", help="theirs (default 0.7)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write this .safetensors, not to your own library")
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument("--any-generator", action="store_true", help="take directions of another generator too")
    arguments.add_network(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Load, condition, calibrate, save and print."""
    from latentedit.library import check_name

    if not args.without and not args.keep:
        raise InputError(f"condition {args.direction}: name directions with --without, or ratings with --keep")
    check_name(args.name)
    checkpoint = arguments.open_network(args)
    names = [args.direction, *args.without]
    direction, *others = (le.load_direction(name, checkpoint.generator, args.any_generator) for name in names)
    covariance = le.measure_covariance(checkpoint.generator, args.class_index) if args.metric == "covariance" else None
    found = direction
    if others:
        projected = direction.condition_on(others, args.per_layer, args.name, args.any_generator, covariance)
        found = le.calibrate(projected, checkpoint.generator, args.class_index)
    if args.keep:
        found = _steady(args, checkpoint, found)
    path = _store(args, checkpoint, replace(found, generator=checkpoint.fingerprint))
    before, after = ({other.name: le.cosine(one, other, covariance) for other in others} for one in (direction, found))
    facts = {
        **printing.describe_direction(found),
        **({"kept": found.provenance["kept"]} if "kept" in found.provenance else {}),
        "cosines_before": before,
        "cosines_after": after,
        "file": str(path),
    }
    rows = [[name, f"{before[name]:+.3f}", f"{after[name]:+.1e}"] for name in before]
    lines = [
        f"direction  {found.name}: {' '.join([direction.name, *_say_conditions(args)])}",
        _quality_line(found),
        *(printing.table(["cosine with", "before", "after"], rows) if rows else []),
        f"written    {path}",
    ]
    printing.announce(args, facts, lines)


def _store(args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction) -> Path:
    """Write the direction to --out, or keep it in the library; return the file."""
    from latentedit.library import store_direction

    if args.out is None:
        return store_direction(direction, checkpoint.fingerprint)
    le.save_direction(direction, args.out)
    return Path(args.out)


def _say_conditions(args: argparse.Namespace) -> list[str]:
    """Say what was left alone, as it was asked for."""
    flags = (("without", args.without), ("keeping", args.keep))
    return [f"{word} {', '.join(names)}" for word, names in flags if names]


def _quality_line(found: le.Direction) -> str:
    """Say what became of the direction, on one line."""
    facts = found.provenance
    if "changes_in_sd" in facts:
        changes = ", ".join(f"{name} {change:+.2f}" for name, change in facts["changes_in_sd"].items())
        sigmas = le.convert_alpha(found, facts["step"], "raw")["sigma"]
        return f"measured   {changes} SD on {facts['num_faces']} faces, at alpha {sigmas:.2f} sigma"
    return f"kept       {facts['kept']:.1%} of its norm, sigma {found.sigma:.3g}"


def _steady(args: argparse.Namespace, checkpoint: le.Checkpoint, direction: le.Direction) -> le.Direction:
    """Turn a direction until ratings stay put on the faces of --seeds."""
    ws = le.sample(checkpoint.generator, args.seeds, args.trunc, class_index=args.class_index)
    origin = {"seeds": format_ranges(sorted(args.seeds)), "truncation_psi": args.trunc}
    return le.steady(
        checkpoint.generator,
        direction,
        ws,
        le.load_scorer(args.scorer),
        arguments.open_attributes(args.keep),
        args.gain,
        args.name,
        origin,
        args.class_index,
        args.quiet,
    )
