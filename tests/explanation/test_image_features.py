"""Features are right on images whose answers are known, and correlations on numbers whose relation is."""

import csv

import numpy as np
import pytest
import skimage
import torch
from scipy.stats import spearmanr

from latentedit.errors import InputError
from latentedit.explanation.correlations import (
    benjamini_hochberg,
    correlate_features,
    draw_correlations,
    holm,
    write_correlations,
)
from latentedit.explanation.image_features import measure_geometry, measure_image
from latentedit.pictures import to_pixels

SIDE = 32
ACROSS = torch.arange(SIDE)
PATTERNS = {
    "flat": torch.zeros(3, SIDE, SIDE),
    "stripes": ((ACROSS % 2) * 2.0 - 1).expand(3, SIDE, SIDE),
    "checks": ((ACROSS[:, None] + ACROSS) % 2 * 2.0 - 1).expand(3, SIDE, SIDE),
    "halves": (ACROSS >= SIDE // 2).float().mul(2).sub(1).expand(3, SIDE, SIDE),
    "red": torch.tensor([1.0, -1, -1])[:, None, None].expand(3, SIDE, SIDE),
    "ramp": torch.linspace(-1, 1, SIDE).expand(3, SIDE, SIDE),
    "noise": torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1,
}
KNOWN = {
    "flat": {"entropy": 0, "colour entropy": 0, "contrast": 0, "saturation": 0, "texture contrast": 0, "symmetry": 1},
    # of four directions, three change from 0 to 255 and one does not
    "stripes": {"entropy": 1, "contrast": 50, "texture contrast": 0.75 * 255**2, "symmetry": -1, "colour entropy": 1},
    # across and down change, the diagonals do not
    "checks": {"entropy": 1, "texture contrast": 0.5 * 255**2, "texture energy": 0.5**0.5},
    "halves": {"entropy": 1, "lightness": 50, "symmetry": -1, "colour entropy": 1},
    "red": {"saturation": 1, "entropy": 0, "sharpness": 0, "edge density": 0},
    "ramp": {"entropy": 5, "symmetry": -1, "colour entropy": 5},
}


@pytest.mark.parametrize(("pattern", "name"), [(pattern, name) for pattern in KNOWN for name in KNOWN[pattern]])
def test_features_of_patterns_are_what_they_must_be(pattern, name):
    assert measure_image(PATTERNS[pattern])[name] == pytest.approx(KNOWN[pattern][name], rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_features_are_scikit_images(pattern):
    pixels, found = to_pixels(PATTERNS[pattern]), measure_image(PATTERNS[pattern])
    grey = skimage.color.rgb2gray(pixels)
    levels = skimage.img_as_ubyte(grey)
    angles = [skimage.feature.graycomatrix(levels, [1], [quarter * np.pi / 4], 256, True, True) for quarter in range(4)]
    theirs = {
        "lightness": skimage.color.rgb2lab(pixels)[..., 0].mean(),
        "green to red": skimage.color.rgb2lab(pixels)[..., 1].mean(),
        "blue to yellow": skimage.color.rgb2lab(pixels)[..., 2].mean(),
        "saturation": skimage.color.rgb2hsv(pixels)[..., 1].mean(),
        "edge density": skimage.feature.canny(grey).mean(),
        "edge strength": skimage.filters.sobel(grey).mean(),
        "sharpness": skimage.filters.laplace(grey).var(),
        "blur": skimage.measure.blur_effect(grey),
        **{
            f"texture {name}": np.mean([skimage.feature.graycoprops(one, name) for one in angles])
            for name in ("contrast", "energy", "homogeneity", "entropy")
        },
    }
    for name, value in theirs.items():
        assert found[name] == pytest.approx(value, abs=1e-6, rel=1e-6), name


def test_a_face_gives_its_proportions():
    landmarks = torch.tensor([[20.0, 20], [40, 20], [30, 32], [22, 40], [38, 40]])
    known = {"eyes apart": 1, "mouth width": 0.8, "nose height": 0.6, "roll": 0}
    assert measure_geometry(landmarks) == pytest.approx(known)
    turned = torch.stack([landmarks[:, 1], -landmarks[:, 0]], dim=1)
    assert measure_geometry(3 * turned + 5) == pytest.approx({**known, "roll": -90})
    assert measure_image(PATTERNS["noise"], landmarks)["eyes apart"] == pytest.approx(1)


def test_a_model_of_ones_own_adds_what_it_sees():
    found = measure_image(PATTERNS["red"], models={"boxes": lambda pixels: {"count": 3, "red": pixels[..., 0].mean()}})
    assert found["boxes count"] == 3
    assert found["boxes red"] == 255


@pytest.fixture
def numbers():
    random = np.random.default_rng(0)
    score, other = random.normal(size=(2, 200))
    category = np.repeat(["a", "b"], 100)
    return {
        "score": score,
        "same": score**3,
        "noise": random.normal(size=200),
        "by other": other,
        "mixed": score + 3 * other,
        "by category": (category == "b") * 5 + 0.01 * random.normal(size=200),
        "flat": np.zeros(200),
    }, category


def test_correlations_say_what_goes_with_a_score(numbers):
    columns, _ = numbers
    score = columns.pop("score")
    found = {one.feature: one for one in correlate_features(columns, {"score": score})}
    assert "flat" not in found
    assert found["same"].rho.value == pytest.approx(1)
    for name, one in found.items():
        theirs = spearmanr(columns[name], score)
        assert one.rho.value == pytest.approx(theirs.statistic, abs=1e-9)
        assert one.p == pytest.approx(theirs.pvalue, rel=1e-3, abs=1e-30)
        assert one.rho.low <= one.rho.value <= one.rho.high
        assert one.p <= one.p_bh <= one.p_holm
    assert found["noise"].rho.low < 0 < found["noise"].rho.high
    assert found["noise"].p_bh > 0.05 > found["mixed"].p_holm


def test_what_is_held_is_left_out(numbers):
    columns, _ = numbers
    features = {"mixed": columns["mixed"], "by other": columns["by other"]}
    found = correlate_features(features, {"score": columns["score"]}, covariates=[columns["by other"]])
    assert found[0].rho.value < 0.5 < 0.8 < found[0].partial.value
    assert np.isnan(found[1].partial.value)  # nothing is left of it


def test_categories_are_compared_within(numbers):
    columns, category = numbers
    score = columns["score"] + 5 * (category == "b")
    (one,) = correlate_features({"f": columns["by category"]}, {"score": score}, categories=list(category))
    assert one.rho.value > 0.7
    assert one.within.low < 0 < one.within.high


def test_corrections_are_those_of_the_books():
    ps = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(ps).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(ps).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_correlations_are_written_and_drawn(numbers, tmp_path):
    columns, _ = numbers
    score = columns.pop("score")
    found = correlate_features(columns, {"score": score, "again": -score})
    write_correlations(tmp_path / "c.csv", found)
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert len(rows) == 10
    assert float(rows[0]["rho"]) == pytest.approx(1)
    assert rows[0]["partial"] == ""
    axes = draw_correlations(found).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()][-1] == "same"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["score", "again"]


def test_few_images_are_refused():
    with pytest.raises(InputError, match="9 images: give 10"):
        correlate_features({"f": np.arange(9.0)}, {"s": np.arange(9.0)})
