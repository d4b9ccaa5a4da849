"""`latentedit train predictor`: train a predictor by a published recipe, and judge it on what it never saw."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentedit.cli import arguments, datasets, printing
from latentedit.cli.evaluate_predictor import add_captions, add_cropping, choose_cropping
from latentedit.errors import InputError, about

if TYPE_CHECKING:
    from latentedit.agreement import Card
    from latentedit.datasets import Dataset, Inspection
    from latentedit.predictors.presets import Preset
    from latentedit.training.fitting import Describe
    from latentedit.training.predictor import PredictorTraining
    from latentedit.training.processes import Processes
    from latentedit.training.regimen import Regimen

EXAMPLES = """\
  latentedit train predictor --preset sen_hf_drop --data us-faces/ --start senet50=senet50_ft_weight.pkl
  latentedit train predictor --preset res_hf_drop --data omi/ --width 8 --input-size 64 --epochs 10   for a CPU
  latentedit train predictor --preset face_text --data us-faces/ --captions captions.csv --tokenizer bert/
  latentedit train predictor --preset frozen_features --data lamem/ --features openai/clip-vit-large-patch14
  latentedit train predictor --preset latent_mlp --data memcat/ --start autoencoder=autoencoder.safetensors
  latentedit train predictor --preset res_hf_drop --data omi/ --width 8 --folds 5 --repeats 3       cross-validate
  torchrun --nproc-per-node 4 -m latentedit.cli.main train predictor --preset visual_memory --data lamem/
"""
CHANGES = ("epochs", "batch", "learning_rate", "stop_after", "clip_norm")  # of a preset, where a flag is given

MADE_FROM = ("start", "features", "captions", "tokenizer", "crop", "boxes", "detector", "margin")  # of each fold


def add_parser(actions: arguments.Commands) -> None:
    """Add the command to those of `train`."""
    summary = "train a predictor by a preset; repeat the command to go on"
    parser = arguments.add_command(actions, "predictor", run, summary, EXAMPLES)
    parser.add_argument("--preset", required=True, help="such as sen_hf_drop, visual_memory or face_text: see the docs")
    parser.add_argument("--as-published", action="store_true", help="with the mistakes that change the network's input")
    parser.add_argument("--data", type=Path, required=True, help="rated images: see `latentedit datasets`")
    datasets.add_reading(parser)
    add_cropping(parser)
    _add_recipe(parser)
    _add_network(parser)
    count = arguments.parse_count
    parser.add_argument("--folds", type=count, metavar="K", help="train once a fold, and judge what each left out")
    parser.add_argument("--repeats", type=count, default=1, metavar="R", help="deal the folds so often (default 1)")
    parser.add_argument("--tensorboard", action="store_true", help="log for TensorBoard too")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="default: auto")
    arguments.add_output(parser, outdir="runs/predictor")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    count, positive = arguments.parse_count, arguments.parse_positive
    parser.add_argument("--epochs", type=count, metavar="N", help="default: the preset's, and so below")
    parser.add_argument("--batch", type=count, metavar="N", help="images at once, over all processes")
    parser.add_argument("--lr", dest="learning_rate", type=positive, help="learning rate")
    parser.add_argument("--stop-after", type=count, metavar="N", help="epochs without a better validation Spearman")
    parser.add_argument("--clip-norm", type=positive, metavar="NORM", help="of the gradient")
    parser.add_argument("--schedule", choices=["plateau", "cosine"], default="plateau", help="default plateau")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="default fp32")
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="of weights, splits and order (default 0)")


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--width", type=arguments.parse_count, metavar="N", help="of a smaller network (published: 64)")
    parser.add_argument("--input-size", type=arguments.parse_count, metavar="PX", help="side that it sees (224)")
    parser.add_argument("--start", nargs="+", default=[], metavar="PART=FILE", help="weights that parts start from")
    parser.add_argument("--features", metavar="NAME", help="CLIP or SigLIP to freeze, of the hub or a folder")
    add_captions(parser)


def run(args: argparse.Namespace) -> None:
    """Read, check, train and judge."""
    from latentedit.datasets import inspect_dataset, require_sound
    from latentedit.training.logs import log_to
    from latentedit.training.predictor import train_predictor
    from latentedit.training.processes import join_processes
    from latentedit.training.regimen import Regimen

    regimen = Regimen(_choose_preset(args), args.schedule, args.precision, args.seed)
    inspection = inspect_dataset(datasets.read(args), args.quiet)
    require_sound(inspection)
    if args.folds is not None:
        _cross_validate(args, regimen, inspection)
        return
    dataset = _split(inspection.dataset, list(inspection.digests), args.seed)
    with join_processes() as processes:
        training = _prepare(args, regimen, dataset, processes)
        report = log_to(args.outdir, args.tensorboard and processes.leads)
        train_predictor(training, args.outdir, args.quiet or args.json, report)
        if processes.leads:
            _finish(args, training, dataset)


def _choose_preset(args: argparse.Namespace) -> Preset:
    """Load the preset with what the flags change of it."""
    from dataclasses import replace

    from latentedit.predictors.presets import load_preset

    preset = load_preset(args.preset, args.as_published)
    if preset.settings.get("mode") in ("both", "text") and args.captions is None:
        raise InputError(f"--preset {args.preset}: it reads descriptions, give --captions CSV")
    if preset.predictor == "frozen_features" and args.features is None:
        raise InputError(f"--preset {args.preset}: it reads features, give --features NAME")
    changes = {name: getattr(args, name) for name in CHANGES if getattr(args, name) is not None}
    return replace(preset, settings={**preset.settings, **_settings(args)}, **changes)


def _split(dataset: Dataset, digests: list[str], seed: int) -> Dataset:
    """Keep the splits that a data set has, or deal it."""
    from latentedit.datasets import deal_splits

    return dataset if any(image.split for image in dataset.images) else dataset.assign(deal_splits(digests, seed))


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Collect what the flags change of the network."""
    from latentedit.predictors.frozen_features import read_config

    found = {name: getattr(args, name) for name in ("width", "input_size") if getattr(args, name) is not None}
    return found if args.features is None else {**found, "config": read_config(args.features)}


