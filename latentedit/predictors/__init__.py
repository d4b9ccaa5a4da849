"""What turns an image into a number: the assessors that ship, published networks, and those trained here."""

from __future__ import annotations

from latentedit.errors import InputError
from latentedit.predictors.attributes import MATCHED, suggest
from latentedit.predictors.attributes import Assessor as Assessor
from latentedit.predictors.attributes import AttributeScorer as AttributeScorer
from latentedit.predictors.attributes import score_together as score_together
from latentedit.predictors.omi import OmiAssessor as OmiAssessor
from latentedit.predictors.omi import is_assessor, load_bundled
from latentedit.predictors.predictor import Predictor as Predictor
from latentedit.predictors.predictor import PredictorScorer as PredictorScorer
from latentedit.predictors.registry import PREDICTORS as PREDICTORS
from latentedit.predictors.registry import PUBLISHED as PUBLISHED
from latentedit.predictors.registry import load_predictor as load_predictor
from latentedit.predictors.registry import make_predictor as make_predictor
from latentedit.predictors.registry import save_predictor as save_predictor

ASSESSORS = ("omi", "patches", "deep")
BORROWING = frozenset({"deep"})  # slow, and through a network that the user may not have installed
RECORD = ".safetensors"
AnyScorer = AttributeScorer | PredictorScorer


def load_assessor(name: str) -> OmiAssessor:
    """Load everything that a bundled assessor rates: `omi` gives all 34 attributes at once, so do `patches` and `deep`.

    They see different things in a face: let one judge the edits that were found with another. `deep` looks
    through the network of the package `resmem` and raises InputError where that is not installed.
    """
    if name not in ASSESSORS:
        raise InputError(f"no scorer is called {name!r}: {suggest(name, [*ASSESSORS, *PUBLISHED])}")
    return load_bundled(name)


def load_scorer(name: str) -> AnyScorer:
    """Load a scorer by name: `omi` is the rated memorability, `omi:happy` any other attribute.

    `omi:happy:matched` spreads its scores as widely as the ratings. `resmem` and `vitmem` are published
    networks for photographs; a .safetensors file is what `save_predictor` wrote, or an assessor that you have
    trained, as in `mine.safetensors:happy`.

    >>> load_scorer("omi").name
    'omi:memorable'
    """
    plain, is_matched = name.removesuffix(f":{MATCHED}"), name.endswith(f":{MATCHED}")
    stem, suffix, attribute = plain.partition(RECORD)
    if name in PUBLISHED or (suffix and not is_assessor(stem + suffix)):
        return PredictorScorer(name, load_predictor(name))
    if suffix:
        return OmiAssessor.load(stem + suffix).scorer(attribute.removeprefix(":") or None, is_matched)
    bundled, _, attribute = plain.partition(":")
    return load_assessor(bundled).scorer(attribute or None, is_matched)
