"""`latentedit train`: train the networks that ship with the project."""

from __future__ import annotations

import argparse
from pathlib import Path

import latentedit as le
from latentedit.cli import arguments, printing, train_autoencoder, train_predictor
from latentedit.errors import InputError
from latentedit.training.settings import AUGMENTATIONS, Settings

EXAMPLES = """\
  latentedit train generator --data faces/ omi/images/ --outdir runs/faces --images 80000
  latentedit train generator --data faces/ omi/images/ --outdir runs/faces --images 120000 --lr 0.001
  latentedit train generator --data faces/ --outdir runs/128 --resolution 128 --grow-from runs/faces/state.pt
  latentedit train assessor --data omi/ --out omi.safetensors
  latentedit train assessor --data omi/ --name patches --out patches.safetensors --plot reliability.png
  latentedit train encoder --data faces/ omi/images/ --network runs/faces/generator.safetensors --steps 4000
  latentedit train measure --data faces/ omi/images/ --network runs/faces/generator.safetensors --samples 10000
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command and its own commands to the parser."""
    parser = arguments.add_command(commands, "train", train_generator_command, "train networks", EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="NETWORK", required=True)
    _add_generator(actions)
    _add_assessor(actions)
    _add_measure(actions)
    _add_encoder(actions)
    train_predictor.add_parser(actions)
    train_autoencoder.add_parser(actions)


def _add_generator(actions: arguments.Commands) -> None:
    defaults = Settings()
    parser = arguments.add_command(
        actions, "generator", train_generator_command, "train a small StyleGAN2; repeat the command to go on", EXAMPLES
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="folders of aligned faces")
    parser.add_argument(
        "--images", type=arguments.parse_count, default=100_000, metavar="N", help="images to show it (default 100000)"
    )
    parser.add_argument(
        "--snap", type=arguments.parse_count, default=8_000, metavar="N", help="save every N images (default 8000)"
    )
    parser.add_argument(
        "--resolution", type=arguments.parse_count, default=64, metavar="R", help="side in pixels (default 64)"
    )
    parser.add_argument(
        "--cbase", type=arguments.parse_count, default=2048, metavar="N", help="channels times side (default 2048)"
    )
    parser.add_argument(
        "--cmax", type=arguments.parse_count, default=256, metavar="N", help="most channels of a layer (default 256)"
    )
    parser.add_argument("--batch", type=arguments.parse_count, default=defaults.batch, help=f"default {defaults.batch}")
    parser.add_argument(
        "--lr", type=arguments.parse_positive, default=defaults.learning_rate, help="learning rate (default 0.0025)"
    )
    parser.add_argument(
        "--gamma", type=arguments.parse_positive, default=defaults.r1_gamma, help=f"of R1 (default {defaults.r1_gamma})"
    )
    parser.add_argument(
        "--augment", choices=AUGMENTATIONS, default=defaults.augment, help="DiffAugment, adaptive (ADA) or none"
    )
    parser.add_argument(
        "--ada-target", type=arguments.parse_share, default=defaults.ada_target, help="of E[sign(D)] (default 0.6)"
    )
    parser.add_argument(
        "--ada-images",
        type=arguments.parse_count,
        default=defaults.ada_images,
        help="to move p by 1 (default 500000)",
    )
    parser.add_argument(
        "--ada-start", type=arguments.parse_share, default=defaults.ada_start, help="ADA's first p (default 0)"
    )
    parser.add_argument(
        "--path-weight", type=arguments.parse_weight, default=0.0, help="of path-length regularisation (default 0: off)"
    )
    parser.add_argument(
        "--anchor", type=arguments.parse_weight, default=0.0, help="of rebuilding training faces (default 0: off)"
    )
    parser.add_argument(
        "--grow-from",
        type=Path,
        metavar="STATE",
        help="state.pt of half the resolution, for a new outdir",
    )
    parser.add_argument("--precision", choices=["bf16", "fp32"], default=defaults.precision, help="default bf16")
    parser.add_argument("--seed", type=arguments.parse_seed, default=defaults.seed, help="default 0")
    parser.add_argument("--source", default="", help="what it was trained on, for the file's header")
    parser.add_argument("--licence", default="", help="the licence of the weights, for the file's header")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="default: auto")
    arguments.add_output(parser, outdir="runs/generator")


def train_generator_command(args: argparse.Namespace) -> None:
    """Train, or go on training, then write the generator's file."""
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.training.generator import export_generator, train_generator

    settings = Settings(
        args.batch,
        args.lr,
        args.gamma,
        precision=args.precision,
        seed=args.seed,
        augment=args.augment,
        ada_target=args.ada_target,
        ada_images=args.ada_images,
        ada_start=args.ada_start,
        path_weight=args.path_weight,
        anchor=args.anchor,
    )
    config = _config(args)
    device = choose_device(args.device)
    state = train_generator(
        args.data, args.outdir, args.images, config, settings, args.snap, device, args.quiet, args.grow_from
    )
    path = args.outdir / "generator.safetensors"
    fingerprint = export_generator(state, path, args.source or ", ".join(map(str, args.data)), args.licence or None)
    facts = {"file": str(path), "fingerprint": fingerprint, "images": args.images}
    printing.announce(args, facts, [f"written    {path}, fingerprint {fingerprint[:12]}; samples beside it"])


