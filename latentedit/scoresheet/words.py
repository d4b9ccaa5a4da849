"""The words that a predictor of faces and descriptions reads beside each image, from a table."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from latentedit.predictors import AnyScorer
from latentedit.predictors.captions import Table, read_captions
from latentedit.predictors.face_text import FaceText, load_tokenizer, tokenize
from latentedit.scoresheet.rows import Describe


def open_captions(captions: Path, tokenizer: str) -> Describe:
    """Read a table of captions once: -> what gives a scorer its tokens and mask [1, L] by the image's name."""
    table, cutter = Table(read_captions(captions)), load_tokenizer(tokenizer)

    def describe(scorer: AnyScorer, name: str) -> tuple[Tensor, ...]:
        network = getattr(scorer, "network", None)
        if not isinstance(network, FaceText) or network.mode == "image":
            return ()
        return tokenize([table(Path(name))], cutter, network.num_tokens)

    return describe
