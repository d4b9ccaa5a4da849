"""`latentedit evaluate-predictor`: how well predictors agree with people, with intervals, side by side."""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, datasets, printing
from latentedit.errors import InputError, Notice
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.agreement import Card, Comparison
    from latentedit.agreement.ceiling import Ceiling
    from latentedit.datasets import Dataset
    from latentedit.datasets.crops import Cropping
    from latentedit.predictors import AnyScorer
    from latentedit.statistics import Floats

EXAMPLES = """\
  latentedit evaluate-predictor resmem vitmem --data memcat/       each, and their differences
  latentedit evaluate-predictor mine.safetensors --data runs/predictor/splits.csv --split test
  latentedit evaluate-predictor resmem --data omi/ --predictions others.csv --responses single.csv
"""
CROPS = ("square", "whole", "box", "oval")


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    summary = "measure how well predictors agree with people"
    parser = arguments.add_command(commands, "evaluate-predictor", run, summary, EXAMPLES)
    parser.add_argument("predictors", nargs="*", help="such as resmem, omi:happy, or a .safetensors file of your own")
    parser.add_argument("--data", type=Path, required=True, help="rated images: see `latentedit datasets`")
    datasets.add_reading(parser)
    add_cropping(parser)
    parser.add_argument("--split", help="use one split of the data only, such as test")
    parser.add_argument(
        "--by", choices=["category", "subcategory"], default="category", help="whose Spearman to average"
    )
    add_captions(parser)
    parser.add_argument("--predictions", type=Path, metavar="CSV", help="predictions of others: image, a column each")
    parser.add_argument("--responses", type=Path, metavar="CSV", help="single responses: image, rater, response")
    parser.add_argument(
        "--resamples", type=arguments.parse_count, default=1000, metavar="N", help="of the bootstrap (default 1000)"
    )
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="of the bootstrap (default 0)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="default: auto")
    arguments.add_offline(parser)
    arguments.add_output(parser, outdir="agreement")


def add_captions(parser: argparse.ArgumentParser) -> None:
    """Add the descriptions that some predictors read."""
    parser.add_argument("--captions", type=Path, metavar="CSV", help="descriptions, of `latentedit caption`")
    parser.add_argument("--tokenizer", default="bert-base-uncased", help="a folder, or a name (default %(default)s)")


def add_cropping(parser: argparse.ArgumentParser) -> None:
    """Add what of each picture is seen."""
    parser.add_argument("--crop", choices=CROPS, help="square, whole, box or oval (default: what each predictor wants)")
    parser.add_argument("--boxes", type=Path, metavar="CSV", help="faces' boxes: image, left, top, width, height")
    parser.add_argument(
        "--detector", type=Path, metavar="ONNX", help="YuNet's file, or mtcnn, where there are no --boxes"
    )
    parser.add_argument("--margin", type=arguments.parse_weight, default=0.0, help="of a box, in its sides (default 0)")


def choose_cropping(args: argparse.Namespace) -> Cropping | None:
    """Read how pictures are cropped, None where the predictor says."""
    from latentedit.datasets.crops import Cropping, find_boxes, read_boxes
    from latentedit.inversion.detection import load_detector

    if args.crop in (None, "square", "whole"):
        return None if args.crop is None else Cropping(args.crop)
    find = find_boxes(load_detector(args.detector)) if args.boxes is None else read_boxes(args.boxes)
    return Cropping(args.crop, find, args.margin)


def run(args: argparse.Namespace) -> None:
    """Read, check, predict, measure, write and print."""
    from latentedit.agreement import compare, human_ceiling, judge, read_responses
    from latentedit.datasets import inspect_dataset, require_sound

    dataset = datasets.read(args)
    dataset = dataset.select(args.split) if args.split else dataset
    inspection = inspect_dataset(dataset, args.quiet)
    require_sound(inspection)
    _warn_of_flattery(args.predictors, dataset)
    categories = [getattr(image, args.by) for image in dataset.images]
    cards = [
        judge(name, dataset.scores, predictions, categories, args.resamples, args.seed)
        for name, predictions in _predict(args, dataset).items()
    ]
    comparisons = [compare(*pair, args.resamples, args.seed) for pair in combinations(cards, 2)]
    ceiling = human_ceiling(read_responses(args.responses), seed=args.seed) if args.responses else None
    _report(args, dataset, cards, comparisons, ceiling, datasets.describe(inspection))


