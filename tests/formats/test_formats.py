"""Every format of other tools: what it holds is read exactly, and what was assumed is said."""

import pickle
import pickletools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.addresses import load_direction, load_directions
from latentedit.direction import Direction
from latentedit.editing import edit
from latentedit.errors import InputError
from latentedit.formats import WRITERS, Owner, parse_channels, read_entries
from latentedit.formats.old_pickle import dump_old
from latentedit.formats.stylespace import move_channels
from latentedit.library import save_direction
from latentedit.networks import GeneratorConfig, block_channels
from latentedit.spaces import ZDirection

ROW = np.random.default_rng(0).standard_normal((1, 16))
ROWS = np.random.default_rng(1).standard_normal((6, 16))
STD = np.array([3.0, 2.0, 0.5], dtype=np.float32)
COMPONENTS = np.linalg.qr(np.random.default_rng(2).standard_normal((16, 3)))[0].T.astype(np.float32)  # [3, 16]
CACHE = {
    "act_comp": COMPONENTS[:, None],
    "act_mean": ROW,
    "act_stdev": STD,
    "lat_comp": 2 * COMPONENTS[:, None],
    "lat_mean": ROW,
    "lat_stdev": 2 * STD,
    "var_ratio": STD,
    "random_stdevs": STD,
}
EDIT = {
    "name": "Trees",
    "sigma_range": np.float64(8.2),
    "component_index": 1,
    "act_comp": COMPONENTS[1:2],
    "lat_comp": COMPONENTS[1:2],
    "latent_space": "W",
    "act_stdev": 2.0,
    "lat_stdev": 2.0,
    "model_name": "StyleGAN2",
    "output_class": "ffhq",
    "decomposition": {"name": "ipca", "components": 80, "samples": 1_000_000, "layer": "style", "class_name": "ffhq"},
    "edit_type": "latent",
    "truncation": 0.9,
    "edit_start": 2,
    "edit_end": 5,
    "example_seed": 1824967741,
}


