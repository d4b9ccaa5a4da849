import json

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.checkpoints import Checkpoint
from latentedit.errors import InputError
from latentedit.inversion.detection import Face
from latentedit.networks import Generator, GeneratorConfig
from latentedit.training import quality
from latentedit.training.feature_store import BATCH, FeatureStore, Measuring
from latentedit.training.measures import frechet_distance
from latentedit.training.quality import Photographs, compare, compare_neighbours, measure_generator, pair_up


class Pixels(torch.nn.Module):
    """Take the pixels themselves for features, and count the images seen."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(1, 1)
        self.seen = 0

    def pooled_features(self, images):
        assert images.min() >= 0
        assert images.max() <= 1
        self.seen += len(images)
        return images.flatten(1)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, [45, 8, 8, 3], dtype=np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return Photographs(sorted(folder.iterdir()), 8)


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(8, (8, 8), z_dim=8, w_dim=8, num_mapping_layers=1)).eval()
    return Checkpoint(generator.requires_grad_(False), "latentedit", "noise")


def test_a_generator_is_measured_and_shown(photographs, checkpoint, tmp_path):
    arguments = ([tmp_path / "data"], checkpoint, tmp_path / "out")
    measures = measure_generator(*arguments, Measuring(Pixels(), 8), num_samples=40, quiet=True)
    assert json.loads((tmp_path / "out" / "measures.json").read_text()) == measures
    assert (measures["samples"]["num_real"], measures["samples"]["num_samples"]) == (45, 40)
    assert (measures["floor"]["num_real"], measures["floor"]["num_samples"]) == (22, 23)
    table = (tmp_path / "out" / "measures.md").read_text()
    assert f"| Frechet distance | {measures['samples']['frechet_distance']:.2f} |" in table
    assert "40 samples (psi 1) against all 45" in table
    with Image.open(tmp_path / "out" / "neighbours.png") as sheet:
        assert sheet.width / sheet.height == pytest.approx(1, abs=0.15)  # 8 columns, 4 rows of pairs


def test_faces_are_those_that_the_detector_is_certain_of(photographs, checkpoint, tmp_path):
    seen = []

    def detect(picture):
        seen.append(picture.size)
        return [Face((0, 0, 9, 9), torch.zeros(5, 2), 0.9 if len(seen) % 4 else 0.8), Face((0, 0, 9, 9), None, 0.1)]

    folder = tmp_path / "out"
    data, measuring = [tmp_path / "data"], Measuring(Pixels(), 8)
    measures = measure_generator(data, checkpoint, folder, measuring, 8, detector=detect, quiet=True)
    assert measures["faces"] == 48
    assert "certain (above .8) of 48 faces in 64 samples" in (folder / "measures.md").read_text()
    assert seen == [(320, 320)] * 64


def test_features_of_a_finished_measurement_are_not_computed_again(photographs, checkpoint, tmp_path):
    network = Pixels()
    arguments = ([tmp_path / "data"], checkpoint, tmp_path / "out", Measuring(network, 8))
    first = measure_generator(*arguments, num_samples=20, quiet=True)
    seen = network.seen
    assert seen == 45 + 20 + 64
    assert measure_generator(*arguments, num_samples=20, quiet=True) == first
    assert network.seen == seen + 64
    measure_generator(*arguments, num_samples=30, truncation_psi=0.5, quiet=True)
    assert network.seen == seen + 64 + 64 + 30


def test_too_few_images_are_refused(photographs, checkpoint, tmp_path):
    with pytest.raises(InputError, match="45 images, 7 samples: give 8"):
        measure_generator([tmp_path / "data"], checkpoint, tmp_path / "out", Measuring(Pixels(), 8), 7, quiet=True)
    with pytest.raises(InputError, match="2 images, 9 samples"):
        measure_generator(photographs.paths[:2], checkpoint, tmp_path / "out", Measuring(Pixels(), 8), 9, quiet=True)
    assert not (tmp_path / "out").exists()
    least = measure_generator(
        photographs.paths[:8], checkpoint, tmp_path / "out", Measuring(Pixels(), 8), 8, quiet=True
    )
    assert 0 <= least["floor"]["recall"] <= 1


def test_what_cannot_be_read_or_written_is_named(photographs, checkpoint, tmp_path):
    absent = [*photographs.paths[:8], tmp_path / "no.png"]
    with pytest.raises(InputError, match=r"no\.png: No such file"):
        measure_generator(absent, checkpoint, tmp_path / "out", Measuring(Pixels(), 8), 9, quiet=True)
    with pytest.raises(InputError, match=r"00\.png: File exists"):
        measure_generator([tmp_path / "data"], checkpoint, photographs.paths[0], Measuring(Pixels(), 8), 9, quiet=True)


def test_a_killed_measurement_goes_on(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.training.feature_store.SAVE_EVERY", 2)
    whole = FeatureStore(tmp_path / "whole", Measuring(Pixels(), 8), True).collect("real", photographs, 45)
    assert whole.shape == (45, 192)

    class Killed(Pixels):
        def pooled_features(self, images):
            if self.seen >= 3 * BATCH:
                raise KeyboardInterrupt
            return super().pooled_features(images)

    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path / "cut", Measuring(Killed(), 8), True).collect("real", photographs, 45)
    network = Pixels()
    rest = FeatureStore(tmp_path / "cut", Measuring(network, 8), True).collect("real", photographs, 45)
    assert torch.equal(rest, whole)
    assert network.seen == 45 - 2 * BATCH


def test_other_images_have_other_features(photographs, tmp_path):
    store = FeatureStore(tmp_path, Measuring(Pixels(), 8), True)
    first = store.collect("real", photographs, 45)
    Image.new("RGB", (8, 8), "red").save(photographs.paths[0])
    assert not torch.equal(store.collect("real", photographs, 45), first)


def test_damaged_features_are_named(photographs, tmp_path):
    store = FeatureStore(tmp_path / "store", Measuring(Pixels(), 8), True)
    store.collect("real", photographs, 45)
    (file,) = (tmp_path / "store").iterdir()
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"features-real-.*: damaged features: remove"):
        store.collect("real", photographs, 45)


def test_the_floor_is_between_two_halves_of_the_real_images():
    torch.manual_seed(0)
    real, samples = torch.randn(400, 3), torch.randn(300, 3) + 2
    measures = compare(real, samples)
    assert measures["samples"]["frechet_distance"] == pytest.approx(frechet_distance(real, samples))
    assert measures["floor"]["frechet_distance"] < 0.2 < 10 < measures["samples"]["frechet_distance"]
    assert measures["floor"]["precision"] > 0.8 > measures["samples"]["precision"]


def test_copies_find_their_originals_and_real_images_do_not_find_themselves():
    torch.manual_seed(0)
    real = torch.randn(50, 30)
    wrong = real[torch.arange(10) // 2]  # of 0, 0, 1, 1, ...: the first alone is its own
    found = compare_neighbours(real, torch.randn(8, 30), {"near": real[:10] + 0.01, "wrong": wrong})
    assert found["near copies"]["found"] == 1
    assert found["wrong copies"]["found"] == 0.1
    assert found["real images"]["distance"] > 1 > 0.1 > found["near copies"]["distance"]
    assert found["samples"]["distance"] > 1


def test_pairs_stand_one_above_the_other(monkeypatch):
    grids = []
    monkeypatch.setattr(quality, "image_grid", lambda grid, row_labels: grids.append((grid, row_labels)))
    samples = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 3, 4, 4)
    pair_up(samples, samples + 100)
    grid, labels = grids[0]
    assert grid[:, :, 0, 0, 0].tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [100, 101, 102, 103, 104, 105, 106, 107],
        [8, 9, 1, 1, 1, 1, 1, 1],
        [108, 109, 1, 1, 1, 1, 1, 1],
    ]
    assert labels == ["sample", "nearest"] * 2
