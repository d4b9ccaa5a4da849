"""What would keep `omi` still when a face moves in its frame: python tests/bench/shifts.py --data omi/

Three answers for shifts by 4 px of 256: one look, as it ships; the mean score over a stencil of shifted copies; and
one look at the face brought back to where a regression, which saw shifted copies of other faces, says it belongs.
Every tenth face is measured, the others teach where faces lie.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from latentedit.evaluation.tables import format_markdown
from latentedit.photographs import to_images
from latentedit.predictors import load_assessor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.statistics import spearman
from latentedit.training.description import CHUNK, KEPT_OUT
from latentedit.training.ratings import SIDE, RatedFaces, deal_folds, load_faces
from latentedit.training.two_stages import cross_validate
from latentedit.training.views import shift

OFFSETS = {"4 px to the right": (4, 0), "4 px to the left": (-4, 0), "4 px up": (0, -4), "4 px down": (0, 4)}
STENCILS = {
    "one look": [(0, 0)],
    "mean of 5, 2 px apart": [(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)],
    "mean of 5, 4 px apart": [(0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)],
    "mean of the 4 corners, 4 px away": [(4, 4), (-4, 4), (4, -4), (-4, -4)],
}
COARSE = FeatureConfig(img_resolution=64, octaves=1, cells=(8,), colour_resolution=16)
COPIES, FARTHEST, PENALTY = 5, 8, 0.1  # of each teaching face; px; in units of the features' mean variance
SHOWN = ("memorable", "happy", "age", "gender", "typical", "attractive", "trustworthy")
Move = Callable[[Tensor], Tensor]


def main() -> None:
    """Measure, and print the tables of docs/assessors.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="attribute_means.csv and images/")
    args = parser.parse_args()
    torch.set_num_threads(1)
    faces = load_faces(args.data, quiet=True)
    kept = to_images(faces.images[::KEPT_OUT])
    bring_back = learn_to_bring_back(faces.images[[i for i in range(len(faces.images)) if i % KEPT_OUT]])
    rows = [measure(name, look_through(kept, stencil)) for name, stencil in STENCILS.items()]
    rows.append(measure("one look, brought back", lambda right, down: rate(bring_back(shift(right, down)(kept)))))
    print(format_markdown(["look", *OFFSETS, "mean of all attributes"], rows))
    print(
        format_markdown(
            ["cross-validated", *SHOWN],
            [["as they are", *validate(faces, lambda faces: faces)], ["brought back", *validate(faces, bring_back)]],
        )
    )


@torch.no_grad()
def rate(images: Tensor) -> Tensor:
    """Rate faces by what ships: [N, 3, R, R] -> [N, A]."""
    return torch.cat([load_omi()(chunk) for chunk in torch.split(images, CHUNK)])


@cache
def load_omi():
    return load_assessor("omi")


def look_through(images: Tensor, stencil: list[tuple[int, int]]) -> Callable[[int, int], Tensor]:
    """Score faces that were moved by the mean over copies moved further."""
    return lambda right, down: torch.stack([rate(shift(right + x, down + y)(images)) for x, y in stencil]).mean(dim=0)


def measure(name: str, score: Callable[[int, int], Tensor]) -> list[str]:
    """Give mean |change| / SD over faces of memorability for each shift, and the mean over attributes and shifts."""
    still = score(0, 0)
    shares = torch.stack([(score(*offset) - still).abs().mean(dim=0) / still.std(dim=0) for offset in OFFSETS.values()])
    memorable = shares[:, load_omi().attributes.index("memorable")].tolist()
    return [name, *(f"{share:.3f}" for share in memorable), f"{float(shares.mean()):.3f}"]


def learn_to_bring_back(images: Tensor) -> Move:
    """Fit where a face lies to copies shifted at random, in px of 256, and undo it: uint8 [N, 3, 256, 256] -> Move."""
    features, random = GradientFeatures(COARSE), torch.Generator().manual_seed(0)

    @torch.no_grad()
    def describe(faces: Tensor) -> Tensor:
        return torch.cat(features(faces), dim=1).double()

    described, offsets = [], []
    for chunk in torch.split(images.repeat(COPIES, 1, 1, 1), CHUNK):
        moves = torch.randint(-FARTHEST, FARTHEST + 1, (len(chunk), 2), generator=random)
        moved = [shift(*move)(face[None]) for face, move in zip(to_images(chunk), moves.tolist(), strict=True)]
        described.append(describe(torch.cat(moved)))
        offsets.append(moves.double())
    x, y = torch.cat(described), torch.cat(offsets)
    center, x = x.mean(dim=0), x - x.mean(dim=0)
    inner = x.t() @ x
    inner.diagonal().add_(PENALTY * float(inner.diagonal().mean()))
    weight = torch.linalg.solve(inner, x.t() @ y)
    return lambda faces: move(faces, -(describe(faces) - center) @ weight)


def move(images: Tensor, offsets: Tensor) -> Tensor:
    """Shift each face by px of 256 to the right and down, between pixels too: [N, 3, R, R], [N, 2] -> [N, 3, R, R]."""
    maps = torch.eye(2, 3).repeat(len(images), 1, 1)
    maps[:, :, 2] = -2 * offsets.float() / SIDE
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


@torch.no_grad()
def validate(faces: RatedFaces, prepare: Move) -> list[str]:
    """Cross-validate omi's features, undamped, of faces prepared so, on the first repeat of its folds."""
    features, chunks = GradientFeatures(FeatureConfig()), []
    for chunk in torch.split(faces.images, CHUNK):
        seen = prepare(to_images(chunk))
        looks = [features(look) for look in (seen, seen.flip(-1))]
        chunks.append([torch.stack(block).mean(dim=0) for block in zip(*looks, strict=True)])
    blocks = [torch.cat(block) for block in zip(*chunks, strict=True)]
    gram = sum((block @ block.t()).double() / block.var(dim=0, correction=0).sum().double() for block in blocks)
    predictions = cross_validate(gram, faces.ratings, deal_folds(faces.stimuli, "omi", 0)[:1], quiet=True)[0]
    rho = spearman(predictions.t().numpy(), faces.ratings.t().numpy())
    return [f"{rho[faces.attributes.index(name)]:.3f}" for name in SHOWN]


if __name__ == "__main__":
    main()
