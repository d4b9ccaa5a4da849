"""`latentedit apply`: move faces along a direction and show what became of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import latentedit as le
from latentedit.cli import arguments, faces, goal, identity, inverting, photographs, printing
from latentedit.ranges import format_ranges
from latentedit.reporting import recorded, write_run
from latentedit.vocabulary import UNITS, Unit

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from latentedit.inversion.portraits import Portrait
    from latentedit.predictors import AnyScorer

EXAMPLES = """\
  latentedit apply --direction w_sq --alpha 3
  latentedit apply --direction smile --alpha -2 --seeds 0-3,7 --layers 4-7
  latentedit apply --network ffhq.pkl --direction age.npy --alpha 3 --latents projected_w.npz
  latentedit apply --direction 9_6 --alpha 10
  latentedit apply --direction w_sq --keep happy age --alpha 3
  latentedit apply --direction w_sq --to 60 --budget happy=.5,age=.5
  latentedit apply --photo photo.jpg --direction w_sq --alpha 3 --paste-back
  latentedit apply --photo photo.jpg --direction smile --alpha 4 --keep-identity 0.8 --strip
  latentedit apply --latents out/photo.npz --tuned out/tuned.safetensors --direction smile --alpha 2
"""


def add_parser(commands: arguments.Commands) -> None:
    """Add the command to the parser."""
    parser = arguments.add_command(commands, "apply", run, "move faces along a direction: w + alpha * w*", EXAMPLES)
    arguments.add_direction(parser, units=(*UNITS, "score"))
    goal.add_goal(parser)
    identity.add_identity(parser)
    faces.add_faces(parser, seeds="1")
    photographs.add_photographs(parser)
    arguments.add_network(parser)
    arguments.add_scorer(parser)
    arguments.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Edit, render, score, write and print."""
    checkpoint = arguments.open_network(args)
    checkpoint, found = inverting.set_upright(args, checkpoint, photographs.open_photographs(args))
    direction, layers = arguments.open_direction(args, checkpoint)
    scorer = arguments.open_scorer(args)
    painter = replace(checkpoint, generator=inverting.open_tuned(args, checkpoint))
    if found:
        latents, names = photographs.open_latents(args, checkpoint, direction, found)
    else:
        latents, names = faces.open_faces(args, checkpoint, direction)
    move = faces.open_mover(args, painter, direction, layers)
    alphas, reached = goal.choose_alphas(args, painter, direction, scorer, latents, move)
    unit = None if reached else args.unit
    alphas, kept = identity.limit_alphas(args, painter, direction, latents, alphas, unit, move)
    both = _move_all(latents, alphas, unit, move)
    places = identity.watch_population(args, checkpoint, direction, names, both)
    with recorded(args.outdir, args.latents) as folder:
        pairs = faces.render_faces(args, painter, direction, both)  # [N, 2, 3, H, W]
        pasted = photographs.paste_back(args, found, pairs)
        suffixes = [f"{direction.name}{alpha:+g}" for alpha in alphas]
        rows = _describe_faces(names, suffixes, scorer, pairs)
        facts: dict[str, Any] = {
            "network": printing.describe_network(args.network, checkpoint),
            "direction": printing.describe_direction(direction),
            "alpha": le.convert_alpha(direction, alphas[0], unit),
            "alphas": alphas,
            "goals": goal.goal_facts(reached),
            "kept": identity.kept_facts(kept),
            "sigmas_out": places,
            "layers": format_ranges(layers),
            "flags": arguments.describe_flags(args),
            "scorer": scorer.name if scorer else None,
            "faces": rows,
        }
        for face, pair in zip(rows, pairs, strict=True):
            le.to_pil(pair[0]).save(folder / face["before"])
            le.to_pil(pair[1]).save(folder / face["after"])
        faces.save_faces(folder / "latents.npz", checkpoint, direction, both[:, 1])
        photographs.save_pasted(folder, found, pasted)
        _draw_strip(pairs, rows, scorer, suffixes, found, pasted).save(folder / "strip.png")
        write_run(folder, **facts)
    lines = [
        printing.network_line(args.network, checkpoint),
        *printing.preview_lines(args.precision),
        *([] if reached or kept else [printing.alpha_line(direction, facts["alpha"], facts["layers"])]),
        *printing.keep_lines(args.keep),
        *goal.goal_lines(args, names, reached, direction.unit),
        *identity.kept_lines(args, names, kept),
        *(_face_line(face, scorer) for face in rows),
        f"written    {args.outdir / 'strip.png'} and {2 * len(rows) + len(pasted) + 2} files beside it",
    ]
    printing.announce(args, facts, lines)


def _move_all(latents: Tensor, alphas: list[float], unit: Unit | None, move: faces.Mover) -> Tensor:
    """Move faces, together where their alphas are the same: [N, ...] -> before and after [N, 2, ...]."""
    import torch

    if len(set(alphas)) == 1:
        return move(latents, [0.0, alphas[0]], unit)
    parts = zip(latents[:, None], alphas, strict=True)
    return torch.cat([move(face, [0.0, alpha], unit) for face, alpha in parts])


def _describe_faces(
    names: list[str], suffixes: list[str], scorer: AnyScorer | None, pairs: Tensor
) -> list[dict[str, Any]]:
    """List each face's files and scores: pairs [N, 2, 3, H, W]."""
    rows: list[dict[str, Any]] = [
        {"name": name, "before": f"{name}.png", "after": f"{name}_{suffix}.png"}
        for name, suffix in zip(names, suffixes, strict=True)
    ]
    if scorer is not None:
        scores = le.score(scorer, pairs)  # [N, 2]
        intervals = scorer.interval(scores)
        for face, (before, after) in zip(rows, scores.tolist(), strict=True):
            face |= {"score_before": before, "score_after": after}
        for face, ends in zip(rows, [] if intervals is None else intervals.tolist(), strict=intervals is not None):
            face |= {"interval_before": ends[0], "interval_after": ends[1]}
    return rows


def _draw_strip(
    pairs: Tensor,
    rows: list[dict[str, Any]],
    scorer: AnyScorer | None,
    suffixes: list[str],
    found: list[Portrait],
    pasted: list[Tensor],
) -> Image.Image:
    """Draw every face before and after, a photograph's between it and the result: pairs [N, 2, 3, H, W] -> picture."""
    captions = None
    if scorer is not None:
        word = scorer.name.partition(":")[2] or scorer.name
        keys = ("score_before", "score_after")
        captions = [[f"{word} {printing.format_score(face[key], scorer.range)}" for key in keys] for face in rows]
    labels = ["before", suffixes[0] if len(set(suffixes)) == 1 else "after"]
    if found:
        pairs, labels = photographs.lay_out(found, pairs, pasted)
        captions = captions and [["", *row, ""][: len(labels)] for row in captions]
    return le.image_grid(pairs, captions, labels, [face["name"] for face in rows])


def _face_line(face: dict[str, Any], scorer: AnyScorer | None) -> str:
    """Write one face's scores on one line."""
    if scorer is None:
        return f"{face['name']:10} {face['after']}"
    before, after = face["score_before"], face["score_after"]
    cells = [
        printing.score_cell(face[f"score_{when}"], scorer.range, face.get(f"interval_{when}"))
        for when in ("before", "after")
    ]
    sign = "" if after < before else "+"
    change = f"{sign}{printing.format_score(after - before, scorer.range)}"
    return f"{face['name']:10} {scorer.name} {' -> '.join(cells)} ({change})"
