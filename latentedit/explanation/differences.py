"""What an edit changed, and where: in the pixels, in what a predictor sees, and in what its score comes from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentedit.explanation.attribution import attribute
from latentedit.explanation.layers import Explained, choose_layers, find_frame, lay_over, tapped, to_maps
from latentedit.scoring import Scorer

KINDS = ("pixels", "features", "attribution")


@dataclass(frozen=True, eq=False)
class Difference:
    """Maps [N, H, W] of what changed from images to their edits, and the scores [N] of both.

    `attribution` shares the change of the score out among the pixels, in points; `pixels` is the mean size over the
    colours, `features` the length of the change in a layer. `completeness` [N] is the error of the first.
    """

    pixels: Tensor
    features: Tensor | None  # None where the scorer has no layers
    attribution: Tensor
    before: Tensor
    after: Tensor
    completeness: Tensor

    def maps(self) -> dict[str, Tensor]:
        """Return the maps that there are, by their kind."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: maps for kind, maps in found.items() if maps is not None}


def explain_edit(
    scorer: Scorer, before: Tensor, after: Tensor, layer: str | None = None, quiet: bool = True
) -> Difference:
    """Find where an edit changed what: images [N, 3, H, W] before and after -> Difference.

    The attribution integrates gradients on the straight way from one image to the other.
    """
    explained = scorer if isinstance(scorer, Explained) else Explained(scorer)
    found = attribute(explained, after, "integrated_gradients", baseline=before, quiet=quiet)
    assert found.completeness is not None
    with torch.no_grad():
        scores = explained(before).cpu()
    pixels = (after - before).abs().mean(dim=1).cpu()
    seen = compare_features(explained, before, after, layer)
    return Difference(pixels, seen, found.maps, scores, found.scores, found.completeness)


@torch.no_grad()
def compare_features(explained: Explained, before: Tensor, after: Tensor, layer: str | None = None) -> Tensor | None:
    """Measure how far a layer's answers move, |A' - A| over channels, summed over layers: -> [N, H, W]."""
    if not any(True for _ in explained.network.children()):
        return None
    layers, frame = choose_layers(explained, before[0], layer), find_frame(explained, before)
    answers = []
    for images in (before, after):
        with tapped(explained.network, layers) as seen:
            explained(images)
        answers.append([to_maps(seen[name]) for name in layers])
    lengths = [(b - a).norm(dim=1) for a, b in zip(*answers, strict=True)]
    return torch.stack([lay_over(length.float().cpu(), frame, before.shape[-2:]) for length in lengths]).sum(dim=0)
