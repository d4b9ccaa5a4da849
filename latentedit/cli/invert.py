"""`latentedit invert`: photographs to latents, and a generator tuned to them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, inverting, likeness, portraits, printing
from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from latentedit.evaluation.fidelity import Fidelity
    from latentedit.inversion.portraits import Portrait
    from latentedit.inversion.projection import Inversion

EXAMPLES = """\
  latentedit invert photo.jpg                             out/photo.npz, for `apply --latents out/photo.npz`
  latentedit invert photo.jpg --tune                      and out/tuned.safetensors, for `apply --tuned`
  latentedit invert photos/ --space w --steps 500 --outdir codes
  latentedit invert photo.jpg --encoder                   66 steps from the bundled encoder's latents
  latentedit invert photo.jpg --encoder encoder.safetensors --fast
  latentedit invert photo.jpg --network ffhq-1024 --encoder e4e_ffhq_encode.pt --loss lpips-vgg
  latentedit invert photo.jpg --network stylegan3-r-ffhqu-1024 --upright

An interrupted projection goes on when the command is repeated.
"""
TUNED = "tuned.safetensors"
FIGURES = ("l2", "ms_ssim", "distance")  # that need no network


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "invert", run, "find the latents of photographs", EXAMPLES)
    parser.add_argument("photographs", nargs="+", type=Path, help="image files, or folders of them")
    portraits.add_alignment(parser)
    inverting.add_invert_space(parser)
    inverting.add_projection(parser)
    parser.add_argument("--tune", action="store_true", help="fit the generator to the photographs (pivotal tuning)")
    parser.add_argument("--tune-steps", type=arguments.parse_count, metavar="N", help="at most (default 60)")
    likeness.add_likeness(parser)
    parser.add_argument("--class", dest="class_index", type=int, metavar="C", help="class of a conditional generator")
    parser.add_argument("--seed", type=arguments.parse_seed, default=0, help="of candidates and noise (default 0)")
    arguments.add_network(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Align, project, tune, write and print."""
    from latentedit.evaluation.fidelity import measure_fidelity
    from latentedit.inversion.portraits import stack_crops
    from latentedit.inversion.tuning import apply_difference

    _check(args)
    networks = likeness.open_likeness(args)
    checkpoint = arguments.open_network(args)
    found = portraits.open_portraits(args, args.photographs)
    checkpoint, found = inverting.set_upright(args, checkpoint, found)
    targets = stack_crops(found, checkpoint.config.img_resolution).to(checkpoint.generator.mapping.w_avg.device)
    inversion = inverting.invert(args, checkpoint, targets, args.space)
    difference = _tune(args, checkpoint, inversion.latents, targets)
    generators = {"inversion": checkpoint.generator}
    if difference:
        generators["tuned"] = apply_difference(checkpoint.generator, difference)
    fidelities = {
        name: measure_fidelity(generator, inversion.latents, targets, args.class_index, networks)
        for name, generator in generators.items()
    }
    facts = _describe(args, checkpoint, found, inversion, fidelities)
    with recorded(args.outdir) as folder:
        _write(args, folder, checkpoint, found, inversion, difference)
        strip = _draw(checkpoint.generator, inversion, targets, fidelities, [p.path.stem for p in found])
        strip.save(folder / "strip.png")
        write_run(folder, **facts)
    printing.announce(args, facts, _lines(args, checkpoint, facts))


def _check(args: argparse.Namespace) -> None:
    """Refuse settings that contradict each other."""
    inverting.check_projection(args)
    if args.space != "w+" and args.fast:
        raise InputError(f"--space {args.space}: the encoder's latents are in W+, leave --space or --fast out")
    if args.space == "s" and args.tune:
        raise InputError("--space s --tune: the generator is tuned at ws, give --space w or w+")
    if args.tune_steps and not args.tune:
        raise InputError(f"--tune-steps {args.tune_steps}: nothing is tuned, add --tune")


