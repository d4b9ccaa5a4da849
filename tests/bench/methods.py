"""Compare all ways to find a direction of memorability, for docs/proof.md: python tests/bench/methods.py

All see `omi` alone, on the same faces where they learn from faces; `patches` judges where each has moved memorability
by 1.2 SD. Of the axes that nobody scored, each method's best is taken, as `omi` sees it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from proof import DOCS, LEVEL, REACH, TRUNCATION_PSI, fill

import latentedit as le
from latentedit.discovery import METHODS
from latentedit.evaluation import Card
from latentedit.evaluation.pictures import COLOURS, make_figure
from latentedit.evaluation.tables import SHOWN, compare_cards, format_markdown

FIT_SEEDS, CHOICE_SEEDS = range(30_000, 31_000), range(5_000_000, 5_000_012)
SCHEDULE = le.Schedule(num_steps=80, batch=6)
COLUMNS = (f"alpha at {LEVEL:g} SD", "Spearman with alpha", *(f"{name}, SD" for name in SHOWN), "mean dependency")
PICTURES = ("ms_ssim", "Frechet distance")


def main() -> None:
    """Find, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=48, help="of the comparison (default 48)")
    parser.add_argument("--fit", type=int, default=len(FIT_SEEDS), help="faces to learn from (default 1000)")
    parser.add_argument("--found", type=Path, default=Path("found"), help="folder that keeps what was learned")
    parser.add_argument("--population", type=int, default=1024)
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator, omi, patches = le.load_generator(), le.load_assessor("omi"), le.load_assessor("patches")
    args.found.mkdir(parents=True, exist_ok=True)
    edits = find_all(generator, omi, FIT_SEEDS[: args.fit], args.found)
    cards = le.evaluate(
        generator,
        edits,
        [patches],
        level=LEVEL,
        alphas=REACH,
        seeds=range(3_300_000, 3_300_000 + args.faces),
        population=range(3_100_000, 3_100_000 + args.population),
        quiet=False,
    )
    path = args.docs / "proof.md"
    path.write_text(fill(path.read_text(), {"methods": format_markdown(*lay_out(cards))}))
    draw(cards).savefig(args.docs / "methods.png")


def find_all(generator: le.Generator, omi, seeds: range, folder: Path) -> list[le.Direction | le.NonlinearEdit]:
    """Find a direction by every method."""
    facts = describe(seeds)
    ws, scorer = le.sample(generator, seeds, TRUNCATION_PSI), omi.scorer("memorable")
    scores = le.score_faces(generator, scorer, ws)[:, 0]
    channel, strength = le.rank_channels(generator, le.to_styles(generator, ws), scores, num=1)[0]
    return [
        *(le.discover(generator, ws, scores, method, method, facts) for method in METHODS),
        replace(le.load_direction("w_sq", generator), name="gradient (w_sq)"),
        *(learn(generator, omi, name, seeds, folder) for name in ("learned", "nonlinear", "nonlinear_penalised")),
        choose_axis(generator, scorer, le.find_components(generator), "PCA"),
        choose_axis(generator, scorer, le.factorize(generator), "SeFa"),
        name_risen(le.load_direction(channel, generator), f"channel {channel}", strength),
        le.load_direction("cond_traits", generator),
        le.load_direction("steady_traits", generator),
    ]


def learn(generator: le.Generator, omi, name: str, seeds: range, folder: Path) -> le.Direction | le.NonlinearEdit:
    """Learn a direction or a step of each face's own, or take what an earlier run kept in the folder."""
    path = folder / f"{name}.safetensors"
    if path.exists():
        return le.load_direction(path, generator) if name == "learned" else le.load_nonlinear(path, generator)
    ws, scorer = le.sample(generator, seeds, TRUNCATION_PSI), omi.scorer("memorable")
    rest = {"provenance": describe(seeds), "schedule": SCHEDULE, "quiet": False}
    if name == "learned":
        found = le.learn_direction(generator, ws, scorer, name, **rest)
        le.save_direction(found, path)
        return found
    spreads = le.rate_population(generator, omi, ws[:64]).std(dim=0)
    held = le.hold_scores([(omi.scorer(kept), float(spreads[omi.attributes.index(kept)])) for kept in SHOWN])
    penalties = [held] if name == "nonlinear_penalised" else []
    bent = le.learn_nonlinear(generator, ws, scorer, name, penalties, **rest)
    le.save_nonlinear(bent, path)
    return bent


def describe(seeds: range) -> dict[str, str | float]:
    """Say which faces something was found on."""
    return {"seeds": f"{seeds[0]}-{seeds[-1]}", "truncation_psi": TRUNCATION_PSI}


def choose_axis(generator: le.Generator, scorer: le.Scorer, axes: list[le.Direction], method: str) -> le.Direction:
    """Take the axis along which the mean score changes most between -3 and 3 sigma."""
    ws = le.sample(generator, CHOICE_SEEDS, TRUNCATION_PSI)
    ends = [le.score_faces(generator, scorer, le.sweep(ws, axis, [-3, 3]).ws.flatten(0, 1))[:, 0] for axis in axes]
    changes = [float(np.diff(scores.reshape(-1, 2).mean(dim=0))[0]) for scores in ends]
    i = int(np.argmax(np.abs(changes)))
    return name_risen(axes[i], f"{method}, {axes[i].name}", changes[i])


def name_risen(direction: le.Direction, name: str, change: float) -> le.Direction:
    """Turn a direction so that the score rises along it."""
    return replace(direction, name=name, vector=direction.vector * (1 if change > 0 else -1))


def lay_out(cards: list[Card]) -> tuple[list[str], list[list[str]]]:
    """Lay cards out with an edit a row."""
    header, rows = compare_cards(cards)
    measures = {row[0]: row[1:] for row in rows}
    shown = [*COLUMNS, *PICTURES]
    names = [f"**{edit}**" if edit.endswith("_traits") else edit for edit in header[1:]]
    return [header[0], *shown], [[name, *(measures[key][i] for key in shown)] for i, name in enumerate(names)]


def draw(cards: list[Card]) -> Figure:
    """Draw the mean change of each trait with its interval, an edit a row, where memorability has changed alike."""
    matched = [card for card in cards if math.isfinite(card.alpha.value)]
    figure = make_figure(9, 0.42 * len(matched) + 1)
    axes = figure.subplots()
    axes.axvspan(-0.2, 0.2, color="#eeeeee", linewidth=0)
    for i, name in enumerate(SHOWN):
        found = [card.verdict.changes[name] for card in matched]
        reach = [[e.value - e.low for e in found], [e.high - e.value for e in found]]
        at = np.arange(len(matched)) + 0.16 * (i - 1.5)
        axes.errorbar([e.value for e in found], at, xerr=reach, fmt="o", color=COLOURS[i], markersize=4, label=name)
    axes.set_yticks(range(len(matched)), [card.edit for card in matched])
    axes.set_ylim(len(matched) - 0.5, -0.5)
    axes.axvline(0, color="#bbbbbb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"mean change, SD by patches, where memorable has changed by {LEVEL:g} SD (grey: within .2)")
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


if __name__ == "__main__":
    main()
