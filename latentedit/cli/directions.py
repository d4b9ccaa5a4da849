"""`latentedit directions`: the library, other tools' files in and out, and how directions lie to each other."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.errors import InputError, about
from latentedit.files import replacing
from latentedit.ranges import format_ranges
from latentedit.vocabulary import DIRECTION_FORMATS, DirectionFormat

if TYPE_CHECKING:
    from latentedit.formats import Owner

EXAMPLES = """\
  latentedit directions list
  latentedit directions show w_sq
  latentedit directions import age_boundary.npy --network ffhq.pkl
  latentedit directions import ffhq_pca.pt:10 --name glance --any-generator
  latentedit directions export w_sq w_sq.pt
  latentedit directions compare w_sq smile age --out cosines.png
  latentedit directions build --out directions/faces --cards docs/directions    find the bundled ones again
"""
Format = DirectionFormat | Literal["latentedit"]
FORMATS_BY_SUFFIX: dict[str, Format] = {
    ".npy": "interfacegan",
    ".pt": "e4e",
    ".npz": "ganspace",
    ".pkl": "ganspace-edit",
    ".pth": "ganalyze",
    ".txt": "stylespace",
    ".safetensors": "latentedit",
}


def add_parser(commands: arguments.Commands) -> None:
    """Add the command and its own commands to the parser."""
    parser = arguments.add_command(
        commands,
        "directions",
        list_known,
        "list, show, import, export, compare, remove or rebuild directions",
        EXAMPLES,
    )
    actions = parser.add_subparsers(
        dest="action", metavar="list | show | import | export | compare | remove | build", required=True
    )
    listing = arguments.add_command(actions, "list", list_known, "list what a generator has", EXAMPLES)
    showing = arguments.add_command(actions, "show", show, "say how a direction was found and what it does", EXAMPLES)
    showing.add_argument("direction", help="a name of `latentedit directions list`, or a file")
    building = arguments.add_command(actions, "build", build, "find the bundled directions again", EXAMPLES)
    building.add_argument(
        "--faces", type=arguments.parse_count, default=12_000, metavar="N", help="seeds 0 to N-1 (default 12000)"
    )
    building.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    building.add_argument("--only", nargs="+", metavar="NAME", help="leave the others of the folder as they are")
    building.add_argument("--cards", type=Path, metavar="DIR", help="folder for a page about them, with strips")
    removing = arguments.add_command(actions, "remove", remove, "remove one of your own directions", EXAMPLES)
    removing.add_argument("direction", metavar="NAME", help="a name of `latentedit directions list`")
    for action in (listing, showing, building, removing):
        arguments.add_network(action)
        arguments.add_output(action, outdir=None)
    for action in (_add_import(actions), _add_export(actions), _add_compare(actions)):
        action.add_argument("--any-generator", action="store_true", help="whichever generator they belong to")
        arguments.add_network(action)
        action.set_defaults(network=None)
        arguments.add_output(action, outdir=None)


def _add_import(actions: arguments.Commands) -> argparse.ArgumentParser:
    parser = arguments.add_command(
        actions, "import", import_file, "put another tool's direction into your own library", EXAMPLES
    )
    parser.add_argument("file", help="of InterFaceGAN, e4e, GANSpace, rosinality, ...; FILE:INDEX where it holds many")
    parser.add_argument("--name", help="the name it gets (default: the file's)")
    arguments.add_space(parser)
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    return parser


def _add_export(actions: arguments.Commands) -> argparse.ArgumentParser:
    parser = arguments.add_command(actions, "export", export, "write a direction for another tool", EXAMPLES)
    parser.add_argument("direction", help="a name of `latentedit directions list`, or a file")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument(
        "--to",
        choices=[*DIRECTION_FORMATS, "latentedit"],
        help="the format (default: by the suffix, .npy interfacegan, .pt e4e)",
    )
    return parser


def _add_compare(actions: arguments.Commands) -> argparse.ArgumentParser:
    parser = arguments.add_command(actions, "compare", compare, "print the cosine of every two directions", EXAMPLES)
    parser.add_argument("directions", nargs="+", help="names, files, and FILE:0-9 where one holds many")
    parser.add_argument("--out", type=Path, metavar="FILE", help="draw the table as this .png too")
    return parser


def list_known(args: argparse.Namespace) -> None:
    """Print every direction of the generator: name, space, sigma, method and where it lies."""
    known = le.list_directions(arguments.open_network(args).fingerprint)
    listed = [_try_describe(name, path) for name, path in known.items()]
    header = ["direction", "space", "shape", "sigma", "method", "file"]
    lines = printing.table(header, [row for _, row in listed])
    none = [f"no direction is known for network {args.network}: give a file, or `latentedit directions build`"]
    printing.announce(args, [facts for facts, _ in listed], lines if listed else none)


def _try_describe(name: str, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Describe a direction as facts and as the cells of a table; one that cannot be read by what is wrong with it."""
    from latentedit.library import read_direction

    try:
        direction = read_direction(path)
    except InputError as error:
        return {"name": name, "file": str(path), "damaged": str(error)}, [name, "", "", "", "damaged", str(path)]
    sigma = "" if direction.sigma is None else f"{direction.sigma:.3f}"
    shape = " x ".join(str(size) for size in direction.vector.shape)
    row = [name, direction.space, shape, sigma, str(direction.provenance.get("method")), str(path)]
    return {**printing.describe_direction(direction), "file": str(path)}, row


