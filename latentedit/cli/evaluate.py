"""`latentedit evaluate`: report cards of directions, side by side, where their target changed alike."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, consistency, likeness, printing
from latentedit.errors import InputError
from latentedit.ranges import format_ranges, parse_seeds
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from latentedit.evaluation import Card

EXAMPLES = """\
  latentedit evaluate w_sq cond_traits                     256 fresh faces, judged by patches, omi beside it
  latentedit evaluate smile --target happy --level 1.5 --show age gender attractive
  latentedit evaluate w_sq cond_smile cond_traits --judges patches --seeds 5000000-5000063
  latentedit evaluate w_sq --keep happy age --seeds 5000000-5000015 --steps 5
  latentedit evaluate w_sq --by-layer --seeds 5000000-5000031    which layers carry it
  latentedit evaluate w_sq smile --consistency --seeds 5000000-5000015   edit, render, invert, undo
"""
SEEDS, POPULATION = "3000000-3000255", "3100000-3101023"
SHOWN = ("happy", "age", "gender", "attractive")
COLUMNS = 4  # of a table on a terminal


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    summary = "measure what directions do, and what else they do at equal effect"
    parser = arguments.add_command(commands, "evaluate", run, summary, EXAMPLES)
    parser.add_argument("directions", nargs="+", help="names of `latentedit directions list`, files or channels")
    arguments.add_space(parser)
    parser.add_argument("--target", default="memorable", help="the attribute that they shall raise (default memorable)")
    parser.add_argument(
        "--judges",
        nargs="+",
        default=["patches", "omi"],
        help="assessors; the first decides, so name one that no direction was found with (default patches omi)",
    )
    positive = arguments.parse_positive
    parser.add_argument("--level", type=positive, default=1.0, help="change of the target to match at, SD (default 1)")
    parser.add_argument("--reach", type=positive, default=4.0, help="sigmas to try either way (default 4)")
    parser.add_argument("--steps", type=int, default=9, help="how many alphas, an odd number (default 9)")
    parser.add_argument("--show", nargs="+", default=list(SHOWN), metavar="ATTRIBUTE", help="whose changes to print")
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="ATTRIBUTE", help="measure each on a path that holds these ratings too"
    )
    parser.add_argument(
        "--by-layer", action="store_true", help="measure the layers of one direction at 3 sigmas instead"
    )
    likeness.add_likeness(parser)
    consistency.add_consistency(parser)
    seeds = arguments.as_argument(parse_seeds)
    parser.add_argument("--seeds", type=seeds, default=SEEDS, metavar="S", help=f"fresh faces (default {SEEDS})")
    parser.add_argument(
        "--population", type=seeds, default=POPULATION, metavar="S", help=f"whose SD counts (default {POPULATION})"
    )
    parser.add_argument("--trunc", type=arguments.parse_number, default=0.7, metavar="PSI", help="default 0.7")
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument("--any-generator", action="store_true", help="take directions of another generator too")
    arguments.add_network(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Choose what to measure."""
    if args.consistency:
        consistency.compare_consistency(args)
    elif args.by_layer:
        compare_layers(args)
    else:
        compare_directions(args)


def compare_layers(args: argparse.Namespace) -> None:
    """Measure which layers carry a direction, write and print."""
    from latentedit.evaluation.layers import list_rows
    from latentedit.evaluation.pictures import draw_layers
    from latentedit.evaluation.tables import write_layers

    if len(args.directions) > 1 or args.keep:
        raise InputError("--by-layer measures one direction as it is: name one, and leave --keep out")
    judge, checkpoint = le.load_assessor(args.judges[0]), arguments.open_network(args)
    direction = le.load_direction(args.directions[0], checkpoint.generator, args.any_generator, args.space)
    effects = le.analyse_layers(
        checkpoint.generator,
        direction,
        judge,
        args.target,
        seeds=args.seeds,
        truncation_psi=args.trunc,
        population=args.population,
        class_index=args.class_index,
        quiet=args.quiet,
    )
    header, rows = list_rows(effects)
    facts = {
        "network": printing.describe_network(args.network, checkpoint),
        "direction": printing.describe_direction(direction),
        "flags": arguments.describe_flags(args),
        "layers": [dict(zip(header, row, strict=True)) for row in rows],
    }
    with recorded(args.outdir) as folder:
        write_layers(folder / "layers.csv", effects)
        title = f"change of {args.target}, SD, by {judge.name}"
        missing = _draw(lambda: draw_layers(effects, title).savefig(folder / "layers.png"))
        write_run(folder, **facts)
    shown = [[*row[:3], row[5], row[8]] for row in rows]
    lines = [
        printing.network_line(args.network, checkpoint),
        _faces_line(args),
        *printing.table(["part", "layer", f"{args.target}, SD", "1 - MS-SSIM", "SD at equal distance"], shown),
        *missing,
        f"written    {args.outdir / 'layers.csv'} and the files beside it",
    ]
    printing.announce(args, facts, lines)


