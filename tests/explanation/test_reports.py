"""Views, regions and the page: what is shown is what was found."""

import csv
import json
import re
import subprocess

import pytest
import torch
from browser import find_browser
from PIL import Image

from latentedit.errors import InputError
from latentedit.explanation import Explained
from latentedit.explanation.differences import explain_edit
from latentedit.explanation.page import Figure, Section, Table, write_page
from latentedit.explanation.regions import REGIONS, detect_landmarks, find_regions, share_out
from latentedit.explanation.report import Report
from latentedit.explanation.views import View, view_edits, view_images
from latentedit.inversion.detection import Face
from latentedit.pictures import to_pil

PLANTED = (slice(8, 16), slice(16, 32))


def test_regions_part_the_image():
    parts = find_regions(64, 48)
    assert tuple(parts) == REGIONS
    assert torch.stack(list(parts.values())).sum(dim=0).eq(1).all()
    assert parts["eyes"][30, 18]
    assert parts["mouth"][47, 24]
    assert parts["skin"][38, 24]
    assert parts["hair"][6, 24]
    assert parts["background"][60, 2]


def test_landmarks_move_the_regions():
    square = torch.tensor([[24.0, 30.4], [40, 30.4], [32, 38], [26, 46.4], [38, 46.4]])
    centred, moved = find_regions(64, 64, square), find_regions(96, 96, square + 20)
    for name in ("eyes", "mouth", "skin"):
        assert (moved[name][20:84, 20:84] == centred[name]).float().mean() > 0.98
    assert centred["eyes"][30, 24]
    turned = find_regions(64, 64, torch.stack([63 - square[:, 1], square[:, 0]], dim=1))
    assert (turned["mouth"].rot90(1) == centred["mouth"]).float().mean() > 0.97


def test_landmarks_are_those_of_a_detectors_first_face():
    landmarks = torch.tensor([[24.0, 30.4], [40, 30.4], [32, 38], [26, 46.4], [38, 46.4]])
    image = torch.zeros(3, 64, 64)
    found = detect_landmarks(image, lambda picture: [Face((10, 10, 40, 40), landmarks, 0.9)])
    assert torch.equal(found, landmarks)
    assert detect_landmarks(image, lambda picture: []) is None


def test_shares_add_up_and_ignore_signs():
    parts = find_regions(32, 32)
    shares = share_out(torch.where(parts["eyes"], -3.0, 0.0) + parts["hair"], parts)
    eyes, hair = 3 * float(parts["eyes"].sum()), float(parts["hair"].sum())
    assert shares["eyes"] == pytest.approx(eyes / (eyes + hair))
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(share_out(torch.zeros(32, 32), parts).values()) == 0


def test_an_edit_is_explained_where_it_happened(planted, pictures):
    after = pictures.clone()
    after[:, :, PLANTED[0], 20:24] += 0.25  # in the planted pixels
    after[:, :, 20:, :8] -= 0.5  # elsewhere, which the score does not see
    found = explain_edit(planted, pictures, after, layer="mix")
    assert torch.allclose(found.attribution.sum(dim=(1, 2)), found.after - found.before, rtol=1e-3)
    assert torch.allclose(found.after, planted(after))
    assert found.completeness.max() < 0.01
    maps = found.maps()
    assert list(maps) == ["pixels", "features", "attribution"]
    elsewhere = {kind: (part[:, 20:, :8].abs().sum() / part.abs().sum()).item() for kind, part in maps.items()}
    assert elsewhere["pixels"] == pytest.approx(0.857, abs=0.001)
    assert elsewhere["features"] == elsewhere["attribution"] == 0


class Held:
    """Images in memory, one of which can't be had."""

    names = ("a.png", "b.png", "c.png")

    def __init__(self, pictures):
        self.pictures = pictures

    def load(self, rows, framing):
        return [InputError("b.png is broken") if row == 1 else self.pictures[row] for row in rows]


def test_views_keep_names_and_pictures_together(planted, pictures):
    first, broken, last = view_images(
        Explained(planted), Held(pictures), ["integrated_gradients", "occlusion"], "black"
    )
    assert str(broken) == "b.png is broken"
    for view, row in ((first, 0), (last, 2)):
        assert view.name == Held.names[row]
        assert torch.equal(view.picture, pictures[row])
        assert view.scores == [pytest.approx(planted(pictures[row : row + 1]).item())]
        assert list(view.maps) == ["integrated_gradients", "occlusion"]
        assert list(view.errors) == ["integrated_gradients"]


