"""Pictures while they happen, of a camera or of an address: always the latest one, so that nobody waits for a queue.

A camera is named by its number. An address may lead to other addresses, but to no file.
"""

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread

from kinegraph.data.pose.film import Picture, check_av, decoded, reason_of, stream_of

ADDRESSES = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "srt://")
PROTOCOLS = "rtsp,rtsps,rtmp,rtp,http,https,httpproxy,udp,srt,tcp,tls,crypto,data"
WAIT = 10.0  # seconds for an answer and for the next picture


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera, or an address that pictures come from."""
    return source.isdecimal() or source.startswith(ADDRESSES)


@contextmanager
def camera(source: str) -> Generator[tuple[float | None, Iterator[Picture]], None, None]:
    """Pictures a second, where the source says it, and the latest picture each time one is asked for.

    Raises ValueError for a source that does not answer or has no pictures, and where it breaks off.
    """
    check_av()
    import av

    name, form = _device(source) if source.isdecimal() else (source, None)
    called = f"camera {source}" if source.isdecimal() else source
    options = {} if source.isdecimal() else {"protocol_whitelist": PROTOCOLS}
    try:
        with av.open(name, format=form, options=options, timeout=WAIT, metadata_errors="replace") as file:
            stream = stream_of(file, called)
            with latest(decoded(file, stream, live=True)) as pictures:
                yield float(stream.average_rate) if stream.average_rate else None, pictures
    except av.FFmpegError as error:
        raise ValueError(f"{called} gives no pictures: {reason_of(error)}{_cameras(source)}") from None


def _device(number: str) -> tuple[str, str]:
    """Name and format by which FFmpeg opens a camera."""
    known = {"linux": (f"/dev/video{number}", "v4l2"), "darwin": (number, "avfoundation")}
    if sys.platform not in known:
        raise ValueError(f"camera {number}: Linux and macOS know cameras by numbers; here give an address")
    return known[sys.platform]


def _cameras(source: str) -> str:
    """The numbers of the cameras that Linux knows, for a source that is such a number; another system lists none."""
    if not source.isdecimal() or sys.platform != "linux":
        return ""
    numbers = sorted(int(device.name[5:]) for device in Path("/dev").glob("video*") if device.name[5:].isdecimal())
    return f"; cameras here: {', '.join(map(str, numbers)) or 'none'}"


@dataclass(frozen=True)
class _End:
    problem: Exception | None = None


@contextmanager
def latest(pictures: Generator[Picture, None, None]) -> Generator[Iterator[Picture], None, None]:
    """The latest picture each time; those that came meanwhile are left out, the last one never is."""
    place, stopped = Queue[Picture | _End](maxsize=1), Event()

    def keep() -> None:
        end = _End()
        try:
            for picture in pictures:
                with suppress(Empty):
                    place.get_nowait()
                place.put(picture)
                if stopped.is_set():
                    return
        except Exception as error:  # raised again where the pictures are taken
            end = _End(error)
        place.put(end)

    def taken() -> Iterator[Picture]:
        while not isinstance(picture := place.get(), _End):
            yield picture
        if picture.problem is not None:
            raise picture.problem

    thread = Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        with suppress(Empty):
            place.get_nowait()
        thread.join(WAIT)  # the source is closed after its last picture is decoded
