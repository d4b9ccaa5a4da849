"""Populations: the same bits however they are cut, shared out, killed and gone on with."""

import json
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import population as processes
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from population import SEEDS, SHARD_SIZE, Contrast, sample

import latentedit as le
from latentedit.errors import InputError
from latentedit.population.manifest import read_manifest
from latentedit.population.panel import load_scorers
from latentedit.population.shards import Shards
from latentedit.predictors import make_predictor, registry

NUM_SHARDS = len(SEEDS) // SHARD_SIZE


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The population that nothing interrupted."""
    return sample(tmp_path_factory.mktemp("whole") / "pop")


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it to do harm to."""
    return Path(shutil.copytree(whole.shards.folder, tmp_path / "copy"))


def assert_same(population, whole):
    assert population.attributes == whole.attributes == ("contrast",)
    for name in ("w", "scores", "images"):
        one, other = getattr(population, name)[:], getattr(whole, name)[:]
        assert one.dtype == other.dtype
        assert torch.equal(one, other), name


def list_files(folder):
    """Tell a shard's files, and whether they were written anew."""
    return {path.name: path.stat().st_ino for path in folder.glob("*.npy")}


def test_rows_are_what_sampling_rendering_and_scoring_give(whole):
    generator = processes.tiny()
    ws = le.sample(generator, SEEDS, 0.5)
    images = le.render(generator, ws)
    assert torch.equal(whole.w[:], ws[:, 0])
    assert torch.equal(whole.read_scores("contrast"), torch.cat([Contrast()(image[None]) for image in images]))
    assert np.array_equal(whole.images[5].numpy(), np.asarray(le.to_pil(images[5])))
    assert whole.seeds.tolist() == SEEDS
    assert len(whole) == len(SEEDS)


@settings(max_examples=6)
@given(shard_size=st.integers(1, 12), start=st.integers(0, 30), count=st.integers(1, 10), threads=st.integers(1, 2))
def test_any_cut_gives_the_same_bits(whole, tmp_path_factory, shard_size, start, count, threads):
    seeds, before = SEEDS[start : start + count], torch.get_num_threads()
    torch.set_num_threads(threads)
    folder = tmp_path_factory.mktemp("cut")
    cut = le.sample_population(processes.tiny(), folder, seeds, 0.5, [Contrast()], shard_size=shard_size)
    torch.set_num_threads(before)
    assert torch.equal(cut.w[:], whole.w[start : start + count])
    assert torch.equal(cut.scores[:], whole.scores[start : start + count])
    assert cut.images is None


def test_random_noise_belongs_to_the_seed(tmp_path):
    def score(seeds, name, noise_mode):
        torch.manual_seed(len(name))  # what came before must not count
        common = {"scorers": [Contrast()], "noise_mode": noise_mode, "shard_size": 3}
        return le.sample_population(generator, tmp_path / name, seeds, **common).scores[:]

    generator = processes.tiny()
    one = score([4, 5, 6, 7], "one", "random")
    assert torch.equal(one[2:], score([6, 7], "another", "random"))
    assert not torch.equal(one, score([4, 5, 6, 7], "const", "const"))


def test_a_cutoff_keeps_every_row(tmp_path):
    generator = processes.tiny()
    population = le.sample_population(generator, tmp_path, range(5), 0.5, truncation_cutoff=2, shard_size=2)
    assert torch.equal(population.w[:], le.sample(generator, range(5), 0.5, 2))
    assert population.scores is None


@given(st.data())
def test_rows_are_indexed_as_a_tensor_is(whole, data):
    n = len(SEEDS)
    places = st.integers(-n, n - 1)
    slices = st.builds(slice, st.none() | places, st.none() | places, st.none() | st.integers(1, 5))
    masks = st.lists(st.booleans(), min_size=n, max_size=n).map(torch.tensor)
    index = data.draw(places | slices | st.lists(places, max_size=6).map(lambda x: torch.tensor(x).long()) | masks)
    assert torch.equal(whole.w[index], whole.w[:][index])


def kill_amid(process, folder, moments):
    """Kill a process when it has written a few more files and a random moment later."""
    target = len(list(folder.glob("*.npy"))) + moments.randint(0, 5)
    while process.exitcode is None and len(list(folder.glob("*.npy"))) < target:
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.02))
    process.kill()
    process.join()


def test_a_process_killed_at_random_moments_goes_on_until_all_is_there(whole, tmp_path):
    moments, folder, num_kills, kept = random.Random(0), tmp_path / "pop", 0, {}
    shards = Shards(folder, whole.manifest)
    while shards.find_missing():
        process = processes.start(folder)
        kill_amid(process, folder, moments)
        num_kills += process.exitcode == -9
        files = list_files(folder)
        assert kept.items() <= files.items()  # what was finished is never made again
        done = [shard for shard in range(NUM_SHARDS) if shards.has(shard)]
        kept = {
            path.name: files[path.name] for i in done for path in (shards.path(name, i) for name in ("w", "scores"))
        }
    assert num_kills > 1
    assert_same(le.load_population(folder), whole)


