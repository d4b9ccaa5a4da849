"""`latentedit condition`: project a direction off others, and keep the result under a name."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing

EXAMPLES = """\
  latentedit condition w_sq --without smile --name cond_smile
  latentedit condition w_sq --without smile age gender --name memorable_only --out only.safetensors
  latentedit condition w_sq --without comp0 comp3 --metric covariance --name apart
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "condition", run, "project a direction off the span of others", EXAMPLES)
    parser.add_argument("direction", help="a name of `latentedit directions list`, or a file")
    parser.add_argument("--without", nargs="+", required=True, metavar="DIRECTION", help="what it shall leave alone")
    parser.add_argument("--name", required=True, help="the new direction's name")
    parser.add_argument("--per-layer", action="store_true", help="layer by layer instead of flattened (same in W)")
    parser.add_argument(
        "--metric",
        choices=["euclidean", "covariance"],
        default="euclidean",
        help="euclidean (the paper's) where conditions are gradients or hyperplanes, covariance of W's population "
        "where they are differences of means, components or edits; to hold what a face is rated: apply --keep",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write this .safetensors, not to your own library")
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument("--any-generator", action="store_true", help="take directions of another generator too")
    arguments.add_network(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Load, project, calibrate, save and print."""
    from latentedit.library import check_name, store_direction

    check_name(args.name)
    checkpoint = arguments.open_network(args)
    names = [args.direction, *args.without]
    direction, *others = (le.load_direction(name, checkpoint.generator, args.any_generator) for name in names)
    covariance = le.measure_covariance(checkpoint.generator, args.class_index) if args.metric == "covariance" else None
    projected = direction.condition_on(others, args.per_layer, args.name, args.any_generator, covariance)
    measured = le.calibrate(projected, checkpoint.generator, args.class_index)
    conditioned = replace(measured, generator=checkpoint.fingerprint)
    if args.out is None:
        path = store_direction(conditioned, checkpoint.fingerprint)
    else:
        path = args.out
        le.save_direction(conditioned, path)
    before = {other.name: le.cosine(direction, other, covariance) for other in others}
    after = {other.name: le.cosine(conditioned, other, covariance) for other in others}
    facts = {
        **printing.describe_direction(conditioned),
        "kept": conditioned.provenance["kept"],
        "cosines_before": before,
        "cosines_after": after,
        "file": str(path),
    }
    rows = [[name, f"{before[name]:+.3f}", f"{after[name]:+.1e}"] for name in before]
    lines = [
        f"direction  {conditioned.name}: {direction.name} without {', '.join(before)}",
        f"kept       {conditioned.provenance['kept']:.1%} of its norm, sigma {conditioned.sigma:.3g}",
        *printing.table(["cosine with", "before", "after"], rows),
        f"written    {path}",
    ]
    printing.announce(args, facts, lines)
