"""A face and its description, joined by attention: words look at patches of the face (Shahhosseini, Temple)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from latentedit.errors import InputError, about, damaged
from latentedit.predictors.face_resnet import FaceSENet
from latentedit.predictors.identity_weights import load_identities
from latentedit.predictors.predictor import Predictor, resize

Mode = Literal["both", "image", "text"]
WIDTH, HEADS, DROPOUT = 768, 4, 0.9
NUM_TOKENS = 512  # of a description, padded
SHRINK = 32  # px of a patch


class FaceText(Predictor):
    """Predict from faces and descriptions: pixels [N, 3, 224, 224], tokens and mask [N, 512] -> [N] in (0, 1).

    SENet-50's last map gives 49 patches, keys and values; BERT's tokens are the queries. Each token that is a word
    gives one number; padding gives none. `mode` image or text leaves the other out. `as_published` gives SENet-50
    RGB of 0 to 1, neither centred nor in its order of colours, and counts padding as words. `text` are settings of
    transformers' BertConfig other than bert-base-uncased's. `width`, `input_size` (px, a multiple of 32) and
    `num_tokens` make smaller ones.
    """

    licence = "VGGFace2's weights: non-commercial; BERT's: Apache 2.0"

    def __init__(
        self,
        mode: Mode = "both",
        dropout: float = DROPOUT,
        as_published: bool = False,
        width: int = 64,
        text: dict[str, Any] | None = None,
        input_size: int = 224,
        num_tokens: int = NUM_TOKENS,
    ) -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise InputError(f"mode {mode!r} is not known: choose one of {', '.join(get_args(Mode))}")
        if input_size % SHRINK:
            raise InputError(f"input size {input_size}: give a multiple of {SHRINK} px, so that patches fill the face")
        self.mode, self.as_published = mode, as_published
        self.input_size, self.num_tokens = input_size, num_tokens
        size = int((text or {}).get("hidden_size", WIDTH))
        if mode != "text":
            self.face = FaceSENet(width=width)
            self.project = nn.Linear(self.face.num_features, size)
        if mode != "image":
            self.bert = _make_bert({**(text or {}), "hidden_size": size})
        if mode == "both":
            self.attention = nn.MultiheadAttention(size, HEADS, dropout, batch_first=True)
        self.read = nn.Linear(size, 1)
        self.dropout = nn.Dropout(dropout)
        self.join = nn.Linear((input_size // SHRINK) ** 2 if mode == "image" else num_tokens, 1)

    @property
    def starts(self) -> dict[str, Callable[[Path], None]]:
        """SENet-50 from what was learned of people, BERT from a name of the Hugging Face hub or a folder."""
        found: dict[str, Callable[[Path], None]] = {}
        if self.mode != "text":
            found["senet50"] = partial(load_identities, self.face)
        if self.mode != "image":
            found["bert"] = self._load_bert
        return found

    def _load_bert(self, name: Path) -> None:
        with about(name), damaged("no weights of this BERT can be had there, give a folder of transformers"):
            trained = _transformers().BertModel.from_pretrained(
                str(name), add_pooling_layer=False, use_safetensors=True
            )
            self.bert.load_state_dict(trained.state_dict())

    def blank_words(self, count: int) -> tuple[Tensor, ...]:
        """Make tokens and a mask that say nothing: -> two [count, L], none where the face is all that is read."""
        shape = (count, self.num_tokens)
        return (
            () if self.mode == "image" else (torch.zeros(shape, dtype=torch.long), torch.ones(shape, dtype=torch.long))
        )

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize and scale to 0 to 255, as published to 0 to 1: [N, 3, H, W] in [-1, 1] -> [N, 3, S, S]."""
        x = resize(images, self.input_size) / 2 + 0.5
        return x if self.as_published else x * 255

    def forward(self, x: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if self.mode == "image":
            return self._score(self.patches(x))
        if tokens is None or mask is None:
            raise InputError("this predictor reads descriptions beside images: `latentedit score` with --captions")
        words = cast(Tensor, self.bert(input_ids=tokens, attention_mask=mask).last_hidden_state)
        seen = words if self.mode == "text" else self.attend(words, self.patches(x))[0]
        return self._score(seen, None if self.as_published else mask)

    def patches(self, x: Tensor) -> Tensor:
        """Describe the patches of faces: [N, 3, 224, 224] -> [N, 49, 768]."""
        x = x if self.as_published else self.face.normalise(x)
        return cast(Tensor, self.project(self.face.feature_map(x).flatten(2).transpose(1, 2)))

    def attend(self, words: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Let words look at patches: [N, L, D], [N, 49, D] -> [N, L, D], weights [N, L, 49] that add up to 1."""
        return cast(tuple[Tensor, Tensor], self.attention(words, patches, patches))

    def _score(self, seen: Tensor, mask: Tensor | None = None) -> Tensor:
        numbers: Tensor = self.read(seen)[..., 0]  # [N, L]
        numbers = numbers if mask is None else numbers * mask
        return cast(Tensor, self.join(self.dropout(numbers))).sigmoid()[:, 0]


def tokenize(captions: Sequence[str], tokenizer: Any, num_tokens: int = NUM_TOKENS) -> tuple[Tensor, Tensor]:
    """Cut descriptions into tokens with one of transformers' tokenizers: -> tokens, mask [N, L]; 0 is padding."""
    found = tokenizer(list(captions), padding="max_length", truncation=True, max_length=num_tokens, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def load_tokenizer(name: str = "bert-base-uncased") -> Any:
    """Load a tokenizer of the Hugging Face hub, or of a folder."""
    return _transformers().BertTokenizer.from_pretrained(name)


def _make_bert(settings: dict[str, Any]) -> nn.Module:
    library = _transformers()
    return cast(nn.Module, library.BertModel(library.BertConfig(**settings), add_pooling_layer=False))


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise InputError("descriptions need `pip install 'latentedit[predictors]'`") from error
    return transformers
