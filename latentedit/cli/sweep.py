"""`latentedit sweep`: a labelled grid, rows = faces, columns = alphas."""

from __future__ import annotations

import argparse
import csv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, faces, filming, printing
from latentedit.errors import InputError
from latentedit.ranges import format_ranges
from latentedit.reporting import recorded, write_run
from latentedit.vocabulary import Unit

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.predictors import AnyScorer

EXAMPLES = """\
  latentedit sweep --direction w_sq --seeds 0-3 --start -6 --end 6 --steps 7
  latentedit sweep --direction smile --seeds 5 --unit sigma --scorer omi:happy
  latentedit sweep --direction 9_6 --start -10 --end 10
  latentedit sweep --direction smile --seeds 3 --video smile.gif --ping-pong
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "sweep", run, "show faces at many alphas in one labelled grid", EXAMPLES)
    arguments.add_direction(parser)
    number = arguments.parse_number
    parser.add_argument("--start", "--start-distance", type=number, default=-3.0, help="first alpha (default -3)")
    parser.add_argument("--end", "--end-distance", type=number, default=3.0, help="last alpha (default 3)")
    parser.add_argument("--steps", type=int, default=7, help="how many alphas (default 7)")
    faces.add_faces(parser, seeds="1,3,7,20")
    arguments.add_network(parser)
    arguments.add_scorer(parser)
    filming.add_video(parser, None, 4.0, "the way from --start to --end")
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Sweep, render, score, write and print."""
    alphas = _choose_alphas(args.start, args.end, args.steps)
    film = filming.open_film(args)
    checkpoint = arguments.open_network(args)
    direction, layers = arguments.open_direction(args, checkpoint)
    scorer = arguments.open_scorer(args)
    latents, names = faces.open_faces(args, checkpoint, direction)
    if film is not None:
        film.check_grid(len(names))
    move = faces.open_mover(args, checkpoint, direction, layers)
    moved = move(latents, alphas, args.unit)
    labels = [f"{alpha:+g}" if alpha else "0" for alpha in alphas]
    with recorded(args.outdir, args.latents) as folder:
        images = faces.render_faces(args, checkpoint, direction, moved)  # [N, A, 3, H, W]
        scores = None if scorer is None else le.score(scorer, images)  # [N, A]
        facts = {
            "network": printing.describe_network(args.network, checkpoint),
            "direction": printing.describe_direction(direction),
            "alphas": [le.convert_alpha(direction, alpha, args.unit) for alpha in alphas],
            "layers": format_ranges(layers),
            "flags": arguments.describe_flags(args),
            "scorer": scorer.name if scorer else None,
            "faces": names,
            "scores": None if scores is None else scores.tolist(),
        }
        title = f"{direction.name}, alpha in {args.unit or direction.unit}" + (
            f", scored by {scorer.name}" if scorer else ""
        )
        cells = [] if scorer is None or scores is None else _format_scores(scorer, scores)
        le.image_grid(images, cells or None, labels, names, title).save(folder / "sweep.png")
        if scores is not None:
            _write_scores(folder / "scores.csv", names, alphas, scores)
        if film is not None:
            render = partial(faces.render_faces, args, checkpoint, direction, quiet=True)
            scenes = _film(args, film, direction, move, latents)
            filming.shoot(film, folder / film.name, checkpoint.config.img_resolution, render, scorer, names, scenes)
        beside = sorted(path.name for path in folder.iterdir() if path.name != "sweep.png")
        write_run(folder, **facts)
    lines = [
        printing.network_line(args.network, checkpoint),
        *printing.preview_lines(args.precision),
        *_edges(direction, alphas, args.unit, format_ranges(layers)),
        *printing.keep_lines(args.keep),
        *_score_table(names, labels, cells),
        f"written    {args.outdir / 'sweep.png'}, {', '.join([*beside, 'run.json'])}",
    ]
    printing.announce(args, facts, lines)


def _choose_alphas(start: float, end: float, steps: int) -> list[float]:
    """Space alphas evenly, both ends included."""
    if not 2 <= steps <= 1000 or start >= end:
        raise InputError(f"--start {start:g} --end {end:g} --steps {steps}: give start < end and 2 to 1000 steps")
    return [float(f"{start + (end - start) * i / (steps - 1):.6g}") for i in range(steps)]


def _film(
    args: argparse.Namespace, film: filming.Film, direction: le.Direction, move: faces.Mover, latents: Tensor
) -> filming.Scenes:
    """Move the faces from --start to --end; a path that holds scores is walked once, with all its alphas."""
    moments, unit = film.time(), args.unit or direction.unit
    for part in [moments] if args.keep else film.cut(moments, len(latents)):
        alphas = [args.start + share * (args.end - args.start) for share in part]
        said = [f"{direction.name}, alpha {round(alpha, 2) + 0.0:+.2f} {unit}" for alpha in alphas]
        yield move(latents, alphas, args.unit), list(map(filming.Shot, part, said))


def _edges(direction: le.Direction, alphas: list[float], unit: Unit | None, layers: str) -> list[str]:
    """Write the first and last alpha in every unit."""
    ends = (alphas[0], alphas[-1])
    return [printing.alpha_line(direction, le.convert_alpha(direction, alpha, unit), layers) for alpha in ends]


def _format_scores(scorer: AnyScorer, scores: Tensor) -> list[list[str]]:
    """Write scores [N, A] as they are shown."""
    return [[printing.format_score(value, scorer.range) for value in row] for row in scores.tolist()]


def _score_table(names: list[str], labels: list[str], cells: list[list[str]]) -> list[str]:
    """Lay out the scores, a row a face and a column an alpha."""
    rows = [[name, *row] for name, row in zip(names, cells, strict=bool(cells))]
    return printing.table(["alpha", *labels], rows) if cells else []


def _write_scores(path: Path, names: list[str], alphas: list[float], scores: Tensor) -> None:
    """Write scores.csv: face, alpha, score."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["face", "alpha", "score"])
        for name, row in zip(names, scores.tolist(), strict=True):
            writer.writerows([name, alpha, f"{value:.4f}"] for alpha, value in zip(alphas, row, strict=True))
