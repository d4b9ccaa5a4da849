"""The photographs that a command is given, and the face of each that is meant."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from latentedit.cli import arguments
from latentedit.errors import InputError

if TYPE_CHECKING:
    from latentedit.inversion.portraits import Portrait


def add_alignment(parser: argparse._ActionsContainer) -> None:
    """Add how the face in a photograph is found."""
    parser.add_argument(
        "--face", type=arguments.parse_count, metavar="N", help="which face of a photograph, 1 is the largest (default)"
    )
    parser.add_argument("--landmarks", type=Path, metavar="JSON", help="your own: [[x, y], ...], 5 points or dlib's 68")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="ONNX",
        help="YuNet's file (default: LATENTEDIT_YUNET, or downloaded once), or mtcnn",
    )
    parser.add_argument("--aligned", action="store_true", help="the photographs are FFHQ crops: take them as they are")


def open_portraits(args: argparse.Namespace, photographs: list[Path]) -> list[Portrait]:
    """Open photographs, or all of a folder's, and align a face of each."""
    from latentedit.inversion.portraits import open_aligned, open_portraits
    from latentedit.photographs import list_images

    paths = list_images(photographs)
    _check_names(args, paths)
    given = [f"--{flag}" for flag in ("aligned", "landmarks", "face") if getattr(args, flag)]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give one of them")
    if args.aligned:
        return open_aligned(paths)
    return open_portraits(paths, args.detector, args.landmarks, args.face or 1)


def _check_names(args: argparse.Namespace, paths: list[Path]) -> None:
    """Refuse what would write over a photograph, or two pictures into one file."""
    if doubled := [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]:
        raise InputError(f"two photographs are called {doubled[0]}: they would be written into one file, rename one")
    for path in paths:
        if path.resolve().parent == args.outdir.resolve():
            raise InputError(f"{path} lies in --outdir {args.outdir}: name another folder, so that nothing replaces it")
