"""How well photographs are inverted: `python tests/bench/inversion.py` writes docs/inversion.md, its picture and .csv.

Run it again after the bundled generator or its encoder changes; --encoder names the encoder of another --network.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import latentedit as le
from latentedit.evaluation.fidelity import Fidelity, measure_fidelity
from latentedit.inversion.encoding import load_encoder
from latentedit.inversion.portraits import open_portraits, stack_crops
from latentedit.inversion.projection import ProjectionSettings, choose_start, project
from latentedit.inversion.resemblance import describe_loss
from latentedit.inversion.tuning import TuningSettings, load_tuned, save_difference, tune
from latentedit.photographs import list_images
from latentedit.predictors.structure import count_scales

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
MEASURES = ["L2", "MS-SSIM", "omi", "patches", "distance"]
METHODS = ["nearest", "encoder", "W", "W+", "encoder, W+", "nearest, curved", "W+, tuned"]
PAIRS = [("W", "W+"), ("W+", "encoder, W+"), ("W+", "W+, tuned")]
TITLES = {
    "nearest": "nearest of 256 random faces",
    "encoder": "encoder, one pass",
    "W": "W",
    "W+": "W+",
    "encoder, W+": "W+ from the encoder, a third of the steps",
    "nearest, curved": "W+ from the nearest face, as many, by the encoder's curvature",
    "W+, tuned": "W+, generator tuned",
}


def main() -> None:
    """Invert, measure and write."""
    args = parse_arguments()
    generator, paths = le.load_generator(args.network), list_images([args.photos])
    paths = paths[:: -(-len(paths) // args.limit)] if args.limit else paths
    targets = stack_crops(open_portraits(paths, args.detector), generator.config.img_resolution)
    runs, losses = invert_all(generator, targets, args)
    figures = {name: measure(fidelity, targets) for name, fidelity in runs.items()}  # [measures, N] each
    args.out.mkdir(parents=True, exist_ok=True)
    write_csv(args.out / "inversion.csv", paths, figures)
    columns = [targets, *(runs[name].images for name in runs)]
    rows = torch.stack(columns, dim=1)[:: max(1, len(paths) // 6)]
    le.image_grid(rows, column_labels=["photograph", *runs]).save(args.out / "inversion.png")
    text = describe(args, paths, figures, losses, speed_lines(generator, targets))
    (args.out / "inversion.md").write_text(text)
    print(text)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=SHARED / "data" / "photos")
    parser.add_argument("--detector", type=Path, default=SHARED / "reference" / "yunet" / "yunet_n_dynamic.onnx")
    parser.add_argument("--network", default="faces")
    parser.add_argument("--encoder", default="faces")
    parser.add_argument("--limit", type=int, help="take about so many photographs, evenly spread")
    parser.add_argument("--steps", type=int, default=ProjectionSettings.num_steps)
    parser.add_argument("--tune-steps", type=int, default=TuningSettings.num_steps)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "inversion", help="where it goes on after a stop")
    return parser.parse_args()


def invert_all(
    generator: le.Generator, targets: Tensor, args: argparse.Namespace
) -> tuple[dict[str, Fidelity], dict[str, tuple[float, ...]]]:
    """Invert the photographs in every way: -> fidelities, and the losses of projections by step."""
    settings, ws, losses = ProjectionSettings(num_steps=args.steps), {}, {}
    work = args.work / le.fingerprint(generator)[:12] / f"{len(targets)}-{args.steps}-{args.tune_steps}"
    work.mkdir(parents=True, exist_ok=True)
    ws["nearest"] = choose_start(generator, targets, settings)
    encoder = load_encoder(args.encoder, generator)
    ws["encoder"] = encoder(targets)
    third = replace(settings, num_steps=args.steps // 3)
    plans = {
        "W": (replace(settings, space="w"), "nearest", None),
        "W+": (settings, "nearest", None),
        "encoder, W+": (third, "encoder", encoder.axes),
        "nearest, curved": (third, "nearest", encoder.axes),
    }
    for name, (chosen, start, axes) in plans.items():
        ws[name], losses[name] = project_once(work, name, generator, targets, chosen, ws[start], axes)
    runs = {name: measure_fidelity(generator, ws[name], targets) for name in METHODS if name in ws}
    tuned = tune_each(work, generator, ws["W+"], targets, TuningSettings(args.tune_steps))
    return {**runs, "W+, tuned": tuned}, losses


def project_once(
    work: Path,
    name: str,
    generator: le.Generator,
    targets: Tensor,
    settings: ProjectionSettings,
    start: Tensor,
    axes: Tensor | None,
) -> tuple[Tensor, tuple[float, ...]]:
    """Project, or read what an earlier run found: -> ws and the losses by step."""
    path = work / f"{name}.npz"
    if not path.exists():
        found = project(generator, targets, settings, start, folder=work, quiet=False, axes=axes)
        le.save_latents(path, found.latents, losses=np.array(found.losses))
    return le.load_latents(path, generator), tuple(np.load(path)["losses"].tolist())


def tune_each(work: Path, generator: le.Generator, ws: Tensor, targets: Tensor, settings: TuningSettings) -> Fidelity:
    """Tune the generator to each photograph alone, or read what an earlier run found."""
    parts = []
    for i, (one, target) in enumerate(zip(ws[:, None], targets[:, None], strict=True)):
        path = work / f"tuned-{i}.safetensors"
        if not path.exists():
            save_difference(path, tune(generator, one, target, settings), le.fingerprint(generator), settings)
        parts.append(measure_fidelity(load_tuned(path, generator), one, target))
    images, l2, ssim = (torch.cat([getattr(part, name) for part in parts]) for name in ("images", "l2", "ms_ssim"))
    return Fidelity(images, l2, ssim, torch.cat([part.distance for part in parts if part.distance is not None]))


@torch.no_grad()
def measure(fidelity: Fidelity, targets: Tensor) -> np.ndarray:
    """List the figures of each photograph: -> [measures, N]; ratings' mean distance counts in points of 100."""
    rows = [fidelity.l2, fidelity.ms_ssim]
    for name in ("omi", "patches"):
        assessor = le.load_assessor(name)
        rows.append((assessor(fidelity.images) - assessor(targets)).abs().mean(dim=1))
    return torch.stack([*rows, fidelity.distance]).double().numpy()