def write_pickle(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def read_one(path):
    (entry,) = read_entries(path)
    return entry


@pytest.mark.parametrize("shape", [(16,), (1, 16)])
def test_interfacegan(tmp_path, shape):
    np.save(tmp_path / "ffhq_age_w_boundary.npy", ROW.reshape(shape))
    entry = read_one(tmp_path / "ffhq_age_w_boundary.npy")
    assert (entry.name, entry.layers, entry.sigma, entry.assumed) == ("ffhq_age_w", None, None, ())
    assert entry.facts["format"] == "InterFaceGAN boundary"
    assert np.array_equal(entry.rows.numpy(), ROW)


@pytest.mark.parametrize(
    ("stem", "doubt"),
    [
        ("pggan_celebahq_age_boundary", "PGGAN"),
        ("stylegan_ffhq_age_w_boundary", "StyleGAN1"),
        ("ffhq_age_boundary", "lacks InterFaceGAN's _w: pass --space z"),
    ],
)
def test_a_boundarys_name_tells_whose_it_is(tmp_path, stem, doubt):
    np.save(tmp_path / f"{stem}.npy", ROW)
    assert doubt in read_one(tmp_path / f"{stem}.npy").assumed[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8", np.float16])
def test_stylegan2directions_keep_their_norm(tmp_path, dtype):
    np.save(tmp_path / "smile.npy", ROWS.astype(dtype))
    entry = read_one(tmp_path / "smile.npy")
    assert entry.facts["format"] == "stylegan2directions"
    assert np.array_equal(entry.rows.double().numpy(), ROWS.astype(dtype).astype(np.float64))
    assert "not unit norm" in next(entry.oddities())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("array", [ROW, ROWS[None]])
def test_e4e(tmp_path, array, zipped):
    tensor = torch.from_numpy(array).float()
    torch.save(tensor, tmp_path / "pose.pt", _use_new_zipfile_serialization=zipped)
    entry = read_one(tmp_path / "pose.pt")
    assert entry.facts["format"] == "e4e direction"
    assert torch.equal(entry.rows, tensor.reshape(-1, 16))


def test_ganspace_components_of_e4e(tmp_path):
    tensors = {"comp": torch.from_numpy(COMPONENTS)[:, None], "std": torch.from_numpy(STD), "mean": torch.zeros(1, 16)}
    torch.save(tensors, tmp_path / "ffhq_pca.pt")
    entries = read_entries(tmp_path / "ffhq_pca.pt")
    assert [entry.name for entry in entries] == ["comp0", "comp1", "comp2"]
    assert [entry.sigma for entry in entries] == pytest.approx(STD.tolist())
    assert {entry.unit for entry in entries} == {"sigma"}
    assert np.array_equal(torch.cat([entry.rows for entry in entries]).numpy(), COMPONENTS)


def test_ganspace_cache_in_w(tmp_path):
    np.savez_compressed(tmp_path / "cache.npz", **CACHE)
    first = read_entries(tmp_path / "cache.npz")[0]
    assert np.array_equal(first.rows.numpy(), 2 * COMPONENTS[:1])
    assert first.sigma == pytest.approx(2 * STD[0] / 4)  # <w, v> deviates by 2 std, <v, v> is 4


def test_ganspace_cache_in_z_has_its_w_in_the_activations(tmp_path):
    np.savez_compressed(tmp_path / "cache.npz", **CACHE | {"lat_stdev": np.ones(3, dtype=np.float32)})
    first = read_entries(tmp_path / "cache.npz")[0]
    assert np.array_equal(first.rows.numpy(), COMPONENTS[:1])
    assert first.sigma == pytest.approx(STD[0])


def test_ganspace_cache_of_features_is_refused(tmp_path):
    features = {"lat_stdev": np.ones(3), "act_comp": np.ones((3, 1, 8, 4, 4))}
    np.savez_compressed(tmp_path / "cache.npz", **CACHE | features)
    with pytest.raises(InputError, match="not in W, run GANSpace with --use_w"):
        read_entries(tmp_path / "cache.npz")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_ganspace_edits_end_before_their_end(tmp_path, protocol):
    path = write_pickle(tmp_path / "trees.pkl", EDIT, protocol)
    entry = read_one(path)
    assert entry.layers == (2, 3, 4)
    assert (entry.name, entry.unit, entry.sigma) == ("trees", "sigma", pytest.approx(2))
    assert np.array_equal(entry.rows.numpy(), COMPONENTS[1:2])
    assert entry.facts["name"] == "Trees"
    assert any("layers 2-4: the file says 2 to 5" in text for text in entry.assumed)
    assert np.array_equal(entry.lay(18).vector.numpy(), COMPONENTS[[1, 1, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent_space": "Z"}, "of Z, not of W"),
        ({"edit_type": "activation"}, "of activations, not of W"),
        ({"edit_start": 5}, "layers 5 up to but without 5"),
        ({"edit_start": -1}, "layers -1"),
        ({"edit_end": 10**12}, "1000000000000"),
        ({"lat_comp": COMPONENTS}, "damaged"),
        ({"lat_comp": None}, "damaged"),
        ({"lat_stdev": "much"}, "damaged"),
    ],
)
def test_ganspace_edits_that_are_none_in_w(tmp_path, change, message):
    with pytest.raises(InputError, match=f"edit.pkl: .*{message}"):
        read_entries(write_pickle(tmp_path / "edit.pkl", EDIT | change))


def test_rosinality_factor_holds_a_direction_a_column(tmp_path):
    torch.save({"ckpt": "550000.pt", "eigvec": torch.from_numpy(COMPONENTS.T.copy())}, tmp_path / "factor.pt")
    entries = read_entries(tmp_path / "factor.pt")
    assert np.array_equal(entries[2].rows.numpy(), COMPONENTS[2:3])
    assert entries[2].facts == {
        "format": "rosinality factor",
        "file": "factor.pt",
        "entry": "eigvec2",
        "network": "550000.pt",
    }


def test_ganalyze(tmp_path):
    torch.save({"w": torch.from_numpy(ROW)}, tmp_path / "pytorch_model_400000.pth")
    entry = read_one(tmp_path / "pytorch_model_400000.pth")
    assert entry.facts["format"] == "GANalyze direction"
    assert (entry.space, "pass --space w" in entry.assumed[0]) == ("z", True)
    assert np.array_equal(entry.rows.numpy(), ROW)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("0_3", [(0, 3)]),
        ("9_409,12_479", [(9, 409), (12, 479)]),
        ("25_1, 0_0", [(25, 1), (0, 0)]),
        ("smile", None),
        ("9-6", None),
        ("9_6,smile", None),
        ("", None),
    ],
)
def test_channels_of_stylespace(text, channels):
    assert parse_channels(text) == channels


@pytest.mark.parametrize(
    ("text", "name"),
    [("0_3", "b4.conv1"), ("1_0", "b4.torgb"), ("2_0", "b8.conv0"), ("6_364", "b16.conv1"), ("9_409", "b32.conv1"),
     ("25_1", "b1024.torgb")],
)  # fmt: skip
def test_a_channel_moves_its_place_among_the_styles(text, name):
    config = GeneratorConfig(1024, block_channels(1024, 32768, 512))
    direction = move_channels(text, parse_channels(text), config)
    layer = next(layer for layer in config.style_layers if layer.name == name)
    moved = edit(torch.zeros(config.num_styles), direction, 2)
    assert moved.nonzero().tolist() == [[layer.start + int(text.partition("_")[2])]]
    assert float(moved.sum()) == 2
    assert direction.channels == {text: 1}
    assert (direction.space, direction.norm, direction.unit) == ("s", 1, "raw")


def test_channels_that_a_generator_has_not(tiny_generator):
    for text, message in (("8_0", "has style layers 0-7"), ("2_8", "style layer 2, b8.conv0, has channels 0-7")):
        with pytest.raises(InputError, match=message):
            load_direction(f"0_0,{text}", tiny_generator)
    with pytest.raises(InputError, match="'9_6' is a channel of StyleSpace: name the generator"):
        load_direction("9_6", None)


@pytest.mark.parametrize("rows", [6048, 5952, 5760])
def test_styleclips_matrix_says_what_it_is(tmp_path, rows):
    np.save(tmp_path / "fs3.npy", np.ones((rows, 512), dtype=np.float32))
    with pytest.raises(InputError, match=r"fs3\.npy: StyleCLIP's fs3, .* it is no direction itself"):
        read_entries(tmp_path / "fs3.npy")
    np.save(tmp_path / "more.npy", np.ones((rows + 1, 512), dtype=np.float32))
    with pytest.raises(InputError, match="holds no direction of a known format"):
        read_entries(tmp_path / "more.npy")


HIGAN = {"boundary": ROW.astype(np.float32), "meta_data": {"type": "attribute", "manipulate_layers": "6-11"}}


def write_object(path, content):
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


def test_higan_says_its_layers(tmp_path):
    entry = read_one(write_object(tmp_path / "wood_boundary.npy", HIGAN))
    assert (entry.name, entry.layers, entry.facts["format"]) == ("wood", tuple(range(6, 12)), "HiGAN boundary")
    assert np.array_equal(entry.rows.numpy(), HIGAN["boundary"])
    everywhere = HIGAN | {"meta_data": {"type": "attribute"}}
    assert read_one(write_object(tmp_path / "all.npy", everywhere)).layers is None


@pytest.mark.parametrize(
    "change",
    [{"boundary": None}, {"boundary": "a"}, {"boundary": ROWS}, {"meta_data": {"manipulate_layers": 7}},
     {"meta_data": {"manipulate_layers": "6-1"}}, {"meta_data": {"manipulate_layers": "0-99"}}],
    ids=str,
)  # fmt: skip
def test_a_damaged_higan_boundary(tmp_path, change):
    with pytest.raises(InputError, match=r"wood\.npy: "):
        read_entries(write_object(tmp_path / "wood.npy", HIGAN | change))


def test_ganalyze_steps_in_z_unless_told(tiny_generator, tmp_path):
    torch.save({"w": torch.from_numpy(ROW[:, :12].copy())}, tmp_path / "model.pth")
    direction = load_direction(tmp_path / "model.pth", tiny_generator)
    assert (direction.space, tuple(direction.vector.shape)) == ("z", (1, 12))
    with pytest.raises(InputError, match=r"width 12 .* they don't fit"):
        load_direction(tmp_path / "model.pth", tiny_generator, space="w")


def test_a_boundary_is_in_w_unless_told(tiny_generator, tmp_path):
    np.save(tmp_path / "age_boundary.npy", ROW[:, :12])
    with pytest.raises(InputError, match="width 12"):
        load_direction(tmp_path / "age_boundary.npy", tiny_generator)
    direction = load_direction(tmp_path / "age_boundary.npy", tiny_generator, space="z")
    assert np.array_equal(direction.vector.numpy(), ROW[:, :12])
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(InputError, match=r"rows\.npy: .*a row a layer .* that is W, not Z"):
        load_direction(tmp_path / "rows.npy", tiny_generator, space="z")
    save_direction(direction, tmp_path / "ours.safetensors")
    with pytest.raises(InputError, match="is in z, not w"):
        load_direction(tmp_path / "ours.safetensors", tiny_generator, space="w")


vectors = st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed).standard_normal((1, 16)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


SUFFIX = {"interfacegan": ".npy", "stylegan2directions": ".npy", "ganspace": ".npz", "ganspace-edit": ".pkl",
          "ganalyze": ".pth"}  # fmt: skip
SIGMA = 0.7


OF_W = [format for format in WRITERS if format != "stylespace"]


@pytest.mark.parametrize("format", OF_W)
@given(vectors, st.integers(2, 18))
def test_what_is_written_is_read_the_same(folder, format, vector, num_ws):
    vector = torch.from_numpy(vector).float().double()
    path = folder / f"up{SUFFIX.get(format, '.pt')}"
    direction = Direction("up", vector.repeat(num_ws, 1), tuple(range(num_ws)), sigma=SIGMA)
    WRITERS[format](path, direction, Owner(num_ws, torch.ones(16)))
    again = read_one(path).lay(num_ws, "w" if format == "ganalyze" else None)
    assert torch.equal(again.vector, direction.vector)
    assert again.sigma is None or again.sigma == pytest.approx(SIGMA, rel=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_an_exported_component_has_what_their_tools_read(folder, suffix):
    path = folder / f"pca{suffix}"
    direction = Direction("up", torch.from_numpy(ROW).repeat(6, 1), tuple(range(6)), sigma=SIGMA)
    WRITERS["ganspace"](path, direction, Owner(6, torch.full([16], 0.5)))
    deviation = pytest.approx(SIGMA * float(np.square(ROW).sum()), rel=1e-6)
    if suffix == ".pt":
        pca = torch.load(path, weights_only=True)
        assert {key: tuple(tensor.shape) for key, tensor in pca.items()} == {
            "comp": (1, 1, 16),
            "mean": (1, 16),
            "std": (1,),
        }
        assert (float(pca["std"]), float(pca["mean"][0, 0])) == (deviation, 0.5)
    else:
        with np.load(path) as cache:
            assert set(cache) == set(CACHE)
            assert {cache[name].shape for name in ("act_comp", "lat_comp")} == {(1, 1, 16)}
            assert cache["lat_stdev"][0] == deviation
            assert np.isnan(cache["var_ratio"]).all()
    for lacking, message in ((Owner(6), "pass --network"), (None, "nobody measured")):
        bare = direction if lacking else Direction("up", direction.vector, direction.layers)
        with pytest.raises(InputError, match=message):
            WRITERS["ganspace"](path, bare, lacking or Owner(6, torch.ones(16)))


@given(st.integers(0, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_an_exported_edit_ends_before_its_end(folder, start, count, seed):
    vector = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 16))).float().double()
    direction = Direction("trees", vector.repeat(count, 1), tuple(range(start, start + count)), sigma=SIGMA)
    WRITERS["ganspace-edit"](folder / "trees.pkl", direction, Owner(18))
    written = pickle.loads((folder / "trees.pkl").read_bytes())
    assert set(written) == set(EDIT)
    assert {type(value) for key, value in written.items() if key not in ("act_comp", "lat_comp")} <= {
        str,
        float,
        int,
        dict,
    }
    assert (written["edit_start"], written["edit_end"]) == (start, start + count)
    assert (written["lat_comp"].dtype, written["lat_comp"].shape) == (np.float32, (1, 16))
    again = read_one(folder / "trees.pkl").lay(18)
    assert torch.equal(again.vector, direction.vector)
    assert (again.layers, again.sigma) == (direction.layers, pytest.approx(SIGMA))


def test_an_exported_edit_names_numpy_as_numpy_1_did(folder):
    rows = np.frombuffer(b"cnumpy._core.abc" * 8, dtype=np.float64)[None]  # numbers that look like a name
    direction = Direction("odd", torch.from_numpy(np.nan_to_num(rows)), (3,), sigma=SIGMA)
    WRITERS["ganspace-edit"](folder / "odd.pkl", direction, Owner(18))
    data = (folder / "odd.pkl").read_bytes()
    names = {argument for code, argument, _ in pickletools.genops(data) if code.name == "GLOBAL"}
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype", "_codecs encode"}
    assert data[:2] == b"\x80\x02"
    content = {"name": "cnumpy._core.", "row": rows}
    again = pickle.loads(dump_old(content))
    assert (again["name"], again["row"].tobytes()) == ("cnumpy._core.", rows.tobytes())
    scattered = Direction("gap", torch.ones(2, 16), (1, 3), sigma=SIGMA)
    with pytest.raises(InputError, match="layers 1,3: no single range"):
        WRITERS["ganspace-edit"](folder / "gap.pkl", scattered, Owner(18))


@pytest.mark.parametrize("format", ["interfacegan", "ganalyze"])
def test_a_direction_in_z_comes_back(folder, format):
    path = folder / f"z{SUFFIX[format]}"
    row = torch.from_numpy(ROW).float().double()
    WRITERS[format](path, ZDirection("z", row, (0,)), Owner(18))
    again = read_one(path).lay(18, "z")
    assert (again.space, again.layers) == ("z", (0,))
    assert torch.equal(again.vector, row)


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1))
def test_a_list_of_channels_comes_back(folder, tiny_generator, channels):
    direction = load_direction(",".join(f"{i}_{j}" for i, j in channels), tiny_generator)
    WRITERS["stylespace"](folder / "list.txt", direction, Owner(6))
    again = load_direction(folder / "list.txt", tiny_generator)
    assert torch.equal(again.vector, direction.vector)
    assert (again.name, again.layers, again.generator) == ("list", direction.layers, direction.generator)


