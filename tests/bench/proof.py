"""Compare ways to keep traits while memorability rises, and write docs/proof.md: python tests/bench/proof.py

Directions are fitted by `omi` and judged by `patches`. Which scores to keep, and in which metric, is chosen on faces
that neither the fit nor the last table sees. Tables go between the marks of docs/proof.md, the picture beside it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

import latentedit as le
from latentedit.direction import find_roots
from latentedit.discovery.coordinates import choose_coordinates
from latentedit.discovery.finding import assemble
from latentedit.discovery.gradient import average_gradients, steer
from latentedit.evaluation import Card
from latentedit.evaluation.pictures import draw_cards
from latentedit.evaluation.tables import SHOWN, compare_cards, format_markdown

FIT_SEEDS, CHOICE_SEEDS, TRUNCATION_PSI = range(20_000, 20_256), range(5_000_000, 5_000_048), 0.7
LEVEL, LARGEST = 1.2, 0.2  # SD: what memorability shall gain, and what the four traits may change
KIN = ("trustworthy", "smart", "well-groomed", "cute", "outgoing", "dominant", "weight", "privileged")
SETS = {"four": SHOWN, "twelve": (*SHOWN, *KIN), "fourteen": (*SHOWN, *KIN, "smug", "long-haired")}
REACH = (0.0, 2.0, 4.0, 6.0)
DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Fit, choose, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=48, help="of the comparison (default 48)")
    parser.add_argument("--fresh", type=int, default=256, help="of the last table (default 256)")
    parser.add_argument("--population", type=int, default=1024)
    parser.add_argument("--docs", type=Path, default=DOCS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator, omi, patches = le.load_generator(), le.load_assessor("omi"), le.load_assessor("patches")
    request = {"level": LEVEL, "alphas": REACH, "population": range(3_100_000, 3_100_000 + args.population)}
    ways = conditionings(generator, omi)
    candidates = fit_candidates(generator, omi) | {way.name: way for way in ways[1:]}
    tried = le.evaluate(generator, list(candidates.values()), [patches], seeds=CHOICE_SEEDS, **request)
    best = candidates[min(tried, key=worst).edit]
    print(*(f"{card.edit} {worst(card):.2f}" for card in tried), sep="\n", flush=True)

    edits = [*ways, candidates["joint four identity"]]
    edits += [] if best in edits else [best]
    compared = le.evaluate(generator, edits, [patches, omi], seeds=range(3_200_000, 3_200_000 + args.faces), **request)
    (proven,) = le.evaluate(
        generator, [best], [patches, omi], seeds=range(3_000_000, 3_000_000 + args.fresh), **request
    )
    write(args.docs, tried, compared, proven)


def write(docs: Path, tried: list[Card], compared: list[Card], proven: Card) -> None:
    """Fill the tables of proof.md and draw the picture beside it."""
    words = {
        "choice": format_markdown(
            ("direction", "largest change of the four, SD"), [(card.edit, f"{worst(card):.2f}") for card in tried]
        ),
        "comparison": format_markdown(*compare_cards(compared)),
        "by omi": format_markdown(*by_fitter(compared)),
        "proof": format_markdown(*compare_cards([proven])),
        "verdict": say_verdict(proven),
    }
    path = docs / "proof.md"
    path.write_text(fill(path.read_text(), words))
    draw_cards(compared).savefig(docs / "proof.png")
    print(words["verdict"])


def fit_candidates(generator: le.Generator, omi) -> dict[str, le.Direction]:
    """Average gradients once, and steer memorability's off those of each set in each metric."""
    names = ("memorable", *SETS["fourteen"])
    ws = le.sample(generator, FIT_SEEDS, TRUNCATION_PSI)
    gradients = average_gradients(generator, [omi.scorer(name) for name in names], ws, quiet=False)
    coordinates = choose_coordinates(generator.config, "w", None)
    provenance = {"method": "joint gradient", "scorer": "omi:memorable", "seeds": f"{FIT_SEEDS[0]}-{FIT_SEEDS[-1]}"}
    found = {}
    for metric, matrix in metrics(generator).items():
        for count, kept in SETS.items():
            name = f"joint {count} {metric}"
            normal = steer(gradients[0], gradients[[names.index(one) for one in kept]], matrix)
            facts = {**provenance, "kept_scores": list(kept), "metric": metric}
            found[name] = le.calibrate(assemble(generator, name, normal, coordinates, facts), generator)
    return found


def metrics(generator: le.Generator) -> dict[str, torch.Tensor]:
    """Name the metrics: all ways alike, the root of W's covariance, and all of it."""
    covariance = le.measure_covariance(generator)
    _, root = find_roots(covariance)
    return {"identity": torch.eye(len(root)).double(), "root": root, "covariance": covariance}


def conditionings(generator: le.Generator, omi) -> list[le.Direction | le.Holding]:
    """Make the paper's direction, and it conditioned on the four traits in three ways."""
    w_sq = le.load_direction("w_sq", generator)
    traits = [le.load_direction(name, generator) for name in ("smile", "age", "gender", "attractive")]
    covariance = le.measure_covariance(generator)
    flat = w_sq.condition_on(traits, name="w_sq euclidean")
    oblique = w_sq.condition_on(traits, name="w_sq covariance", covariance=covariance)
    pointwise = le.Holding(generator, w_sq, [omi.scorer(name) for name in SHOWN], covariance)
    return [w_sq, le.calibrate(flat, generator), le.calibrate(oblique, generator), pointwise]


def worst(card: Card) -> float:
    """Find the largest mean change of the four traits at matched change; infinite where it is never reached."""
    sizes = [abs(card.verdict.changes[name].value) for name in SHOWN]
    return max(sizes) if all(size == size for size in sizes) else float("inf")


def by_fitter(cards: list[Card]) -> tuple[list[str], list[list[str]]]:
    """Lay out what the assessor that fitted the directions says of the four traits."""
    views = [Card(card.edit, card.num_faces, card.level, card.verdicts[1:]) for card in cards]
    header, rows = compare_cards(views)
    wanted = {f"{start}{name}{end}" for name in SHOWN for start, end in (("", ", SD"), ("size of ", " per face, SD"))}
    return header, [row for row in rows if row[0] in wanted]


def say_verdict(card: Card) -> str:
    """Say whether the requirement holds, and what else changes most."""
    changes = card.verdict.changes
    kept = ", ".join(f"{name} {changes[name].value:+.2f}" for name in SHOWN)
    others = sorted(
        (name for name in changes if name not in ("memorable", *SHOWN)), key=lambda n: -abs(changes[n].value)
    )
    most = ", ".join(f"{name} {changes[name].value:+.2f}" for name in others[:6])
    return (
        f"On {card.num_faces} fresh faces `{card.edit}` gains {LEVEL:g} SD of memorability by `{card.verdict.judge}`\n"
        f"at alpha {card.alpha.value:.2f}, with {kept} SD:\n"
        f"at most {LARGEST:g} SD each {'holds' if worst(card) <= LARGEST else 'does not hold'}. "
        f"What else changes most is {most}.\n"
    )


def fill(text: str, words: dict[str, str]) -> str:
    """Replace what stands between the marks of each table."""
    for mark, table in words.items():
        text, count = re.subn(
            rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m, t=table: f"{m[1]}\n{t}\n{m[2]}", text, flags=re.S
        )
        assert count == 1, mark
    return text


if __name__ == "__main__":
    main()
