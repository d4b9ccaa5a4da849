"""A face and its description, joined by attention: words look at patches of the face (Shahhosseini, Temple)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from torch import Tensor, nn

from latentedit.errors import InputError
from latentedit.predictors.face_resnet import FaceSENet
from latentedit.predictors.predictor import Predictor, resize

Mode = Literal["both", "image", "text"]
WIDTH, HEADS, DROPOUT = 768, 4, 0.9
NUM_TOKENS = 512  # of a description, padded
NUM_PATCHES = 49  # of a face of 224 px


class FaceText(Predictor):
    """Predict from faces and descriptions: pixels [N, 3, 224, 224], tokens and mask [N, 512] -> [N] in (0, 1).

    SENet-50's last map gives 49 patches, keys and values; BERT's tokens are the queries. Each token that is a word
    gives one number; padding gives none. `mode` image or text leaves the other out. `as_published` gives SENet-50
    RGB of 0 to 1, neither centred nor in its order of colours, and counts padding as words. `text` are settings of
    transformers' BertConfig other than bert-base-uncased's.
    """

    licence = "VGGFace2's weights: non-commercial; BERT's: Apache 2.0"

    def __init__(
        self,
        mode: Mode = "both",
        dropout: float = DROPOUT,
        as_published: bool = False,
        width: int = 64,
        text: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise InputError(f"mode {mode!r} is not known: choose one of {', '.join(get_args(Mode))}")
        self.mode, self.as_published = mode, as_published
        if mode != "text":
            self.face = FaceSENet(width=width)
            self.project = nn.Linear(self.face.num_features, WIDTH)
        if mode != "image":
            self.bert = _make_bert({"hidden_size": WIDTH, **(text or {})})
        if mode == "both":
            self.attention = nn.MultiheadAttention(WIDTH, HEADS, dropout, batch_first=True)
        self.read = nn.Linear(WIDTH, 1)
        self.dropout = nn.Dropout(dropout)
        self.join = nn.Linear(NUM_PATCHES if mode == "image" else NUM_TOKENS, 1)

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize and scale to 0 to 255, as published to 0 to 1: [N, 3, H, W] in [-1, 1] -> [N, 3, 224, 224]."""
        x = resize(images, 224) / 2 + 0.5
        return x if self.as_published else x * 255

    def forward(self, x: Tensor, tokens: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if self.mode == "image":
            return self._score(self.patches(x))
        if tokens is None or mask is None:
            raise InputError(f"mode {self.mode}: give the tokens of a description to each image, see `tokenize`")
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


def tokenize(captions: Sequence[str], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Cut descriptions into tokens with one of transformers' tokenizers: -> tokens, mask [N, 512]; 0 is padding."""
    found = tokenizer(list(captions), padding="max_length", truncation=True, max_length=NUM_TOKENS, return_tensors="pt")
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
