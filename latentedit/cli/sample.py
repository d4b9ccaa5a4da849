"""`latentedit sample`: latents and scores of many faces, in files that a killed run goes on with."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError, one_line
from latentedit.ranges import LARGEST_SEED, parse_seeds
from latentedit.vocabulary import PRECISIONS

EXAMPLES = """\
  latentedit sample --num 100000 --trunc 0.5 --score omi --out pop     the latents, and all that omi rates
  latentedit sample --seeds 0-999 --score omi:happy,patches:happy --images --out pop
  latentedit discover --latents pop --scorer omi:happy --name joy      find it on what was sampled

The same command goes on where a killed one stopped. On several processes, GPUs or hosts that share the folder:

  torchrun --nproc-per-node 4 --no-python latentedit sample --num 100000 --score omi --out pop
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "sample", run, "sample and score many faces, to be gone on with", EXAMPLES)
    faces = parser.add_mutually_exclusive_group(required=True)
    faces.add_argument("--num", type=arguments.parse_count, metavar="N", help="how many faces")
    faces.add_argument("--seeds", type=arguments.as_argument(parse_seeds), metavar="S", help="or which, as in 0-3,7")
    parser.add_argument("--first-seed", type=arguments.parse_seed, metavar="S", help="where --num starts (default 0)")
    parser.add_argument(
        "--trunc", "--truncation", "--psi", type=arguments.parse_number, default=0.7, metavar="PSI", help="default: 0.7"
    )
    parser.add_argument("--trunc-cutoff", type=int, metavar="N", help="truncate only the first N layers, keep all rows")
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument(
        "--score",
        "--scorer",
        default="omi",
        metavar="NAMES",
        help="omi (all that it rates, default), omi:happy (one), several such as omi,patches:happy, or none",
    )
    parser.add_argument("--images", action="store_true", help="keep the pictures too, 8 bits a channel")
    parser.add_argument("--noise-mode", choices=["const", "random", "none"], default="const", help="default: const")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16: a faster preview (default fp32)")
    parser.add_argument(
        "--out", "--outdir", type=Path, required=True, metavar="DIR", help="folder to write or go on in"
    )
    arguments.add_network(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Sample what is missing, and print what is there."""
    from latentedit.population.panel import load_scorers
    from latentedit.population.processes import take_gpu

    seeds = _choose_seeds(args)
    take_gpu(args.device)
    checkpoint = arguments.open_network(args)
    population = le.sample_population(
        checkpoint.generator,
        args.out,
        seeds,
        args.trunc,
        load_scorers(args.score, checkpoint.generator.mapping.w_avg.device),
        args.trunc_cutoff,
        args.class_index,
        args.noise_mode,
        args.precision,
        args.images,
        quiet=args.quiet,
    )
    if os.environ.get("RANK", "0") == "0":
        _print(args, checkpoint, population)


def _choose_seeds(args: argparse.Namespace) -> Sequence[int]:
    """Read --seeds, or --num and --first-seed."""
    if args.seeds is not None and args.first_seed is not None:
        raise InputError(f"--first-seed {args.first_seed} and --seeds: seeds are taken as they are, give --num instead")
    first = args.first_seed or 0
    if args.num is not None and first + args.num > LARGEST_SEED + 1:
        raise InputError(f"--num {args.num} from seed {first}: the largest seed is {LARGEST_SEED}, take fewer")
    return args.seeds or range(first, first + args.num)


def _print(args: argparse.Namespace, checkpoint: le.Checkpoint, population: le.Population) -> None:
    """Say what lies in the folder."""
    from dataclasses import asdict

    manifest, count = population.manifest, len(population.attributes)
    scored = f"{population.attributes[0]} and {count - 1} others" if count > 1 else ", ".join(population.attributes)
    lines = [
        printing.network_line(args.network, checkpoint),
        *printing.preview_lines(args.precision),
        f"faces      {len(population)}, seeds {one_line(manifest.seeds)}, psi {manifest.truncation_psi:g}",
        f"scores     {scored or 'none'}",
        f"written    {', '.join(manifest.arrays)} in {len(population.shards)} shards in {args.out}",
    ]
    printing.announce(args, {"folder": str(args.out), **asdict(manifest)}, lines)
