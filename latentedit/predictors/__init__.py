"""The assessors that ship with the project: PREDICTORS lists them, `load_scorer` picks one attribute of one."""

from __future__ import annotations

from latentedit.errors import InputError
from latentedit.predictors.attributes import Assessor as Assessor
from latentedit.predictors.attributes import AttributeScorer as AttributeScorer
from latentedit.predictors.attributes import suggest
from latentedit.predictors.omi import OmiAssessor as OmiAssessor
from latentedit.scoring import Scorer

PREDICTORS = {"omi": OmiAssessor}


def load_scorer(name: str) -> Scorer:
    """Load a scorer by name: `omi` is the rated memorability, `omi:happy` any other attribute.

    >>> load_scorer("omi").name
    'omi:memorable'
    """
    predictor, _, attribute = name.partition(":")
    if predictor not in PREDICTORS:
        raise InputError(f"no scorer is called {predictor!r}: {suggest(predictor, list(PREDICTORS))}")
    return PREDICTORS[predictor].load().scorer(attribute or None)