def _tune(args: argparse.Namespace, checkpoint: le.Checkpoint, ws: Tensor, targets: Tensor) -> dict[str, Tensor] | None:
    """Fit the generator where that is asked for."""
    from latentedit.inversion.tuning import TuningSettings, tune

    if not args.tune:
        return None
    settings = TuningSettings(args.tune_steps or TuningSettings.num_steps, seed=args.seed)
    return tune(checkpoint.generator, ws, targets, settings, args.class_index, args.quiet)


def _describe(
    args: argparse.Namespace,
    checkpoint: le.Checkpoint,
    found: list[Portrait],
    inversion: Inversion,
    fidelities: dict[str, Fidelity],
) -> dict[str, Any]:
    """Say how the inversions came about and how good they are, fit for run.json."""
    from latentedit.inversion.resemblance import describe_loss

    return {
        "network": printing.describe_network(args.network, checkpoint),
        "flags": arguments.describe_flags(args),
        "space": inversion.settings.space,
        "loss": describe_loss(inversion.settings.loss),
        "losses": list(inversion.losses),
        "photographs": [
            {**portrait.describe(), **{name: fidelity.describe(i) for name, fidelity in fidelities.items()}}
            for i, portrait in enumerate(found)
        ],
    }


def _write(
    args: argparse.Namespace,
    folder: Path,
    checkpoint: le.Checkpoint,
    found: list[Portrait],
    inversion: Inversion,
    difference: dict[str, Tensor] | None,
) -> None:
    """Write one file of latents a photograph, and the difference to the tuned generator."""
    from latentedit.inversion.posing import read_pose
    from latentedit.inversion.tuning import save_difference

    transform = read_pose(checkpoint.generator)
    posed = {} if transform is None else {"transform": transform.cpu().numpy()}
    save = le.save_styles if args.space == "s" else le.save_latents
    for portrait, latents in zip(found, inversion.latents, strict=True):
        notes = {"fingerprint": checkpoint.fingerprint, "alignment": json.dumps(portrait.alignment.to_dict())}
        save(folder / f"{portrait.path.stem}.npz", latents[None], space=inversion.settings.space, **notes, **posed)
    if difference:
        save_difference(folder / TUNED, difference, checkpoint.fingerprint)


def _draw(
    generator: le.Generator, inversion: Inversion, targets: Tensor, fidelities: dict[str, Fidelity], names: list[str]
) -> Image.Image:
    """Draw each photograph beside the way to its inversion: a row each."""
    import torch

    draw = le.render_styles if inversion.latents.ndim == 2 else le.render
    frames = [draw(generator, latents) for latents in inversion.frames]
    tuned = [fidelities["tuned"].images] if "tuned" in fidelities else []
    labels = ["photograph", *["" for _ in frames[:-1]], "inversion", *["tuned" for _ in tuned]]
    return le.image_grid(torch.stack([targets, *frames, *tuned], dim=1), None, labels, names)


def _lines(args: argparse.Namespace, checkpoint: le.Checkpoint, facts: dict[str, Any]) -> list[str]:
    """Write what was found, one photograph a line."""
    faces = facts["photographs"]
    named = [(face, name) for face in faces for name in ("inversion", "tuned") if name in face]
    others = [name for name in faces[0]["inversion"] if name not in FIGURES]
    header = ["photograph", "", "L2", "MS-SSIM", *others, "distance from W's samples (1: as they)"]
    rows = [[Path(face["photograph"]).name, name, *_figures(face[name], others)] for face, name in named]
    return [
        printing.network_line(args.network, checkpoint),
        f"loss       {facts['loss']}",
        f"steps      {len(facts['losses'])} in {facts['space']}",
        *printing.table(header, rows, left=2),
        f"written    {args.outdir}: latents for `apply --latents`, strip.png",
    ]


def _figures(face: dict[str, float | None], others: list[str]) -> list[str]:
    """Write one inversion's figures."""
    distance = "-" if face["distance"] is None else f"{face['distance']:.2f}"
    return [f"{face['l2']:.4f}", f"{face['ms_ssim']:.3f}", *(f"{face[name]:.3f}" for name in others), distance]