def show(args: argparse.Namespace) -> None:
    """Print all that a direction's file says, or that there is to say of a channel."""
    from latentedit.addresses import is_address
    from latentedit.cli.description import describe, describe_direction, direction_facts
    from latentedit.formats import parse_channels
    from latentedit.library import find_direction

    if is_address(args.direction):
        facts = describe(args.direction)
    else:
        checkpoint = arguments.open_network(args)
        known = le.list_directions(checkpoint.fingerprint)
        if args.direction in known or parse_channels(args.direction) is None:
            facts = describe_direction(find_direction(args.direction, checkpoint.fingerprint))
        else:
            channel = le.load_direction(args.direction, checkpoint.generator)
            facts = direction_facts(le.calibrate(channel, checkpoint.generator))
    printing.announce(args, facts, printing.fact_lines(facts))


def remove(args: argparse.Namespace) -> None:
    """Remove a direction of the user's own library, and say so."""
    from latentedit.library import remove_direction

    path = remove_direction(args.direction, arguments.open_network(args).fingerprint)
    printing.announce(args, {"removed": str(path)}, [f"removed    {path}"])


def import_file(args: argparse.Namespace) -> None:
    """Read, fit to the generator, store and print."""
    from latentedit.cli.description import describe_direction
    from latentedit.library import check_name, store_direction

    checkpoint = _open_network(args, args.file)
    direction = le.load_direction(
        args.file, checkpoint.generator if checkpoint else None, args.any_generator, args.space
    )
    owner = checkpoint.fingerprint if checkpoint else direction.generator
    if owner is None and not args.any_generator:
        raise InputError(
            f"{args.file} does not say which generator it belongs to: "
            "pass --network, or --any-generator to keep it for all it fits"
        )
    direction = replace(direction, name=check_name(args.name or direction.name), generator=owner)
    if checkpoint and direction.sigma is None:
        direction = le.calibrate(direction, checkpoint.generator, args.class_index)
    path = store_direction(direction, owner)
    facts = describe_direction(path)
    printing.announce(args, facts, [*printing.fact_lines(facts), f"written    {path}"])


def export(args: argparse.Namespace) -> None:
    """Read, write in another tool's format and print."""
    from latentedit.formats import WRITERS

    format: Format | None = args.to or FORMATS_BY_SUFFIX.get(args.out.suffix)
    if format is None:
        raise InputError(f"{args.out}: name the format with --to, or a file {', '.join(FORMATS_BY_SUFFIX)}")
    checkpoint = _open_network(args, args.direction)
    direction = le.load_direction(args.direction, checkpoint.generator if checkpoint else None, args.any_generator)
    if format == "latentedit":
        le.save_direction(direction, args.out)
    else:
        WRITERS[format](args.out, direction, _owner(direction, checkpoint))
    facts = {**printing.describe_direction(direction), "format": format, "file": str(args.out)}
    layers = format_ranges(direction.layers)
    printing.announce(args, facts, [f"written    {args.out}: {direction.name}, layers {layers}, as {format}"])


def _owner(direction: le.Direction, checkpoint: le.Checkpoint | None) -> Owner:
    """Say what a file needs of a direction's generator, or the usual where nobody knows the generator."""
    from latentedit.formats import Owner
    from latentedit.formats.entry import usual_num_ws

    if checkpoint is not None:
        return Owner(checkpoint.config.num_ws, checkpoint.generator.mapping.w_avg)
    if direction.generator is not None:
        raise InputError(f"direction {direction.name}: pass --network, whose number of layers the file depends on")
    if direction.space == "z":
        return Owner(1)
    return Owner(direction.provenance.get("num_ws") or usual_num_ws(direction.vector.shape[1]))


def compare(args: argparse.Namespace) -> None:
    """Print and draw the cosines."""
    from latentedit.addresses import load_directions
    from latentedit.direction import check_same_generator, cosines
    from latentedit.pictures import heat_map

    checkpoint = _open_network(args, *args.directions)
    generator = checkpoint.generator if checkpoint else None
    found = [d for name in args.directions for d in load_directions(name, generator, args.any_generator)]
    for direction in found:
        if not args.any_generator:
            check_same_generator(direction.name, direction.generator, found[0].generator)
    names, table = [direction.name for direction in found], cosines(found)
    facts = {"directions": args.directions, "names": names, "cosines": table.tolist()}
    numbered = [f"{i} {name}" for i, name in enumerate(names)]
    rows = [[name, *(f"{value:+.3f}" for value in row)] for name, row in zip(numbered, table.tolist(), strict=True)]
    lines = printing.table(["cosine with", *map(str, range(len(names)))], rows)
    if args.out is not None:
        with about(args.out), replacing(args.out) as temporary:
            heat_map(table, names, names, "Cosines between directions").save(temporary, format="PNG")
        lines.append(f"written    {args.out}")
    printing.announce(args, facts, lines)


def _open_network(args: argparse.Namespace, *names: str) -> le.Checkpoint | None:
    """Open the generator that is named, or that a name of the library asks for; files alone need none."""
    from latentedit.addresses import is_address

    if args.network is None and all(is_address(name) for name in names):
        return None
    return le.load_checkpoint(args.network or "faces", args.device)


def build(args: argparse.Namespace) -> None:
    """Find, measure and write the collection, and the page about it."""
    from latentedit.collection import NAMES, SHOWN, build_collection, write_cards

    generator, assessor = arguments.open_network(args).generator, le.load_assessor("omi")
    collection = build_collection(generator, assessor, args.out, args.faces, args.only or NAMES, args.quiet)
    if args.cards is not None:
        write_cards(generator, assessor, collection, args.cards)
    facts = {name: direction.provenance["effects"] for name, direction in collection.items()}
    rows = [[name, *(f"{f['shift_in_sd'][a]['+3 sigma']:+.2f}" for a in SHOWN)] for name, f in facts.items()]
    written = f"written    {args.out}" + (f" and {args.cards}" if args.cards else "")
    lines = [*printing.table(["SD at +3 sigma", *SHOWN], rows), written]
    printing.announce(args, facts, lines)
