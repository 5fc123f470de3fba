"""Where the frames of `kinegraph stream` come from: standard input, a socket, pictures, or a file that is played.

Each source gives recordings, one after another; a live one gives one.
"""

import socket
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.formats import json_lines, video
from kinegraph.data.formats.json_frame import Frame, Head, lines_of, parsed_line
from kinegraph.data.pose.camera import camera, is_camera
from kinegraph.data.pose.estimators import Estimator, estimator
from kinegraph.data.pose.film import Picture, head_of, pictures
from kinegraph.data.pose.sightings import Seeing
from kinegraph.data.read import recordings
from kinegraph.inference.streaming.session import Played
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

STDIN, TCP = "-", "tcp://"
RATE = 30.0  # of a source that does not say its own
SLOW = 0.8  # of the frame rate; an estimator that is slower is mentioned
NAMED = 10  # skipped lines that are named; the others are counted
ANEW = 10  # lines in a row that count up from below: the program has begun to count anew


def is_live(source: str) -> bool:
    """Whether frames come when they happen."""
    return source == STDIN or source.startswith(TCP) or is_camera(source)


def has_pictures(source: str, format: str | None) -> bool:
    """Whether joints have to be estimated: a camera, an address or one video file."""
    if is_camera(source):
        return True
    return format in (None, video.NAME) and Path(source).is_file() and video.detect(Path(source)) is not None


def played(
    source: str,
    *,
    dimensions: int,
    layout: JointLayout,
    listen: bool,
    skip_broken: bool,
    options: Mapping[str, Any],
    format: str | None,
    note: Callable[[str], None],
) -> Iterator[Played]:
    """The recordings of a source. options: of the file's format.

    dimensions, layout: coordinates that the network wants, and its joints, for files that do not say theirs.
    note: takes lines on what is skipped or assumed. Raises ValueError for a source that is not there.
    """
    if listen and not source.startswith(TCP):
        raise ValueError(f"--listen is for a source such as {TCP}127.0.0.1:9000, found {source}")
    if has_pictures(source, format):
        yield from _watched(source, dimensions, options, note)
        return
    if is_live(source):
        with ExitStack() as opened:
            file = sys.stdin.buffer if source == STDIN else opened.enter_context(_connected(source, listen, note))
            name = "standard input" if source == STDIN else source
            yield _of_lines(_lasting(lines_of(file), name), name, dimensions, note if skip_broken else None)
        return
    path = Path(source)
    if _holds_lines(path, format, options):
        lines = _of_lines(lines_of(path.open("rb")), str(path), dimensions, note if skip_broken else None)
        yield replace(lines, name=path.stem)
        return
    on_fault = "skip" if skip_broken else "stop"
    found = recordings(path, format, on_fault=on_fault, expected=layout, **options)
    for line in found.assumed:
        note(f"{path}: assumed {line}")
    with closing(found.clips) as clips:  # pyright: ignore[reportArgumentType]  a generator
        for clip in clips:
            if isinstance(clip, SkeletonClip):
                head = Head(clip.layout, clip.fps, clip.image_size)
                yield Played(clip.name, head, _of_clip(clip), live=False)
    for line in found.skipped():
        note(f"skipped: {line}")


def _holds_lines(path: Path, format: str | None, options: Mapping[str, Any]) -> bool:
    """Whether a file is played as the pipe gives its lines: with their ids, and in the network's layout."""
    if options.get("units") or options.get("up") or format not in (None, json_lines.NAME):
        return False
    return path.is_file() and json_lines.detect(path) is not None


def _watched(source: str, dimensions: int, options: Mapping[str, Any], note: Callable[[str], None]) -> Iterator[Played]:
    for name in ("units", "up"):
        if options.get(name):
            raise ValueError(f"--{name} is for files of joints; {source} holds pictures")
    see = estimator(options.get("pose"), options.get("layout"))
    with watched(source, see, dimensions=dimensions, fps=options.get("fps"), note=note) as recording:
        yield recording


def paced(frames: Iterator[Frame], fps: float, speed: float) -> Iterator[Frame]:
    """The frames at their own speed, or so many times as fast; 0 is as fast as they are taken."""
    begin = time.monotonic()
    for place, frame in enumerate(frames):
        if speed and (early := begin + place / (fps * speed) - time.monotonic()) > 0:
            time.sleep(early)
        yield frame


