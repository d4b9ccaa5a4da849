"""`latentedit score`: rate image files."""

from __future__ import annotations

import argparse
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError

EXAMPLES = """\
  latentedit score face.png photos/                     rated memorability, 0 to 100
  latentedit score photos/ --scorer omi:happy,omi:age --json

A face must be aligned as FFHQ's are (eyes level, centred), as `apply` and `sweep` render them.
"""
RESOLUTION = 256  # what photographs are brought to before a scorer sees them


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "score", run, "rate image files", EXAMPLES)
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--scorer", default="omi", help="one or more, such as omi,omi:happy (default omi)")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Read, score and print."""
    from tqdm import tqdm

    from latentedit.photographs import list_images, load_square, to_images

    names = args.scorer.split(",")
    if "none" in names:
        raise InputError(f"--scorer {args.scorer}: nothing would be scored, name a scorer such as omi")
    scorers = [le.load_scorer(name) for name in names]
    paths = list_images(args.images)
    scores = []  # a row for each image
    for path in tqdm(paths, desc="scoring", unit="img", disable=args.quiet or len(paths) < 10):
        image = to_images(load_square(path, RESOLUTION))
        scores.append([le.score(scorer, image).item() for scorer in scorers])
    facts = [
        {"image": str(path), **dict(zip((s.name for s in scorers), row, strict=True))}
        for path, row in zip(paths, scores, strict=True)
    ]
    rows = [[str(path), *(f"{v:.1f}" for v in row)] for path, row in zip(paths, scores, strict=True)]
    printing.announce(args, facts, printing.table(["image", *(s.name for s in scorers)], rows))
