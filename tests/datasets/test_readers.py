"""Each data set in its own layout, written small; where files are and what the columns mean."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.datasets import LAYOUTS, read_dataset
from latentedit.datasets.crops import Cropping, cut_oval, find_boxes, read_boxes, widen
from latentedit.errors import InputError
from latentedit.inversion.detection import Face


def draw(path: Path, shade: int, size=(12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, 255 - shade)).save(path)
    return path


def write_us_faces(root: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Filename", "Hits", "Hit Rate (HR)", "False Alarm Rate (FAR)"])
    for i, (hit, alarm) in enumerate([(0.75, 0.25), (0.5, 0.125), (0.25, 0.5)]):
        book.active.append([f"face{i}.jpg", 9, hit, alarm])
        draw(root / "10k US Adult Faces Database" / "Face Images" / f"face{i}.jpg", i * 40)
    folder = root / "Memorability Scores"
    folder.mkdir(parents=True)
    book.save(folder / "memorability-scores.xlsx")


def write_lamem(root: Path) -> None:
    for number in range(1, 6):
        for part, rows in {"train": (0, 1), "val": (2,), "test": (3,)}.items():
            path = root / "lamem" / "splits" / f"{part}_{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{(row + number) % 4:08d}.jpg 0.{row + 5}\n" for row in rows))
    for row in range(4):
        draw(root / "lamem" / "images" / f"{row:08d}.jpg", row * 40)


def write_memcat(root: Path) -> None:
    folder = root / "MemCat_data"
    folder.mkdir(parents=True)
    columns = ",image_file,category,subcategory,memorability_w_fa_correction,memorability_wo_fa_correction"
    rows = ["1,a.jpg,animal,bear,0.5,0.7", "2,a.jpg,food,cake,0.8,0.9"]  # one name, two places
    (folder / "memcat_image_data.csv").write_text("\n".join([columns, *rows]) + "\n")
    for place in ("animal/bear", "food/cake"):
        draw(root / "MemCat_images" / "MemCat" / place / "a.jpg", 40 if "bear" in place else 200)


def write_omi(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "attribute_means.csv").write_text("stimulus,happy,memorable\n1,20,30.5\n10,60,70\n")
    for row in (1, 10):
        draw(root / "images" / f"{row}.jpg", row * 20)


def write_table(root: Path) -> None:
    (root / "t").mkdir(parents=True)
    text = "path,score,split,category\nx/0.png,0.25,train,cat\nx/1.png,0.75,test,dog\n"
    (root / "t" / "scores.csv").write_text(text)
    for row in range(2):
        draw(root / "t" / "x" / f"{row}.png", row * 40)


def write_zip(root: Path) -> None:
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "set.zip", "w") as archive:
        archive.writestr("dataset.json", json.dumps({"labels": [["00000/img0.png", 0.25], ["00000/img1.png", [1]]]}))
        for row in range(2):
            archive.write(draw(root / "made" / f"{row}.png", row * 40), f"00000/img{row}.png")


WRITERS = {name: globals()[f"write_{name.replace('-', '_')}"] for name in LAYOUTS}
EXPECTED = {
    "us-faces": ([0.5, 0.375, -0.25], "corrected", (-1, 1)),
    "lamem": ([0.5, 0.6, 0.7, 0.8], "memorability", (0, 1)),
    "memcat": ([0.5, 0.8], "corrected", (0, 1)),
    "omi": ([30.5, 70], "memorable", (0, 100)),
    "table": ([0.25, 0.75], "score", (0, 1)),
    "zip": ([0.25, 1], "label", (0, 1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_told_by_its_files_and_read(layout, tmp_path):
    WRITERS[layout](tmp_path / "data")
    folder = tmp_path / "data" / ("t" if layout == "table" else "")
    dataset = read_dataset(folder)
    scores, target, scale = EXPECTED[layout]
    np.testing.assert_allclose(dataset.scores, scores)
    assert (dataset.target, dataset.range) == (target, scale)
    assert all(image.picture.exists() for image in dataset.images)
    assert {image.picture.open().size for image in dataset.images} == {(12, 8)}
    assert len({image.picture.digest() for image in dataset.images}) == len(scores)
    assert LAYOUTS[layout].source
    assert LAYOUTS[layout].terms


def test_targets_are_the_columns_they_say(tmp_path):
    for layout in ("us-faces", "memcat", "omi"):
        WRITERS[layout](tmp_path / layout)
    np.testing.assert_allclose(read_dataset(tmp_path / "us-faces", target="false_alarm").scores, [0.25, 0.125, 0.5])
    np.testing.assert_allclose(read_dataset(tmp_path / "us-faces", target="hit").scores, [0.75, 0.5, 0.25])
    np.testing.assert_allclose(read_dataset(tmp_path / "memcat", target="hit").scores, [0.7, 0.9])
    np.testing.assert_allclose(read_dataset(tmp_path / "omi", target="happy").scores, [20, 60])
    with pytest.raises(InputError, match="target 'hapy' is not known: did you mean happy"):
        read_dataset(tmp_path / "omi", target="hapy")


def test_memcats_files_are_found_by_their_place(tmp_path):
    write_memcat(tmp_path / "data")
    bear, cake = read_dataset(tmp_path / "data").images
    assert (bear.category, bear.subcategory, cake.category) == ("animal", "bear", "food")
    assert (bear.picture.path.parent.name, cake.picture.path.parent.name) == ("bear", "cake")


def test_lamems_splits_are_five(tmp_path):
    write_lamem(tmp_path / "data")
    first, third = (read_dataset(tmp_path / "data", number=number) for number in (1, 3))
    assert [image.split for image in first.images] == ["train", "train", "val", "test"]
    assert first.select("test").images[0].name != third.select("test").images[0].name
    with pytest.raises(InputError, match="split 6: LaMem has splits 1 to 5"):
        read_dataset(tmp_path / "data", number=6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,mark\na.png,1\n", "columns path, mark: it needs 'score' or 'memorability'"),
        ("path,score\na.png,much\n", "row 2, column 'score': 'much' is no number"),
        ("path,score\na.png,1,2\n", "more or fewer cells"),
        ("", "is no table"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(text, message, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path / "scores.csv")


def test_a_folder_of_no_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no known data set"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match="holds no lamem"):
        read_dataset(tmp_path, "lamem")
    with pytest.raises(InputError, match="layout 'lamen' is not known: did you mean lamem"):
        read_dataset(tmp_path, "lamen")


def test_a_zip_without_scores_is_refused(tmp_path):
    for labels, message in [(None, "no dataset.json"), ([["a.png", None]], "none of NVIDIA's"), ("x", "NVIDIA's")]:
        path = tmp_path / f"{message[:4]}{labels is None}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", b"")
            if labels is not None:
                archive.writestr("dataset.json", json.dumps({"labels": labels}))
        with pytest.raises(InputError, match=message):
            read_dataset(path)


@pytest.fixture
def image(tmp_path):
    """A picture whose right half is red."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    (tmp_path / "scores.csv").write_text("path,score\nhalf.png,1\n")
    (tmp_path / "boxes.csv").write_text("image,left,top,width,height\nhalf.png,45,10,20,20\n")
    return read_dataset(tmp_path / "scores.csv").images[0]


