import json

import pytest

from latentedit.errors import InputError
from latentedit.reporting import staged, write_run


def test_files_appear_together_at_the_end(tmp_path):
    with staged(tmp_path / "a" / "b") as folder:
        (folder / "one").write_text("1")
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [folder.name]
        (folder / "two").write_text("2")
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["one", "two"]


def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path):
    (tmp_path / "old").write_text("old")

    def fail(outdir):
        with staged(outdir) as folder:
            (folder / "old").write_text("new")
            raise OSError(28, "No space left on device")

    for outdir in (tmp_path, tmp_path / "new" / "deep"):
        with pytest.raises(InputError, match=f"{outdir} can't be written \\(No space"):
            fail(outdir)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_run_json_says_versions_and_facts(tmp_path):
    write_run(tmp_path, seeds=[1])
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["seeds"] == [1]
    assert run["versions"].keys() == {"latentedit", "torch", "numpy"}


def test_a_folder_in_the_way_stops_every_file(tmp_path):
    (tmp_path / "two").mkdir()

    def write():
        with staged(tmp_path) as folder:
            (folder / "one").write_text("1")
            (folder / "two").write_text("2")

    with pytest.raises(InputError, match="two is a folder"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["two"]


def test_a_number_that_json_has_not_is_no_result(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_run(tmp_path, score=float("nan"))