def interval(values: np.ndarray, digits: int = 4) -> str:
    """Write a mean with its 95 % bootstrap interval over photographs."""
    rows = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
    return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_csv(path: Path, paths: list[Path], figures: dict[str, np.ndarray]) -> None:
    """Write every figure of every photograph."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photograph", "method", *MEASURES])
        for name, values in figures.items():
            writer.writerows(
                [path.name, name, *(f"{x:.5g}" for x in row)] for path, row in zip(paths, values.T, strict=True)
            )


def speed_lines(generator: le.Generator, targets: Tensor, rounds: int = 7, steps: int = 8) -> list[str]:
    """Time steps of a projection beside the network's bare forward and backward, in turns."""
    targets = targets[:8]
    ws = le.sample(generator, range(len(targets)))

    def floor() -> None:
        leaf = ws.clone().requires_grad_()
        generator.synthesis(leaf).square().mean().backward()

    def projection(count: int) -> Callable[[], object]:
        settings = ProjectionSettings(num_steps=count, snapshot=10**6)
        return lambda: project(generator, targets, settings, ws)

    floor()
    turns = []
    for _ in range(rounds):
        bare, short, long = (seconds(job) for job in (floor, projection(2), projection(2 + steps)))
        turns.append((bare, (long - short) / steps))
    bare, step = np.median(np.array(turns), axis=0)
    return [
        f"A step of W+ takes {step:.2f} s of processor time for {len(targets)} photographs, "
        f"{len(targets) / step:.1f} photograph-steps a second on {torch.get_num_threads()} thread(s): the network's\n"
        f"own forward and backward, {bare:.2f} s, are {bare / step:.0%} of it (medians of {rounds} interleaved rounds)."
    ]


def seconds(job: Callable[[], object]) -> float:
    """Time a job in seconds of processor time, which a busy machine alters less than the clock's."""
    start = time.process_time()
    job()
    return time.process_time() - start


def describe(
    args: argparse.Namespace,
    paths: list[Path],
    figures: dict[str, np.ndarray],
    losses: dict[str, tuple[float, ...]],
    speed: list[str],
) -> str:
    """Write the page."""
    command = " ".join(["python tests/bench/inversion.py", *sys.argv[1:]])
    checkpoint = le.load_checkpoint(args.network)
    fingerprint, side = checkpoint.fingerprint[:12], checkpoint.config.img_resolution
    table = ["| method | " + " | ".join(MEASURES) + " |", "|---" * 6 + "|"]
    table += [f"| {TITLES[name]} | " + " | ".join(map(interval, values)) + " |" for name, values in figures.items()]
    pairs = ["| change | " + " | ".join(MEASURES[:4]) + " |", "|---" * 5 + "|"]
    for a, b in PAIRS:
        changes = (figures[b] - figures[a])[:4]
        pairs.append(f"| {TITLES[a]} to {TITLES[b]} | " + " | ".join(map(interval, changes)) + " |")
    return f"""# How well photographs are inverted

{len(paths)} photographs, found and aligned by YuNet, inverted with the generator `{args.network}` (fingerprint
{fingerprint}) in {args.steps} steps at most, tuned in {args.tune_steps}. Mean over photographs, and its 95 %
interval by bootstrap. Written by `{command}`;
each photograph's figures: [inversion.csv](inversion.csv).

{chr(10).join(table)}

L2 is the mean square of differences in [-1, 1]; MS-SSIM takes {count_scales(side)} scales at {side} px; `omi` and
`patches` are the mean distance of 34 ratings from those of the photograph's crop, in points of 100, by assessors that
no method sees; distance is that of the latents from W's mean in standard deviations, about 1 for the generator's own
faces. Every photograph was tuned alone. Photographs of these people may have been among the generator's training
images.

The same photographs before and after, so that the interval of the change is narrower:

{chr(10).join(pairs)}

Loss: {describe_loss(ProjectionSettings.loss)}.
{loss_line(losses)}

{chr(10).join(speed)}

<img src="inversion.png" alt="Photographs beside their inversions">
"""


def loss_line(losses: dict[str, tuple[float, ...]]) -> str:
    """Say after how many steps the loss is as low as at the end of the way from a random face."""
    wanted, curved = min(losses["W+"]), losses["encoder, W+"]
    seen, near = when(curved, wanted), when(losses["nearest, curved"], wanted)
    end = f"{wanted:.4f} after {len(losses['W+'])} steps of Adam's"
    return f"""From random faces W+ ends at {end}. By the generator's curvature,
which the encoder's file knows, projection from the encoder's latents begins at {curved[0]:.4f} and gets there
{seen}; from the nearest face {near}.
So steps are fewer for the curvature first, and for the better start besides."""


def when(losses: tuple[float, ...], wanted: float) -> str:
    """Say at which step losses are as low as is wanted, and where they end."""
    step = next((i + 1 for i, loss in enumerate(losses) if loss <= wanted), None)
    return f"{f'in {step} steps' if step else 'not at all'} ({min(losses):.4f} after {len(losses)})"


if __name__ == "__main__":
    main()
