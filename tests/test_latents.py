import numpy as np
import pytest
import torch

from latentedit.errors import InputError
from latentedit.latents import load_latents, sample, sample_z, save_latents
from latentedit.networks import Generator, GeneratorConfig


def test_a_seed_is_everyones_z():
    expected = np.random.RandomState(85).randn(1, 512).astype(np.float32)
    assert torch.equal(sample_z([85], 512), torch.from_numpy(expected))


def test_a_seed_gives_the_same_bits_in_any_batch(tiny_generator):
    batch = sample(tiny_generator, range(20), truncation_psi=0.7)
    for seed in (0, 7, 19):
        assert torch.equal(sample(tiny_generator, [seed], truncation_psi=0.7)[0], batch[seed])


def test_psi_zero_is_the_mean_face_up_to_the_cutoff(tiny_generator):
    ws = sample(tiny_generator, [3], truncation_psi=0, truncation_cutoff=2)
    full = sample(tiny_generator, [3])
    assert torch.equal(ws[0, :2], tiny_generator.mapping.w_avg.expand(2, -1))
    assert torch.equal(ws[0, 2:], full[0, 2:])


def test_a_class_is_needed_where_there_is_one(tiny_generator):
    conditional = Generator(GeneratorConfig(8, (4, 4), z_dim=8, c_dim=3, w_dim=8, num_mapping_layers=1)).eval()
    first, second = (sample(conditional, [0], class_index=index) for index in (0, 1))
    assert not torch.equal(first, second)
    with pytest.raises(InputError, match="a class from 0 to 2"):
        sample(conditional, [0])
    with pytest.raises(InputError, match="class 3"):
        sample(conditional, [0], class_index=3)
    with pytest.raises(InputError, match="not conditional"):
        sample(tiny_generator, [0], class_index=1)


def test_saved_latents_are_loaded_equal(tiny_generator, tmp_path):
    ws = sample(tiny_generator, range(3))
    save_latents(tmp_path / "w.npz", ws, seeds=[0, 1, 2])
    assert torch.equal(load_latents(tmp_path / "w.npz", tiny_generator), ws)
    with np.load(tmp_path / "w.npz") as file:
        assert file["w"].shape == (3, 6, 16)
        assert file["seeds"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


def test_one_row_a_face_is_repeated_for_every_layer(tiny_generator, tmp_path):
    np.savez(tmp_path / "w.npz", w=np.ones((2, 16)))
    assert load_latents(tmp_path / "w.npz", tiny_generator).shape == (2, 6, 16)


@pytest.mark.parametrize("w", [np.ones((1, 18, 512)), np.ones(16), np.ones((0, 6, 16)), np.full((1, 6, 16), np.nan)])
def test_latents_that_do_not_fit_are_refused(tiny_generator, tmp_path, w):
    np.savez(tmp_path / "w.npz", w=w)
    with pytest.raises(InputError, match=r"w\.npz"):
        load_latents(tmp_path / "w.npz", tiny_generator)


def test_foreign_files_are_refused_without_unpickling(tiny_generator, tmp_path):
    np.savez(tmp_path / "pickled.npz", w=np.array([{"a": 1}], dtype=object))
    np.savez(tmp_path / "other.npz", v=np.ones(3))
    np.save(tmp_path / "plain.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("<html>")
    for name in ("pickled.npz", "other.npz", "plain.npy", "text.npz", "absent.npz"):
        with pytest.raises(InputError, match=name):
            load_latents(tmp_path / name, tiny_generator)


def test_what_is_no_seed_or_psi_is_refused(tiny_generator):
    for seeds in ([], [-1], [2**32]):
        with pytest.raises(InputError, match="give at least one"):
            sample(tiny_generator, seeds)
    with pytest.raises(InputError, match="psi nan"):
        sample(tiny_generator, [0], truncation_psi=float("nan"))
