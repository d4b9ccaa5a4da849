"""Several scorers looked at together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentedit.checkpoints import fingerprint
from latentedit.errors import InputError
from latentedit.predictors import (
    ASSESSORS,
    AnyScorer,
    Assessor,
    AttributeScorer,
    PredictorScorer,
    load_assessor,
    load_scorer,
)
from latentedit.scoring import Scorer


class Panel:
    """Score images by all: [N, 3, H, W] in [-1, 1] -> [N, len(attributes)]; an assessor gives all its attributes."""

    def __init__(self, scorers: Sequence[Scorer | Assessor]) -> None:
        self.scorers = tuple(scorers)
        self.attributes = tuple(name for scorer in self.scorers for name in _list_attributes(scorer))
        name, count = Counter(self.attributes or [""]).most_common(1)[0]
        if count > 1:
            raise InputError(f"{name} would be scored {count} times: name it once")

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([scorer(images).reshape(len(images), -1) for scorer in self.scorers], dim=1).float()

    def identify(self) -> dict[str, str | None]:
        """Name each scorer with the fingerprint of its weights, where it is a network."""
        networks = {s.name: s.assessor if isinstance(s, AttributeScorer) else s for s in self.scorers}
        return {name: fingerprint(net) if isinstance(net, nn.Module) else None for name, net in networks.items()}


def _list_attributes(scorer: Scorer | Assessor) -> list[str]:
    """Name the columns that a scorer or an assessor fills."""
    if isinstance(scorer, Assessor):
        return [f"{scorer.name}:{attribute}" for attribute in scorer.attributes]
    return [scorer.name]


def load_scorers(names: str, device: torch.device) -> list[Scorer | Assessor]:
    """Load `omi` (all its attributes), `omi:happy` (one), several such as `omi,patches:happy,resmem`, or `none`."""
    loaded: list[Scorer | Assessor] = []
    for name in [] if names == "none" else names.split(","):
        scorer: Assessor | AnyScorer = load_assessor(name) if name in ASSESSORS else load_scorer(name)
        network = _network_of(scorer)
        if device.type == "cuda" and isinstance(network, nn.Module):
            network.to(device)  # elsewhere it stays on the CPU: assessors need float64
        loaded.append(scorer)
    return loaded


def _network_of(scorer: Assessor | AnyScorer) -> object:
    match scorer:
        case PredictorScorer():
            return scorer.network
        case AttributeScorer():
            return scorer.assessor
    return scorer
