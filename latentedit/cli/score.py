"""`latentedit score`: rate images, files or a generator's."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.cli.evaluate_predictor import add_captions
from latentedit.errors import InputError
from latentedit.ranges import parse_seeds

if TYPE_CHECKING:
    from latentedit.predictors import AnyScorer
    from latentedit.scoresheet import Describe, Row, Source

EXAMPLES = """\
  latentedit score face.png photos/                     rated memorability, 0 to 100
  latentedit score photos/ --predictor omi:happy,patches:happy --json
  latentedit score 'photos/**/*.jpg' --predictor omi,resmem --out scores.csv
  latentedit score --seeds 0-9999 --network ffhq.pkl --predictor resmem --out scores.json
  latentedit score faces/ --predictor mine.safetensors --captions captions.csv    the face beside its description

In brackets, where people's mean rating lies nine times in ten, for faces such as the scorer was trained on.
For omi and patches a face must be aligned as FFHQ's are (eyes level, centred), as `apply` and `sweep` render them;
resmem and vitmem take any photograph. What can't be read is listed and skipped. With --out, a run that was interrupted
goes on where it was when it is started again.
"""
DEFAULT_PSI = 0.7
MOST_LISTED = 20  # of the images that can't be read


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "score", run, "rate images, files or a generator's", EXAMPLES)
    parser.add_argument("images", nargs="*", help="image files, folders of them, or patterns in quotes")
    parser.add_argument(
        "--predictor",
        "--scorer",
        dest="scorer",
        default="omi",
        help="one or more, such as omi,omi:happy,resmem, or a .safetensors file of a predictor (default omi)",
    )
    add_captions(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a .csv or .json instead of printing the scores")
    seeds = arguments.as_argument(parse_seeds)
    parser.add_argument("--seeds", type=seeds, metavar="S", help="rate faces of --network, such as 0-99")
    parser.add_argument(
        "--latents", type=Path, metavar="FILE", help="rate faces of --network from an .npz, .npy or .pt"
    )
    parser.add_argument(
        "--trunc", type=arguments.parse_number, metavar="PSI", help=f"truncation psi of seeds (default {DEFAULT_PSI})"
    )
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    arguments.add_network(parser)
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Find the images, score them in their order, write and print."""
    names = args.scorer.split(",")
    if "none" in names:
        raise InputError(f"--predictor {args.scorer}: nothing would be scored, name a scorer such as omi")
    source = open_source(args)
    scorers = open_scorers(args, names)
    describe = _open_words(args, scorers)
    if args.out is None:
        _print_scores(args, source, scorers, describe)
    else:
        _write_sheet(args, source, scorers, describe)


def open_scorers(args: argparse.Namespace, names: list[str]) -> list[AnyScorer]:
    """Load the scorers, networks onto --device."""
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.predictors import PredictorScorer

    scorers = [le.load_scorer(name) for name in names]
    for scorer in scorers:
        if isinstance(scorer, PredictorScorer):
            scorer.network.to(choose_device(args.device))
    return scorers


def _open_words(args: argparse.Namespace, scorers: list[AnyScorer]) -> Describe:
    """Read the descriptions that some predictors read beside images."""
    from latentedit.predictors import PredictorScorer
    from latentedit.scoresheet import open_captions

    reading = [scorer.name for scorer in scorers if isinstance(scorer, PredictorScorer) and scorer.reads_words]
    if not reading and args.captions is None:
        return lambda *_: ()
    if args.captions is None:
        raise InputError(f"{reading[0]}: it reads descriptions, give --captions CSV")
    if not reading:
        raise InputError(f"--captions {args.captions}: no predictor here reads descriptions, leave them out")
    return open_captions(args.captions, args.tokenizer)


def open_source(args: argparse.Namespace) -> Source:
    """Find image files, or make the latents of --seeds or --latents; one of the three."""
    from latentedit.scoresheet import Photographs, find_images

    given = [flag for flag, value in (("--seeds", args.seeds), ("--latents", args.latents)) if value is not None]
    if len(given) + bool(args.images) != 1:
        shown = " and ".join([*args.images[:1], *given]) or "nothing"
        raise InputError(f"{shown}: give image files, --seeds or --latents, one of the three")
    return _open_renderings(args) if given else Photographs(find_images(args.images))


