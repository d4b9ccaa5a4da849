"""Compare ways to keep traits while memorability rises, and write docs/proof.md: python tests/bench/proof.py

Directions are fitted by `omi`, chosen by `omi` on faces that neither the fit nor the tables see, and judged by
`patches`. Tables go between the marks of docs/proof.md, the picture beside it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

import latentedit as le
from latentedit.evaluation import Card
from latentedit.evaluation.pictures import draw_cards
from latentedit.evaluation.tables import SHOWN, compare_cards, format_markdown

FIT_SEEDS, CHOICE_SEEDS, TRUNCATION_PSI = range(20_000, 20_256), range(5_000_000, 5_000_048), 0.7
LEVEL, LARGEST = 1.2, 0.2  # SD: what memorability shall gain, and what the four traits may change
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
    w_sq, *ways, path = conditionings(generator, omi)
    tried = le.evaluate(generator, ways, [omi], seeds=CHOICE_SEEDS, **request)
    best = ways[tried.index(min(tried, key=worst))]
    print(*(f"{card.edit} {worst(card):.2f}" for card in tried), sep="\n", flush=True)

    fresh = range(3_400_000, 3_400_000 + args.fresh)
    shown = [ways[0], best] if best is not ways[0] else [best]
    proven = le.evaluate(generator, shown, [patches, omi], seeds=fresh, **request)
    print(say_verdict(proven[-1]), flush=True)
    seeds = range(3_200_000, 3_200_000 + args.faces)
    compared = le.evaluate(generator, [w_sq, *ways, path], [patches, omi], seeds=seeds, **request)
    write(args.docs, tried, compared, proven)


def write(docs: Path, tried: list[Card], compared: list[Card], proven: list[Card]) -> None:
    """Fill the tables of proof.md and draw the picture beside it."""
    words = {
        "choice": format_markdown(
            ("direction", "largest change of the four by omi, SD"),
            [(card.edit, f"{worst(card):.2f}") for card in tried],
        ),
        "comparison": format_markdown(*compare_cards(compared)),
        "by omi": format_markdown(*by_fitter(compared)),
        "proof": format_markdown(*compare_cards(proven)),
        "verdict": say_verdict(proven[-1]),
    }
    path = docs / "proof.md"
    path.write_text(fill(path.read_text(), words))
    draw_cards(compared).savefig(docs / "proof.png")
    print(words["verdict"])


def conditionings(generator: le.Generator, omi) -> list[le.Direction | le.Holding]:
    """Make the paper's direction, and what leaves the four traits alone: directions, and last a path."""
    w_sq = le.load_direction("w_sq", generator)
    traits = [le.load_direction(name, generator) for name in ("smile", "age", "gender", "attractive")]
    memorable, *kept = (omi.scorer(name) for name in ("memorable", *SHOWN))
    covariance = le.measure_covariance(generator)
    flat = w_sq.condition_on(traits, name="w_sq euclidean")
    oblique = w_sq.condition_on(traits, name="w_sq covariance", covariance=covariance)
    faces = {"seeds": f"{FIT_SEEDS[0]}-{FIT_SEEDS[-1]}", "truncation_psi": TRUNCATION_PSI}
    ws = le.sample(generator, FIT_SEEDS, TRUNCATION_PSI)
    joint = le.discover_by_gradient(generator, ws, memorable, "joint gradient", faces, quiet=False, keep=kept)
    steady = le.load_direction("steady_traits", generator)
    path = le.Holding(generator, w_sq, kept, covariance)
    return [w_sq, le.calibrate(flat, generator), le.calibrate(oblique, generator), joint, steady, path]


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
