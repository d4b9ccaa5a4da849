"""The film that `sweep` and `interpolate` make: its flags, and its frames as they are painted."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.vocabulary import EASINGS, Easing

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from latentedit.predictors import AnyScorer
    from latentedit.video import Stage

FPS = 25.0
MOST_FRAMES = 100_000
AT_ONCE = 16  # faces in memory as pixels
FLAGS = ("fps", "seconds", "easing", "ping_pong", "once", "grid", "no_words")


@dataclass(frozen=True)
class Shot:
    """What one frame says: its share of the way, and its title."""

    share: float
    title: str


Scenes = Iterable[tuple["Tensor", list[Shot]]]
"""Latents [N, C, ...] of N faces in C frames, and what each of these frames says."""
Render = Callable[["Tensor"], "Tensor"]


@dataclass(frozen=True)
class Film:
    """What the flags ask for."""

    name: str
    fps: float
    num_frames: int  # of one way
    easing: Easing
    ping_pong: bool
    once: bool
    grid: tuple[int, int] | None  # columns, rows
    with_words: bool
    quiet: bool

    def time(self) -> list[float]:
        """Place the film's moments on the way, each in [0, 1]."""
        from latentedit.video import ease, ping_pong

        moments = ease(self.num_frames, self.easing)
        return ping_pong(moments) if self.ping_pong else moments

    def cut(self, moments: list[float], num_faces: int) -> list[list[float]]:
        """Part moments into those whose faces are in memory together."""
        step = max(1, AT_ONCE // num_faces)
        return [moments[i : i + step] for i in range(0, len(moments), step)]

    def check_grid(self, num_faces: int) -> None:
        """Raise InputError where --grid is too small."""
        if self.grid is not None and self.grid[0] * self.grid[1] < num_faces:
            raise InputError(f"--grid {self.grid[0]}x{self.grid[1]}: {num_faces} faces don't fit, give a larger one")


def add_video(parser: argparse.ArgumentParser, default: str | None, seconds: float, way: str) -> None:
    """Add --video and how the film runs; `way` is what `--seconds` last."""
    group = parser.add_argument_group("video")
    kept = "a file of --outdir, .mp4 (needs ffmpeg: the extra `video`), .webp or .gif"
    group.add_argument(
        "--video", metavar="NAME", default=default, help=kept + (f" (default {default})" if default else "")
    )
    group.add_argument("--seconds", type=arguments.parse_positive, help=f"of {way} (default {seconds:g})")
    group.add_argument("--fps", type=arguments.parse_positive, help=f"frames a second (default {FPS:g})")
    group.add_argument("--easing", choices=EASINGS, help="how the film goes along (default ease-in-out)")
    group.add_argument("--ping-pong", action="store_true", help="there and back")
    group.add_argument("--once", action="store_true", help="a .webp or .gif that stops at its end")
    group.add_argument(
        "--grid", type=arguments.as_argument(parse_grid), metavar="CxR", help="faces side by side, such as 4x2"
    )
    group.add_argument("--no-words", action="store_true", help="faces only, without alpha and score")
    parser.set_defaults(default_seconds=seconds)


def parse_grid(text: str) -> tuple[int, int]:
    """Read `4x2`: -> columns and rows."""
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text, re.ASCII)
    if match is None:
        raise InputError(f"grid {text!r}: write columns and rows such as 4x2, at most 99 each")
    return int(match[1]), int(match[2])


def open_film(args: argparse.Namespace) -> Film | None:
    """Check what the flags ask for, before anything is rendered; None without --video."""
    from latentedit.video import check_video

    if args.video is None:
        if given := [flag for flag in FLAGS if getattr(args, flag)]:
            raise InputError(f"--{given[0].replace('_', '-')} is about a film: name one with --video")
        return None
    fps, seconds = args.fps or FPS, args.seconds or args.default_seconds
    if Path(args.video).name != args.video:
        raise InputError(f"--video {args.video}: the film lies in --outdir, give its name alone")
    check_video(Path(args.video), fps)
    if args.noise_mode == "random":
        raise InputError(f"--noise-mode random --video {args.video}: the film would flicker, leave one out")
    num_frames = max(2, round(seconds * fps))
    if num_frames > MOST_FRAMES:
        raise InputError(f"--seconds {seconds:g} --fps {fps:g}: {num_frames:,} frames, give {MOST_FRAMES:,} at most")
    easing: Easing = args.easing or "ease-in-out"
    words = not args.no_words
    return Film(args.video, fps, num_frames, easing, args.ping_pong, args.once, args.grid, words, args.quiet)


def shoot(
    film: Film, path: Path, resolution: int, render: Render, scorer: AnyScorer | None, names: list[str], scenes: Scenes
) -> None:
    """Write a film of the faces of these names, some frames at a time."""
    from tqdm import tqdm

    from latentedit.video import Stage, write_video

    stage = Stage.around(len(names), resolution, film.grid and film.grid[0], film.with_words)
    frames = tqdm(_paint(stage, render, scorer, names, scenes), "filming", disable=film.quiet)
    write_video(path, frames, film.fps, film.once)


def _paint(
    stage: Stage, render: Render, scorer: AnyScorer | None, names: list[str], scenes: Scenes
) -> Iterator[Image.Image]:
    """Render, score and draw the frames."""
    for latents, shots in scenes:
        images = render(latents)  # [N, C, 3, H, W]
        scores = le.score(scorer, images) if scorer is not None and stage.with_words else None
        for i, shot in enumerate(shots):
            words = ["" for _ in names] if scores is None or scorer is None else _say(scorer, scores[:, i])
            yield stage.draw(images[:, i], shot.title, shot.share, list(zip(names, words, strict=True)))


def _say(scorer: AnyScorer, scores: Tensor) -> list[str]:
    """Write scores [N] with what they are of."""
    word = scorer.name.partition(":")[2] or scorer.name
    return [f"{word} {printing.format_score(score, scorer.range)}" for score in scores.tolist()]
