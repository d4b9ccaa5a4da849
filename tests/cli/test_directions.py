"""`latentedit directions` and `latentedit inspect` on other tools' files."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from latentedit.addresses import load_direction
from latentedit.checkpoints import fingerprint
from latentedit.downloads import find_item
from latentedit.library import list_directions

ROW = torch.nn.functional.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(3)).double())


@pytest.fixture
def boundary(tmp_path):
    np.save(tmp_path / "age_boundary.npy", ROW.numpy())
    return tmp_path / "age_boundary.npy"


@pytest.fixture
def components(tmp_path):
    tensors = {"comp": torch.linalg.qr(torch.randn(512, 5))[0].t()[:, None], "std": torch.arange(5.0, 0, -1)}
    torch.save(tensors, tmp_path / "pca.pt")
    return tmp_path / "pca.pt"


def test_an_imported_direction_belongs_to_the_generator_and_edits(run, network, boundary, scorable_generator, tmp_path):
    done = run("directions", "import", boundary, "--name", "old", "--network", network)
    assert done.code == 0
    assert "written" in done.out
    direction = load_direction("old", scorable_generator)
    assert torch.equal(direction.vector, ROW.repeat(8, 1))
    assert direction.generator == fingerprint(scorable_generator)
    assert direction.sigma > 0
    assert direction.provenance["format"] == "InterFaceGAN boundary"
    assert direction.provenance["file"] == "age_boundary.npy"
    edits = []
    for name in ("old", boundary):
        out = tmp_path / f"out-{len(edits)}"
        arguments = ["--alpha", 2, "--unit", "raw", "--scorer", "none", "--outdir", out, "--quiet"]
        assert run("apply", "--network", network, "--direction", name, *arguments).code == 0
        with np.load(out / "latents.npz") as file:
            edits.append(file["w"])
    assert np.array_equal(*edits)


def test_without_a_generator_it_must_be_asked_for(run, components, scorable_generator):
    refused = run("directions", "import", f"{components}:2")
    assert refused.code == 2
    assert "pass --network, or --any-generator" in refused.err
    done = run("directions", "import", f"{components}:2", "--name", "glance", "--any-generator", "--json")
    assert done.facts["layers"] == list(range(18))
    assert "all layers are 18" in done.facts["provenance"]["assumed"][-1]
    assert done.facts["sigma"] == pytest.approx(3)
    assert list(list_directions(None)) == ["glance"]
    assert list(list_directions("ab" * 32)) == ["glance"]
    assert run("directions", "import", components, "--any-generator").code == 2


def test_a_direction_that_does_not_fit_is_refused_and_nothing_is_stored(run, network, components, home, tmp_path):
    np.save(tmp_path / "deep.npy", np.ones((18, 16)))
    before = sorted(home.rglob("*"))
    wide = run("directions", "import", f"{components}:0", "--network", network)
    assert (wide.code, wide.out) == (2, "")
    assert "width 512" in wide.err
    deep = run("directions", "import", tmp_path / "deep.npy", "--network", network)
    assert "for 18 layers" in deep.err
    assert "--any-generator" in deep.err
    assert sorted(home.rglob("*")) == before
    done = run("directions", "import", tmp_path / "deep.npy", "--network", network, "--any-generator", "--json")
    assert done.facts["layers"] == list(range(8))


@pytest.mark.parametrize(
    ("name", "options"),
    [("up.npy", []), ("up.pt", []), ("up.safetensors", []), ("up.bin", ["--to", "latentedit"]),
     ("factor.pt", ["--to", "rosinality"])],
)  # fmt: skip
def test_an_exported_direction_comes_back(run, network, scorable_generator, tmp_path, name, options):
    done = run("directions", "export", "up", tmp_path / name, "--network", network, *options, "--json")
    assert done.facts["file"] == str(tmp_path / name)
    path = tmp_path / name
    if path.suffix == ".bin":
        path = path.rename(tmp_path / "renamed.safetensors")
    expected = load_direction("up", scorable_generator).vector
    assert torch.allclose(load_direction(path, scorable_generator).vector, expected, atol=1e-7)


def test_an_export_that_cannot_be_leaves_nothing(run, network, scorable_generator, tmp_path):
    edit = {"lat_comp": ROW.numpy(), "lat_stdev": 2.0, "latent_space": "W"}
    edit |= {"edit_type": "latent", "edit_start": 2, "edit_end": 5}
    (tmp_path / "part.pkl").write_bytes(pickle.dumps(edit))
    for out, message in (("part.npy", "cannot hold it"), ("part.csv", "--to"), ("no/part.pt", "No such file")):
        done = run("directions", "export", tmp_path / "part.pkl", tmp_path / out, "--network", network)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
    assert not list(tmp_path.glob("part.[nc]*"))
    assert run("directions", "export", tmp_path / "part.pkl", tmp_path / "part.pt", "--network", network).code == 0
    assert torch.load(tmp_path / "part.pt").shape == (1, 8, 16)


def test_an_export_of_one_of_ours_needs_its_generator(run, network, home, tmp_path):
    up = next(home.rglob("up.safetensors"))
    assert "pass --network" in run("directions", "export", up, tmp_path / "up.pt").err
    assert not (tmp_path / "up.pt").exists()
    assert run("directions", "export", up, tmp_path / "up.pt", "--network", network).code == 0


def test_compare_prints_and_draws_the_cosines(run, network, boundary, tmp_path):
    arguments = ["up", "side", boundary, "--network", network, "--out", tmp_path / "cosines.png"]
    table = run("directions", "compare", *arguments, "--json").facts
    assert table["names"] == ["up", "side", "age"]
    assert np.allclose(table["cosines"], np.transpose(table["cosines"]))
    lines = run("directions", "compare", *arguments).out.splitlines()
    assert lines[1].split() == ["0", "up", *(f"{value:+.3f}" for value in table["cosines"][0])]
    with Image.open(tmp_path / "cosines.png") as picture:
        assert picture.width > 200


def test_compare_needs_no_generator_for_files(run, components):
    facts = run("directions", "compare", f"{components}:0-2", components, "--json").facts
    assert facts["names"] == ["comp0", "comp1", "comp2", "comp0", "comp1", "comp2", "comp3", "comp4"]
    expected = np.eye(8) + np.eye(8, k=3) + np.eye(8, k=-3)
    expected[3:, 6:] = np.eye(5)[:, 3:]
    expected[6:, 3:] = np.eye(5)[3:]
    expected[3:6, :3] = expected[:3, 3:6] = np.eye(3)
    expected[:3, 6:] = expected[6:, :3] = 0
    assert np.allclose(facts["cosines"], expected, atol=1e-6)


def test_compare_keeps_generators_apart(run, network, home, tmp_path):
    up = next(home.rglob("up.safetensors"))
    other = tmp_path / "other.safetensors"
    other.write_bytes(up.read_bytes().replace(fingerprint_in(up), b"ab" * 32))
    assert "belongs to generator abababab" in run("directions", "compare", up, other).err
    assert run("directions", "compare", up, other, "--any-generator").code == 0


def fingerprint_in(path) -> bytes:
    from latentedit.library import read_direction

    return read_direction(path).generator.encode()


def test_inspect_says_what_a_direction_is_and_what_is_odd(run, network, boundary, components, tmp_path):
    facts = run("inspect", boundary, "--json").facts
    assert (facts["kind"], facts["format"], facts["shape"]) == ("direction", "InterFaceGAN boundary", [1, 16])
    assert facts["layers"] == "all, by the same row"
    assert facts["odd"] == []
    assert facts["bytes"] == boundary.stat().st_size
    facts = run("inspect", components, "--json").facts
    assert (facts["kind"], len(facts["name"])) == ("directions", 5)
    assert facts["sigma"] == pytest.approx([5, 4, 3, 2, 1])
    assert run("inspect", f"{components}:3", "--json").facts["name"] == ["comp3"]
    assert "comp0, comp1, comp2, comp3, comp4" in run("inspect", components).out
    facts = run("directions", "show", f"{components}:3", "--json").facts
    assert facts["sigma"] == pytest.approx([2])


ODD = {
    "norm": (lambda: np.ones((6, 16)), "not unit norm: rows of 4"),
    "nan": (lambda: np.full((1, 16), np.nan), "NaN or infinity: it cannot be used"),
    "zero": (lambda: np.zeros((1, 16)), "zero everywhere"),
    "some zero": (lambda: np.eye(3, 16, k=-1), "1 of 3 rows are zero"),
    "known": (lambda: -ROW.numpy(), "odd is nearly the same as age, cosine -1.0000"),
    "a face": (lambda: np.full((1, 16), 3.0), "as long as a face's own code: perhaps latents"),
    "width": (lambda: np.eye(1, 512), "width 512"),
    "layers": (lambda: np.eye(18, 16) + 1e-3, "for 18 layers"),
}


@pytest.mark.parametrize("kind", ODD)
def test_oddities_of_a_direction(run, network, boundary, tmp_path, kind):
    make, expected = ODD[kind]
    run("directions", "import", boundary, "--network", network)
    np.save(tmp_path / "odd.npy", make())
    odd = run("inspect", tmp_path / "odd.npy", "--network", network, "--json").facts["odd"]
    assert any(expected in text for text in odd), odd
    assert f"odd{' ' * 18}{odd[0]}" in run("inspect", tmp_path / "odd.npy", "--network", network).out


def test_repeats_in_a_file_are_told(run, tmp_path):
    torch.save({"ckpt": "a.pt", "eigvec": torch.ones(16, 40)}, tmp_path / "factor.pt")
    facts = run("inspect", tmp_path / "factor.pt", "--json").facts
    assert "eigvec0 and eigvec1 are nearly the same, cosine +1.0000" in facts["odd"]
    text = run("inspect", tmp_path / "factor.pt").out
    assert f"and {len(facts['odd']) - 12} more, see --json" in text


def test_inspect_of_a_direction_of_another_generator(run, network, home, tmp_path):
    up = next(home.rglob("up.safetensors"))
    assert run("inspect", up, "--network", network, "--json").facts["odd"] == []
    other = tmp_path / "other.safetensors"
    other.write_bytes(up.read_bytes().replace(fingerprint_in(up), b"ab" * 32))
    odd = run("inspect", other, "--network", network, "--json").facts["odd"]
    assert any("belongs to generator abababab" in text for text in odd)
    assert any("nearly the same as up" in text for text in odd)


def test_inspect_says_what_is_odd_about_latents(run, network, tmp_path):
    codes = np.random.default_rng(0).standard_normal((5, 8, 16))
    codes[1], codes[2], codes[3, 0, 0] = codes[0], 0, np.nan
    np.save(tmp_path / "codes.npy", codes)
    facts = run("inspect", tmp_path / "codes.npy", "--network", network, "--json").facts
    assert (facts["kind"], facts["shape"]) == ("latents", [5, 8, 16])
    assert [text[:8] for text in facts["odd"]] == ["1 of 5 h", "1 of 5 a", "1 of 5 r", "holds a "]
    np.savez(tmp_path / "other.npz", v=codes)
    facts = run("inspect", tmp_path / "other.npz", "--json").facts
    assert (facts["kind"], facts["arrays"]) == ("arrays", ["v [5, 8, 16]"])
    assert "neither directions nor latents" in facts["odd"][0]


def test_inspect_knows_a_detector_by_its_checksum(run, tmp_path, monkeypatch):
    (tmp_path / "faces.onnx").write_bytes(b"weights")
    facts = run("inspect", tmp_path / "faces.onnx", "--json").facts
    assert (facts["kind"], facts["name"], len(facts["odd"])) == ("detector", None, 1)
    known = replace(find_item("yunet"), sha256=facts["sha256"])
    monkeypatch.setattr("latentedit.cli.description.list_items", lambda: {"yunet": known})
    facts = run("inspect", tmp_path / "faces.onnx", "--json").facts
    assert (facts["name"], facts["licence"], facts["odd"]) == ("yunet", "Apache-2.0", [])


def test_inspect_still_opens_checkpoints_of_every_container(run):
    from pathlib import Path

    data = Path(__file__).parents[1] / "data"
    for name in ("stylegan2-64.pkl", "stylegan2-64-rosinality.pt", "stylegan2-64-rosinality-training.pt"):
        assert run("inspect", data / name, "--json").facts["kind"] == "generator"


def test_published_files_say_what_they_are(run, shared):
    folder = shared / "reference" / "ffhq-directions"
    formats = {path.name: run("inspect", path, "--json").facts["format"] for path in folder.glob("*/*.[np][pt]*")}
    assert formats.pop("ffhq_pca.pt") == "GANSpace components"
    assert {formats.pop(name) for name in ("age.pt", "smile.pt", "pose.pt")} == {"e4e direction"}
    assert len(formats) == 9
    assert set(formats.values()) == {"InterFaceGAN boundary"}
    codes = run("inspect", shared / "reference" / "ffhq-codes" / "stylegan2-ffhq-1024-wplus.npy", "--json").facts
    assert (codes["kind"], codes["shape"]) == ("latents", [68, 18, 512])
