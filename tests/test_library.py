from dataclasses import replace

import numpy as np
import pytest
import torch

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint, load_record, save_record
from latentedit.errors import InputError
from latentedit.library import find_direction, list_directions, read_direction, save_direction, store_direction


def test_a_saved_direction_is_loaded_equal(tiny_direction, tmp_path):
    direction = replace(tiny_direction, provenance={"method": "logistic", "seeds": "0-9"})
    save_direction(direction, tmp_path / "up.safetensors")
    loaded = read_direction(tmp_path / "up.safetensors")
    assert torch.equal(loaded.vector, direction.vector)
    assert vars(loaded) | {"vector": None} == vars(direction) | {"vector": None}


def test_a_stored_direction_is_found_by_name(tiny_generator, tiny_direction, home):
    path = store_direction(tiny_direction, fingerprint(tiny_generator))
    assert home in path.parents
    assert list_directions(fingerprint(tiny_generator)) == {"up": path}
    assert torch.equal(load_direction("up", tiny_generator).vector, tiny_direction.vector)


def test_an_unknown_name_is_answered_with_the_nearest(tiny_generator, tiny_direction):
    with pytest.raises(InputError, match="has none yet"):
        load_direction("up", tiny_generator)
    for name in ("smile", "smirk"):
        store_direction(replace(tiny_direction, name=name), fingerprint(tiny_generator))
    with pytest.raises(InputError, match=r"'smiel' is not known: did you mean smile"):
        find_direction("smiel", fingerprint(tiny_generator))


def test_a_direction_of_another_generator_needs_the_switch(tiny_generator, tiny_direction, tmp_path):
    save_direction(replace(tiny_direction, generator="ab" * 32), tmp_path / "up.safetensors")
    with pytest.raises(InputError, match="belongs to generator abababababab"):
        load_direction(tmp_path / "up.safetensors", tiny_generator)
    assert load_direction(tmp_path / "up.safetensors", tiny_generator, any_generator=True).name == "up"


def test_the_wrong_width_is_refused_even_with_the_switch(tiny_generator, tiny_direction, tmp_path):
    wide = replace(tiny_direction, vector=torch.ones(6, 512), generator=None)
    save_direction(wide, tmp_path / "wide.safetensors")
    with pytest.raises(InputError, match="width 512"):
        load_direction(tmp_path / "wide.safetensors", tiny_generator, any_generator=True)
    deep = replace(tiny_direction, vector=torch.ones(2, 16), layers=(0, 17), generator=None)
    save_direction(deep, tmp_path / "deep.safetensors")
    with pytest.raises(InputError, match="layers up to 17"):
        load_direction(tmp_path / "deep.safetensors", tiny_generator)


@pytest.mark.parametrize("shape", [(1, 16), (16,)])
def test_a_boundary_of_interfacegan_moves_every_layer(tiny_generator, tmp_path, shape):
    array = np.random.default_rng(0).standard_normal(shape)
    np.save(tmp_path / "age_boundary.npy", array)
    direction = load_direction(tmp_path / "age_boundary.npy", tiny_generator)
    assert (direction.name, direction.space, direction.layers) == ("age", "w", tuple(range(6)))
    assert np.array_equal(direction.vector[5].numpy(), array.reshape(-1))


def test_files_that_hold_no_direction_are_refused(tiny_generator, tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "square.npy", np.ones((3, 16)))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "broken.safetensors").write_bytes(b"")
    save_record(tmp_path / "other.safetensors", {"a": torch.ones(1)}, {"kind": "recipe"})
    save_record(tmp_path / "damaged.safetensors", {"vector": torch.ones(1, 16)}, {"kind": "direction", "name": "a"})
    for name in [*sorted(path.name for path in tmp_path.iterdir()), "absent.npy", "absent.safetensors"]:
        with pytest.raises(InputError, match=name):
            load_direction(tmp_path / name, tiny_generator)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 65])
def test_a_name_must_be_fit_for_a_file(tiny_generator, tiny_direction, name):
    with pytest.raises(InputError, match="use letters"):
        store_direction(replace(tiny_direction, name=name), fingerprint(tiny_generator))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../x"},
        {"name": "\x1b[31m"},
        {"name": 7},
        {"unit": "metres"},
        {"sigma": -1},
        {"sigma": "much"},
        {"sigma": 10**400},
        {"generator": 5},
        {"provenance": []},
        {"layers": [0, 0, 1, 2, 3, 4]},
        {"layers": [-1, 0, 1, 2, 3, 4]},
        {"layers": ["a"]},
        {"layers": None},
    ],
    ids=str,
)
def test_a_header_that_anybody_wrote_is_refused(tiny_direction, tmp_path, change):
    save_direction(tiny_direction, tmp_path / "up.safetensors")
    tensors, header = load_record(tmp_path / "up.safetensors")
    save_record(tmp_path / "up.safetensors", tensors, header | change)
    with pytest.raises(InputError, match=r"up\.safetensors is no intact direction") as caught:
        read_direction(tmp_path / "up.safetensors")
    assert str(caught.value).isprintable()