def test_a_folder_is_explained_a_few_images_at_a_time(planted, pictures):
    class Long(Held):
        names = tuple(map(str, range(20)))
        asked = []  # noqa: RUF012

        def load(self, rows, framing):
            self.asked.append(len(rows))
            return [self.pictures[0]] * len(rows)

    views = view_images(Explained(planted), Long(pictures), ["hires_cam"], layer="mix")
    next(views)
    assert Long.asked == [8]  # the others are still to come
    assert len(list(views)) == 19
    assert Long.asked == [8, 8, 4]


def test_edits_are_rendered_a_few_at_a_time(planted, pictures):
    asked = []

    def render_pairs(part):
        asked.append(part)
        return torch.stack([pictures[:1], pictures[1:2]], dim=1).expand(len(range(20)[part]), -1, -1, -1, -1)

    views = list(view_edits(Explained(planted), [f"seed{i}" for i in range(20)], render_pairs, layer="mix"))
    assert [part.stop - part.start for part in asked] == [8, 8, 8]
    assert [view.name for view in views] == [f"seed{i}" for i in range(20)]
    before, after = views[-1].scores
    assert views[-1].maps["attribution"].sum() == pytest.approx(after - before, rel=1e-3)


def make_view(name, scores=(1.0,)):
    return View(name, {"image": torch.zeros(3, 32, 32)}, scores, {"occlusion": torch.eye(32)}, {"occlusion": 0.005})


def test_a_report_holds_what_it_was_given(tmp_path):
    report, parts = Report(tmp_path), find_regions(32, 32)
    for name in ("photos/one.png", "other/one.png"):
        report.add(make_view(name, (1.0, 3.5)), parts)
    report.finish("Title", {"scorer": "omi"})
    rows = list(csv.DictReader((tmp_path / "explanation.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["photos/one.png", "other/one.png"]
    assert len({row["overlay"] for row in rows}) == 2
    assert all((tmp_path / row["overlay"]).is_file() for row in rows)
    assert float(rows[0]["score_before"]) == 1
    assert float(rows[0]["sum"]) == 32
    assert sum(float(rows[0][name]) for name in REGIONS) == pytest.approx(1)
    assert json.loads((tmp_path / "explanation.json").read_text())["rows"][1]["error"] == 0.005
    page = (tmp_path / "report.html").read_text()
    assert "score 1 to 3.5 (+2.5)" in page
    assert "error 0.50%" in page
    assert report.summarise().rows[0][0] == "area"


def test_the_page_shows_the_first_images_only(tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.explanation.report.MOST_SHOWN", 2)
    report = Report(tmp_path)
    for i in range(4):
        report.add(make_view(f"{i}.png"), find_regions(32, 32))
    report.finish("Title", {})
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") == 4
    assert "2 more are in explanation.csv" in page


def hostile_page(folder):
    figure = Figure(Image.new("RGB", (8, 8)), "<script>alert(1)</script>", 'x" onerror="alert(1)')
    sections = [Section("<b>a</b>", "text & more", [figure], [Table(["region", "share"], [["eyes", "<i>3</i>"]])])]
    write_page(folder / "page.html", "Title <x>", {"scorer": "<script>"}, sections)
    return (folder / "page.html").read_text()


def test_a_page_needs_nothing_and_shows_words_as_they_are(tmp_path):
    page = hostile_page(tmp_path)
    assert "<script" not in page
    assert "<b>a" not in page
    assert 'onerror="' not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<img") == page.count(' alt="') == 1
    assert "prefers-color-scheme: dark" in page


def test_a_page_opens_in_a_browser(tmp_path):
    browser = find_browser()
    if browser is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    picture = to_pil(torch.ones(3, 300, 300) * torch.tensor([1.0, -1, -1])[:, None, None])
    write_page(tmp_path / "page.html", "Title", {}, [Section("One", "", [Figure(picture, "red", "a red square")])])
    shot = tmp_path / "shot.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=800,600", f"--screenshot={shot}"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    subprocess.run(
        [browser, *words, profile, f"file://{tmp_path}/page.html"], check=True, capture_output=True, timeout=60
    )
    colours = Image.open(shot).convert("RGB").getcolors(2**20)
    assert sum(count for count, (red, green, blue) in colours if red > 240 and max(green, blue) < 20) > 80_000
