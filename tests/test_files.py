import os
import platform
import subprocess
import sys

import pytest

from latentedit.errors import InputError
from latentedit.files import replacing, staged


def test_a_file_appears_when_it_is_whole(tmp_path):
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a").exists()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "new")]


def test_an_error_keeps_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def fail():
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.skipif(os.name != "posix", reason="Windows does not tell which processes run")
def test_what_a_killed_process_left_is_swept_by_the_next_save(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = platform.node()
    left = tmp_path / f".a[1].{host}.{gone.pid}.tmp"
    kept = [f".a[1].{host}.{os.getppid()}.tmp", f".a[1].another-{host}.{gone.pid}.tmp", f".b.{host}.{gone.pid}.tmp"]
    for path in (left, *(tmp_path / name for name in kept)):
        path.write_text("half")
    with replacing(tmp_path / "a[1]") as temporary:
        temporary.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"a[1]", *kept}


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


def test_a_folder_in_the_way_stops_every_file(tmp_path):
    (tmp_path / "two").mkdir()

    def write():
        with staged(tmp_path) as folder:
            (folder / "one").write_text("1")
            (folder / "two").write_text("2")

    with pytest.raises(InputError, match="two is a folder"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["two"]
