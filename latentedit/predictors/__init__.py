"""The assessors that ship with the project: PREDICTORS lists them, `load_scorer` picks one attribute of one."""

from __future__ import annotations

from latentedit.errors import InputError
from latentedit.predictors.attributes import Assessor as Assessor
from latentedit.predictors.attributes import AttributeScorer as AttributeScorer
from latentedit.predictors.attributes import suggest
from latentedit.predictors.omi import OmiAssessor as OmiAssessor
from latentedit.scoring import Scorer

PREDICTORS = {"omi": OmiAssessor}


def load_assessor(name: str) -> OmiAssessor:
    """Load everything that a predictor rates: `omi` gives all 34 attributes at once."""
    if name not in PREDICTORS:
        raise InputError(f"no scorer is called {name!r}: {suggest(name, list(PREDICTORS))}")
    return PREDICTORS[name].load()


def load_scorer(name: str) -> Scorer:
    """Load a scorer by name: `omi` is the rated memorability, `omi:happy` any other attribute.

    >>> load_scorer("omi").name
    'omi:memorable'
    """
    predictor, _, attribute = name.partition(":")
    return load_assessor(predictor).scorer(attribute or None)
