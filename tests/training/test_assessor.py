"""The assessor's trainer, on faces whose ratings are known functions of the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from latentedit.errors import InputError
from latentedit.predictors import OmiAssessor, load_scorer
from latentedit.predictors.deep import DeepConfig
from latentedit.predictors.patches import PatchConfig
from latentedit.predictors.resnet import ResNet
from latentedit.statistics import bootstrap_spearman, spearman
from latentedit.training.assessor import FEATURES, train_assessor
from latentedit.training.reliability import draw_reliability
from latentedit.training.ridge import PENALTIES, fit_ridge


def write_faces(folder: Path, count: int = 48) -> Path:
    """Write grey squares: `light` is the top's brightness, `chance` is noise, both rated 0..100."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    lines = ["stimulus,light,chance"]
    for i in range(count):
        light, chance = rng.uniform(0, 100, size=2)
        pixels = rng.integers(100, 140, size=(64, 64, 3))
        pixels[:32] += int(light) - 50
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{i}.png")
        lines.append(f"{i},{light},{chance}")
    (folder / "attribute_means.csv").write_text("\n".join(lines))
    return folder


def make_resnet() -> ResNet:
    """Make the same small network every time, with numbers that nothing taught."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ResNet(50, width=4).eval()


@pytest.fixture(scope="module", params=sorted(FEATURES))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, and an assessor of small features trained on them, once of each kind."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentedit.training.assessor.PatchConfig", lambda: PatchConfig(num_filters=8, regions=4))
        patch.setattr("latentedit.training.dictionary.NUM_PATCHES", 2000)
        patch.setattr("latentedit.training.assessor.DeepConfig", lambda: DeepConfig(32, 128))
        patch.setattr("latentedit.predictors.deep.load_resmem_resnet", make_resnet)
        train_assessor(write_faces(folder / "data"), folder / "light.safetensors", request.param, quiet=True)
        yield folder


def test_the_trainer_finds_a_rating_that_is_there_and_none_that_is_not(trained: Path) -> None:
    figures = OmiAssessor.load(trained / "light.safetensors").header["cross_validation"]["spearman"]
    assert figures["light"]["low"] > 0.95
    assert figures["chance"]["low"] < 0.1


def test_the_file_rates_faces(trained: Path) -> None:
    light = OmiAssessor.load(trained / "light.safetensors").scorer("light")
    dark, bright = torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)
    dark[:, :32], bright[:, :32] = -0.3, 0.3
    assert light(dark) < 35
    assert light(bright) > 65


def test_the_file_is_a_scorer_by_its_name(trained: Path) -> None:
    path, face = trained / "light.safetensors", torch.rand(3, 64, 64)
    scorer = load_scorer(f"{path}:light")
    assert scorer.name == f"{OmiAssessor.load(path).name}:light"
    assert torch.equal(scorer(face), OmiAssessor.load(path).scorer("light")(face))
    assert not torch.equal(load_scorer(f"{path}:light:matched")(face), scorer(face))
    with pytest.raises(InputError, match="does not rate 'memorable'"):
        load_scorer(str(path))


def test_training_is_deterministic(trained: Path) -> None:
    name = OmiAssessor.load(trained / "light.safetensors").name
    train_assessor(trained / "data", trained / "again.safetensors", name, quiet=True)
    for ending in ("safetensors", "md"):
        assert (trained / f"again.{ending}").read_bytes() == (trained / f"light.{ending}").read_bytes()


def test_the_card_holds_every_figure(trained: Path) -> None:
    header = OmiAssessor.load(trained / "light.safetensors").header
    card = (trained / "light.md").read_text()
    for attribute, figures in header["cross_validation"]["spearman"].items():
        assert f"| {attribute} | {figures['rho']:.3f} |" in card
    assert header["licence"] in card
    assert all(limit in card for limit in header["limits"])
    for view, shares in header["robustness"].items():
        assert f"| {view} | {shares['light']:.3f} |" in card
    for attribute, measured in header["calibration"].items():
        row = next(line for line in card.splitlines() if line.startswith(f"| {attribute} | {measured['bias']:+.2f} |"))
        assert f"| {measured['half_width']:.1f} | {measured['coverage']:.1%} |" in row


def test_the_intervals_and_spreads_are_those_of_left_out_faces(trained: Path) -> None:
    assessor = OmiAssessor.load(trained / "light.safetensors")
    for i, attribute in enumerate(assessor.attributes):
        measured = assessor.header["calibration"][attribute]
        assert float(assessor.half_width[i]) == pytest.approx(measured["half_width"], rel=1e-5)
    assert assessor.half_width[0] < assessor.half_width[1]  # light is easier to tell than chance
    spread = assessor.header["calibration"]["light"]["spread"]  # of one repeat, the stretch is that of all
    assert float(assessor.stretch[0]) == pytest.approx(1 / spread, rel=0.02)
    assert assessor.stretch[1] > 2


def test_the_picture_of_reliability_shows_every_attribute(trained: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_reliability(OmiAssessor.load(trained / "light.safetensors").header, trained / "plot.png")
    with Image.open(trained / "plot.png") as picture:
        assert picture.width > picture.height > 200


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "attribute_means.csv: No such file"),
        ("", "no table of ratings"),
        ("name,light\n1,2", "has columns name, light: it needs 'stimulus'"),
        ("stimulus,light\n1,2", "rates 1 faces: at least 10"),
        ("stimulus,light\n" + "1,x\n" * 10, "line 2: could not convert string to float: 'x'"),
        ("stimulus,light\n" + "1,nan\n" * 10, "line 2: 2 cells are needed, every rating a finite number"),
        ("stimulus,light\n" + "".join(f"1,{i}\n" for i in range(10)), "rates 9 faces twice"),
        ("stimulus,light\n" + "".join(f"{i},5\n" for i in range(10)), "every face has the same 'light'"),
        ("stimulus,light\n" + "".join(f"face{i},{i}\n" for i in range(10)), "lacks 10 rated images.*'face0'"),
    ],
)
def test_mistakes_in_the_table_are_one_line(tmp_path: Path, table: str | None, message: str) -> None:
    data = write_faces(tmp_path, count=1)
    (data / "attribute_means.csv").unlink()
    if table is not None:
        (data / "attribute_means.csv").write_text(table)
    with pytest.raises(InputError, match=message) as caught:
        train_assessor(data, tmp_path / "out.safetensors", quiet=True)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_fails_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make it first"):
        train_assessor(tmp_path, tmp_path / "none" / "out.safetensors")
    with pytest.raises(InputError, match=r"ending \.safetensors"):
        train_assessor(tmp_path, tmp_path / "out.bin")
    with pytest.raises(InputError, match=r"'patch': did you mean patches"):
        train_assessor(tmp_path, tmp_path / "out.safetensors", "patch")


def test_leaving_one_out_equals_fitting_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentedit.training.ridge.PENALTIES", PENALTIES[10:11])
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    targets = features[:, :2] + torch.randn(20, 2, generator=generator, dtype=torch.float64)
    penalty = PENALTIES[10] * (features - features.mean(dim=0)).square().sum() / 20
    ridge = fit_ridge(features @ features.t(), targets)
    for i in range(20):
        rest = torch.arange(20) != i
        x, y = features[rest] - features[rest].mean(dim=0), targets[rest] - targets[rest].mean(dim=0)
        weight = torch.linalg.solve(x.t() @ x + penalty * torch.eye(5, dtype=torch.float64), x.t() @ y)
        expected = (features[i] - features[rest].mean(dim=0)) @ weight + targets[rest].mean(dim=0)
        torch.testing.assert_close(ridge.left_out[i], expected)


def test_spearman_agrees_with_scipy_and_lies_in_its_interval() -> None:
    x = np.random.default_rng(0).normal(size=100).round(1)
    y = x + np.random.default_rng(1).normal(size=100).round(1)
    rho = spearman(x, y)
    assert rho == pytest.approx(spearmanr(x, y).statistic)
    low, high = bootstrap_spearman(x, y, seed=0)
    assert low < rho < high
