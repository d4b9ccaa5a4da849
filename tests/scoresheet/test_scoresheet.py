"""Scores of many images: in order, whatever can't be read, and on from where a run was interrupted."""

import csv
import json
from itertools import islice

import pytest
import torch
from PIL import Image

from latentedit.errors import InputError
from latentedit.predictors import PredictorScorer, load_scorer
from latentedit.predictors.predictor import Predictor
from latentedit.rendering import render
from latentedit.scoresheet import Photographs, Renderings, Sheet, choose_batch, find_images, score_rows
from latentedit.scoresheet import rows as rows_module


class Brightness(Predictor):
    """The mean of an image, through one weight; nothing is darker than 0.25."""

    framing = "whole"
    floor = 0.25

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.gain.weight)

    def preprocess(self, images):
        return images / 2 + 0.5

    def forward(self, x):
        return self.gain(x.mean(dim=(1, 2, 3))[:, None])[:, 0].clamp(min=self.floor)


@pytest.fixture
def scorer():
    return PredictorScorer("brightness", Brightness())


@pytest.fixture
def photographs(tmp_path):
    """Grey pictures 0.png to 8.png, each brighter, of which 4.png is none."""
    for i in range(9):
        Image.new("RGB", (40, 30), (28 * i, 28 * i, 28 * i)).save(tmp_path / f"{i}.png")
    (tmp_path / "4.png").write_text("no picture")
    return Photographs(find_images([str(tmp_path)]))


def test_rows_keep_the_order_and_say_what_could_not_be_read(scorer, photographs, monkeypatch):
    monkeypatch.setattr(rows_module, "LARGEST_BATCH", 2)
    rows = list(score_rows(photographs, [scorer, load_scorer("omi")]))
    assert [row.image for row in rows] == photographs.names
    assert "4.png can't be read as an image" in rows[4].error
    assert not rows[4].ratings
    for i in (3, 5, 8):
        assert rows[i].ratings[0].score == pytest.approx(28 * i / 255, abs=1e-5)
    assert [row.image for row in score_rows(photographs, [scorer], start=7)] == photographs.names[7:]


def test_a_score_at_the_floor_is_shown_as_such(scorer, photographs):
    rows = [row.to_dict() for row in score_rows(photographs, [scorer])]
    assert [row.get("at_floor") for row in rows[:4]] == [["brightness"]] * 3 + [None]


def test_scorers_that_know_intervals_give_them(scorer, photographs):
    row = next(score_rows(photographs, [scorer, load_scorer("omi")])).to_dict()
    assert row["intervals"].keys() == {"omi:memorable"}


def test_photographs_are_framed_as_each_scorer_asks(scorer, tmp_path):
    picture = Image.new("RGB", (90, 30), "black")
    picture.paste("white", (0, 0, 30, 30))
    picture.save(tmp_path / "wide.png")
    source = Photographs([tmp_path / "wide.png"])
    assert source.load(range(1), "square")[0].max() == -1
    assert next(score_rows(source, [scorer])).ratings[0].score == pytest.approx(1 / 3, abs=0.01)


def test_a_batch_takes_a_quarter_of_the_free_memory(scorer, monkeypatch):
    image = 4 * 3 * 256 * 256
    monkeypatch.setattr(rows_module, "measure_answers", lambda scorer: image)
    for free, expected in ((40 * image, 10), (image, 1), (2**40, 64)):
        monkeypatch.setattr(rows_module, "free_memory", lambda device, free=free: free)
        assert choose_batch(1000, [scorer]) == expected
    assert choose_batch(3, [scorer]) == 3


def test_answers_of_all_layers_are_measured(scorer):
    assert rows_module.measure_answers(scorer) == 8  # the gain's answer and the network's


def test_renderings_are_those_of_the_generator(tiny_generator, scorer):
    ws = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(0))
    rows = score_rows(Renderings(tiny_generator, ws, ["a", "b", "c"]), [scorer])
    expected = scorer(render(tiny_generator, ws))
    assert [row.ratings[0].score for row in rows] == pytest.approx(expected.tolist())


def test_patterns_are_expanded_in_order(photographs, tmp_path):
    assert [path.name for path in find_images([str(tmp_path / "[0-2].png")])] == ["0.png", "1.png", "2.png"]
    with pytest.raises(InputError, match=r"x\*.png' matches no file"):
        find_images([str(tmp_path / "x*.png")])


@pytest.fixture
def sheet(tmp_path):
    return Sheet(tmp_path / "scores.csv", ["brightness"])


def test_an_interrupted_sheet_goes_on_behind_its_last_whole_row(sheet, scorer, photographs):
    whole = [row.to_dict() for row in score_rows(photographs, [scorer])]
    assert sheet.resume(photographs.names) == 0
    list(islice(sheet.append(score_rows(photographs, [scorer])), 6))
    with sheet.part.open("ab") as file:
        file.write(b'{"image": "half a ro')
    assert not sheet.path.exists()
    assert sheet.resume(photographs.names) == 6
    list(sheet.append(score_rows(photographs, [scorer], 6)))
    assert list(sheet.rows()) == whole
    sheet.finish()
    assert not sheet.part.exists()
    with sheet.path.open() as file:
        table = list(csv.DictReader(file))
    assert [row["image"] for row in table] == photographs.names
    assert [float(row["brightness"] or -1) for row in table] == [row.get("brightness", -1) for row in whole]
    assert [row["at_floor"] for row in table[:4]] == ["brightness"] * 3 + [""]
    assert "4.png" in table[4]["error"]


def test_a_sheet_of_other_images_or_scorers_is_left_alone(sheet, scorer, photographs):
    sheet.resume(photographs.names)
    list(sheet.append(score_rows(photographs, [scorer])))
    for names in (photographs.names[1:], photographs.names[:4]):
        with pytest.raises(InputError, match="was begun with other images or scorers"):
            sheet.resume(names)
    with pytest.raises(InputError, match="was begun with other images or scorers"):
        Sheet(sheet.path, ["omi"]).resume(photographs.names)
    sheet.part.write_text("[1, 2]\n")
    with pytest.raises(InputError, match="was begun with other images or scorers"):
        sheet.resume(photographs.names)


def test_a_part_without_a_whole_line_is_begun_anew(sheet, photographs):
    sheet.part.write_text('{"scor')
    assert sheet.resume(photographs.names) == 0
    assert json.loads(sheet.part.read_text()) == {"scorers": ["brightness"]}


def test_json_holds_what_the_rows_say(scorer, photographs, tmp_path):
    sheet = Sheet(tmp_path / "scores.json", ["brightness"])
    sheet.resume(photographs.names)
    rows = [row.to_dict() for row in sheet.append(score_rows(photographs, [scorer]))]
    sheet.finish()
    assert json.loads(sheet.path.read_text()) == rows


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"scores.txt: give a name that ends in .csv or .json"):
        Sheet(tmp_path / "scores.txt", ["omi"])
