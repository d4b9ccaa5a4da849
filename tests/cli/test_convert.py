from pathlib import Path

import pytest
import torch

from latentedit.checkpoints import load_generator_file


def test_convert_guesses_from_the_suffix_and_says_so(run, network, tmp_path):
    done = run("convert", network, tmp_path / "copy.safetensors")
    assert (done.code, done.err) == (0, "")
    assert "latentedit -> latentedit, as .safetensors says" in done.out
    assert load_generator_file(tmp_path / "copy.safetensors").licence == "CC0 1.0"


def test_convert_writes_the_format_that_is_named(run, network, scorable_generator, tmp_path):
    done = run("convert", network, tmp_path / "plain.pt", "--to", "nvidia-pt", "--json")
    assert (done.facts["format"], done.facts["guessed"], done.facts["notes"]) == ("nvidia-pt", False, [])
    assert done.facts["fingerprint"] == done.facts["network"]["fingerprint"]
    assert done.facts["bytes"] == (tmp_path / "plain.pt").stat().st_size
    state = torch.load(tmp_path / "plain.pt", weights_only=True)
    for name, tensor in scorable_generator.state_dict().items():
        assert torch.equal(state[name], tensor)


@pytest.mark.parametrize(("out", "target"), [("g.safetensors", "nvidia-safetensors"), ("g.pt", "nvidia-pt")])
def test_what_is_converted_can_be_inspected(run, network, tmp_path, out, target):
    done = run("convert", network, tmp_path / out, "--to", target, "--json")
    facts = run("inspect", tmp_path / out, "--json").facts
    assert (facts["format"], facts["fingerprint"]) == ("nvidia-state-dict", done.facts["fingerprint"])


def test_half_precision_is_another_generator(run, network, tmp_path):
    facts = run("convert", network, tmp_path / "half.safetensors", "--fp16", "--json").facts
    assert facts["fingerprint"] != facts["network"]["fingerprint"]
    assert facts["bytes"] < 0.7 * network.stat().st_size


def test_what_the_format_cannot_hold_is_said(run, tmp_path):
    data = Path(__file__).parents[1] / "data"
    done = run("convert", data / "stylegan2-64.pkl", tmp_path / "g.pth", "--to", "rosinality-pt")
    assert done.code == 0
    assert "note       conv_clamp 256 is lost" in done.out
    assert run("convert", tmp_path / "g.pth", tmp_path / "g.safetensors", "--quiet").out == ""


@pytest.mark.parametrize(
    ("source", "out", "expected"),
    [
        ("{network}", "g.pt", "g.pt: .pt does not tell the format, give --to nvidia-pt or --to rosinality-pt"),
        ("{network}", "g.pkl", "g.pkl: no format to write ends in '.pkl'"),
        ("{network}", "g.pt --to latentedit", "g.pt: a latentedit file ends in .safetensors"),
        ("{network}", "g.pt --to rosinality-pt", "g.pt: rosinality's format cannot hold this generator: it has z_dim"),
        ("{network}", "no/g.safetensors", "g.safetensors: No such file or directory"),
        ("{network}", "g.pt --to pickle", "'pickle'"),
        ("{tmp}/no.pkl", "g.safetensors", "no.pkl"),
        ("{tmp}/lucid.pt", "g.safetensors", "lucid.pt: a lucidrains stylegan2-pytorch checkpoint"),
    ],
)
def test_mistakes(run, network, tmp_path, source, out, expected):
    torch.save({"GAN": {}, "version": "1.8.9"}, tmp_path / "lucid.pt")
    before = sorted(tmp_path.rglob("*"))
    out, *options = out.split()
    done = run("convert", source.format(network=network, tmp=tmp_path), tmp_path / out, *options)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert done.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_help_opens_with_examples(run):
    assert "examples:\n  latentedit convert ffhq.pkl ffhq.safetensors" in run("convert", "--help").out
