"""`latentedit models`, and published names wherever a generator or a direction is named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from web_server import serving, status

import latentedit as le
from latentedit.checkpoints import fingerprint
from latentedit.cli.main import main

ROW = torch.nn.functional.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(3)).double())


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def published(server, network, tmp_path, monkeypatch):
    """The tiny generator, a boundary and three components as published files; the folder of what is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "tiny.safetensors").write_bytes(network.read_bytes())
    np.save(folder / "age_boundary.npy", ROW.numpy())
    torch.save({"comp": torch.linalg.qr(torch.randn(16, 3))[0].t()[:, None], "std": torch.ones(3)}, folder / "pca.pt")
    entries = [
        {"name": "tiny-32", "kind": "generator", "file": "tiny.safetensors", "licence": "CC0 1.0", "resolution": 32},
        {"name": "tiny-age", "kind": "direction", "file": "age_boundary.npy"},
        {"name": "tiny-pca", "kind": "direction", "file": "pca.pt"},
    ]
    items = [entry | {"mirrors": [f"{server.url}/{entry['file']}"]} for entry in entries]
    (tmp_path / "registry.json").write_text(json.dumps(items))
    monkeypatch.setenv("LATENTEDIT_REGISTRY", str(tmp_path / "registry.json"))

    def answer(handler):
        path = folder / handler.path[1:]
        handler.reply(200, path.read_bytes()) if path.exists() else handler.reply(404)

    server.answers = [answer]
    return folder


def test_names_work_wherever_a_generator_or_direction_is_named_and_are_fetched_once(run, published, server, tmp_path):
    arguments = ["--alpha", 2, "--unit", "raw", "--scorer", "none", "--quiet"]
    edit = ["apply", "--network", "tiny-32", "--direction", "tiny-age", *arguments]
    done = run(*edit, "--outdir", tmp_path / "a")
    assert done.code == 0
    assert "tiny-32: " in done.err
    assert "licence: CC0 1.0" in done.err
    assert [path for path, _ in server.requests] == ["/tiny.safetensors", "/age_boundary.npy"]
    server.answers = [status(500)]
    assert run(*edit, "--outdir", tmp_path / "b", "--offline").err == ""
    local = ["--network", published / "tiny.safetensors", "--direction", published / "age_boundary.npy"]
    assert run("apply", *local, *arguments, "--outdir", tmp_path / "c").code == 0
    ws = [np.load(tmp_path / name / "latents.npz")["w"] for name in "abc"]
    assert np.array_equal(ws[0], ws[1])
    assert np.array_equal(ws[0], ws[2])
    facts = json.loads((tmp_path / "a" / "run.json").read_text())
    assert facts["direction"]["name"] == "tiny-age"
    assert facts["network"]["name"] == "tiny-32"
    assert len(server.requests) == 2


def test_inspect_and_the_library_take_names(run, published, server):
    facts = run("inspect", "tiny-32", "--json").facts
    assert (facts["kind"], facts["source"]) == ("generator", "random weights")
    assert run("inspect", "tiny-age", "--json").facts["format"] == "InterFaceGAN boundary"
    assert run("inspect", "tiny-pca:2", "--json").facts["name"] == ["comp2"]
    assert run("directions", "show", "tiny-age", "--json").facts["shape"] == [1, 16]
    assert run("directions", "compare", "tiny-age", "tiny-pca", "--network", "tiny-32").code == 0
    assert len(server.requests) == 3


def test_the_library_hides_a_published_name(run, published, server):
    done = run("directions", "import", "tiny-age", "--network", "tiny-32", "--json")
    assert (done.facts["name"], done.facts["provenance"]["file"]) == ("tiny-age", "age_boundary.npy")
    generator = le.load_generator("tiny-32")
    assert le.load_direction("tiny-age", generator).sigma > 0
    assert le.load_direction("tiny-pca:1", generator).name == "comp1"
    with pytest.raises(le.InputError, match="holds 3 directions, comp0 to comp2: pick one, such as tiny-pca:0"):
        le.load_direction("tiny-pca", generator)


def test_an_address_is_trusted_at_its_first_use(run, published, server, scorable_generator):
    url = f"{server.url}/tiny.safetensors"
    assert fingerprint(le.load_generator(url)) == fingerprint(scorable_generator)
    assert le.load_direction(f"{server.url}/age_boundary.npy", scorable_generator).vector.shape == (8, 16)
    assert le.load_direction(f"{server.url}/pca.pt:1", scorable_generator).name == "comp1"
    num_requests = len(server.requests)
    assert run("inspect", url, "--json").facts["kind"] == "generator"
    assert len(server.requests) == num_requests == 3
    path = Path(run("models", "path", url).out.strip())
    path.write_bytes(path.read_bytes() + b"x")
    assert "delete it to fetch anew" in run("inspect", url).err


