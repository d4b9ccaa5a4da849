"""`latentedit similar`: the images of a folder that are most like one, and how alone each stands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError
from latentedit.files import home
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from PIL.Image import Image

    from latentedit.explanation.embeddings import Embedding
    from latentedit.explanation.index import Found, Index
    from latentedit.explanation.journal import Floats

EXAMPLES = """\
  latentedit similar face.png --in photos/                         the ten most like it
  latentedit similar face.png --in photos/ --most-memorable        of its nearest hundred, the ten that score highest
  latentedit similar face.png --in photos/ --embedding resmem --least-memorable --scorer resmem
  latentedit similar face.png --in photos/ --approximate           of more than a million (extra `similar`)
  latentedit similar --in photos/                                  how alone each stands, and what goes with that

Writes a gallery as PNG and as an HTML page. The index of a folder is made at the first search, goes on after a kill,
and is brought up to date when files change. An embedding is looks (coarse gradients and colours, default), ratings (all
that omi rates), or a predictor such as resmem.
"""
SIDE, COLUMNS = 256, 6
AMONG = 10  # times as many neighbours are looked at where scores decide


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(
        commands, "similar", run, "find images that are alike, and those that stand alone", EXAMPLES
    )
    parser.add_argument("image", nargs="?", type=Path, help="an image file; without one, how alone each of --in stands")
    parser.add_argument("--in", dest="folder", type=Path, required=True, metavar="FOLDER", help="where to look")
    parser.add_argument("--num", type=arguments.parse_count, default=10, metavar="N", help="how many (default 10)")
    order = parser.add_mutually_exclusive_group()
    order.add_argument(
        "--most-memorable", action="store_true", help="of the nearest 10 N, those with the highest scores"
    )
    order.add_argument(
        "--least-memorable", action="store_true", help="of the nearest 10 N, those with the lowest scores"
    )
    parser.add_argument("--embedding", default="looks", help="what makes images alike (default looks)")
    parser.add_argument(
        "--approximate", action="store_true", help="search a graph of neighbours instead of every image"
    )
    parser.add_argument(
        "--index", type=Path, metavar="FOLDER", help="where indexes lie (default ~/.latentedit/similar)"
    )
    arguments.add_scorer(parser)
    arguments.add_offline(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Bring the index up to date, search, write and print."""
    from latentedit.explanation.embeddings import load_embedding
    from latentedit.explanation.index import update_index

    if not args.folder.is_dir():
        raise InputError(f"--in {args.folder} is no folder: name one with images")
    if args.scorer == "none":
        raise InputError("--scorer none: name a scorer such as omi, its scores stand beside the images")
    embedding, scorer = load_embedding(args.embedding), le.load_scorer(args.scorer)
    query = args.image and _describe(args.image, embedding)
    index, num_new = update_index(args.index or home() / "similar", args.folder, embedding, scorer, args.quiet)
    line = f"index      {len(index.paths)} images of {args.folder}, {num_new} new or changed"
    if query is None:
        return _rank_alone(args, index, line)
    order = "highest" if args.most_memorable else "lowest" if args.least_memorable else "nearest"
    return _show_similar(args, index, query, order, line)


def _describe(path: Path, embedding: Embedding) -> Floats:
    """Embed one image: -> [D]."""
    from latentedit.scoresheet import Photographs

    (image,) = Photographs([path]).load(range(1), embedding.framing)
    if isinstance(image, InputError):
        raise image
    return embedding(image[None])[0].numpy()


def _show_similar(args: argparse.Namespace, index: Index, query: Floats, order: str, line: str) -> None:
    """Search, and write the gallery."""
    from latentedit.explanation.index import rank
    from latentedit.explanation.page import Figure, Section, write_page

    reach = args.num if order == "nearest" else AMONG * args.num
    near = index.search(query, reach, args.image, args.approximate, args.quiet)
    found = rank(near, args.num, order)
    facts = {"image": str(args.image), "searched": str(args.folder), "embedding": args.embedding, "order": order}
    facts |= {"search": "approximate"} if args.approximate else {}
    captions = [f"{one.score:.4g}, cosine {one.similarity:.3f}" for one in found]
    with recorded(args.outdir, args.image) as folder:
        _draw_gallery(args.image, found, captions).save(folder / "similar.png")
        words = [f"{Path(one.path).name}: {caption}" for one, caption in zip(found, captions, strict=True)]
        figures = [Figure(_open_thumbnail(one.path), word, word) for one, word in zip(found, words, strict=True)]
        asked = Figure(_open_thumbnail(args.image), "the image", f"the image {args.image.name}")
        sections = [Section("Asked for", "", [asked]), Section(f"Alike, {order}", args.scorer, figures)]
        write_page(folder / "similar.html", f"Like {args.image.name}", facts, sections)
        write_run(folder, flags=arguments.describe_flags(args), **facts)
    cells = [[one.path, f"{one.similarity:.4f}", f"{one.score:.4g}"] for one in found]
    lines = [line, *printing.table(["image", "cosine", args.scorer], cells)]
    lines.append(f"written    {args.outdir / 'similar.html'} and similar.png")
    printing.announce(args, {**facts, "found": [vars(one) for one in found]}, lines)


def _open_thumbnail(path: str | Path) -> Image:
    from latentedit.photographs import load_square, to_picture

    return to_picture(load_square(Path(path), SIDE))


def _draw_gallery(image: Path, found: list[Found], captions: list[str]) -> Image:
    """Draw the image and what is like it in rows of six."""
    import torch

    from latentedit.photographs import load_square, to_images

    paths, words = [image, *(Path(one.path) for one in found)], ["asked for", *captions]
    tiles = [to_images(load_square(path, SIDE)) for path in paths]
    missing = -len(tiles) % COLUMNS
    tiles, words = tiles + [torch.ones_like(tiles[0])] * missing, words + [""] * missing
    rows = [words[i : i + COLUMNS] for i in range(0, len(words), COLUMNS)]
    return le.image_grid(torch.stack(tiles).reshape(-1, COLUMNS, 3, SIDE, SIDE), rows)


def _rank_alone(args: argparse.Namespace, index: Index, line: str) -> None:
    """Say how alone each image of a folder stands, and whether that goes with scores."""
    import numpy as np
    import torch

    from latentedit.evaluation.tables import format_estimate
    from latentedit.explanation.neighbours import correlate, find_standing, write_standing

    if args.most_memorable or args.least_memorable:
        raise InputError("--most-memorable and --least-memorable: name the image that others shall be like")
    standing = find_standing(torch.from_numpy(np.array(index.rows)))
    scores = {args.scorer: np.array(index.scores)}
    names = index.paths
    found = correlate(standing.measures(), scores)
    with recorded(args.outdir) as folder:
        write_standing(folder / "standing.csv", names, standing, scores)
        write_run(folder, flags=arguments.describe_flags(args), searched=str(args.folder))
    cells = [[name, *map(format_estimate, estimates)] for name, estimates in found.items()]
    alone = sorted(zip(names, standing.nearest.tolist(), strict=True), key=lambda pair: -pair[1])[: args.num]
    facts = {name: {"spearman": vars(one[0])} for name, one in found.items()}
    lines = [line, *printing.table([f"Spearman with {args.scorer}", "estimate"], cells)]
    lines += ["", *printing.table(["most alone", "SD"], [[name, f"{value:+.2f}"] for name, value in alone])]
    lines.append(f"written    {args.outdir / 'standing.csv'}")
    printing.announce(args, {**facts, "most_alone": dict(alone)}, lines)
