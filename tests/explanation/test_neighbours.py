"""The index finds what is alike, keeps up with its folder, and never gives one image another's numbers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.explanation.embeddings import Embedding, load_embedding
from latentedit.explanation.index import Found, Index, rank, update_index
from latentedit.explanation.neighbours import correlate, find_standing
from latentedit.scoring import score


class Redness:
    """The mean of red, and how often it was asked."""

    name, range, framing, floor = "redness", (0.0, 1.0), "square", None

    def __init__(self):
        self.asked = 0

    def __call__(self, images):
        self.asked += len(images)
        return images[:, 0].mean(dim=(1, 2)) / 2 + 0.5


COLOURS = {"red": (250, 5, 5), "rose": (240, 60, 70), "green": (5, 250, 5), "blue": (5, 5, 250), "navy": (5, 5, 90)}
mean_colour = Embedding("mean colour", lambda images: images.mean(dim=(2, 3)) + 1)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for i, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (8, 8), colour).save(folder / ("deep" if i % 2 else ".") / f"{name}.png")
    return folder


@pytest.fixture
def update(tmp_path, folder):
    scorer = Redness()

    def run():
        before = scorer.asked
        index, num_new = update_index(tmp_path / "home", folder, mean_colour, scorer)
        assert scorer.asked - before == num_new or (folder / "broken.png").exists()
        return index, num_new

    return run


def stem(found):
    return found.path.rpartition("/")[2].removesuffix(".png")


def check_rows(index):
    """Hold every row and score against its own file."""
    for path, rated, row in zip(index.paths, index.scores, index.rows, strict=True):
        with Image.open(path) as image:
            colour = torch.tensor(np.array(image).mean(axis=(0, 1))) / 127.5
        assert row == pytest.approx((colour / colour.norm()).numpy(), abs=1e-3)
        assert rated == pytest.approx(float(colour[0]) / 2, abs=1e-3)


def test_the_nearest_come_first_and_the_image_itself_not_at_all(update, folder):
    index, num_new = update()
    assert num_new == 5
    check_rows(index)
    query = np.array([1.96, 0.04, 0.04], np.float32)
    assert [stem(one) for one in index.search(query, 2)] == ["red", "rose"]
    assert [stem(one) for one in index.search(query, 1, without=folder / "red.png")] == ["rose"]
    assert len(index.search(query, 99)) == 5
    assert index.search(query, 1)[0].similarity == pytest.approx(1, abs=1e-3)


def test_search_is_exact_over_several_blocks(monkeypatch):
    monkeypatch.setattr("latentedit.explanation.index.BLOCK", 7)
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = Index([f"{i}.png" for i in range(50)], [0.0] * 50, rows)
    truth = np.argsort(-(rows @ rows[13]))[:6]
    assert [stem(one) for one in index.search(rows[13], 6)] == [str(i) for i in truth]


def test_scores_rank_the_neighbours():
    found = [Found("a", 0.9, 2), Found("b", 0.8, 3), Found("c", 0.7, 1)]
    assert [one.path for one in rank(found, 2)] == ["a", "b"]
    assert [one.path for one in rank(found, 2, "highest")] == ["b", "a"]
    assert [one.path for one in rank(found, 2, "lowest")] == ["c", "a"]


def test_only_what_changed_is_looked_at_again(update, folder):
    update()
    index, num_new = update()
    assert num_new == 0
    Image.new("RGB", (8, 8), (200, 200, 10)).save(folder / "red.png")  # changed in place
    os.utime(folder / "red.png", ns=(1, 1))
    (folder / "green.png").unlink()
    (folder / "deep" / "blue.png").rename(folder / "azure.png")  # of another name, now first in order
    Image.new("RGB", (8, 8), (9, 9, 9)).save(folder / "zebra.png")
    index, num_new = update()
    assert num_new == 3
    check_rows(index)
    assert sorted(Path(path).stem for path in index.paths) == ["azure", "navy", "red", "rose", "zebra"]


def test_what_cannot_be_read_is_passed_over_until_it_changes(update, folder):
    (folder / "broken.png").write_bytes(b"no picture")
    index, num_new = update()
    assert (len(index.paths), num_new) == (5, 6)
    assert update()[1] == 0
    Image.new("RGB", (8, 8), (9, 9, 9)).save(folder / "broken.png")
    index, num_new = update()
    assert (len(index.paths), num_new) == (6, 1)
    check_rows(index)


@pytest.mark.parametrize("torn", ["nothing", "a row", "a line"])
def test_a_build_that_is_killed_goes_on_where_it_was(torn, update, folder, tmp_path, monkeypatch):
    def rate_once(*given):
        monkeypatch.setattr("latentedit.explanation.index.score", lambda *given: 1 / 0)
        return score(*given)

    monkeypatch.setattr("latentedit.explanation.index.BATCH", 2)
    monkeypatch.setattr("latentedit.explanation.index.score", rate_once)
    with pytest.raises(ZeroDivisionError):
        update()
    monkeypatch.setattr("latentedit.explanation.index.score", score)
    if torn != "nothing":  # what a kill within a batch leaves
        (rows,) = (tmp_path / "home").rglob("rows-*")
        rows.write_bytes(rows.read_bytes() + 99 * b"12345")
    if torn == "a line":
        (lines,) = (tmp_path / "home").rglob("images-*")
        lines.write_bytes(lines.read_bytes() + b'["green' + 999 * b".")
    index, num_new = update()
    assert num_new == 3
    check_rows(index)
    index, num_new = update()
    assert num_new == 0
    check_rows(index)


@pytest.mark.parametrize("damage", ["rows", "images"])
def test_a_damaged_index_is_named(damage, update, tmp_path):
    update()
    (path,) = (tmp_path / "home").rglob(f"{damage}-*")
    path.write_bytes(path.read_bytes()[:-4] if damage == "rows" else b'["a"]\n')
    with pytest.raises(InputError, match="delete the folder"):
        update()


def test_an_index_does_not_care_where_it_is_asked_from(update, folder, monkeypatch, tmp_path):
    update()
    monkeypatch.chdir(tmp_path)
    index, num_new = update_index(tmp_path / "home", Path("photos"), mean_colour, Redness())
    assert num_new == 0
    assert sorted(index.paths)[0] == "photos/deep/blue.png"


def test_an_approximate_search_finds_nearly_all_and_grows(tmp_path):
    pytest.importorskip("usearch")
    random = np.random.default_rng(0)
    centres = random.normal(size=(40, 32))
    rows = (centres[random.integers(40, size=3000)] + 0.5 * random.normal(size=(3000, 32))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    def recall(count):
        index = Index([str(i) for i in range(count)], [0.0] * count, rows[:count], tmp_path / "graph")
        found = [(index.search(row, 10), index.search(row, 10, approximate=True)) for row in rows[:60]]
        return np.mean([len({one.path for one in a} & {one.path for one in b}) / 10 for a, b in found])

    assert recall(2000) > 0.97
    size = (tmp_path / "graph").stat().st_size
    assert recall(3000) > 0.97  # the file is gone on with
    assert (tmp_path / "graph").stat().st_size > 1.3 * size
    (tmp_path / "graph").write_bytes(b"no graph")
    with pytest.raises(InputError, match="delete it"):
        recall(3000)


def test_rows_are_mapped_not_read(update):
    update()
    index, _ = update()
    assert isinstance(index.rows, np.memmap)
    assert index.rows.mode == "r"


@pytest.mark.parametrize(("name", "width"), [("looks", 540), ("ratings", 34), ("patches", 512)])
def test_embeddings_tell_images_apart(name, width):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    rows = load_embedding(name)(images)
    assert rows.shape == (2, width)
    assert not torch.allclose(rows[0], rows[1])


def test_what_stands_alone_is_found():
    random = torch.Generator().manual_seed(0)
    rows = torch.cat([torch.randn(30, 3, generator=random), torch.tensor([[30.0, 0, 0], [0, 40, 0], [0.5, 40, 0]])])
    standing = find_standing(rows, chunk=10)
    assert standing.nearest.argmax() == 30  # the other two have each other
    assert set(np.argsort(-standing.sparsity)[:3]) == {30, 31, 32}
    for values in standing.measures().values():
        assert values.mean() == pytest.approx(0, abs=1e-9)
        assert values.std(ddof=1) == pytest.approx(1)
    by_hand = torch.cdist(rows, rows).sort(dim=1).values[:, 1:11].mean(dim=1)
    assert np.corrcoef(by_hand, standing.sparsity)[0, 1] == pytest.approx(1)
    found = correlate({"x": standing.nearest}, {"y": standing.nearest, "z": -standing.nearest})["x"]
    assert [one.value for one in found] == [pytest.approx(1), pytest.approx(-1)]
    with pytest.raises(InputError, match="2 images: give 3"):
        find_standing(rows[:2])
