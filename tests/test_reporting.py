import json

import pytest

from latentedit.errors import InputError
from latentedit.reporting import recorded, write_run


def test_run_json_says_versions_and_facts(tmp_path):
    write_run(tmp_path, seeds=[1])
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["seeds"] == [1]
    assert run["versions"].keys() == {"latentedit", "torch", "numpy"}


def test_a_number_that_json_has_not_is_no_result(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_run(tmp_path, score=float("nan"))


def write(outdir, *names, reads=None):
    with recorded(outdir, reads) as folder:
        for name in names:
            (folder / name).write_text(f"{name} of {names}")
        write_run(folder)


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_run_json_lists_the_files_beside_it(tmp_path):
    write(tmp_path, "a.png", "b.png")
    assert list(json.loads((tmp_path / "run.json").read_text())["files"]) == ["a.png", "b.png"]


def test_a_run_takes_the_place_of_the_earlier_one(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    write(tmp_path, "a.png", "b.png")
    write(tmp_path, "b.png", "c.png")
    assert list_names(tmp_path) == ["b.png", "c.png", "mine.txt", "run.json"]
    assert (tmp_path / "b.png").read_text() == "b.png of ('b.png', 'c.png')"


def test_what_was_changed_or_is_read_stays(tmp_path):
    write(tmp_path, "a.png", "b.png", "latents.npz")
    (tmp_path / "a.png").write_text("retouched")
    write(tmp_path, "c.png", reads=tmp_path / "latents.npz")
    assert list_names(tmp_path) == ["a.png", "c.png", "latents.npz", "run.json"]


def test_a_run_that_fails_keeps_the_earlier_one(tmp_path):
    write(tmp_path, "a.png")

    def fail():
        with recorded(tmp_path):
            raise InputError("no")

    with pytest.raises(InputError):
        fail()
    assert list_names(tmp_path) == ["a.png", "run.json"]


@pytest.mark.parametrize(
    "text",
    ["[]", '{"files": ["a"]}', "{", "\xff", "[" * 100_000, '{"files": {"../a": "0", "gone": "0", "folder": "0"}}'],
)
def test_a_run_json_of_somebody_else_removes_nothing(tmp_path, text):
    (tmp_path / "out" / "folder").mkdir(parents=True)
    for name in ("a", "out/a"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "out" / "run.json").write_text(text)
    write(tmp_path / "out", "b")
    assert list_names(tmp_path) == ["a", "out"]
    assert list_names(tmp_path / "out") == ["a", "b", "folder", "run.json"]


def test_no_file_outside_the_folder_is_removed(tmp_path):
    write(tmp_path / "other", "a.png")
    write(tmp_path / "out", "b.png")
    run = (tmp_path / "other" / "run.json").read_text().replace("a.png", "../other/a.png")
    (tmp_path / "out" / "run.json").write_text(run)
    write(tmp_path / "out", "c.png")
    assert list_names(tmp_path / "other") == ["a.png", "run.json"]
