"""What is wrong with a data set is found, by content and not by name; copies stay together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from latentedit.datasets import deal_folds, deal_splits, inspect_dataset, read_dataset, require_sound
from latentedit.errors import InputError


@pytest.fixture
def dataset(tmp_path):
    """Twelve images, two of which are copies under other names; 8, 2 and 2 of each split."""
    lines = ["path,score,split"]
    for row in range(12):
        shade = 10 * {1: 0, 9: 2}.get(row, row)
        Image.new("RGB", (6, 6), (shade, 0, 0)).save(tmp_path / f"{row}.png")
        lines.append(f"{row}.png,{row / 12},{'train' if row < 8 else 'val' if row < 10 else 'test'}")
    (tmp_path / "scores.csv").write_text("\n".join(lines))
    return read_dataset(tmp_path / "scores.csv")


def test_copies_within_a_split_and_across_splits_are_told_apart(dataset):
    found = inspect_dataset(dataset)
    assert found.duplicates == (("0.png", "1.png"),)
    assert found.leaks == (("2.png", "9.png"),)
    assert found.conflicts == (("0.png", "1.png"), ("2.png", "9.png"))
    with pytest.raises(InputError, match=r"has 1 leaks: 2.png = 9.png"):
        require_sound(found)
    assert found.to_dict()["splits"] == {"train": 8, "val": 2, "test": 2}


def test_missing_files_and_scores_out_of_range_are_named(dataset, tmp_path):
    (tmp_path / "5.png").unlink()
    scores = {3: 1.5, 4: float("nan"), 6: -0.5}
    images = tuple(replace(image, score=scores.get(i, image.score)) for i, image in enumerate(dataset.images))
    found = inspect_dataset(replace(dataset, images=images))
    assert found.missing == ("5.png",)
    assert found.digests[5] == ""
    assert found.out_of_range == ("3.png", "4.png", "6.png")
    with pytest.raises(InputError, match=r"1 missing files: 5.png; mend or drop"):
        require_sound(found)


def test_a_sound_data_set_passes(dataset):
    kept = replace(dataset, images=tuple(image for image in dataset.images if image.name != "9.png"))
    require_sound(inspect_dataset(kept))


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=60, max_size=90), st.integers(0, 99))
def test_copies_are_dealt_together(digests, seed):
    if len(set(digests)) < 20:
        return
    splits, folds = deal_splits(digests, seed), deal_folds(digests, 5, 3, seed)
    for digest in set(digests):
        rows = [i for i, other in enumerate(digests) if other == digest]
        assert len({splits[i] for i in rows}) == 1
        assert all(len(set(repeat[rows])) == 1 for repeat in folds)


def test_splits_and_folds_are_even_and_the_seeds():
    digests = [str(i) for i in range(1000)]
    splits = deal_splits(digests, 0)
    assert [splits.count(name) for name in ("train", "val", "test")] == [800, 100, 100]
    assert splits == deal_splits(digests, 0) != deal_splits(digests, 1)
    folds = deal_folds(digests, 5, 3, 0)
    assert folds.shape == (3, 1000)
    assert [np.bincount(repeat).tolist() for repeat in folds] == [[200] * 5] * 3
    assert (folds[0] != folds[1]).any()
    with pytest.raises(InputError, match="give 2 or more"):
        deal_folds(digests[:3], 4, 1, 0)
