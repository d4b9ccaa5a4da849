"""`apply --to`: the wanted score of each face, the budget of what else may change, and what came of it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, faces
from latentedit.errors import InputError
from latentedit.vocabulary import Unit

if TYPE_CHECKING:
    from torch import Tensor

    from latentedit.predictors import AnyScorer
    from latentedit.reach import Limit, Reach

POPULATION = range(3_100_000, 3_100_128)  # whose standard deviations a budget counts


def add_goal(parser: argparse.ArgumentParser) -> None:
    """Add --alpha, or the score to reach instead."""
    how_far = parser.add_mutually_exclusive_group(required=True)
    how_far.add_argument("--alpha", type=arguments.parse_number, help="how far; negative: the other way")
    how_far.add_argument(
        "--to", type=arguments.parse_number, metavar="SCORE", help="as far as each face needs for this score"
    )
    parser.add_argument(
        "--budget", type=parse_budget, default={}, metavar="A=SD,...", help="with --to: how far others may change"
    )
    parser.add_argument(
        "--within", type=arguments.parse_positive, default=6.0, help="with --to: largest alpha (default 6)"
    )


def parse_budget(text: str) -> dict[str, float]:
    """Read attributes with their largest changes, such as happy=.2,age=.2."""
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not (name and sign) for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: give attributes and standard deviations, such as happy=.2,age=.2")
    return {name: arguments.parse_positive(number) for name, _, number in pairs}


def choose_alphas(
    args: argparse.Namespace,
    checkpoint: le.Checkpoint,
    direction: le.Direction,
    scorer: AnyScorer | None,
    latents: Tensor,
    move: faces.Mover,
) -> tuple[list[float], list[Reach]]:
    """Choose each face's alpha: --alpha for all, or what its wanted score needs, and how far that led."""
    wants_score = args.to is not None or args.unit == "score"
    if not wants_score:
        if args.budget:
            raise InputError("--budget is for a wanted score: give --to, or --alpha with --unit score")
        return [args.alpha] * len(latents), []
    if scorer is None:
        raise InputError("--scorer none: a wanted score needs a scorer")
    if args.to is not None and args.unit not in (None, "score"):
        raise InputError(f"--to {args.to:g} --unit {args.unit}: --to is a score, leave --unit out")
    limits = _open_limits(args, checkpoint)
    reached = [_reach(args, checkpoint, direction, scorer, face, move, limits) for face in latents[:, None]]
    return [reach.alpha for reach in reached], reached


def _reach(
    args: argparse.Namespace,
    checkpoint: le.Checkpoint,
    direction: le.Direction,
    scorer: AnyScorer,
    face: Tensor,
    move: faces.Mover,
    limits: list[Limit],
) -> Reach:
    """Find the alpha of one face."""
    from latentedit.reach import reach_score

    def show(alphas: Any) -> Tensor:
        return faces.render_faces(args, checkpoint, direction, move(face, alphas, None), quiet=True)[0]

    target = args.to if args.to is not None else float(scorer(show([0.0]))[0]) + args.alpha
    return reach_score(show, scorer, target, args.within, limits)


def _open_limits(args: argparse.Namespace, checkpoint: le.Checkpoint) -> list[Limit]:
    """Bring a budget in standard deviations to the scores' own units."""
    from latentedit.reach import Limit

    scorers = arguments.open_attributes(args.budget)
    if not scorers:
        return []
    psi = faces.DEFAULT_PSI if args.trunc is None else args.trunc
    ws = le.sample(checkpoint.generator, POPULATION, psi, class_index=args.class_index)
    scores = [le.score_faces(checkpoint.generator, scorer, ws, quiet=args.quiet)[:, 0] for scorer in scorers]
    spreads = zip(scorers, args.budget.values(), scores, strict=True)
    return [Limit(scorer, share * float(values.std())) for scorer, share, values in spreads]


def goal_facts(reached: list[Reach]) -> list[dict[str, Any]]:
    """Say what came of each face's wanted score, fit for run.json."""
    return [asdict(reach) for reach in reached]


def goal_lines(args: argparse.Namespace, names: list[str], reached: list[Reach], unit: Unit) -> list[str]:
    """Say for each face with a wanted score at which alpha it has that, or why it never does."""
    reasons = {"bound": f"not within {args.within:g} {unit}"}
    return [
        f"{name:10} {'reached' if r.is_reached else reasons.get(r.stopped_by, f'the budget of {r.stopped_by} ends it')}"
        f" at alpha {r.alpha:+.3g} {unit}, score {r.score:.1f}"
        for name, r in zip(names, reached, strict=False)
    ]
