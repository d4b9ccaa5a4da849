"""`latentedit convert`: write a generator in the format of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.vocabulary import CHECKPOINT_FORMATS

EXAMPLES = """\
  latentedit convert ffhq.pkl ffhq.safetensors
  latentedit convert ffhq.pkl ffhq.pt --to rosinality-pt
  latentedit convert e4e_ffhq_encode.pt decoder.safetensors --to nvidia-safetensors --fp16
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(
        commands, "convert", run, "write a generator in the format of another tool, equal to the bit", EXAMPLES
    )
    parser.add_argument("source", metavar="IN", help="faces (bundled), or a checkpoint of any tool")
    parser.add_argument("out", metavar="OUT", type=Path, help="the file to write: .safetensors, .pt or .pth")
    parser.add_argument("--to", choices=CHECKPOINT_FORMATS, help="the format (default: latentedit for .safetensors)")
    parser.add_argument("--fp16", action="store_true", help="half precision: half the size, no longer equal")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Read, write and print."""
    import torch

    from latentedit.checkpoints import convert, guess_target

    target = args.to or guess_target(args.out)
    checkpoint = le.load_checkpoint(args.source)
    lost = convert(checkpoint, args.out, target, torch.float16 if args.fp16 else torch.float32)
    facts = {
        "network": printing.describe_network(args.source, checkpoint),
        "file": str(args.out),
        "format": target,
        "guessed": args.to is None,
        "bytes": args.out.stat().st_size,
        "fingerprint": le.load_checkpoint(args.out).fingerprint,
        "notes": list(lost),
    }
    lines = [
        printing.network_line(args.source, checkpoint),
        f"format     {checkpoint.format} -> {target}{'' if args.to else f', as {args.out.suffix} says'}",
        *(f"note       {note}" for note in (*checkpoint.notes, *lost)),
        f"written    {args.out}, {facts['bytes']:,} bytes, fingerprint {facts['fingerprint'][:12]}",
    ]
    printing.announce(args, facts, lines)