def _prepare(args: argparse.Namespace, regimen: Regimen, dataset: Dataset, processes: Processes) -> PredictorTraining:
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.training.fitting import prepare

    device = choose_device(args.device)
    return prepare(regimen, dataset, choose_cropping(args), _describe(args), _starts(args), processes, device)


def _describe(args: argparse.Namespace) -> Describe:
    """Say how images come by their words."""
    from latentedit.training.fitting import read_words

    if args.captions is None:
        return lambda *_: ()
    return lambda dataset, network: read_words(dataset, network, args.captions, args.tokenizer)


def _starts(args: argparse.Namespace) -> dict[str, Path]:
    """Name the files that parts of the network start from."""
    pairs = [word.partition("=") for word in args.start]
    for (name, equals, path), word in zip(pairs, args.start, strict=True):
        if not (name and equals and path):
            raise InputError(f"--start {word}: give PART=FILE, such as senet50=weights.h5")
    features = {} if args.features is None else {"features": Path(args.features)}
    return {**features, **{name: Path(path) for name, _, path in pairs}}


def _cross_validate(args: argparse.Namespace, regimen: Regimen, inspection: Inspection) -> None:
    """Train once a fold, judge all predictions for images that were left out, write and print."""
    from dataclasses import asdict
    from functools import partial

    from latentedit.agreement import cross_validate, tables
    from latentedit.evaluation.tables import format_estimate, without_nan
    from latentedit.training.folds import FoldTraining
    from latentedit.training.processes import join_processes

    path = args.outdir / "left_out.csv"
    if args.folds < 2 or args.folds > len(set(inspection.digests)):
        raise InputError(f"--folds {args.folds}: give 2 to {len(set(inspection.digests))}, the number of images")
    with join_processes() as processes:
        make = partial(_prepare, args, processes=processes)
        quiet = args.quiet or args.json
        given = repr([getattr(args, name) for name in MADE_FROM])
        dataset, digests = inspection.dataset, inspection.digests
        fit = FoldTraining(regimen, dataset, digests, make, _describe(args), given, args.outdir, quiet)
        found = cross_validate(fit, dataset.scores, digests, args.folds, args.repeats, args.seed)
        if processes.leads:
            with about(args.outdir):
                tables.write_left_out(path, dataset, found.predictions)
            rows = [[name, format_estimate(estimate, tables.DECIMALS)] for name, estimate in found.figures.items()]
            facts = {"file": str(path), "figures": {name: asdict(figure) for name, figure in found.figures.items()}}
            lines = printing.table(["", f"{args.folds} folds x {args.repeats}"], rows)
            printing.announce(args, without_nan(facts), [*lines, "", f"written    {path}"])


def _finish(args: argparse.Namespace, training: PredictorTraining, dataset: Dataset) -> None:
    """Write the network and the splits, judge the test split and print."""
    from latentedit.datasets.writing import write_splits
    from latentedit.training.fitting import export_predictor

    path = args.outdir / "predictor.safetensors"
    export_predictor(training, path)
    with about(args.outdir):
        write_splits(args.outdir / "splits.csv", dataset)
    best = training.epochs[training.best_epoch]
    lines = [f"epochs     {len(training.epochs)}, best {best.epoch + 1}: validation Spearman {best.val_spearman:+.3f}"]
    card = _judge_test(args, training, dataset)
    facts = {"file": str(path), "epochs": len(training.epochs), "best": vars(best), "test": None}
    if card is not None:
        from latentedit.agreement import tables

        facts["test"] = tables.as_facts([card], [])["cards"][0]
        lines += ["", *printing.table(*tables.lay_out([card])), ""]
    printing.announce(args, facts, [*lines, f"written    {path}; log.csv, splits.csv and state.pt beside it"])


def _judge_test(args: argparse.Namespace, training: PredictorTraining, dataset: Dataset) -> Card | None:
    """Judge the test split by what it never took part in, if it is large enough to say anything."""
    from latentedit.agreement import judge
    from latentedit.training.fitting import predict_split

    count = sum(image.split == "test" for image in dataset.images)
    if count < 10:
        return None
    test = dataset.select("test")
    predictions = predict_split(training, dataset, "test", _describe(args))
    return judge(args.preset, test.scores, predictions, [image.category for image in test.images])
