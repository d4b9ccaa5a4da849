import pytest

from latentedit.files import replacing


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
