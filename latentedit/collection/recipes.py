"""Which directions ship, and how each is come by."""

from __future__ import annotations

from dataclasses import dataclass

PAPER_PSI = 0.5  # the memorability paper's direction: logistic regression on faces near the mean
TRUNCATION_PSI = 0.7  # of the faces that effects are measured on, as the commands render them
STEPS = (1.5, 3.0)  # sigmas by which a leader takes faces along


@dataclass(frozen=True)
class Recipe:
    """The rating that a direction follows, by its average gradient or fitted to faces at a truncation.

    A gradient holds where it was taken: of faces that another direction leads, it tells what that one drags along.
    """

    attribute: str
    method: str = "gradient"  # or one of latentedit.discovery's
    truncation_psi: float = 1.0
    rendering: str = "square"  # of the faces that are rated
    leader: str | None = None  # a direction whose steps, STEPS, the faces have taken

    @property
    def summary(self) -> str:
        """What it follows, in a few words."""
        shown = "" if self.rendering == "square" else f" of {self.rendering} faces"
        return f"rated {self.attribute}{shown}" + (f" where {self.leader} leads" if self.leader else "")


FOUND = {
    "w_sq": Recipe("memorable"),
    "w_ov": Recipe("memorable", rendering="oval"),
    "w_sq_logistic": Recipe("memorable", "logistic", PAPER_PSI),
    "smile": Recipe("happy"),
    "age": Recipe("age"),
    "gender": Recipe("gender"),
    "typical": Recipe("typical", truncation_psi=TRUNCATION_PSI, leader="w_sq"),
    "attractive": Recipe("attractive"),
    "trustworthy": Recipe("trustworthy"),
}
CONDITIONED = {  # direction: its parent and what it is projected off
    "cond_smile": ("w_sq", ("smile",)),
    "cond_age": ("w_sq", ("age",)),
    "cond_smile_age": ("w_sq", ("smile", "age")),
    "cond_gender": ("w_sq", ("gender",)),
    "cond_typical": ("w_sq", ("typical",)),
    "cond_attractive": ("w_sq", ("attractive",)),
    "cond_traits": ("w_sq", ("smile", "age", "gender", "attractive")),
}
STEADIED = {  # direction: its parent and the ratings that stay put where its own has gained
    "steady_traits": ("w_sq", ("happy", "outgoing", "smug", "age", "gender", "attractive")),  # three of a smile
}
NAMES = (*FOUND, *CONDITIONED, *STEADIED)
SHOWN = tuple(dict.fromkeys(recipe.attribute for recipe in FOUND.values()))  # attributes, in tables
HELD_OUT_SEEDS = range(2_000_000, 2_000_064)  # faces that no direction was found on


def summarise(name: str) -> str:
    """Say in a few words what a direction follows."""
    if name in FOUND:
        return FOUND[name].summary
    if name in STEADIED:
        parent, kept = STEADIED[name]
        return f"{parent} steadied in {', '.join(kept)}"
    parent, conditions = CONDITIONED[name]
    return f"{parent} without {', '.join(conditions)}"


def attribute_of(name: str) -> str:
    """Name the rating that a direction is about."""
    return FOUND[name if name in FOUND else (CONDITIONED | STEADIED)[name][0]].attribute
