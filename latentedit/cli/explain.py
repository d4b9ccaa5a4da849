"""`latentedit explain`: where in an image a score comes from, or what an edit changed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, faces, printing
from latentedit.cli.channels import show_channels
from latentedit.cli.score import open_source
from latentedit.errors import InputError
from latentedit.ranges import parse_seeds
from latentedit.reporting import recorded, write_run
from latentedit.vocabulary import BASELINES, OVERLAYS

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.explanation import Explained
    from latentedit.explanation.feature_table import FeatureTable
    from latentedit.explanation.report import Report
    from latentedit.explanation.views import View

    Regions = dict[str, Tensor] | None

EXAMPLES = """\
  latentedit explain face.png                                     where its rated memorability comes from
  latentedit explain photos/ --scorer resmem --methods occlusion,grad_cam
  latentedit explain --seeds 0-3 --scorer omi:happy --baseline mean --overlay contour
  latentedit explain --direction w_sq --alpha 3 --seeds 1          what the edit changed, and where
  latentedit explain photos/ --features --hold typical            which features go with the score
  latentedit explain --scorer resmem --list-layers
  latentedit explain photos/ --scorer resmem --predictor-layer features.layer3 --channels 0-7

Methods: integrated_gradients (default), occlusion, smooth_grad, hires_cam, grad_cam, grad_cam_plus_plus. Red raises the
score, blue lowers it. The folder gets report.html, which needs nothing else, with explanation.csv, .json and the
overlays beside it. Needs `pip install 'latentedit[explain]'`.
"""
MOST_LISTED = 20  # of the images that can't be read
EDITS_ONLY = ("keep", "unit", "space", "trunc_cutoff")
SIDE = 256  # pixels of the image that layers are listed for


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    summary = "show where in an image a score comes from, or what an edit changed"
    parser = arguments.add_command(commands, "explain", run, summary, EXAMPLES)
    parser.add_argument("images", nargs="*", help="image files, folders of them, or patterns in quotes")
    parser.add_argument(
        "--methods", "--method", default="integrated_gradients", help="for images, one or more, with commas between"
    )
    parser.add_argument(
        "--baseline", choices=BASELINES, default="blurred", help="what is compared with: blurred (default)"
    )
    parser.add_argument("--predictor-layer", metavar="NAME", help="for methods that look at one, see --list-layers")
    parser.add_argument("--list-layers", action="store_true", help="print the scorer's layers, and explain nothing")
    parser.add_argument("--overlay", choices=OVERLAYS, default="heat", help="how maps are drawn (default heat)")
    parser.add_argument(
        "--regions",
        choices=["frame", "detect", "none"],
        help="find eyes, mouth, skin and hair by FFHQ's frame (default for scorers of faces), by YuNet, or not at all",
    )
    parser.add_argument(
        "--features", action="store_true", help="measure colour, texture, clutter and so on too, and correlate them"
    )
    parser.add_argument(
        "--hold", nargs="+", default=[], metavar="ATTRIBUTE", help="ratings to hold in partial correlations of features"
    )
    parser.add_argument(
        "--channels",
        type=arguments.as_argument(parse_seeds),
        metavar="C",
        help="show what channels of a layer look for instead, such as 0-7: an image made for each, and the top ones",
    )
    arguments.add_direction(parser, required=False)
    parser.add_argument("--alpha", type=arguments.parse_number, help="explain an edit of this size")
    faces.add_faces(parser, seeds="1")
    arguments.add_network(parser)
    arguments.add_scorer(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Explain, write and print."""
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.explanation import Explained
    from latentedit.explanation.report import Report

    if args.scorer == "none":
        raise InputError("--scorer none: nothing could be explained, name a scorer such as omi")
    explained = Explained(le.load_scorer(args.scorer)).to(choose_device(args.device))
    if args.list_layers:
        return _print_layers(args, explained)
    if args.channels is not None:
        return show_channels(args, explained)
    num_images, views, facts = _open_views(args, explained)
    with recorded(args.outdir, args.latents) as folder:
        report, table = Report(folder, args.overlay), _open_table(args)
        skipped = _fill(args, report, table, num_images, views, _open_frame(args, explained))
        facts = {"scorer": explained.name, **facts, "images": report.num_images}
        report.finish(_title(args, explained), facts, [] if table is None else [table.finish(folder)])
        write_run(folder, flags=arguments.describe_flags(args), **facts)
        num_files = len(list(folder.iterdir()))
    lines = [*_lines(report), *(f"skipped    {error}" for error in skipped[:MOST_LISTED])]
    lines.append(f"written    {args.outdir / 'report.html'} and {num_files - 1} files beside it")
    return printing.announce(args, {**facts, "skipped": skipped, "rows": report.rows}, lines)