def test_crops_show_what_they_say(image, tmp_path):
    find = read_boxes(tmp_path / "boxes.csv")
    square, whole, box = (Cropping(crop, find).load(image, 20) for crop in ("square", "whole", "box"))
    assert square.shape == whole.shape == box.shape == (3, 20, 20)
    assert (box[0] == 255).all()
    assert square[0].float().mean() == pytest.approx(127.5, abs=8)
    wide = Cropping("box", find, margin=1).load(image, 60)
    assert (wide[0, 30, :14] == 0).all(), "a side more on the left reaches the black half"
    assert widen((10, 20, 30, 40), 0.5) == (-5, 0, 55, 80)


def test_a_detector_finds_the_largest_face(image):
    """Which sees a small face and a large one in the red half, but only in an upright picture."""

    def look(picture):
        boxes = [(0, 0, 9, 9), (45, 10, 20, 20)] if picture.size == (80, 40) else []
        return [Face(box, torch.zeros(5, 2), 0.9) for box in boxes]

    assert (Cropping("box", find_boxes(look)).load(image, 20)[0] == 255).all()
    with pytest.raises(InputError, match=r"half.png shows no face"):
        Cropping("box", find_boxes(lambda _: [])).load(image, 20)


def test_an_oval_fills_its_box_with_white_around_it(image, tmp_path):
    pixels = Cropping("oval", read_boxes(tmp_path / "boxes.csv")).load(image, 40)
    white = (pixels == 255).all(dim=0)
    assert white[0, 0]
    assert not white[20, 20]
    assert not white[20, 0]
    assert white.float().mean() == pytest.approx(1 - np.pi / 4, abs=0.02)
    assert torch.equal(cut_oval(pixels), pixels)


def test_a_face_without_a_box_is_named(image, tmp_path):
    with pytest.raises(InputError, match="crop 'box' needs the faces' boxes"):
        Cropping("box")
    (tmp_path / "boxes.csv").write_text("image,left,top,width,height\nother.png,45,10,20,20\n")
    with pytest.raises(InputError, match=r"has no box for half.png"):
        Cropping("box", read_boxes(tmp_path / "boxes.csv")).load(image, 8)
