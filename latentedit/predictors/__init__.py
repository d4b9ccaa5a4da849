"""The assessors that ship with the project: PREDICTORS names them, `load_scorer` picks one attribute of one."""

from __future__ import annotations

from latentedit.errors import InputError
from latentedit.predictors.attributes import MATCHED, suggest
from latentedit.predictors.attributes import Assessor as Assessor
from latentedit.predictors.attributes import AttributeScorer as AttributeScorer
from latentedit.predictors.attributes import score_together as score_together
from latentedit.predictors.omi import OmiAssessor as OmiAssessor
from latentedit.predictors.omi import load_bundled

PREDICTORS = ("omi", "patches")


def load_assessor(name: str) -> OmiAssessor:
    """Load everything that a predictor rates: `omi` gives all 34 attributes at once, and so does `patches`.

    The two see different things in a face: let one judge the edits that were found with the other.
    """
    if name not in PREDICTORS:
        raise InputError(f"no scorer is called {name!r}: {suggest(name, list(PREDICTORS))}")
    return load_bundled(name)


def load_scorer(name: str) -> AttributeScorer:
    """Load a scorer by name: `omi` is the rated memorability, `omi:happy` any other attribute.

    `omi:happy:matched` spreads its scores as widely as the ratings.

    >>> load_scorer("omi").name
    'omi:memorable'
    """
    predictor, _, attribute = name.removesuffix(f":{MATCHED}").partition(":")
    return load_assessor(predictor).scorer(attribute or None, matched=name.endswith(f":{MATCHED}"))
