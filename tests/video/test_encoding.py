import re
import subprocess
import sys
import weakref

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from latentedit.errors import InputError
from latentedit.video import write_video

SUFFIXES = [".gif", ".webp", ".mp4"]


def paint(count, size=(33, 18)):
    """Frames that turn from dark to bright."""
    return [Image.new("RGB", size, (40 + 20 * i, 60, 200 - 20 * i)) for i in range(count)]


def read(path):
    """Read a video back: -> frames as arrays, and how long each is shown in milliseconds."""
    if path.suffix == ".mp4":
        words = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        done = subprocess.run(words, capture_output=True, check=True)
        width, height, fps = map(int, re.search(rb", (\d+)x(\d+),.* (\d+) fps", done.stderr).groups())
        frames = list(np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3))
        return frames, [1000 / fps] * len(frames)
    frames, durations = [], []
    with Image.open(path) as video:
        for i in range(video.n_frames):
            video.seek(i)
            frames.append(np.asarray(video.convert("RGB")))
            durations.append(video.info["duration"])
    return frames, durations


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_come_back_in_order_and_evenly_paced(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    painted = paint(6)
    assert write_video(path, painted, fps=20) == 6
    frames, durations = read(path)
    assert durations == [50] * 6
    for frame, picture in zip(frames, painted, strict=True):
        assert frame.shape[:2] == ((18, 32) if suffix == ".mp4" else (18, 33))
        assert np.abs(frame.astype(int) - picture.getpixel((0, 0))).max() <= 6
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_thirty_a_second_do_not_drift(tmp_path):
    write_video(tmp_path / "film.webp", paint(7), fps=30)
    assert read(tmp_path / "film.webp")[1] == [33, 34, 33, 33, 34, 33, 33]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_plays_for_ever_unless_once(tmp_path, suffix):
    for once in (False, True):
        write_video(tmp_path / f"film{suffix}", paint(3), once=once)
        with Image.open(tmp_path / f"film{suffix}") as video:
            assert video.info.get("loop", 1) == once


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_frame_is_kept_once_it_is_written(tmp_path, suffix):
    alive, most = set(), 0

    def stream():
        nonlocal most
        for picture in paint(1) * 20:
            copy = picture.copy()
            alive.add(id(copy))
            weakref.finalize(copy, alive.discard, id(copy))
            yield copy
            del copy
            most = max(most, len(alive))

    assert write_video(tmp_path / f"film{suffix}", stream()) == 20
    assert most <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_breaks_off_leaves_no_file(tmp_path, suffix):
    def fail():
        yield from paint(3)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write_video(tmp_path / f"film{suffix}", fail())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "fps", "expected"),
    [
        ("film.avi", 25, "film.avi is no video: name a file that ends in .mp4, .gif, .webp"),
        ("film.gif", 30, "30 frames a second: a .gif counts hundredths of a second, give 10, 20, 25 or 50"),
        ("film.webp", 0.5, "0.5 frames a second: give 1 to 100"),
        ("film.mp4", 101, "101 frames a second"),
    ],
)
def test_a_video_that_cannot_be_is_refused(tmp_path, name, fps, expected):
    with pytest.raises(InputError, match=expected):
        write_video(tmp_path / name, paint(2), fps=fps)


def test_without_ffmpeg_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(InputError, match=r"pip install 'latentedit\[video\]', or name a .webp or .gif"):
        write_video(tmp_path / "film.mp4", paint(2))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_film_of_nothing_is_refused(tmp_path, suffix):
    with pytest.raises(InputError, match="no frames, give one at least"):
        write_video(tmp_path / f"film{suffix}", [])
    assert list(tmp_path.iterdir()) == []
