"""The pictures of a video file, one after another, as they are meant to be seen: turned upright, with their times.

PyAV (the libraries of FFmpeg) decodes; one picture is in memory at a time. A file opens no other file and no address:
playlists, which name others, are refused.
"""

from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from kinegraph.files import check_is_file
from kinegraph.messages import counted, one_line

if TYPE_CHECKING:
    from av.container import InputContainer

Image = UInt8[np.ndarray, "H W 3"]
PLAYLISTS = ("hls", "dash", "concat", "ffconcat", "imf", "sdp", "rtsp", "tty", "image2")  # they name other files
EARLY = 0.9  # of the length that the header says; a video that ends before it is broken off
LARGEST = 1 << 14  # pixels of a side
OLDEST = 17  # PyAV, whose pictures are converted by one thread on request
MISSING = 'a video needs PyAV: pip install "kinegraph[video]"'


@dataclass(frozen=True, eq=False)
class Picture:
    """time: in seconds from the first picture. image: red, green and blue of each pixel."""

    time: float
    image: Image


@dataclass(frozen=True)
class Head:
    """What a file says of itself. seconds, frames, rate (frames a second): None where it does not say them."""

    seconds: float | None = None
    frames: int | None = None
    rate: float | None = None


def check_av() -> None:
    """Raises ValueError where PyAV is not installed, or an older one."""
    if find_spec("av") is None:
        raise ValueError(MISSING)
    import av

    if int(av.__version__.partition(".")[0]) < OLDEST:
        raise ValueError(f'a video needs PyAV {OLDEST}, found {av.__version__}: pip install -U "kinegraph[video]"')


def head_of(path: Path) -> Head:
    """Raises ValueError for a file that is no video."""
    with _opened(path) as (file, stream):
        length = stream.duration * stream.time_base if stream.duration and stream.time_base else None
        length = length or (file.duration / 1e6 if file.duration and file.duration > 0 else None)
        rate = stream.average_rate or stream.guessed_rate
        count = stream.frames or (round(float(length * rate)) if length and rate else None)
        return Head(None if length is None else float(length), count or None, float(rate) if rate else None)


def pictures(path: Path) -> Generator[Picture, None, None]:
    """Raises ValueError for a file that is no video, holds no pictures, or breaks off."""
    import av

    head, last, done = head_of(path), 0.0, 0
    with _opened(path) as (file, stream):
        try:
            for picture in decoded(file, stream):
                last, done = picture.time, done + 1
                yield picture
        except av.FFmpegError as error:
            where = f"breaks off after {counted(done, 'frame')}, {last:.1f} s" if done else "holds no picture to decode"
            raise ValueError(f"{path} {where} ({reason_of(error)}); {_REMEDY}") from None
        if not done:
            raise ValueError(f"{path} holds no picture to decode; {_REMEDY}")
        end = last + _step(stream)
    if head.seconds and head.seconds > 1 and end < EARLY * head.seconds:
        raise ValueError(f"{path} breaks off after {end:.1f} s of {head.seconds:.1f} s; {_REMEDY}")


def decoded(file: "InputContainer", stream: Any, live: bool = False) -> Generator[Picture, None, None]:
    """The pictures of a stream; of two that are shown at the same moment the first one. Raises av.FFmpegError.

    live: none waits in a thread until the next ones are decoded.
    """
    stream.thread_type = "SLICE" if live else "AUTO"
    stretch = float(stream.sample_aspect_ratio or 1) or 1.0
    start, time, step = None, -1.0, _step(stream)
    for frame in file.decode(stream):
        stamp = frame.time
        if stamp is None:  # a step after the picture before
            stamp = 0.0 if start is None else start + time + step
        start = float(stamp) if start is None else start
        if stamp - start > time:
            time = float(stamp) - start
            yield Picture(time, _upright(frame, stretch))


def _step(stream: Any) -> float:
    """Seconds from one picture to the next."""
    return 1 / float(stream.average_rate or stream.guessed_rate or 25)


def pictures_at(path: Path, times: Sequence[float]) -> Generator[Image, None, None]:
    """The picture that is nearest to each time; the times rise."""
    ahead = pictures(path)
    with closing(ahead):
        now, coming = next(ahead), next(ahead, None)
        for at in times:
            while coming is not None and abs(coming.time - at) <= abs(now.time - at):
                now, coming = coming, next(ahead, None)
            yield now.image


_REMEDY = "try `ffmpeg -i FILE new.mp4`, or --skip-broken to leave it out"


@contextmanager
def _opened(path: Path) -> Generator[tuple["InputContainer", Any], None, None]:
    """The file and its stream of pictures."""
    check_av()
    import av

    check_is_file(path)
    try:
        file = av.open(f"file:{path.absolute()}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except av.FFmpegError as error:
        raise ValueError(f"{path} is no video that PyAV reads ({reason_of(error)}); is it cut?") from None
    with file:
        if {*file.format.name.split(",")} & {*PLAYLISTS}:
            raise ValueError(f"{path} is a list of other files ({file.format.name}), expected a video")
        yield file, stream_of(file, str(path))


def stream_of(file: "InputContainer", name: str) -> Any:
    """The pictures in a file. Raises ValueError where there are none, or too large ones."""
    streams = [stream for stream in file.streams.video if stream.codec_context is not None and not _is_cover(stream)]
    if not streams:
        raise ValueError(f"{name} holds no pictures, expected a video")
    context = streams[0].codec_context
    if max(context.width, context.height) > LARGEST:
        raise ValueError(f"{name} has pictures of {context.width}x{context.height} pixels, at most {LARGEST:,} a side")
    return streams[0]


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the one still picture of a piece of music."""
    return bool(getattr(stream, "disposition", 0) & 0x400)  # AV_DISPOSITION_ATTACHED_PIC


def _upright(frame: Any, stretch: float) -> Image:
    """The pixels, square and turned as the file says that the camera was held."""
    width = round(frame.width * stretch) if 0.1 < stretch < 10 else frame.width
    image = frame.to_ndarray(format="rgb24", width=width, height=frame.height, threads=1)  # more are slower
    turns = round(getattr(frame, "rotation", 0) / 90)
    return np.ascontiguousarray(np.rot90(image, turns))


def reason_of(error: Exception) -> str:
    """Why FFmpeg does not read something, in a line."""
    return one_line(getattr(error, "strerror", None) or error)