def test_a_list_of_channels_says_no_distances(folder, tiny_generator):
    direction = load_direction("2_3", tiny_generator)
    with pytest.raises(InputError, match="moves its channels unequally"):
        WRITERS["stylespace"](folder / "far.txt", replace(direction, vector=2 * direction.vector), Owner(6))
    with pytest.raises(InputError, match="up is in w: no such file holds it"):
        WRITERS["stylespace"](folder / "far.txt", Direction("up", torch.ones(1, 4), (0,)), Owner(6))
    assert not (folder / "far.txt").exists()
    (folder / "typed.txt").write_text("2_3, 4_5\n\n1_0\n")
    assert load_direction(folder / "typed.txt", tiny_generator).channels == {"1_0": 1, "2_3": 1, "4_5": 1}
    for content in (b"", b"smile", b"\xff\xfe2_3", b"2_3;4_5"):
        (folder / "none.txt").write_bytes(content)
        with pytest.raises(InputError, match=r"none\.txt: holds no channels"):
            load_direction(folder / "none.txt", tiny_generator)


@pytest.mark.parametrize("format", OF_W)
def test_no_other_tools_file_holds_a_channel(folder, tiny_generator, format):
    path = folder / f"never-{format}"
    with pytest.raises(InputError, match="direction 2_3 is in s: no such file holds it"):
        WRITERS[format](path, replace(load_direction("2_3", tiny_generator), sigma=1.0), Owner(6, torch.ones(16)))
    assert not path.exists()


