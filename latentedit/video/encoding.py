"""Frames to .mp4, .gif and .webp, one after another, so that memory holds no more than one."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from PIL import GifImagePlugin, Image

from latentedit.errors import InputError
from latentedit.files import replacing

FASTEST = 100  # frames a second
QUALITY = 90  # of WebP, 0 to 100
# Constant rate factor 17 is called visually lossless; faces of one colour need BT.709 said, or players guess.
BT709 = "bt709"
COLOURS = ["-colorspace", BT709, "-color_primaries", BT709, "-color_trc", BT709, "-color_range", "tv"]
H264 = ["-crf", "17", "-vf", "scale=out_color_matrix=bt709:out_range=tv", *COLOURS, "-movflags", "+faststart"]


def write_video(path: str | Path, frames: Iterable[Image.Image], fps: float = 25, once: bool = False) -> int:
    """Write RGB pictures of one size as .mp4, .gif or .webp, by the path's suffix: -> the number of frames.

    Every frame is encoded as it comes and is shown for 1/fps seconds. A .gif or .webp plays for
    ever unless `once`. An .mp4 (H.264) needs ffmpeg, which `pip install 'latentedit[video]'` brings,
    and drops an odd last row or column of pixels. Raises InputError for another suffix, and for
    frames a second that the format can't hold; then, and after an error in `frames`, no file is left.
    """
    path = Path(path)
    check_video(path, fps)
    with replacing(path) as temporary:
        count = WRITERS[path.suffix.lower()](temporary, iter(frames), fps, once)
        if count == 0:
            raise InputError(f"{path}: no frames, give one at least")
    return count


def check_video(path: Path, fps: float) -> None:
    """Raise InputError for a video that can't be written here."""
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise InputError(f"{path} is no video: name a file that ends in {', '.join(WRITERS)}")
    if not 1 <= fps <= FASTEST:
        raise InputError(f"{fps:g} frames a second: give 1 to {FASTEST}")
    if suffix == ".gif" and 100 % fps:
        raise InputError(f"{fps:g} frames a second: a .gif counts hundredths of a second, give 10, 20, 25 or 50")
    if suffix == ".mp4":
        _load_ffmpeg()


def _load_ffmpeg() -> Callable[..., Generator[None, bytes, None]]:
    try:
        from imageio_ffmpeg import write_frames
    except ModuleNotFoundError:
        raise InputError("an .mp4 needs ffmpeg: pip install 'latentedit[video]', or name a .webp or .gif") from None
    return write_frames  # type: ignore[no-any-return]


def _write_mp4(path: Path, frames: Iterator[Image.Image], fps: float, once: bool) -> int:
    """Feed ffmpeg through a pipe."""
    count = 0
    with ExitStack() as stack:
        for count, frame in enumerate(frames, start=1):
            even = frame.crop((0, 0, frame.width // 2 * 2, frame.height // 2 * 2))
            if count == 1:
                encoder = stack.enter_context(closing(_open_ffmpeg(path, even.size, fps)))
            encoder.send(even.tobytes())
    return count


def _open_ffmpeg(path: Path, size: tuple[int, int], fps: float) -> Generator[None, bytes, None]:
    """Start ffmpeg, which encodes the frames that it is sent."""
    settings = {"codec": "libx264", "quality": None, "macro_block_size": 1, "ffmpeg_log_level": "error"}
    encoder = _load_ffmpeg()(path, size, fps=fps, output_params=[*H264, "-f", "mp4"], **settings)
    next(encoder)
    return encoder


def _write_gif(path: Path, frames: Iterator[Image.Image], fps: float, once: bool) -> int:
    """Write Pillow's blocks of each frame, the first with the header."""
    count, duration = 0, round(1000 / fps)
    with path.open("wb") as file:
        for count, frame in enumerate(frames, start=1):
            indexed = frame.quantize(256)  # each with colours of its own
            if count == 1:
                header, _ = GifImagePlugin.getheader(indexed, info={} if once else {"loop": 0})
                file.writelines(header)
            file.writelines(GifImagePlugin.getdata(indexed, duration=duration, include_color_table=count > 1))
        file.write(b";")
    return count


def _write_webp(path: Path, frames: Iterator[Image.Image], fps: float, once: bool) -> int:
    """Write the container around Pillow's still pictures, and its size at the end."""
    count = 0
    with path.open("wb") as file:
        for count, frame in enumerate(frames, start=1):
            if count == 1:
                _start_webp(file, frame.size, once)
            milliseconds = round(1000 * count / fps) - round(1000 * (count - 1) / fps)  # no drift at 30 a second
            place = _three(0) + _three(0) + _three(frame.width - 1) + _three(frame.height - 1)
            file.write(_chunk(b"ANMF", place + _three(milliseconds) + b"\x02" + _encode_still(frame)))
        size = max(file.tell(), 8)
        file.seek(4)
        file.write(struct.pack("<I", size - 8))
    return count


def _start_webp(file: BinaryIO, size: tuple[int, int], once: bool) -> None:
    """Write the header of an animation: https://developers.google.com/speed/webp/docs/riff_container."""
    is_animation = b"\x02\x00\x00\x00"
    file.write(b"RIFF\x00\x00\x00\x00WEBP")
    file.write(_chunk(b"VP8X", is_animation + _three(size[0] - 1) + _three(size[1] - 1)))
    file.write(_chunk(b"ANIM", b"\xff\xff\xff\xff" + struct.pack("<H", once)))


def _encode_still(frame: Image.Image) -> bytes:
    """Encode one picture: -> its chunk, without the container's header."""
    still = io.BytesIO()
    frame.save(still, "WEBP", quality=QUALITY, method=4)
    return still.getvalue()[12:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


WRITERS = {".mp4": _write_mp4, ".gif": _write_gif, ".webp": _write_webp}