def _config(args: argparse.Namespace) -> le.GeneratorConfig:
    """Shape the generator as the flags say."""
    from latentedit.training.generator import small_config

    try:
        return small_config(args.resolution, args.cbase, args.cmax)
    except ValueError as error:
        raise InputError(f"--resolution {args.resolution}: {error}") from error


def _add_assessor(actions: arguments.Commands) -> None:
    parser = arguments.add_command(
        actions, "assessor", train_assessor_command, "train an assessor that ships", EXAMPLES
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="attribute_means.csv and images/")
    parser.add_argument("--name", default="omi", help="omi (default), patches or deep: what it sees in a face")
    parser.add_argument("--out", type=Path, default=Path("omi.safetensors"), help="default omi.safetensors")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="draw how reliable the scores are (needs the extra plots)"
    )
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="draws patches and bootstrap (default 0)")
    arguments.add_output(parser, outdir=None)


def train_assessor_command(args: argparse.Namespace) -> None:
    """Train, cross-validate and write the assessor."""
    from latentedit.training.assessor import train_assessor
    from latentedit.training.reliability import draw_reliability

    header = train_assessor(args.data, args.out, args.name, args.seed, args.quiet)
    if args.plot:
        draw_reliability(header, args.plot)
    figures = header["cross_validation"]["spearman"]
    printing.announce(args, header, [f"{name:20} {figure}" for name, figure in figures.items()])


def _add_measure(actions: arguments.Commands) -> None:
    parser = arguments.add_command(
        actions, "measure", train_measure_command, "hold a generator's samples against its training images", EXAMPLES
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="what it was trained on")
    arguments.add_network(parser)
    parser.add_argument(
        "--samples", type=arguments.parse_count, default=10_000, metavar="N", help="seeds 0 to N - 1 (default 10000)"
    )
    parser.add_argument("--trunc", type=arguments.parse_number, default=1.0, metavar="PSI", help="default 1")
    parser.add_argument(
        "--input-size", type=arguments.parse_count, default=224, metavar="PX", help="what features see (default 224)"
    )
    parser.add_argument(
        "--detector", type=Path, metavar="ONNX", help="also count the faces that YuNet finds; `models get yunet`"
    )
    arguments.add_output(parser, outdir="runs/measures")


def train_measure_command(args: argparse.Namespace) -> None:
    """Measure the generator in the features of the network inside `resmem`."""
    from latentedit.checkpoints.zoo import choose_device
    from latentedit.inversion.detection import load_detector
    from latentedit.predictors.resmem import load_resmem_resnet
    from latentedit.training.feature_store import Measuring
    from latentedit.training.model_card import format_measures
    from latentedit.training.quality import measure_generator

    measuring = Measuring(load_resmem_resnet().to(choose_device(args.device)), args.input_size)
    checkpoint = arguments.open_network(args)
    detector = load_detector(args.detector) if args.detector else None
    measures = measure_generator(
        args.data, checkpoint, args.outdir, measuring, args.samples, args.trunc, detector, args.quiet
    )
    printing.announce(args, measures, [*format_measures(measures).splitlines(), f"written    {args.outdir}"])


def _add_encoder(actions: arguments.Commands) -> None:
    parser = arguments.add_command(
        actions, "encoder", train_encoder_command, "train an encoder for `invert`: an image to W+ in one pass", EXAMPLES
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="folders of aligned faces")
    parser.add_argument(
        "--steps", type=arguments.parse_count, default=2000, metavar="N", help="of as many photographs (default 2000)"
    )
    parser.add_argument("--batch", type=arguments.parse_count, default=8, help="rendered faces a step (default 8)")
    parser.add_argument("--lr", type=arguments.parse_positive, default=0.001, help="learning rate (default 0.001)")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE",
        help="an encoder to go on from, another generator's too, or the state.pt of `train generator --anchor`",
    )
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="default bf16")
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="default 0")
    arguments.add_network(parser)
    arguments.add_output(parser, outdir="runs/encoder")


def train_encoder_command(args: argparse.Namespace) -> None:
    """Train, and write the encoder with a sheet of samples."""
    from latentedit.training.encoder import EncoderSettings, train_encoder

    checkpoint = arguments.open_network(args)
    settings = EncoderSettings(args.steps, args.batch, learning_rate=args.lr, precision=args.precision, seed=args.seed)
    losses = train_encoder(checkpoint.generator, args.data, args.outdir, settings, args.quiet, args.start_from)
    path = args.outdir / "encoder.safetensors"
    facts = {"file": str(path), "base": checkpoint.fingerprint, "losses": losses}
    figures = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    printing.announce(args, facts, [f"losses     {figures}", f"written    {path}; samples beside it"])
