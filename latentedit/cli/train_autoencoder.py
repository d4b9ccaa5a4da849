"""`latentedit train autoencoder`: the network that `expose` shows images to, and latent_mlp reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from latentedit.cli import arguments, printing

EXAMPLES = """\
  latentedit train autoencoder --data faces/ --width 8 --input-size 64 --epochs 4 --out small.safetensors
  latentedit train predictor --preset latent_mlp --data omi/ --start autoencoder=small.safetensors --width 8 \\
      --input-size 64
"""


def add_parser(actions: arguments.Commands) -> None:
    """Add the command to those of `train`."""
    summary = "train an autoencoder to reconstruct images"
    parser = arguments.add_command(actions, "autoencoder", run, summary, EXAMPLES)
    count = arguments.parse_count
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="DIR", help="folders of images")
    parser.add_argument("--width", type=count, default=64, help="channels at first (default 64, the original's)")
    parser.add_argument("--input-size", type=count, default=224, metavar="PX", help="side of the images (default 224)")
    parser.add_argument("--epochs", type=count, default=20, help="default 20")
    parser.add_argument("--batch", type=count, default=16, help="default 16")
    parser.add_argument("--lr", dest="rate", type=arguments.parse_positive, default=1e-3, help="default 0.001")
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=Path("autoencoder.safetensors"), help="default %(default)s")
    arguments.add_output(parser, outdir=None)


def run(args: argparse.Namespace) -> None:
    """Read the images, train and write."""
    import torch

    from latentedit.photographs import list_images, load_square
    from latentedit.training.autoencoding import Autoencoding, train_autoencoder

    settings = Autoencoding(args.width, args.input_size, args.epochs, args.batch, args.rate, args.seed)
    pixels = torch.stack([load_square(path, args.input_size) for path in list_images(args.data)])
    losses = train_autoencoder(pixels, args.out, settings, args.quiet or args.json)
    facts = {"file": str(args.out), "images": len(pixels), "losses": losses}
    printing.announce(args, facts, [f"written    {args.out}, mean squared error {losses[-1]:.4f} of 0 to 1"])