@pytest.mark.parametrize("replaces", [1, 2, 3, 4, 8, 30, 31])
def test_a_process_killed_at_any_renaming_goes_on(whole, tmp_path, replaces):
    process = processes.start(tmp_path / "pop", replaces=replaces)
    process.join()
    assert process.exitcode == -9
    assert_same(sample(tmp_path / "pop"), whole)
    assert not list((tmp_path / "pop").glob(".*"))


def start_together(folder, count, dies=None):
    """Start processes as torchrun does; `dies` is killed at its sixth face."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    started = [
        processes.start(folder, last=6 if rank == dies else None, environment=common | {"RANK": str(rank)})
        for rank in range(count)
    ]
    for process in started:
        process.join(60)
    return [process.exitcode for process in started]


@pytest.mark.parametrize(("count", "dies", "then"), [(3, 1, 2), (2, 0, 3), (3, 2, 1)])
def test_processes_share_the_seeds_and_a_dead_ones_share_is_taken_up(whole, tmp_path, count, dies, then):
    folder = tmp_path / "pop"
    codes = start_together(folder, count, dies)
    assert codes == [-9 if rank == dies else 2 for rank in range(count)]  # the others did theirs, and then said so
    assert (folder / "complaint").read_text() == "another process has stopped: run it again, what is finished stays"
    shards = Shards(folder, read_manifest(folder))
    mine = [shard for shard in range(NUM_SHARDS) if shard % count == dies]
    assert shards.find_missing() == mine[1:]
    before = list_files(folder)
    assert start_together(folder, then) == [0] * then
    assert before.items() <= list_files(folder).items()
    assert_same(le.load_population(folder), whole)


def test_torchrun_starts_a_killed_process_again(whole, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = [Path(__file__).parent / "population.py", tmp_path / "pop"]
    environment = os.environ | {"PYTHONPATH": f"{Path(le.__file__).parents[1]}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, "--max-restarts", "1", "--monitor-interval", "0.1", *script], capture_output=True, env=environment
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Signal 9" in done.stderr or b"exitcode: -9" in done.stderr
    assert_same(le.load_population(tmp_path / "pop"), whole)
    counts = [int((tmp_path / "pop" / f"count{rank}").read_text()) - 1 for rank in range(2)]  # one each to try
    assert min(counts) > 0
    assert sum(counts) <= len(SEEDS) - 2 * SHARD_SIZE  # the killed one had finished two shards


def test_processes_that_would_make_different_faces_are_refused(monkeypatch, tmp_path):
    other = read_manifest(sample(tmp_path / "a", precision="bf16").shards.folder)
    monkeypatch.setattr("latentedit.population.processes.Processes.agree", lambda self, value: (other, []))
    with pytest.raises(le.InputError, match="process 0 has precision fp32 instead of bf16"):
        sample(tmp_path / "b")


def cut_short(path):
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"0")


def reshape(path):
    np.save(path, np.load(path)[:-1])


def retype(path):
    np.save(path, np.load(path).astype("f8"))


def pickle(path):
    np.save(path, np.array([{}] * SHARD_SIZE), allow_pickle=True)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut_short, lengthen, reshape, retype, pickle, empty, Path.unlink])
@pytest.mark.parametrize("name", ["w", "scores"])
def test_a_damaged_shard_is_noticed_and_made_anew(whole, copy, harm, name):
    harm(copy / f"{name}-00003.npy")
    before = list_files(copy)
    with pytest.raises(le.InputError, match="1 of 10 shards are missing or damaged: run latentedit sample again"):
        le.load_population(copy)
    assert_same(sample(copy), whole)
    changed = {file for file, inode in list_files(copy).items() if before.get(file) != inode}
    assert changed == {"w-00003.npy", "scores-00003.npy", "images-00003.npy"}


def test_damage_after_opening_is_named(copy):
    population = le.load_population(copy)
    cut_short(copy / "w-00003.npy")
    assert len(population.w[:12]) == 12
    with pytest.raises(le.InputError, match=r"w-00003.npy: damaged: run latentedit sample again"):
        population.w[12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truncation_psi": 0.7}, "truncation_psi 0.5 instead of 0.7"),
        ({"seeds": range(9)}, "seeds 100-137,7,3 instead of 0-8"),
        ({"scorers": []}, r"scorers \{'contrast': None\} instead of \{\}"),
        ({"noise_mode": "none"}, "noise_mode const instead of none"),
        ({"images": False}, "arrays "),
        ({"shard_size": 5}, "shard_size 4 instead of 5"),
        ({"generator": "other"}, "generator [0-9a-f]{64} instead of"),
    ],
)
def test_another_population_is_not_mixed_in(copy, scorable_generator, change, message):
    same = {
        "generator": processes.tiny(),
        "folder": copy,
        "seeds": SEEDS,
        "truncation_psi": 0.5,
        "scorers": [Contrast()],
        "images": True,
        "shard_size": SHARD_SIZE,
    }
    if "generator" in change:
        change = {"generator": scorable_generator}
    before = list_files(copy)
    with pytest.raises(le.InputError, match=f"copy: holds another population, {message}.*name another folder"):
        le.sample_population(**same | change)
    assert list_files(copy) == before


def test_weights_of_the_scorer_count(tmp_path, scorable_generator):
    assessor = le.load_assessor("omi")
    le.sample_population(scorable_generator, tmp_path, [1], scorers=[assessor.scorer("happy")])
    assessor.bias[0] += 1
    with pytest.raises(le.InputError, match="holds another population, scorers"):
        le.sample_population(scorable_generator, tmp_path, [1], scorers=[assessor.scorer("happy")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": []}, "give at least one"),
        ({"seeds": [3, 3]}, "one comes twice"),
        ({"seeds": [-1]}, "each from 0 to"),
        ({"shard_size": 0}, "give at least 1"),
        ({"class_index": 3}, "not conditional"),
        ({"scorers": [Contrast(), Contrast()]}, "contrast would be scored 2 times"),
        ({"truncation_psi": float("nan")}, "not a finite number"),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path, change, message):
    common = {"generator": processes.tiny(), "folder": tmp_path / "pop", "seeds": [1]}
    with pytest.raises(le.InputError, match=message):
        le.sample_population(**common | change)
    assert not (tmp_path / "pop").exists()


def test_a_folder_of_other_things_is_refused(copy, tmp_path):
    (copy / "manifest.json").unlink()
    with pytest.raises(le.InputError, match=r"holds arrays but no manifest\.json"):
        sample(copy)
    with pytest.raises(le.InputError, match=r"copy holds no manifest.json: no population"):
        le.load_population(copy)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(le.InputError, match=folder.name):
            le.load_population(folder)
    with pytest.raises(le.InputError, match="file: File exists"):
        sample(tmp_path / "file")


@pytest.mark.parametrize(
    "change",
    [{"kind": "direction"}, {"num": 0}, {"num": 10**12}, {"num": "9"}, {"arrays": {"../w": [1]}}, {"more": 1}],
)
def test_a_manifest_that_was_changed_is_refused(copy, change):
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(le.InputError, match=r"manifest\.json"):
        le.load_population(copy)


@pytest.mark.parametrize("seeds", ["0-999999999999", "0-x"])
def test_changed_seeds_are_refused_before_memory_is_taken(copy, seeds):
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seeds": seeds}))
    with pytest.raises(le.InputError, match="its seeds are"):
        _ = le.load_population(copy).seeds


def test_a_full_disk_is_said_in_one_line_and_what_is_finished_stays(whole, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = tmp_path / "pop"
    shards = sample(folder).shards
    shards.path("images", 4).unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))  # bytes: no room for 4 pictures of 768
    try:
        with pytest.raises(le.InputError, match=r"pop: File too large: mend that and run it again"):
            sample(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert shards.find_missing() == [4]
    assert not list(folder.glob(".*"))
    assert_same(sample(folder), whole)


def test_memory_does_not_grow_with_the_number_of_faces(tmp_path):
    peaks = []
    for num in (32, 512):  # 1.3 and 20 MB of scores
        process = processes.CONTEXT.Process(target=processes.measure_memory, args=(tmp_path / str(num), num))
        process.start()
        process.join()
        peaks.append(int((tmp_path / str(num) / "peak").read_text()))
    assert peaks[1] - peaks[0] < 8e6


def test_the_bar_tells_rate_and_end(tmp_path, capsys):
    class Slow(Contrast):
        def __call__(self, images):
            time.sleep(0.35)
            return super().__call__(images)

    le.sample_population(processes.tiny(), tmp_path, range(4), scorers=[Slow()], quiet=False)
    assert "4/4 [" in (shown := capsys.readouterr().err)
    assert "faces/s, ends " in shown


def test_a_direction_is_found_on_a_population(tmp_path, monkeypatch):
    monkeypatch.setattr("latentedit.discovery.finding.POPULATION_SEEDS", range(50))
    generator = processes.tiny()
    population = le.sample_population(generator, tmp_path, range(60), scorers=[Contrast()])
    found = le.discover(generator, population.w[:], population.read_scores("contrast"), "ridge")
    assert found.provenance["num_faces"] == 60
    with pytest.raises(le.InputError, match="no scores of 'omi:happy': it has contrast"):
        population.read_scores("omi:happy")


def test_a_network_fills_a_column_beside_an_assessor(monkeypatch):
    monkeypatch.setitem(registry.PUBLISHED, "resmem", lambda: make_predictor("resnet50", width=2, input_size=32).eval())
    panel = load_scorers("patches:happy,resmem", torch.device("cpu"))
    assert [scorer.name for scorer in panel] == ["patches:happy", "resmem"]
    assert [tuple(scorer(torch.zeros(2, 3, 64, 64)).shape) for scorer in panel] == [(2,), (2,)]
    with pytest.raises(InputError, match="no scorer is called 'resmen': did you mean resmem"):
        load_scorers("omi,resmen", torch.device("cpu"))