def test_a_checkpoint_that_says_nothing_of_itself_gets_the_registrys_words(published, tiny_generator, tmp_path):
    le.save_generator(published / "tiny.safetensors", tiny_generator)
    checkpoint = le.load_checkpoint("tiny-32")
    assert (checkpoint.source, checkpoint.licence) == (None, "CC0 1.0")


def test_list_shows_what_is_known_and_what_is_here(run, published):
    lines = run("models", "list").out.splitlines()
    assert lines[0].split() == ["name", "what", "it", "is", "licence", "px", "size", "here"]
    ends = {line.split()[0]: line.split()[-2:] for line in lines[1:]}
    assert ends["ffhq-1024"] == ["382MB", "no"]
    assert ends["ffhq-256"] == ["?", "no"]
    assert ends["rosinality-ffhq"] == ["by", "hand"]
    assert (ends["tiny-32"][1], ends["faces"][1]) == ("no", "yes")
    assert len({len(line) for line in lines if line.endswith((" no", "yes", "here"))}) == 1
    run("models", "get", "tiny-32")
    facts = {fact["name"]: fact for fact in run("models", "list", "--json", "--kind", "generator").facts}
    assert facts["tiny-32"]["here"]
    assert facts["tiny-32"]["size"] == (published / "tiny.safetensors").stat().st_size
    assert len(facts["tiny-32"]["sha256"]) == 64
    assert "tiny-age" not in facts


def test_get_takes_several_names(run, published, server):
    done = run("models", "get", "tiny-32", "tiny-age", "faces")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["name", "tiny-32", "tiny-age", "faces"]
    for line in done.out.splitlines()[1:]:
        assert Path(line.split()[-1]).stat().st_size > 0
    assert len(server.requests) == 2
    facts = run("models", "get", "tiny-32", "--json").facts
    assert (facts[0]["name"], facts[0]["here"]) == ("tiny-32", True)


def test_path_prints_only_the_path_and_downloads_nothing(run, published, server, home):
    done = run("models", "path", "tiny-32")
    assert (done.code, done.out) == (0, f"{home / 'cache' / 'tiny-32' / 'tiny.safetensors'}\n")
    assert done.err == "tiny-32: not downloaded yet, `latentedit models get tiny-32` does that\n"
    assert not (home / "cache").exists()
    run("models", "get", "tiny-32")
    assert run("models", "path", "tiny-32").err == ""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "get", "fhq-1024"], "'fhq-1024' is no published checkpoint or direction: did you mean ffhq-1024"),
        (["models", "get", "tiny-32", "nothing-like-it-at-all"], "see `latentedit models list`"),
        (["models", "path", "../../etc/passwd"], "'../../etc/passwd' is no published"),
        (["models", "get", "http://example.org/x.pkl"], "only https addresses are fetched"),
        (["models", "get", "tiny-32", "--offline"], "offline mode"),
        (["inspect", "tiny-23"], "did you mean tiny-32"),
        (["inspect", "tiny-32", "--offline"], "offline mode"),
        (["apply", "--network", "fhq-1024", "--direction", "x", "--alpha", "1"], "did you mean ffhq-1024"),
        (["apply", "--network", "tiny-age", "--direction", "x", "--alpha", "1"], "is a direction, not a generator"),
        (["apply", "--network", "tiny-32", "--device", "cuda", "--direction", "x", "--alpha", "1"], "no GPU"),
        (["apply", "--direction", "tiny-agee", "--alpha", "1"], "did you mean tiny-age"),
        (["apply", "--direction", "tiny-32", "--alpha", "1"], "is a generator, not a direction"),
        (["models", "get", "rosinality-ffhq"], "fetch https://drive.google.com/"),
    ],
)
def test_a_mistake_is_one_line_and_asks_nobody(run, published, server, arguments, message):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert server.requests == []


def test_a_failing_download_ends_with_one_line(run, published, server):
    server.answers = [status(404)]
    done = run("apply", "--network", "tiny-32", "--direction", "w_sq", "--alpha", 1)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("latentedit apply: tiny-32: could not be downloaded: 127.0.0.1:")
    assert done.err.endswith("HTTP 404 Not Found\n")


def test_the_environment_forbids_downloads_too(published, server, monkeypatch, capsys):
    monkeypatch.setenv("LATENTEDIT_OFFLINE", "1")
    with pytest.raises(le.InputError, match="tiny-32: not downloaded yet, and this is offline mode"):
        le.load_generator("tiny-32")
    assert main(["inspect", "faces"]) == 0
    assert server.requests == []