def _open_renderings(args: argparse.Namespace) -> Source:
    from latentedit.scoresheet import Renderings

    generator = arguments.open_network(args).generator
    if args.latents is not None:
        ws = le.load_latents(args.latents, generator)
        return Renderings(generator, ws, [f"{args.latents.stem}-{i:04d}" for i in range(len(ws))])
    psi = DEFAULT_PSI if args.trunc is None else args.trunc
    ws = le.sample(generator, args.seeds, psi, class_index=args.class_index)
    return Renderings(generator, ws, [f"seed{seed:04d}" for seed in args.seeds])


def _show_progress(args: argparse.Namespace, rows: Iterable[Row], count: int, done: int = 0) -> Iterable[Row]:
    """Pass rows by under a progress bar."""
    from tqdm import tqdm

    return tqdm(rows, desc="scoring", unit="img", total=count, initial=done, disable=args.quiet or count < 10)


def _print_scores(args: argparse.Namespace, source: Source, scorers: list[AnyScorer], describe: Describe) -> None:
    """Score, and print a row an image."""
    from latentedit.scoresheet import score_rows

    rows = _show_progress(args, score_rows(source, scorers, 0, describe), len(source.names))
    facts = [row.to_dict() for row in rows]
    skipped = _find_skipped(facts)
    cells = [_cells(row, scorers) for row in facts if "error" not in row]
    lines = printing.table(["image", *(scorer.name for scorer in scorers)], cells)
    printing.announce(args, facts, [*lines, *skipped_lines(skipped)])


def _write_sheet(args: argparse.Namespace, source: Source, scorers: list[AnyScorer], describe: Describe) -> None:
    """Score into a file that an interrupted run leaves to the next one, and print what became of it."""
    from latentedit.scoresheet import Sheet, score_rows

    sheet = Sheet(args.out, [scorer.name for scorer in scorers])
    done = sheet.resume(source.names)
    rows = sheet.append(score_rows(source, scorers, done, describe))
    for _ in _show_progress(args, rows, len(source.names), done):
        pass
    skipped = _find_skipped(sheet.rows())
    floors = {scorer.name: sum(scorer.name in row.get("at_floor", []) for row in sheet.rows()) for scorer in scorers}
    sheet.finish()
    facts = {"file": str(args.out), "images": len(source.names), "resumed_at": done, "unreadable": skipped}
    lines = [f"written    {args.out}, {len(source.names) - len(skipped)} images scored"]
    lines += [f"at floor   {name}: {count} images" for name, count in floors.items() if count]
    printing.announce(args, {**facts, "at_floor": floors}, [*lines, *skipped_lines(skipped)])


def _find_skipped(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Collect the rows of images that could not be read; raise if that is all of them."""
    skipped, is_any_scored = [], False
    for row in rows:
        is_any_scored = is_any_scored or "error" not in row
        skipped += [row] if "error" in row else []
    if not is_any_scored:
        raise InputError(skipped[0]["error"] + (f" (as are {len(skipped) - 1} more)" if len(skipped) > 1 else ""))
    return skipped


def skipped_lines(skipped: list[dict[str, Any]]) -> list[str]:
    lines = [f"skipped    {row['error']}" for row in skipped[:MOST_LISTED]]
    hidden = len(skipped) - MOST_LISTED
    return [*lines, f"skipped    {hidden} more, see --json"] if hidden > 0 else lines


def _cells(row: dict[str, Any], scorers: list[AnyScorer]) -> list[str]:
    """Write a row of the table."""
    at_floor, intervals = row.get("at_floor", []), row["intervals"]
    cells = [
        printing.score_cell(row[scorer.name], scorer.range, intervals.get(scorer.name), scorer.name in at_floor)
        for scorer in scorers
    ]
    return [row["image"], *cells]
