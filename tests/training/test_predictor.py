"""One training for every predictor: it learns, repeats itself, and goes on to the same bits."""

import csv
import itertools
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.agreement.figures import r2
from latentedit.cli.main import main
from latentedit.datasets import read_dataset
from latentedit.errors import InputError
from latentedit.predictors import load_predictor
from latentedit.predictors.presets import PRESETS, load_preset
from latentedit.statistics import spearman
from latentedit.training.examples import Examples, vary
from latentedit.training.fitting import export_predictor, prepare
from latentedit.training.logs import log_to
from latentedit.training.predictor import Epoch, train_predictor
from latentedit.training.processes import Processes
from latentedit.training.regimen import Regimen

SMALL = {"width": 2, "input_size": 32}
PRESET = replace(load_preset("res_hf_drop"), settings={"dropout": 0.5, **SMALL}, learning_rate=0.003)
QUICK = Regimen(replace(PRESET, epochs=3, batch=8))
BERT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 30}
CLIP = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": 8,
}
TEXT = {**SMALL, "text": BERT, "num_tokens": 8}
SETTINGS = {"face_text": TEXT, "text_only": TEXT, "frozen_features": {"config": CLIP}}  # where they are not SMALL


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Brighter pictures have higher scores, from 20 to 80; 24 to train on, 12 to validate, 12 to test."""
    folder, random = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    lines = ["path,score,split"]
    for row in range(48):
        score = random.uniform()
        pixels = random.normal(255 * score, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{score:.6f},{'train' if row < 24 else 'val' if row < 36 else 'test'}")
    (folder / "scores.csv").write_text("\n".join(lines))
    return read_dataset(folder / "scores.csv")


def fit(regimen, dataset, outdir=None, **options):
    return train_predictor(prepare(regimen, dataset, **options), outdir)


def predict(training, dataset, split="test"):
    part = dataset.select(split)
    return part.scores, training.predict(Examples(part, training.train.cropping)).double().numpy()


def weights(training):
    return torch.cat([tensor.double().flatten() for tensor in training.network.state_dict().values()])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_trains_to_a_file(preset, dataset, tmp_path):
    chosen = load_preset(preset)
    if chosen.predictor in ("face_text", "frozen_features"):
        pytest.importorskip("transformers")
    settings = {**chosen.settings, **SETTINGS.get(preset, SMALL)}
    ones = torch.ones(24, 8, dtype=torch.long)
    describe = (lambda part, _: (ones[: len(part.images)],) * 2) if "text" in settings else (lambda *_: ())
    training = fit(Regimen(replace(chosen, epochs=1, batch=12, settings=settings)), dataset, describe=describe)
    assert np.isfinite(training.epochs[0].val_loss)
    export_predictor(training, tmp_path / "it.safetensors")
    loaded = load_predictor(tmp_path / "it.safetensors")
    images = training.val.load([0, 1])
    words = tuple(part[:2] for part in training.val.words)
    again = loaded(loaded.preprocess(images), *words)
    torch.testing.assert_close(again, training.predict(training.val)[:2], rtol=0, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(dataset, precision):
    small = {"backbone": "vit-b-16", "width": 16, "input_size": 32, "dropout": 0.0}
    preset = replace(load_preset("visual_memory"), epochs=20, batch=8, learning_rate=0.003, settings=small)
    training = fit(Regimen(preset, "cosine", precision), dataset)
    assert training.epochs[training.best_epoch].val_spearman > 0.95
    assert r2(*predict(training, dataset)) > 0.6, "far better than who always says the mean"
    rates = [epoch.learning_rate for epoch in training.epochs]
    assert all(a > b for a, b in itertools.pairwise(rates))


def test_a_training_that_stopped_ends_in_the_same_bits(dataset, tmp_path):
    whole = fit(QUICK, dataset)
    one = replace(QUICK, preset=replace(QUICK.preset, epochs=1))
    stopped = fit(one, dataset, tmp_path)
    assert len(stopped.epochs) == 1
    resumed = fit(QUICK, dataset, tmp_path)
    assert torch.equal(weights(whole), weights(resumed))
    assert whole.epochs == resumed.epochs
    state, again = (resumed.optimizer.state_dict()["state"], whole.optimizer.state_dict()["state"])
    assert all(torch.equal(state[i]["exp_avg"], again[i]["exp_avg"]) for i in again)
    assert not torch.equal(weights(whole), weights(fit(replace(QUICK, seed=1), dataset)))


def test_the_caller_s_random_numbers_are_left_alone(dataset):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(replace(QUICK, preset=replace(QUICK.preset, epochs=1)), dataset)
    assert torch.equal(torch.rand(3), expected)


def test_other_settings_do_not_go_on(dataset, tmp_path):
    one = replace(QUICK, preset=replace(QUICK.preset, epochs=1))
    fit(one, dataset, tmp_path)
    for other in (replace(one, seed=1), replace(one, preset=replace(one.preset, batch=4))):
        with pytest.raises(InputError, match=r"state.pt: was trained with other settings or data"):
            fit(other, dataset, tmp_path)
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(InputError, match=r"state.pt"):
        fit(one, dataset, tmp_path)


def test_it_stops_early_and_keeps_the_best(dataset, monkeypatch):
    preset = replace(QUICK.preset, epochs=9, stop_after=2)
    training = prepare(replace(QUICK, preset=preset), dataset)
    figures = iter([0.1, 0.5, 0.5, 0.2, 0.9])
    kept = []

    def validate(number, rate, loss):
        kept.append(weights(training))
        return Epoch(number, rate, loss, 1.0, next(figures))

    monkeypatch.setattr(training, "_validate", validate)
    train_predictor(training)
    assert len(training.epochs) == 4
    assert training.best_epoch == 1
    assert torch.equal(weights(training)[:-65], kept[1][:-65]), "all but the last layer, which is brought to scale"
    assert not torch.equal(weights(training), kept[1])


def test_the_plateau_lowers_the_rate(dataset, monkeypatch):
    preset = replace(QUICK.preset, epochs=4, plateau_patience=1, plateau_factor=0.2)
    training = prepare(replace(QUICK, preset=preset), dataset)
    monkeypatch.setattr(training, "_validate", lambda number, rate, loss: Epoch(number, rate, loss, 1.0, 0.0))
    train_predictor(training)
    rates = [epoch.learning_rate for epoch in training.epochs]
    assert rates == pytest.approx([0.003, 0.003, 0.003, 0.0006])


def test_gradients_are_clipped(dataset, monkeypatch):
    norms = []
    training = prepare(replace(QUICK, preset=replace(QUICK.preset, epochs=1, clip_norm=1e-3)), dataset)
    step = training.optimizer.step

    def note():
        gradients = [w.grad.flatten() for w in training.network.parameters() if w.grad is not None]
        norms.append(torch.cat(gradients).norm().item())
        step()

    monkeypatch.setattr(training.optimizer, "step", note)
    training.run_epoch()
    assert norms == pytest.approx([1e-3] * 3, rel=1e-2)


def test_every_image_is_seen_once_an_epoch_in_another_order(dataset):
    preset = replace(QUICK.preset, batch=23)  # leaves one, which can't be normalised alone
    training = prepare(replace(QUICK, preset=preset), dataset)
    batches = [list(training._deal(number, quiet=True)) for number in (0, 0, 1)]
    assert [len(batch) for batch in batches[0]] == [24]
    assert sorted(batches[0][0]) == list(range(24))
    assert batches[0] == batches[1] != batches[2]


def test_it_starts_from_the_mean(dataset):
    for preset in ("res_hf_drop", "visual_memory"):
        training = prepare(Regimen(replace(load_preset(preset), settings=SMALL)), dataset)
        with torch.no_grad():
            last = [m for m in training.network.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1][-1]
            last.weight.zero_()
        assert training.predict(training.val).numpy() == pytest.approx(training.train.scores.mean().item(), abs=1e-4)


def test_what_a_network_knows_is_where_its_last_layer_starts(dataset, tmp_path):
    """A network that learned elsewhere predicts well before its first epoch, and no other does."""
    regimen = Regimen(replace(load_preset("visual_memory"), epochs=0, settings=SMALL))
    taught = fit(replace(regimen, preset=replace(regimen.preset, epochs=12, batch=8, learning_rate=0.01)), dataset)
    torch.save(taught.network.backbone.state_dict(), tmp_path / "backbone.pth")
    started = prepare(regimen, dataset, starts={"backbone": tmp_path / "backbone.pth"})
    assert spearman(started.val.scores.numpy(), started.predict(started.val).numpy()) > 0.7
    fresh = prepare(regimen, dataset)
    assert fresh.predict(fresh.val).std() < 0.2 * started.predict(started.val).std()


@pytest.mark.parametrize("largest", [2**31, 0])
def test_frozen_features_describe_each_picture_once(largest, dataset, monkeypatch):
    monkeypatch.setattr("latentedit.training.examples.LARGEST_HELD", largest)
    preset = replace(load_preset("latent_mlp"), epochs=3, batch=8, settings=SMALL, stop_after=None)
    training, seen = prepare(Regimen(preset), dataset), []
    describe = training.network.preprocess
    monkeypatch.setattr(training.network, "preprocess", lambda images: seen.append(len(images)) or describe(images))
    train_predictor(training)
    assert sum(seen) == 1 + 24 + 1 + 12 if largest else sum(seen) > 3 * 36
    answers = training.network(describe(training.val.load(range(12))))
    torch.testing.assert_close(training.predict(training.val), answers.detach(), rtol=0, atol=1e-4)


def test_mirroring_and_turning():
    images = torch.rand(400, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.manual_seed(0)
    flipped = vary(images, flip=True, rotation=0)
    mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    assert ((flipped == images).flatten(1).all(dim=1) ^ mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6
    smooth = torch.linspace(-0.5, 0.5, 33).expand(4, 3, 33, 33)
    turned = vary(smooth, flip=False, rotation=15)
    assert torch.allclose(turned[..., 16, 16], smooth[..., 16, 16], atol=1e-5)
    slopes = (turned[..., 16, 20] - turned[..., 16, 12]) / (smooth[..., 16, 20] - smooth[..., 16, 12])
    assert (slopes > np.cos(np.deg2rad(15)) - 1e-3).all()
    assert (slopes < 1 + 1e-4).all()
    assert slopes.std() > 0
    assert (vary(torch.ones(2, 3, 33, 33), flip=False, rotation=40)[..., 0, 0] < 0).all(), "black enters"


def test_logs_have_a_row_an_epoch(dataset, tmp_path):
    training = prepare(replace(QUICK, preset=replace(QUICK.preset, epochs=2)), dataset)
    train_predictor(training, tmp_path, report=log_to(tmp_path))
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert float(rows[1]["val_loss"]) == training.epochs[1].val_loss


def test_tensorboard_gets_every_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    log_to(tmp_path, tensorboard=True)([Epoch(0, 0.1, 0.2, 0.3, 0.4)])
    assert any(b"val_spearman" in path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())


def test_too_few_images_are_refused(dataset):
    few = replace(dataset, images=dataset.images[:30])
    with pytest.raises(InputError, match="has 6 images in val: 10 are the fewest"):
        prepare(QUICK, few, SMALL)


def test_the_mean_of_the_processes_gradients_is_that_of_the_batch(dataset, monkeypatch):
    """Five rows, three for one and two for the other."""
    regimen = Regimen(replace(load_preset("vggtrain"), settings=SMALL))
    found = []
    for processes in (Processes(), Processes(0, 2), Processes(1, 2)):
        monkeypatch.setattr(Processes, "wrap", lambda self, network: network)
        training = prepare(regimen, dataset, processes=processes)
        training._step([3, 1, 4, 5, 9])
        found.append(training.network.head.weight.grad)
    torch.testing.assert_close((found[1] + found[2]) / 2, found[0])


def test_two_processes_train_as_one(dataset, tmp_path):
    """Each sees half of every batch; without batch normalisation and dropout the sum is the same but for rounding."""
    data = Path(dataset.images[0].picture.path).parent / "scores.csv"
    words = [
        "-m", "latentedit.cli.main", "train", "predictor", "--preset", "vggtrain", "--data", str(data), "--width", "2",
        "--input-size", "32", "--epochs", "2", "--batch", "8", "--device", "cpu", "--quiet", "--outdir",
    ]  # fmt: skip
    main([*words[2:], str(tmp_path / "one")])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    env = {**os.environ, **meeting, "OMP_NUM_THREADS": "1"}  # what torchrun sets
    command = [sys.executable, *words, str(tmp_path / "two")]
    pair = [subprocess.Popen(command, env={**env, "RANK": rank}, stderr=subprocess.PIPE, text=True) for rank in "01"]
    for process in pair:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    networks = [load_predictor(tmp_path / name / "predictor.safetensors") for name in ("one", "two")]
    ends = [torch.cat([weight.flatten() for weight in network.parameters()]) for network in networks]
    torch.testing.assert_close(*ends, rtol=0.01, atol=1e-4)
    assert all(len((tmp_path / name / "log.csv").read_text().splitlines()) == 3 for name in ("one", "two"))
