import numpy as np
import pytest
import torch

from latentedit.discovery.labels import label_scores
from latentedit.discovery.ratings import read_ratings, read_scores
from latentedit.errors import InputError


def test_labels_cut_where_they_say():
    scores = np.array([0.0, 1, 2, 3, 14])
    assert label_scores(scores, "mean").high.tolist() == [False] * 4 + [True]
    assert label_scores(scores, "median").high.tolist() == [False, False, True, True, True]
    outer = label_scores(scores, "quantile:.25")
    assert outer.kept.tolist() == [True, True, False, True, True]
    assert outer.high.tolist() == [False, False, False, True, True]
    assert outer.threshold == 2


@pytest.mark.parametrize("rule", ["mode", "quantile", "quantile:0", "quantile:.6", "quantile:nan", "mean:1"])
def test_a_rule_that_is_none_is_refused(rule):
    with pytest.raises(InputError, match="give mean, median or such as quantile"):
        label_scores(np.arange(10.0), rule)


def test_quantiles_of_few_values_are_refused():
    with pytest.raises(InputError, match="both cuts fall on the score 1"):
        label_scores(np.array([1.0] * 9 + [2]), "quantile:.2")


@pytest.mark.parametrize(
    ("text", "seeds", "latents"),
    [
        ("seed,score\n3,1.5\n1,2\n", (3, 1), None),
        ("score,latent\n1.5,0\n2,9\n", None, (0, 9)),
        ("score\n1.5\n2\n", None, None),
    ],
)
def test_a_table_of_scores_is_read(tmp_path, text, seeds, latents):
    path = tmp_path / "scores.csv"
    path.write_text("\ufeff" + text)
    ratings = read_ratings(path)
    assert ratings.scores.tolist() == [1.5, 2]
    assert (ratings.seeds, ratings.latents) == (seeds, latents)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a head line"),
        ("seed,rating\n1,2\n", "needs a head line and a column score"),
        ("seed,latent,score\n1,2,3\n", "seed, latent or neither"),
        ("seed,score\n1,2\n2,good\n", "line 3: 'good' is no finite number"),
        ("seed,score\n1,nan\n", "line 2: 'nan' is no finite number"),
        ("seed,score\n1\n", "line 2: 'None' is no finite number"),
        ("seed,score\n1.5,2\n", "line 2: seed 1.5 is none"),
        ("seed,score\n-1,2\n", "line 2: seed -1 is none"),
        ("seed,score\n4,2\n4,3\n", "line 3: seed 4 comes twice"),
    ],
)
def test_a_table_of_no_scores_is_refused(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_ratings(path)
    assert str(raised.value).startswith(str(path))


def test_scores_lie_beside_latents(tmp_path):
    np.savez(tmp_path / "both.npz", w=np.zeros((2, 16)), scores=np.array([1, 2]))
    np.savez(tmp_path / "alone.npz", w=np.zeros((2, 16)))
    np.savez(tmp_path / "odd.npz", w=np.zeros((2, 16)), scores=np.zeros((2, 2)))
    assert torch.equal(read_scores(tmp_path / "both.npz"), torch.tensor([1.0, 2]).double())
    assert read_scores(tmp_path / "alone.npz") is None
    with pytest.raises(InputError, match="no row of numbers"):
        read_scores(tmp_path / "odd.npz")
