"""`latentedit align`: cut faces out of photographs as FFHQ's were."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, portraits, printing
from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run

EXAMPLES = """\
  latentedit align photo.jpg                              out/photo.png, and where it lay in out/photo.json
  latentedit align photos/ --size 1024 --outdir aligned
  latentedit align group.jpg --face 2
  latentedit align photo.jpg --landmarks points.json      [[x, y], ...]: eyes, nose, corners of the mouth, in pixels
"""
LARGEST_SIZE = 4096


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(
        commands, "align", run, "cut faces out of photographs in FFHQ's frame (Karras et al. 2019)", EXAMPLES
    )
    parser.add_argument("photographs", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--size", type=arguments.parse_count, default=256, metavar="R", help="pixels (default 256)")
    portraits.add_alignment(parser)
    arguments.add_offline(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Find, align, cut out, write and print."""
    if args.size > LARGEST_SIZE:
        raise InputError(f"--size {args.size}: give {LARGEST_SIZE} pixels at most")
    found = portraits.open_portraits(args, args.photographs)
    with recorded(args.outdir) as folder:
        for portrait in found:
            le.to_pil(portrait.crop(args.size)).save(folder / f"{portrait.path.stem}.png")
            (folder / f"{portrait.path.stem}.json").write_text(json.dumps(portrait.describe(), indent=2) + "\n")
        facts = {"size": args.size, "flags": arguments.describe_flags(args), "faces": [p.describe() for p in found]}
        write_run(folder, **facts)
    lines = [f"{p.path.name}: {p.alignment.side:.0f} px wide, face {args.face or 1} of {p.num_faces}" for p in found]
    printing.announce(args, facts, [*lines, f"written    {args.outdir}"])
