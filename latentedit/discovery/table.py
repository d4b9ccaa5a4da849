"""The memorability paper's table: how well a hyperplane separates, by space, threshold and rendering."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from latentedit.direction import Space
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import fit_held_out, gather
from latentedit.discovery.logistic import fit_logistic
from latentedit.latents import sample_z, to_styles, to_ws
from latentedit.networks import Generator
from latentedit.rendering import RENDERINGS
from latentedit.scoring import Scorer, score_faces
from latentedit.statistics import kendall, spearman

SPACES: tuple[Space, ...] = ("z", "w", "s")
RULES = ("mean", "median", "quantile:0.1")


def compare_spaces(
    generator: Generator,
    scorer: Scorer,
    seeds: Sequence[int],
    truncation_psi: float = 0.5,
    class_index: int | None = None,
    quiet: bool = True,
) -> dict[str, Any]:
    """Fit logistic regressions in Z, W and S to scores of square and oval pictures: -> figures fit for JSON.

    The paper's "18 x 512" is W: its rows are copies. Under `agreement` stand the rank correlations of
    the two pictures' scores. Source: Younesi and Mohsenzadeh 2022, table 1.
    """
    z = sample_z(seeds, generator.config.z_dim)
    ws = to_ws(generator, z, truncation_psi, class_index=class_index)
    scores = score_faces(generator, scorer, ws, list(RENDERINGS), quiet=quiet).double().cpu()
    latents = {"z": z, "w": ws, "s": to_styles(generator, ws)}
    rows = []
    for space, rule in itertools.product(SPACES, RULES):
        coordinates = choose_coordinates(generator.config, space, None)
        for i, rendering in enumerate(RENDERINGS):
            examples = gather(coordinates, latents[space], scores[:, i], rule)
            figures = fit_held_out(examples, fit_logistic, rule)[1]
            rows.append({"space": space, "rendering": rendering, **figures})
    in_square, in_oval = scores.t().numpy()
    agreement = {"spearman": float(spearman(in_square, in_oval)), "kendall": kendall(in_square, in_oval)}
    return {"scorer": scorer.name, "num_faces": len(seeds), "agreement": agreement, "rows": rows}