def _print_layers(args: argparse.Namespace, explained: Explained) -> None:
    import torch

    from latentedit.explanation import list_layers

    layers = list_layers(explained, torch.zeros(3, SIDE, SIDE))
    rows = [[name, " x ".join(map(str, shape))] for name, shape in layers.items()]
    printing.announce(args, layers, printing.table(["layer", "channels x height x width"], rows))


def _open_table(args: argparse.Namespace) -> FeatureTable | None:
    from latentedit.explanation.feature_table import FeatureTable

    if not args.features and args.hold:
        raise InputError(f"--hold {args.hold[0]} is about correlations of features: add --features")
    return FeatureTable(arguments.open_attributes(args.hold)) if args.features else None


def _title(args: argparse.Namespace, explained: Explained) -> str:
    if args.direction is None:
        return f"Where {explained.name} comes from"
    return f"What {args.direction} at {args.alpha:+g} changes, by {explained.name}"


def _open_views(
    args: argparse.Namespace, explained: Explained
) -> tuple[int, Iterator[View | InputError], dict[str, Any]]:
    """Choose what is explained: -> how many, the views still to be made, and facts for the top of the page."""
    if (args.direction is None) != (args.alpha is None):
        raise InputError("--direction and --alpha: an edit needs both, an image neither")
    if args.direction is None and (given := [flag for flag in EDITS_ONLY if getattr(args, flag)]):
        raise InputError(f"--{given[0].replace('_', '-')} is about an edit: name one with --direction and --alpha")
    return _open_images(args, explained) if args.direction is None else _open_edits(args, explained)


def _open_images(
    args: argparse.Namespace, explained: Explained
) -> tuple[int, Iterator[View | InputError], dict[str, Any]]:
    from latentedit.explanation.attribution import find_method
    from latentedit.explanation.views import view_images

    methods = args.methods.split(",")
    for method in methods:
        find_method(method)
    source = open_source(args)
    views = view_images(explained, source, methods, args.baseline, args.predictor_layer)
    return len(source.names), views, {"methods": ", ".join(methods), "baseline": args.baseline}


def _open_edits(
    args: argparse.Namespace, explained: Explained
) -> tuple[int, Iterator[View | InputError], dict[str, Any]]:
    from latentedit.explanation.views import view_edits

    if args.images:
        raise InputError(f"{args.images[0]} and --direction: an edit needs a face's latents, give --seeds or --latents")
    checkpoint = arguments.open_network(args)
    direction, layers = arguments.open_direction(args, checkpoint)
    latents, names = faces.open_faces(args, checkpoint, direction)
    move = faces.open_mover(args, checkpoint, direction, layers)

    def render_pairs(part: slice) -> Tensor:
        both = move(latents[part], [0.0, args.alpha], args.unit)
        return faces.render_faces(args, checkpoint, direction, both, quiet=True)

    facts = {"network": args.network, "direction": direction.name, "alpha": f"{args.alpha:+g}"}
    return len(names), view_edits(explained, names, render_pairs, args.predictor_layer), facts


def _open_frame(args: argparse.Namespace, explained: Explained) -> Callable[[View], tuple[Regions, Tensor | None]]:
    """Choose how the parts of a face are found: -> view to masks and landmarks, None where there are none."""
    from latentedit.explanation.regions import detect_landmarks, find_regions
    from latentedit.inversion.detection import load_detector

    if args.regions == "detect":
        detector = load_detector()

        def detect(view: View) -> tuple[Regions, Tensor | None]:
            landmarks = detect_landmarks(view.picture, detector)
            return None if landmarks is None else find_regions(*view.size, landmarks), landmarks

        return detect
    if args.regions == "frame" or (args.regions is None and explained.framing == "square"):
        return lambda view: (find_regions(*view.size), None)
    return lambda view: (None, None)


def _fill(
    args: argparse.Namespace,
    report: Report,
    table: FeatureTable | None,
    num_images: int,
    views: Iterator[View | InputError],
    frame: Callable[[View], tuple[Regions, Tensor | None]],
) -> list[str]:
    """Add view by view under a progress bar: -> why some images could not be had; raise if none could."""
    from tqdm import tqdm

    skipped = []
    for view in tqdm(views, desc="explaining", unit="img", total=num_images, disable=args.quiet):
        if isinstance(view, InputError):
            skipped.append(str(view))
            continue
        regions, landmarks = frame(view)
        report.add(view, regions)
        if table is not None:
            table.add(view, regions, landmarks)
    if not report.num_images:
        raise InputError(skipped[0])
    return skipped


def _lines(report: Report) -> list[str]:
    """Write a table of the maps' errors and regions: means of all images."""
    found = report.summarise()
    lines = printing.table(found.header, found.rows) if found else []
    errors = [row["error"] for row in report.rows if "error" in row]
    return [*lines, f"error      {max(errors):.2%} of what the maps add up to, at most"] if errors else lines
