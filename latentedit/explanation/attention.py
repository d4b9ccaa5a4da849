"""Which words of a description look where in a face, and which words go with a score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentedit.errors import InputError
from latentedit.predictors.face_text import FaceText
from latentedit.statistics import Floats

PIECE = "##"  # before a token that goes on with the word before it
TERTILES = ("low", "middle", "high")
NUM_WORDS = 20  # of a description that count, the most salient


@dataclass(frozen=True, eq=False)
class Attention:
    """Weights [N, L, 7, 7] with which tokens look at patches of a face, heads averaged, zero where there is no word.

    Each word's weights add up to 1. `salience` [N, L] is the largest of them; `words` [N, L] says which tokens count:
    neither padding nor the marks at both ends.
    """

    weights: Tensor
    words: Tensor

    @property
    def salience(self) -> Tensor:
        return self.weights.flatten(2).amax(dim=2)


@torch.no_grad()
def export_attention(network: FaceText, images: Tensor, tokens: Tensor, mask: Tensor) -> Attention:
    """Take a face-and-text predictor's attention: images [N, 3, H, W] in [-1, 1], tokens and mask [N, L] -> Attention.

    Padding's rows, which the published export ranked as words, are zero.
    """
    if network.mode != "both":
        raise InputError(f"mode {network.mode} has no attention between words and patches: take mode both")
    seen = network.bert(input_ids=tokens, attention_mask=mask).last_hidden_state
    weights = network.attend(seen, network.patches(network.preprocess(images)))[1]
    words = _mark_words(mask)
    side = round(weights.shape[2] ** 0.5)
    return Attention((weights * words[..., None]).unflatten(2, (side, side)), words)  # type: ignore[no-untyped-call]


def _mark_words(mask: Tensor) -> Tensor:
    """Mark the tokens between the first and the last that are no padding: [N, L] -> bool [N, L]."""
    places, lengths = torch.arange(mask.shape[1]), mask.sum(dim=1, keepdim=True)
    return (places > 0) & (places < lengths - 1)


def list_words(attention: Attention, tokens: Tensor, tokenizer: Any) -> list[dict[str, float]]:
    """Join pieces to words, each as salient as its most salient place: -> saliences by word."""
    found = []
    for row, kept, salience in zip(tokens, attention.words, attention.salience, strict=True):
        pieces = tokenizer.convert_ids_to_tokens(row[kept].tolist())
        found.append(_join(pieces, salience[kept].tolist()))
    return found


def _join(pieces: Sequence[str], salience: Sequence[float]) -> dict[str, float]:
    words: list[tuple[str, float]] = []
    for piece, value in zip(pieces, salience, strict=True):
        if piece.startswith(PIECE) and words:
            words[-1] = (words[-1][0] + piece.removeprefix(PIECE), max(words[-1][1], value))
        else:
            words.append((piece, value))
    most: dict[str, float] = defaultdict(float)
    for word, value in words:
        if word.isalnum():
            most[word] = max(most[word], value)
    return dict(most)


@dataclass(frozen=True)
class WordRank:
    """How often a word is among a description's 20 most salient, as a share of the faces of a tertile of the score."""

    word: str
    tertile: str
    share: float
    share_elsewhere: float
    salience: float  # mean, where it is among them

    @property
    def lift(self) -> float:
        """How much more often than elsewhere."""
        return self.share - self.share_elsewhere


def rank_words(words: Sequence[dict[str, float]], scores: Floats, ignore: Sequence[str] = ()) -> list[WordRank]:
    """Rank words by tertile of the score: those first that tell its faces most from the others'.

    `words` are those of `list_words`, `ignore` generic ones to leave out. Raises InputError for fewer than 3 faces.
    """
    if len(words) != len(scores) or len(words) < 3:
        raise InputError(f"{len(words)} descriptions and {len(scores)} scores: give as many of both, 3 or more")
    tertile = np.searchsorted(np.quantile(scores, [1 / 3, 2 / 3]), scores, side="left")
    salient = [_pick_salient(found, ignore) for found in words]
    ranks = []
    for i, name in enumerate(TERTILES):
        inside = [found for found, where in zip(salient, tertile, strict=True) if where == i]
        outside = [found for found, where in zip(salient, tertile, strict=True) if where != i]
        ranks += [_rank(word, name, inside, outside) for word in sorted({word for found in inside for word in found})]
    return sorted(ranks, key=lambda one: (TERTILES.index(one.tertile), -one.lift))


def _pick_salient(found: dict[str, float], ignore: Sequence[str]) -> dict[str, float]:
    kept = [(word, value) for word, value in found.items() if word not in ignore]
    return dict(sorted(kept, key=lambda pair: -pair[1])[:NUM_WORDS])


def _rank(word: str, tertile: str, inside: list[dict[str, float]], outside: list[dict[str, float]]) -> WordRank:
    values = [found[word] for found in inside if word in found]
    elsewhere = sum(word in found for found in outside)
    return WordRank(word, tertile, len(values) / len(inside), elsewhere / max(len(outside), 1), float(np.mean(values)))
