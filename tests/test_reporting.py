import json

import pytest

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
        with pytest.raises(OSError, match="No space"):
            fail(outdir)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_run_json_says_versions_and_facts(tmp_path):
    write_run(tmp_path, seeds=[1])
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["seeds"] == [1]
    assert run["versions"].keys() == {"latentedit", "torch", "numpy"}
