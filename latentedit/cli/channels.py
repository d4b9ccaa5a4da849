"""What `explain --channels` shows: an image made for each channel of a layer, beside those that move it most."""

from __future__ import annotations

import argparse
import csv
from typing import TYPE_CHECKING

import latentedit as le
from latentedit.cli import arguments, printing
from latentedit.cli.score import open_source
from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.explanation import Explained
    from latentedit.explanation.channels import TopImages
    from latentedit.scoresheet import Source

SIDE, NUM = 128, 6  # pixels; images shown of each channel


def show_channels(args: argparse.Namespace, explained: Explained) -> None:
    """Search, make, write and print."""
    from latentedit.explanation.channels import find_top_images, maximise

    if args.direction or args.features:
        raise InputError("--channels: neither --direction nor --features is about channels, leave them out")
    source = open_source(args)
    top = find_top_images(explained, source, args.predictor_layer, NUM, args.quiet)
    if max(args.channels) >= len(top.rows):
        raise InputError(f"--channels {max(args.channels)}: layer {top.layer} has channels 0 to {len(top.rows) - 1}")
    made = maximise(explained, top.layer, args.channels, SIDE)
    rows = [
        {"channel": channel, "rank": rank, "image": source.names[int(top.rows[channel, rank])], "answer": answer}
        for channel in args.channels
        for rank, answer in enumerate(top.answers[channel].tolist())
    ]
    with recorded(args.outdir, args.latents) as folder:
        grid = _lay_out(args, explained, source, top, made)
        labels = ["made for it", *(f"top {i + 1}" for i in range(grid.shape[1] - 1))]
        title = f"{explained.name}, {top.layer}"
        picture = le.image_grid(grid, None, labels, [str(channel) for channel in args.channels], title)
        picture.save(folder / "channels.png")
        with (folder / "channels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        write_run(folder, flags=arguments.describe_flags(args), layer=top.layer)
    cells = [[str(row["channel"]), str(row["image"]), f"{row['answer']:.4g}"] for row in rows if row["rank"] == 0]
    lines = [f"layer      {top.layer}", *printing.table(["channel", "most moved by", "answer"], cells, left=2)]
    lines.append(f"written    {args.outdir / 'channels.png'} and channels.csv")
    printing.announce(args, {"layer": top.layer, "rows": rows}, lines)


def _lay_out(args: argparse.Namespace, explained: Explained, source: Source, top: TopImages, made: Tensor) -> Tensor:
    """Put each channel's images in a row: -> [channels, 1 + num, 3, SIDE, SIDE]."""
    import torch
    import torch.nn.functional as F

    def load(row: int) -> Tensor:
        (image,) = source.load(range(row, row + 1), explained.framing)
        if isinstance(image, InputError):
            raise image
        return F.interpolate(image[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]

    chosen = [torch.stack([load(row) for row in top.rows[channel].tolist()]) for channel in args.channels]
    return torch.cat([made[:, None], torch.stack(chosen)], dim=1)