def _warn_of_flattery(names: list[str], dataset: Dataset) -> None:
    """Warn of assessors on the very faces that they learned from."""
    from latentedit.predictors import ASSESSORS

    trained = [name for name in names if name.partition(":")[0] in ASSESSORS]
    if dataset.name == "omi" and trained:
        text = f"{', '.join(trained)} learned from these faces: the figures flatter, see the card's cross-validation"
        warnings.warn(text, Notice, stacklevel=2)


def _predict(args: argparse.Namespace, dataset: Dataset) -> dict[str, Floats]:
    """Collect the predictions of every predictor and every column of the table."""
    from latentedit.agreement.prediction import predict, read_predictions
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.datasets.tables import read_csv
    from latentedit.predictors import PredictorScorer

    cropping, found = choose_cropping(args), {}
    for name in args.predictors:
        scorer = le.load_scorer(name)
        if isinstance(scorer, PredictorScorer):
            scorer.network.to(choose_device(args.device))
        found[name] = predict(scorer, dataset, cropping, _read_words(args, dataset, scorer), args.quiet)
    if args.predictions is not None:
        known = ("image", "path", "split", "category", "subcategory", "score")
        columns = [column for column in read_csv(args.predictions)[0] if column not in known]
        found |= {column: read_predictions(args.predictions, column, dataset) for column in columns}
    if not found:
        raise InputError("nothing to evaluate: name a predictor, or give a table with --predictions")
    return found


def _read_words(args: argparse.Namespace, dataset: Dataset, scorer: AnyScorer) -> tuple[Tensor, ...]:
    """Read the words that a predictor wants beside pictures, if it does."""
    from latentedit.predictors.face_text import FaceText
    from latentedit.training.fitting import read_words

    network = getattr(scorer, "network", None)
    if not isinstance(network, FaceText) or network.mode == "image":
        return ()
    if args.captions is None:
        raise InputError(f"{scorer.name}: it reads descriptions, give --captions CSV")
    return read_words(dataset, network, args.captions, args.tokenizer)


def _report(
    args: argparse.Namespace,
    dataset: Dataset,
    cards: list[Card],
    comparisons: list[Comparison],
    ceiling: Ceiling | None,
    lines: list[str],
) -> None:
    """Write tables, pictures and JSON, and print the tables."""
    from latentedit.agreement import tables

    facts = tables.as_facts(cards, comparisons) | {"ceiling": None if ceiling is None else asdict(ceiling)}
    facts["flags"] = arguments.describe_flags(args)
    laid = [tables.lay_out(cards), *([tables.lay_out_comparisons(comparisons)] if comparisons else [])]
    with recorded(args.outdir, reads=args.data if args.data.is_file() else None) as folder:
        missing = _write_files(folder, dataset, cards, laid, facts)
    for header, rows in laid:
        lines += ["", *printing.table(header, rows)]
    lines += [
        "",
        *_ceiling_lines(ceiling),
        *missing,
        f"written    {args.outdir / 'figures.csv'} and the files beside it",
    ]
    printing.announce(args, facts, lines)


def _ceiling_lines(ceiling: Ceiling | None) -> list[str]:
    from latentedit.evaluation.tables import format_estimate

    if ceiling is None:
        return []
    half, whole = (format_estimate(estimate, 3) for estimate in (ceiling.split_half, ceiling.reliability))
    return [
        f"people     split-half {half}, all {ceiling.num_raters} raters {whole} (Spearman-Brown); "
        f"a perfect predictor reaches {ceiling.limit:.3f}"
    ]


def _write_files(
    folder: Path,
    dataset: Dataset,
    cards: list[Card],
    laid: list[tuple[list[str], list[list[str]]]],
    facts: dict[str, Any],
) -> list[str]:
    """Write all files; return what there is to say of pictures that could not be drawn."""
    from latentedit.agreement import pictures, tables
    from latentedit.evaluation.tables import format_markdown

    tables.write_predictions(folder / "predictions.csv", dataset, cards)
    tables.write_figures(folder / "figures.csv", cards)
    (folder / "table.md").write_text("\n".join(format_markdown(*table) for table in laid), encoding="utf-8")
    (folder / "figures.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    missing = []
    try:
        pictures.draw_agreement(cards, dataset.target).savefig(folder / "agreement.png")
        pictures.draw_figures(cards).savefig(folder / "spearman.png")
    except InputError as error:
        missing.append(f"no plot    {error}")
    write_run(folder, flags=facts["flags"])
    return missing
