import numpy as np
import pytest
import torch

from latentedit.errors import InputError
from latentedit.latents import (
    load_latents,
    load_styles,
    mix_styles,
    read_latents,
    sample,
    sample_z,
    save_latents,
    save_styles,
    to_styles,
    to_ws,
)
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


@pytest.mark.parametrize("w", [np.ones((1, 18, 512)), np.ones(15), np.ones((0, 6, 16)), np.full((1, 6, 16), np.nan)])
def test_latents_that_do_not_fit_are_refused(tiny_generator, tmp_path, w):
    np.savez(tmp_path / "w.npz", w=w)
    with pytest.raises(InputError, match=r"w\.npz"):
        load_latents(tmp_path / "w.npz", tiny_generator)


CODES = np.random.default_rng(0).standard_normal((4, 6, 16)).astype(np.float32)


def projection(latent):
    return {"img": torch.ones(3, 4, 4), "latent": torch.from_numpy(latent), "noise": [torch.ones(1, 1, 4, 4)]}


WRITTEN = {  # the name of the file, how it is written, which faces it holds
    "projected_w.npz": (lambda path: np.savez(path, w=CODES[:1]), CODES[:1]),
    "w.npy": (lambda path: np.save(path, CODES[0, 0]), CODES[:1, :1].repeat(6, axis=1)),
    "row.npy": (lambda path: np.save(path, CODES[:1, 0]), CODES[:1, :1].repeat(6, axis=1)),
    "one.npy": (lambda path: np.save(path, CODES[0]), CODES[:1]),
    "codes.npy": (lambda path: np.save(path, CODES.astype(np.float64)), CODES),
    "ws.npy": (lambda path: np.save(path, CODES[:, 0]), CODES[:, :1].repeat(6, axis=1)),
    "latents.pt": (lambda path: torch.save(torch.from_numpy(CODES), path), CODES),
    "0.pt": (lambda path: torch.save(torch.from_numpy(CODES[:1]).requires_grad_(), path), CODES[:1]),
    "w+.pt": (lambda path: torch.save({f"{i}.png": projection(c) for i, c in enumerate(CODES)}, path), CODES),
    "w.pt": (
        lambda path: torch.save({f"{i}.png": projection(c[0]) for i, c in enumerate(CODES)}, path),
        CODES[:, :1].repeat(6, axis=1),
    ),
    "single.pt": (lambda path: torch.save(projection(CODES[0]), path), CODES[:1]),
    "latents.npy": (lambda path: np.save(path, {f"{i}.png": [c * 0, c] for i, c in enumerate(CODES)}), CODES),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_latents_of_every_tool_are_read_equal(tiny_generator, tmp_path, name):
    write, expected = WRITTEN[name]
    write(tmp_path / name)
    loaded = load_latents(tmp_path / name, tiny_generator)
    assert loaded.dtype == torch.float32
    assert np.array_equal(loaded.numpy(), expected)
    save_latents(tmp_path / "again.npz", loaded)
    assert torch.equal(load_latents(tmp_path / "again.npz", tiny_generator), loaded)


def test_projections_in_w_stay_as_many_faces_as_they_are(tiny_generator, tmp_path):
    torch.save({f"{i}.png": projection(CODES[0, 0]) for i in range(6)}, tmp_path / "six.pt")  # six, as the layers
    assert load_latents(tmp_path / "six.pt", tiny_generator).shape == (6, 6, 16)


def test_faces_of_different_shapes_are_refused(tiny_generator, tmp_path):
    torch.save({"a.png": projection(CODES[0]), "b.png": projection(CODES[0, 0])}, tmp_path / "mixed.pt")
    with pytest.raises(InputError, match=r"mixed\.pt: holds no latents"):
        load_latents(tmp_path / "mixed.pt", tiny_generator)


def test_published_codes_are_read(shared):
    path = shared / "reference" / "ffhq-codes" / "stylegan2-ffhq-1024-wplus.npy"
    assert torch.equal(read_latents(path), torch.from_numpy(np.load(path)).float())
    assert read_latents(path).shape == (68, 18, 512)


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


def test_mapping_keeps_leading_axes_and_bits(tiny_generator):
    z = sample_z(range(6), 12)
    ws = to_ws(tiny_generator, z.reshape(2, 3, 12), 0.7, 4)
    assert torch.equal(ws[1, 0], tiny_generator.map(z[3:4], None, 0.7, 4)[0])
    assert torch.equal(ws.reshape(6, 6, 16), sample(tiny_generator, range(6), 0.7, 4))
    styles = to_styles(tiny_generator, ws)
    assert styles.shape == (2, 3, tiny_generator.config.num_styles)
    for one, style in zip(ws.reshape(6, 1, 6, 16), styles.reshape(6, -1), strict=True):
        assert torch.equal(tiny_generator.synthesis.make_styles(one)[0], style)
    with pytest.raises(InputError, match=r"needs \[..., 12\]"):
        to_ws(tiny_generator, ws)
    with pytest.raises(InputError, match=r"needs \[..., 6, 16\]"):
        to_styles(tiny_generator, z)


def test_saved_styles_are_loaded_equal_and_ws_become_styles(tiny_generator, tmp_path):
    ws = sample(tiny_generator, range(3))
    styles = to_styles(tiny_generator, ws)
    save_styles(tmp_path / "s.npz", styles, note="edited")
    save_latents(tmp_path / "w.npz", ws)
    for name in ("s.npz", "w.npz"):
        assert torch.equal(load_styles(tmp_path / name, tiny_generator), styles)
    with pytest.raises(InputError, match=r"s\.npz: holds styles, which no ws give back"):
        load_latents(tmp_path / "s.npz", tiny_generator)


@pytest.mark.parametrize("styles", [np.ones((2, 63)), np.ones(64), np.full((1, 64), np.inf), np.array(["a"])])
def test_styles_that_do_not_fit_are_refused(tiny_generator, tmp_path, styles):
    np.savez(tmp_path / "s.npz", styles=styles)
    with pytest.raises(InputError, match=r"s\.npz: holds styles of .* needs finite ones of \[N, 64\]"):
        load_styles(tmp_path / "s.npz", tiny_generator)


def test_mixed_styles_come_from_two_faces(tiny_generator):
    ws = sample(tiny_generator, range(40))
    mixed = mix_styles(ws, seed=1)
    assert torch.equal(mixed[:, 0], ws[:, 0])
    crossed = 0
    for face, own in zip(mixed, ws, strict=True):
        change = [not torch.equal(row, own[0]) for row in face]
        assert change == sorted(change)
        crossed += any(change)
        assert any(torch.equal(face[-1], other[0]) for other in ws)
    assert crossed > 30
    with pytest.raises(InputError, match="one layer can't be mixed"):
        mix_styles(ws[:, :1])