@given(st.sets(st.integers(0, 9), min_size=1), st.integers(0, 2**31))
def test_e4e_holds_any_layers(folder, layers, seed):
    vector = torch.from_numpy(np.random.default_rng(seed).standard_normal((len(layers), 16))).float().double()
    direction = Direction("some", vector, tuple(sorted(layers)))
    WRITERS["e4e"](folder / "some.pt", direction, Owner(10))
    laid = read_one(folder / "some.pt").lay(10)
    assert torch.equal(laid.vector[list(laid.layers).index(min(layers))], vector[0])
    assert float(laid.norm) == pytest.approx(direction.norm)


@pytest.mark.parametrize("format", ["interfacegan", "rosinality"])
def test_a_file_of_one_row_holds_no_other_direction(folder, format):
    for rows, layers in [(ROWS, range(6)), (ROW.repeat(3, axis=0), range(3))]:
        path = folder / f"none-{format}"
        with pytest.raises(InputError, match="cannot hold it"):
            WRITERS[format](path, Direction("up", torch.from_numpy(rows), tuple(layers)), Owner(6))
        assert not path.exists()


def test_a_failed_export_leaves_the_old_file(folder, monkeypatch):
    path = folder / "kept.npy"
    path.write_text("old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(InputError, match=r"kept\.npy: No space left"):
        WRITERS["interfacegan"](path, Direction("up", torch.ones(2, 4), (0, 1)), Owner(2))
    assert path.read_text() == "old"
    assert not list(folder.glob(".kept*"))


def test_the_layers_are_said_where_they_are_assumed(tmp_path):
    np.save(tmp_path / "age.npy", np.ones((1, 512)))
    direction = load_direction(tmp_path / "age.npy", None)
    assert direction.layers == tuple(range(18))
    assert "all layers are 18, as they usually are" in direction.provenance["assumed"][0]
    np.save(tmp_path / "narrow.npy", ROW)
    with pytest.raises(InputError, match=r"narrow\.npy: .*pass --network"):
        load_direction(tmp_path / "narrow.npy", None)


def test_rows_of_another_number_of_layers_need_the_switch(tiny_generator, tmp_path):
    for num_rows, moved in ((8, 6), (3, 3)):
        path = tmp_path / f"{num_rows}.npy"
        np.save(path, np.ones((num_rows, 16)))
        with pytest.raises(InputError, match=f"{num_rows}.npy: .*for {num_rows} layers.*--any-generator"):
            load_direction(path, tiny_generator)
        direction = load_direction(path, tiny_generator, any_generator=True)
        assert direction.layers == tuple(range(moved))
        save_direction(direction, tmp_path / "kept.safetensors")
        assert load_direction(tmp_path / "kept.safetensors", tiny_generator).layers == tuple(range(moved))


def test_directions_of_a_file_are_picked(tmp_path):
    torch.save({"comp": torch.eye(5, 512), "std": torch.ones(5)}, tmp_path / "pca.pt")
    path = tmp_path / "pca.pt"
    assert [d.name for d in load_directions(path, None)] == [f"comp{i}" for i in range(5)]
    assert [d.name for d in load_directions(f"{path}:1-2,4", None)] == ["comp1", "comp2", "comp4"]
    assert load_direction(f"{path}:comp3", None).name == load_direction(f"{path}:3", None).name == "comp3"
    with pytest.raises(InputError, match=r"holds 5 directions, comp0 to comp4: pick one, such as .*pca\.pt:0"):
        load_direction(path, None)
    for wrong, message in (("5", "there are 5, 0-4"), ("comp5", "'comp5' is not a list")):
        with pytest.raises(InputError, match=message):
            load_direction(f"{path}:{wrong}", None)


def test_published_directions_are_the_same_in_every_format(shared, tmp_path):
    folder = shared / "reference" / "ffhq-directions"
    for path in [folder / "e4e" / "age.pt", folder / "e4e" / "smile.pt"]:
        direction = load_direction(path, None)
        save_direction(direction, tmp_path / "ours.safetensors")
        files = [tmp_path / "ours.safetensors"]
        for format, write in WRITERS.items():
            if format not in ("stylespace", "ganspace", "ganspace-edit", "ganalyze"):  # of S, with sigma, or in Z
                files.append(tmp_path / f"{format}{SUFFIX.get(format, '.pt')}")
                write(files[-1], direction, Owner(18))
        for file in files:
            assert torch.equal(load_direction(file, None).vector, direction.vector)


def test_published_boundaries_and_components(shared, tmp_path):
    folder = shared / "reference" / "ffhq-directions"
    for path in sorted((folder / "interfacegan").glob("*.npy")):
        direction = load_direction(path, None)
        assert np.array_equal(direction.vector[:1].numpy(), np.load(path))
        WRITERS["interfacegan"](tmp_path / path.name, direction, Owner(18))
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    components = load_directions(folder / "e4e" / "ffhq_pca.pt", None)
    assert len(components) == 80
    assert [c.norm for c in components] == pytest.approx([18**0.5] * 80, rel=1e-6)
    pose = load_direction(folder / "e4e" / "pose.pt", None)
    assert (pose.space, pose.vector.shape) == ("w", (18, 512))  # all its rows are equal


def test_conditional_boundaries_are_what_condition_on_gives(shared):
    folder = shared / "reference" / "ffhq-directions" / "interfacegan"
    age, gender, glasses = (
        load_direction(folder / f"pggan_celebahq_{name}_boundary.npy", None) for name in ("age", "gender", "eyeglasses")
    )
    for name, conditions in (("age_c_gender", [gender]), ("age_c_gender_eyeglasses", [gender, glasses])):
        published = load_direction(folder / f"pggan_celebahq_{name}_boundary.npy", None)
        assert torch.allclose(age.condition_on(conditions).vector, published.vector, atol=1e-6)
