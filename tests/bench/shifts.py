"""What keeps `omi` still when a face moves in its frame: python tests/bench/shifts.py --data omi/

Three answers for shifts by 4 px of 256: one look at the face as it lies; the mean score over a stencil of shifted
copies; and one look at the face brought back to where faces lie, as it ships. Every tenth face is measured, the
others taught where faces lie.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from latentedit.evaluation.tables import format_markdown
from latentedit.photographs import to_images
from latentedit.predictors import OmiAssessor, load_assessor
from latentedit.predictors.features import FeatureConfig, GradientFeatures
from latentedit.statistics import spearman
from latentedit.training.description import CHUNK, KEPT_OUT
from latentedit.training.ratings import RatedFaces, deal_folds, load_faces
from latentedit.training.two_stages import cross_validate
from latentedit.training.views import shift

OFFSETS = {"4 px to the right": (4, 0), "4 px to the left": (-4, 0), "4 px up": (0, -4), "4 px down": (0, 4)}
STENCILS = {
    "one look": [(0, 0)],
    "mean of 5, 2 px apart": [(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)],
    "mean of 5, 4 px apart": [(0, 0), (4, 0), (-4, 0), (0, 4), (0, -4)],
    "mean of the 4 corners, 4 px away": [(4, 4), (-4, 4), (4, -4), (-4, -4)],
}
SHOWN = ("memorable", "happy", "age", "gender", "typical", "attractive", "trustworthy")
Score = Callable[[int, int], Tensor]  # of faces moved to the right and down


def main() -> None:
    """Measure, and print the tables of docs/assessors.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="attribute_means.csv and images/")
    args = parser.parse_args()
    torch.set_num_threads(1)
    faces = load_faces(args.data, quiet=True)
    kept = to_images(faces.images[::KEPT_OUT])
    ships = load_assessor("omi")
    plain = deepcopy(ships)
    plain.placement = None
    rows = [measure(name, look_through(plain, kept, stencil), plain) for name, stencil in STENCILS.items()]
    rows.append(measure("one look, brought back", look_through(ships, kept, [(0, 0)]), ships))
    print(format_markdown(["look", *OFFSETS, "mean of all attributes"], rows))
    as_they_are, brought_back = validate(faces, lambda images: images), validate(faces, ships.placement.bring_back)
    print(
        format_markdown(["cross-validated", *SHOWN], [["as they are", *as_they_are], ["brought back", *brought_back]])
    )


def look_through(assessor: OmiAssessor, images: Tensor, stencil: list[tuple[int, int]]) -> Score:
    """Score faces that were moved by the mean over copies moved further."""

    @torch.no_grad()
    def rate(seen: Tensor) -> Tensor:
        return torch.cat([assessor(chunk) for chunk in torch.split(seen, CHUNK)])

    return lambda right, down: torch.stack([rate(shift(right + x, down + y)(images)) for x, y in stencil]).mean(dim=0)


def measure(name: str, score: Score, assessor: OmiAssessor) -> list[str]:
    """Give mean |change| / SD over faces of memorability for each shift, and the mean over attributes and shifts."""
    still = score(0, 0)
    shares = torch.stack([(score(*offset) - still).abs().mean(dim=0) / still.std(dim=0) for offset in OFFSETS.values()])
    memorable = shares[:, assessor.attributes.index("memorable")].tolist()
    return [name, *(f"{share:.3f}" for share in memorable), f"{float(shares.mean()):.3f}"]


@torch.no_grad()
def validate(faces: RatedFaces, prepare: Callable[[Tensor], Tensor]) -> list[str]:
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
