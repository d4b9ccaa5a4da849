"""A tuned generator shows the photograph, is the old one elsewhere, and is kept as a small difference."""

import dataclasses

import pytest
import torch

import latentedit as le
from latentedit.checkpoints.records import load_record, save_record
from latentedit.errors import InputError
from latentedit.inversion import tuning
from latentedit.inversion.tuning import TuningSettings, apply_difference, load_tuned, save_difference, tune

QUICK = TuningSettings(num_steps=25, learning_rate=0.01, rank=2)


@pytest.fixture(scope="module")
def pivot(tiny_generator):
    """A face, and a photograph that it isn't."""
    ws = le.sample(tiny_generator, [3], 0.7)
    photograph = 0.5 * le.render(tiny_generator, ws) + 0.5 * le.render(tiny_generator, le.sample(tiny_generator, [4]))
    return ws, photograph


@pytest.fixture(scope="module")
def difference(tiny_generator, pivot):
    return tune(tiny_generator, *pivot, QUICK)


def error(generator, ws, images):
    return float((generator.synthesis(ws) - images).square().mean())


def stray(tiny_generator, difference):
    """How far random faces move."""
    ws = le.sample(tiny_generator, range(200, 216))
    return error(apply_difference(tiny_generator, difference), ws, tiny_generator.synthesis(ws))


def test_the_tuned_generator_fits_better(tiny_generator, pivot, difference):
    tuned = apply_difference(tiny_generator, difference)
    assert error(tuned, *pivot) < 0.5 * error(tiny_generator, *pivot)
    assert not any(weight.requires_grad for weight in tuned.parameters())


def test_locality_keeps_other_faces(tiny_generator, pivot, difference):
    free = tune(tiny_generator, *pivot, dataclasses.replace(QUICK, locality_weight=0.0))
    held = tune(tiny_generator, *pivot, dataclasses.replace(QUICK, locality_weight=5.0))
    assert stray(tiny_generator, held) < 0.6 * stray(tiny_generator, free)


def test_mapping_and_styles_stay(tiny_generator, difference, pivot):
    tuned = apply_difference(tiny_generator, difference)
    assert torch.equal(le.sample(tuned, [1]), le.sample(tiny_generator, [1]))
    assert torch.equal(le.to_styles(tuned, pivot[0]), le.to_styles(tiny_generator, pivot[0]))


def test_it_stops_once_it_fits(tiny_generator, pivot):
    untouched = tune(tiny_generator, *pivot, dataclasses.replace(QUICK, target_loss=1e9))
    assert stray(tiny_generator, untouched) == 0


def test_the_given_generator_is_left_alone(tiny_generator, difference):
    before = le.fingerprint(tiny_generator)
    apply_difference(tiny_generator, difference)
    assert le.fingerprint(tiny_generator) == before


def test_a_difference_is_stored_small_and_read_back_equal(tiny_generator, difference, pivot, tmp_path):
    path = tmp_path / "tuned.safetensors"
    save_difference(path, difference, le.fingerprint(tiny_generator), QUICK)
    loaded = load_tuned(path, tiny_generator)
    assert torch.equal(loaded.synthesis(pivot[0]), apply_difference(tiny_generator, difference).synthesis(pivot[0]))
    tensors, header = load_record(path)
    assert header["settings"]["rank"] == 2
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert set(tensors["b8.conv0.weight.left"].shape) == {8, 2}
    assert sum(t.numel() for t in tensors.values()) < 0.6 * sum(
        w.numel() for w in tiny_generator.synthesis.parameters()
    )


def test_files_of_another_generator_or_kind_are_refused(tiny_generator, scorable_generator, difference, tmp_path):
    path = tmp_path / "tuned.safetensors"
    save_difference(path, difference, le.fingerprint(tiny_generator))
    with pytest.raises(InputError, match=r"tuned.safetensors: tunes generator"):
        load_tuned(path, scorable_generator)
    le.save_generator(path, tiny_generator)
    with pytest.raises(InputError, match="holds no tuning"):
        load_tuned(path, tiny_generator)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.pop("b8.conv0.weight.left"), "half of 'b8.conv0.weight'"),
        (lambda d: d.pop("b8.conv0.weight.right"), "half of 'b8.conv0.weight'"),
        (lambda d: d.update({"b8.conv0.bias": torch.zeros(3)}), "don't fit"),
        (lambda d: d.update({"b8.conv0.bias": torch.zeros(5, 8)}), "don't fit"),
        (lambda d: d.update({"b8.conv0.weight.left": torch.zeros(3, 2)}), "don't fit"),
        (lambda d: d.update({"b8.conv0.bias": torch.full((8,), torch.nan)}), "not finite"),
        (lambda d: d.update({"mapping.fc0.weight": torch.zeros(16, 12)}), "changes no weight"),
    ],
)
def test_damaged_differences_are_refused(tiny_generator, difference, tmp_path, spoil, words):
    spoiled = dict(difference)
    spoil(spoiled)
    save_record(tmp_path / "t.safetensors", spoiled, {"kind": tuning.KIND, "base": le.fingerprint(tiny_generator)})
    with pytest.raises(InputError, match=words) as caught:
        load_tuned(tmp_path / "t.safetensors", tiny_generator)
    assert "t.safetensors" in str(caught.value)