def compare_directions(args: argparse.Namespace) -> None:
    """Measure report cards, write and print."""
    from latentedit.evaluation.tables import as_facts, compare_cards

    alphas = _choose_alphas(args.reach, args.steps)
    judges = [le.load_assessor(name) for name in args.judges]
    similarities = {"ms_ssim": le.ms_ssim, **likeness.open_likeness(args)}
    checkpoint = arguments.open_network(args)
    edits = _open_edits(args, checkpoint)
    cards = le.evaluate(
        checkpoint.generator,
        edits,
        judges,
        args.target,
        args.seeds,
        args.trunc,
        args.level,
        alphas,
        args.population,
        similarities,
        args.class_index,
        quiet=args.quiet,
    )
    facts: dict[str, Any] = {
        "network": printing.describe_network(args.network, checkpoint),
        "flags": arguments.describe_flags(args),
        "cards": [as_facts(card) for card in cards],
    }
    with recorded(args.outdir) as folder:
        missing = _write_files(folder, cards, args.show, facts)
    lines = [printing.network_line(args.network, checkpoint), _faces_line(args)]
    for i in range(0, len(cards), COLUMNS):
        header, rows = compare_cards(cards[i : i + COLUMNS], args.show)
        lines += ["", *printing.table(header, rows)]
    lines += ["", *missing, f"written    {args.outdir / 'measures.csv'} and the files beside it"]
    printing.announce(args, facts, lines)


def _open_edits(
    args: argparse.Namespace, checkpoint: le.Checkpoint
) -> list[le.Direction | le.Holding | le.NonlinearEdit]:
    """Load the directions and learned steps, or with --keep directions and the paths along them that hold ratings."""
    named: list[le.Direction | le.Holding | le.NonlinearEdit] = [
        arguments.open_nonlinear(args, name, checkpoint) or arguments.load_direction(args, name, checkpoint)
        for name in args.directions
    ]
    scorers = arguments.open_attributes(args.keep)
    if not scorers:
        return named
    found = [one for one in named if isinstance(one, le.Direction)]
    covariance = le.measure_covariance(checkpoint.generator, args.class_index)
    measured = [one if one.sigma else le.calibrate(one, checkpoint.generator, args.class_index) for one in found]
    return [*found, *(le.Holding(checkpoint.generator, one, scorers, covariance) for one in measured)]


def _choose_alphas(reach: float, steps: int) -> list[float]:
    """Space alphas evenly about 0."""
    if not 3 <= steps <= 101 or steps % 2 == 0:
        raise InputError(f"--steps {steps}: give an odd number from 3 to 101, so that 0 is among the alphas")
    half = steps // 2
    return [float(f"{reach * i / half:.6g}") for i in range(-half, half + 1)]


def _faces_line(args: argparse.Namespace) -> str:
    """Say on which faces, and whose standard deviations count."""
    seeds, population = format_ranges(args.seeds), format_ranges(args.population)
    return f"faces      seeds {seeds} at psi {args.trunc:g}; SD of {len(args.population)} others, {population}"


def _write_files(folder: Path, cards: list[Card], shown: list[str], facts: dict[str, Any]) -> list[str]:
    """Write tables and pictures; return what there is to say of a picture that could not be drawn."""
    from latentedit.evaluation import tables
    from latentedit.evaluation.pictures import draw_cards, draw_rescoring

    tables.write_measures(folder / "measures.csv", cards, shown)
    tables.write_rescoring(folder / "rescoring.csv", cards)
    (folder / "cards.md").write_text(tables.format_markdown(*tables.compare_cards(cards, shown)), encoding="utf-8")
    (folder / "cards.json").write_text(json.dumps(facts["cards"], indent=2) + "\n", encoding="utf-8")
    if any(math.isfinite(card.alpha.value) for card in cards):
        draw_rescoring(cards).save(folder / "rescoring.png")
    missing = _draw(lambda: draw_cards(cards, shown).savefig(folder / "curves.png"))
    write_run(folder, **{key: value for key, value in facts.items() if key != "cards"})
    return missing


def _draw(plot: Callable[[], None]) -> list[str]:
    """Draw a plot, or return what there is to say where matplotlib is missing."""
    try:
        plot()
    except InputError as error:
        return [f"no plot    {error}"]
    return []
