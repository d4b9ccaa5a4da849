"""`latentedit interpolate`: a film that goes from face to face."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, faces, filming, printing
from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLES = """\
  latentedit interpolate --seeds 1,5,9 --loop
  latentedit interpolate --seeds 0-11 --grid 2x2 --seconds 1.5 --video faces.mp4
  latentedit interpolate --latents out/photo.npz --video photo.gif --ping-pong
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "interpolate", run, "film the way from face to face", EXAMPLES)
    faces.add_faces(parser, seeds="1,5,9")
    parser.add_argument("--loop", action="store_true", help="go on from the last face to the first")
    filming.add_video(parser, "interpolation.webp", 2.0, "the way from one face to the next")
    arguments.add_network(parser)
    arguments.add_scorer(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Go straight from face to face in W or W+, render, score, write and print."""
    film = filming.open_film(args)
    assert film is not None
    if args.loop and args.ping_pong:
        raise InputError("--loop and --ping-pong: either ends where it begins, give one of them")
    checkpoint = arguments.open_network(args)
    ws, names = faces.open_faces(args, checkpoint)
    keys, titles = _arrange(args, film, ws, names)
    positions = _place(args, film, len(keys))
    scorer = arguments.open_scorer(args)
    cells = [f"{i + 1}" for i in range(keys.shape[1])] if keys.shape[1] > 1 else [""]
    facts = {
        "network": printing.describe_network(args.network, checkpoint),
        "flags": arguments.describe_flags(args),
        "scorer": scorer.name if scorer else None,
        "faces": names,
        "frames": len(positions),
        "fps": film.fps,
    }
    with recorded(args.outdir, args.latents) as folder:
        render = partial(faces.render_faces, args, checkpoint, None, quiet=True)
        scenes = _film(film, keys, titles, positions, args.loop)
        filming.shoot(film, folder / film.name, checkpoint.config.img_resolution, render, scorer, cells, scenes)
        write_run(folder, **facts)
    lines = [
        printing.network_line(args.network, checkpoint),
        *printing.preview_lines(args.precision),
        f"faces      {', '.join(titles)}",
        f"film       {len(positions)} frames at {film.fps:g} a second, {len(positions) / film.fps:.1f} s",
        f"written    {args.outdir / film.name} and run.json",
    ]
    printing.announce(args, facts, lines)


def _arrange(args: argparse.Namespace, film: filming.Film, ws: Tensor, names: list[str]) -> tuple[Tensor, list[str]]:
    """Deal the faces out to the grid: ws [K * cells, ...] -> keys [K, cells, ...], and a title for each key."""
    columns, rows = film.grid or (1, 1)
    cells = columns * rows
    if len(ws) % cells or len(ws) < 2 * cells:
        raise InputError(f"{len(ws)} faces on a grid of {columns}x{rows}: give {cells} for each picture, two at least")
    titles = names if cells == 1 else [f"picture {i + 1}" for i in range(len(ws) // cells)]
    return ws.reshape(-1, cells, *ws.shape[1:]), titles


def _place(args: argparse.Namespace, film: filming.Film, num_keys: int) -> list[float]:
    """Lay the film's frames on the way."""
    from latentedit.video import legs, ping_pong

    positions = legs(num_keys, film.num_frames, film.easing, args.loop)
    return ping_pong(positions) if args.ping_pong else positions


def _film(film: filming.Film, keys: Tensor, titles: list[str], positions: list[float], loop: bool) -> filming.Scenes:
    """Move all faces of the grid along: keys [K, cells, num_ws, w_dim]."""
    num_legs = len(keys) if loop else len(keys) - 1
    for part in film.cut(positions, keys.shape[1]):
        shots = [filming.Shot(position / num_legs, _say_place(titles, position)) for position in part]
        yield le.interpolate(keys, part).transpose(0, 1), shots


def _say_place(titles: list[str], position: float) -> str:
    """Name the face that a position is at, or the two that it lies between."""
    start, share = divmod(position, 1)
    one, other = (titles[(int(start) + i) % len(titles)] for i in range(2))
    return f"{one} to {other}" if share else one