def _lasting(lines: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The lines of a program. Raises ValueError where its connection breaks off."""
    try:
        yield from lines
    except OSError as error:
        raise ValueError(f"{name} has broken off: {error.strerror or error}") from None


def _of_clip(clip: SkeletonClip) -> Iterator[Frame]:
    for t in range(clip.frames):
        there = np.asarray(clip.keypoint[:, t].any((1, 2)))
        score = None if clip.score is None else clip.score[there, t]
        ids = tuple(int(person) + 1 for person in np.flatnonzero(there))
        yield Frame(clip.keypoint[there, t], score, ids or None, t)


def _of_lines(lines: Iterator[bytes], name: str, dimensions: int, note: Callable[[str], None] | None) -> Played:
    """The frames of lines; the first line is waited for. note: takes broken lines, which else end the stream."""

    contents = _contents(lines, name, dimensions, note)
    first = next(contents, Head())
    frames = (frame for frame in chain([first], contents) if isinstance(frame, Frame))
    return Played(name, first if isinstance(first, Head) else first.head or Head(), frames, live=True)


def _contents(
    lines: Iterator[bytes], name: str, dimensions: int, note: Callable[[str], None] | None
) -> Iterator[Head | Frame]:
    begun, skipped, numbering = False, 0, Numbering(note)
    for place, line in enumerate(lines, 1):
        origin = f"line {place} of {name}"
        try:
            content = parsed_line(line, origin, dimensions, first=not begun)
            if isinstance(content, Frame):
                content = replace(content, number=numbering.of(content.number, origin))
            elif begun:
                raise ValueError(f"{origin} says what holds for all frames, which belongs into the first line")
        except ValueError as error:
            if note is None:
                raise
            skipped += 1
            if skipped <= NAMED:
                note(f"skipped: {error}{'; further lines are counted' if skipped == NAMED else ''}")
            continue
        begun = True
        yield content
    if note is not None and skipped > NAMED:
        note(f"skipped: {skipped:,} lines in all")


class Numbering:
    """The numbers of frames, which count up. note: takes a line where the program begins to count anew; without it that
    is an error."""

    def __init__(self, note: Callable[[str], None] | None):
        self.note = note
        self.last, self.shift, self.below = -1, 0, list[int]()

    def of(self, number: int | None, origin: str) -> int:
        """The number of the next frame. Raises ValueError where it is not above that of the frame before."""
        number = self.last + 1 if number is None else number + self.shift
        if number > self.last:
            self.last, self.below = number, []
            return number
        given, before = number - self.shift, self.last - self.shift
        self.below = [*self.below, given] if self.below and given > self.below[-1] else [given]
        if self.note is not None and len(self.below) == ANEW:
            self.note(f"{origin} is frame {given}: the program counts anew since frame {self.below[0]}")
            self.shift = self.last + 1 - given
            return self.of(given, origin)
        hint = "" if self.note is not None else "; --skip-broken leaves out the lines that do not"
        raise ValueError(
            f"{origin} is frame {given}, the frame before is {before}; expected numbers that count up{hint}"
        )


def _connected(source: str, listen: bool, note: Callable[[str], None]):
    """The file of a connection: to a program that listens there, or of the first one that comes. Its lines are read."""
    host, _, port = source.removeprefix(TCP).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ValueError(f"the source is {source}, expected {TCP}HOST:PORT, such as {TCP}127.0.0.1:9000")
    address = host.strip("[]"), int(port)
    try:
        if not listen:
            connection = socket.create_connection(address, timeout=10)
        else:
            with socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
                note(f"waiting for a connection to {host}:{port}")
                connection, _ = server.accept()
    except OSError as error:
        raise ValueError(f"{source} cannot be {'opened' if listen else 'reached'}: {error.strerror or error}") from None
    connection.settimeout(None)
    with connection:
        return connection.makefile("rb")


# ---- pictures: the people in them, while they happen -----------------------------------------------------------------


@contextmanager
def watched(
    source: str, estimator: Estimator, *, dimensions: int, fps: float | None, note: Callable[[str], None]
) -> Generator[Played, None, None]:
    """The people of each picture; frames have the numbers of their moments, so that pictures may be left out.

    dimensions: that the network wants, 2 for pixels or 3 for metres. fps: in place of what the source says.
    note: takes lines on what was not seen. Raises ValueError for a source without pictures, and for an estimator that
    does not know metres where they are wanted.
    """
    seeing = Seeing(estimator, dimensions)
    with ExitStack() as opened:
        if live := is_camera(source):
            rate, coming = opened.enter_context(camera(source))
        else:
            rate, coming = head_of(Path(source)).rate, opened.enter_context(closing(pictures(Path(source))))
        rate = fps or rate or RATE
        if (first := next(coming, None)) is None:
            raise ValueError(f"{source} gave no picture")
        frames = _frames(chain([first], coming), source, seeing, rate, note)
        size = first.image.shape[1], first.image.shape[0]
        yield Played(source, Head(estimator.layout, rate, size), opened.enter_context(closing(frames)), live)


def _frames(
    coming: Iterator[Picture], source: str, seeing: Seeing, rate: float, note: Callable[[str], None]
) -> Generator[Frame, None, None]:
    last, looked, estimating = -1, 0, 0.0
    try:
        for picture in coming:
            number = round(picture.time * rate)
            if number <= last:  # the source is faster than --fps
                continue
            before = time.perf_counter()
            people, scores = seeing.people(picture.image, f"{source}: frame {number:,}")
            estimating += time.perf_counter() - before
            last, looked = number, looked + 1
            yield Frame(people, scores, None, number)
    finally:
        if looked and (able := looked / max(estimating, 1e-9)) < SLOW * rate:
            note(f"{seeing.estimator.name} manages {able:.1f} pictures a second, the source gives {rate:g}")
