"""Attention is exported for words alone, and words are ranked by where the score lies."""

import numpy as np
import pytest
import torch

from latentedit.errors import InputError
from latentedit.explanation.attention import Attention, export_attention, list_words, rank_words
from latentedit.predictors import make_predictor

SMALL_BERT = {"num_hidden_layers": 1, "intermediate_size": 8, "vocab_size": 30}
LENGTHS = (6, 12)


class Tokenizer:
    vocabulary = ("[PAD]", "[CLS]", "[SEP]", "a", "scar", "##red", "face", ".", "beard")

    def convert_ids_to_tokens(self, ids):
        return [self.vocabulary[i] for i in ids]


@pytest.fixture
def network():
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    return make_predictor("face_text", width=2, text=SMALL_BERT).eval()


def test_only_words_look_at_patches(network):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = (torch.arange(512) < torch.tensor(LENGTHS)[:, None]).long()
    tokens = torch.randint(3, 30, (2, 512), generator=torch.Generator().manual_seed(0)) * mask
    found = export_attention(network, images, tokens, mask)
    assert found.weights.shape == (2, 512, 7, 7)
    for row, length in enumerate(LENGTHS):
        sums = found.weights[row].sum(dim=(1, 2))
        assert torch.allclose(sums[1 : length - 1], torch.ones(length - 2), atol=1e-5)
        assert sums[0] == sums[length - 1] == 0
        assert found.weights[row, length:].abs().sum() == 0
        assert found.words[row].sum() == length - 2
    assert torch.equal(found.salience, found.weights.flatten(2).max(dim=2).values)
    longer = tokens.clone()
    longer[0, LENGTHS[0] :] = 7  # what stands in the padding changes nothing
    assert torch.allclose(export_attention(network, images, longer, mask).weights, found.weights, atol=1e-6)


def test_a_network_of_one_half_has_no_attention(network):
    half = make_predictor("face_text", width=2, mode="image").eval()
    with pytest.raises(InputError, match="mode image has no attention"):
        export_attention(half, torch.zeros(1, 3, 64, 64), torch.zeros(1, 512).long(), torch.ones(1, 512))


def test_pieces_join_to_words_as_salient_as_their_most_salient_place():
    tokens = torch.tensor([[1, 3, 4, 5, 6, 7, 6, 2]])  # a scar ##red face . face
    salience = torch.tensor([0, 0.1, 0.6, 0.2, 0.3, 0.9, 0.4, 0])
    weights = salience[None, :, None, None].expand(1, 8, 1, 1)
    words = torch.tensor([[False, *[True] * 6, False]])
    (found,) = list_words(Attention(weights, words), tokens, Tokenizer())
    assert found == pytest.approx({"a": 0.1, "scarred": 0.6, "face": 0.4})


def test_words_are_ranked_by_the_tertile_that_they_tell():
    words = [{"beard": 0.5, "face": 0.2}] * 3 + [{"face": 0.2}] * 3 + [{"scar": 0.8, "face": 0.1}] * 2 + [{"face": 0.1}]
    found = rank_words(words, np.arange(9.0))
    first = {tertile: next(one for one in found if one.tertile == tertile) for tertile in ("low", "high")}
    assert (first["low"].word, first["low"].share, first["low"].share_elsewhere) == ("beard", 1, 0)
    assert (first["high"].word, first["high"].salience) == ("scar", pytest.approx(0.8))
    assert first["high"].lift == pytest.approx(2 / 3)
    assert all(one.lift == 0 for one in found if one.word == "face")
    assert "face" not in {one.word for one in rank_words(words, np.arange(9.0), ignore=["face"])}
    with pytest.raises(InputError, match="9 descriptions and 2 scores"):
        rank_words(words, np.arange(2.0))


def test_only_the_most_salient_words_count():
    words = [{f"w{i}": i / 100 for i in range(30)}] * 3
    assert {one.word for one in rank_words(words, np.arange(3.0))} == {f"w{i}" for i in range(10, 30)}
