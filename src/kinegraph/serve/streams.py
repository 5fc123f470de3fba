"""Streams of programs and of pages with a camera: frames in, answers out, and the pages that watch them."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from kinegraph.data.formats.json_frame import Frame, Head, parsed_line
from kinegraph.data.pose.estimators import Estimator
from kinegraph.data.pose.sightings import Seeing
from kinegraph.data.reading.steps.asked import check_common
from kinegraph.inference.prediction import size_of
from kinegraph.inference.streaming.live import Happening, Live, as_object
from kinegraph.inference.streaming.poses import Person
from kinegraph.inference.streaming.session import Played, Session
from kinegraph.messages import did_you_mean, one_line, plain_name, quoted
from kinegraph.report.player import layout_facts, view_of
from kinegraph.report.scene import Scene
from kinegraph.report.stage import stage_of
from kinegraph.serve.recordings import check_layout, value_of
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import UPRIGHT, Up, upward
from kinegraph.skeleton.layout import JointLayout

MOST_PEOPLE, MOST_TOP = 20, 1000
SHOWN = 3  # classes that pages show
QUEUE = 64  # messages that wait for a page that watches
HEAD = 8  # bytes before the picture: its time in milliseconds, float64, little-endian
LARGEST = 1920 * 1920  # pixels
FIRST, OFTEN = 10, 45  # frames until the first view, and from one view to the next
MOMENTS = 90  # frames that a view holds


@dataclass(frozen=True)
class StreamAsking:
    """What the address of a socket may say; see `kinegraph stream`. skeleton: also send the people of each frame.

    name: shown by pages. show: answers, events or all.
    """

    fps: float | None = None
    image_size: str | None = None
    layout: str | None = None
    map_layout: bool = False
    units: str | None = None
    up: Up | None = None
    people: int = 2
    top: int = 1
    count: bool = False
    show: str = "all"
    skeleton: bool = False
    camera: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if self.layout is not None:
            check_layout(self.layout)
        if self.fps is not None and not 0 < self.fps < 10_000:
            raise ValueError(f"fps is {self.fps:g}, expected frames a second, above 0")
        if not 1 <= self.people <= MOST_PEOPLE or not 1 <= self.top <= MOST_TOP:
            raise ValueError(f"people is {self.people} and top {self.top}, expected 1 to {MOST_PEOPLE} and {MOST_TOP}")
        if self.show not in ("all", "answers", "events"):
            raise ValueError(f"show is {quoted(self.show)}, expected all, answers or events")
        if self.image_size is not None:
            size_of(self.image_size)
        check_common({name: value for name in ("units", "up") if (value := getattr(self, name)) is not None})


def stream_asking(query: Mapping[str, str], usual: Mapping[str, object]) -> StreamAsking:
    """The options of a socket. usual: those of the command line. Raises ValueError for what does not fit."""
    known = {name: str(kind) for name, kind in StreamAsking.__annotations__.items()}
    values = dict[str, Any](usual)
    for name, text in query.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"there is no option {quoted(name)}{hint}")
        values[name] = value_of(name, text, known[name])
    return StreamAsking(**values)


class OpenStream:
    """One recording after another from one client. session: asks the network. Its methods take turns in a thread."""

    def __init__(
        self, make: Callable[[StreamAsking], Session], asking: StreamAsking, estimator: Estimator | None = None
    ):
        self.asking, self._make, self.estimator = asking, make, estimator
        self.name = plain_name(asking.name)[:60]
        self.watched = False  # whether a page of somebody else shows it
        self.begin()

    def begin(self) -> None:
        """A new recording."""
        self.notes: list[str] = []
        self.sent = 0  # of them
        self.session = self._make(self.asking)
        self.session.note = self.notes.append
        if self.estimator is not None and self.asking.layout is None:
            self.session.layout = self.estimator.layout.name
        self.recording = Played(self.name or "stream", Head(), iter(()), live=True)
        self.scenery: Scenery | None = None
        self.camera: Camera | None = None
        self.lines = 0

    def take(self, message: str | bytes) -> list[dict[str, Any]]:
        """What follows from a message: lines of JSON, or a picture. Raises ValueError; the stream stays as it was.

        Of several lines each counts for itself: a wrong one is an error among the answers to the others.
        """
        if isinstance(message, bytes):
            return self._picture(message)
        first, *more = [line for line in message.splitlines() if line.strip()] or [""]
        if not more:
            return self._line(first) if first else []
        return [message for line in (first, *more) for message in self._line_or_error(line)]

    def _line_or_error(self, line: str) -> list[dict[str, Any]]:
        try:
            return self._line(line)
        except ValueError as error:
            return [{"kind": "error", "error": one_line(error)}]

    def finish(self) -> list[dict[str, Any]]:
        """What is left at the end of a recording; the next line begins another one."""
        live = self.session.live
        if live is None and self.lines:
            self.session.note(self.session.nobody(self.recording))
        left = [] if live is None else live.finish()
        found = [*([self._object(event, live) for event in left] if live else []), *self._noted()]
        self.begin()
        return found

    def head(self) -> dict[str, Any] | None:
        """What holds for all answers, once frames have come."""
        live = self.session.live
        if live is None or self.scenery is None:
            return None
        stream = live.stream
        return {
            "kind": "head", "name": self.name, "class_names": [plain_name(name) for name in stream.class_names],
            "fps": stream.fps, "engine": stream.engine, "delay": stream.delay, "notes": list(self.notes),
            **self.scenery.facts(),
        }  # fmt: skip

    def _line(self, line: str) -> list[dict[str, Any]]:
        self.lines += 1
        content = parsed_line(line, f"line {self.lines}", self.session.dimensions, first=self.session.last < 0)
        if isinstance(content, Head):
            if self.session.last >= 0:
                raise ValueError(f"line {self.lines} says what holds for all frames, which belongs into the first line")
            self.recording = Played(self.recording.name, content, iter(()), live=True)
            return []
        if content.head is not None:
            self.recording = replace(self.recording, head=content.head)
        return self._frame(content)

    def _picture(self, message: bytes) -> list[dict[str, Any]]:
        if self.estimator is None:
            raise ValueError("a picture came, but the socket is not open for a camera (camera=1)")
        if self.camera is None:
            self.camera = Camera(self.estimator, self.session.dimensions, self.session.fps_of(self.recording))
        frame = self.camera.frame(message)
        if frame is None:
            return [{"kind": "picture"}]
        if self.recording.head.image_size is None and self.session.dimensions == 2:
            size = self.camera.size
            self.recording = Played(self.recording.name, Head(None, self.camera.fps, size), iter(()), live=True)
        return self._frame(frame) + [{"kind": "picture"}]  # the page may send the next

    def _frame(self, frame: Frame) -> list[dict[str, Any]]:
        happenings = self.session.push(self.recording, frame)
        live = self.session.live
        if live is None:
            return []
        found: list[dict[str, Any]] = []
        if self.scenery is None:
            self.scenery = Scenery(live.stream.network_layout, live.stream.image_size)
            if head := self.head():
                found.append(head)
            self.sent = len(self.notes)  # they are part of it
        found += self._noted()
        if self.asking.skeleton or self.watched:
            found.append(self.scenery.shown(live.stream.seen(), live.stream.frame))
        return found + [self._object(event, live) for event in happenings]

    def _noted(self) -> list[dict[str, Any]]:
        """The notes that the client does not have yet."""
        fresh, self.sent = self.notes[self.sent :], len(self.notes)
        return [{"kind": "note", "note": line} for line in fresh]

    def _object(self, happening: Happening, live: Live) -> dict[str, Any]:
        return as_object(happening, live.stream, self.name, max(self.asking.top, SHOWN))

    def wanted(self, objects: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The objects of the kinds that the client asked for."""
        kinds = {"head", "note", "picture", "error"} | ({"frame"} if self.asking.skeleton else set())
        kinds |= set() if self.asking.show == "events" else {"answer"}
        kinds |= set() if self.asking.show == "answers" else {"begin", "end", "repetition"}
        return [self._cut(message) for message in objects if message["kind"] in kinds]

    def _cut(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """An answer with as many classes as were asked for."""
        if "top" not in message:
            return message
        rest = {key: value for key, value in message.items() if key != "top"}
        return rest if self.asking.top == 1 else rest | {"top": message["top"][: self.asking.top]}


class Viewer:
    """A page that watches the streams of others. chosen: the number of the stream that it shows; None is any."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(QUEUE)
        self.chosen: int | None = None

    def put(self, message: Mapping[str, Any]) -> None:
        """Hand a message over; where too many wait, the oldest frame is lost, or else the oldest message."""
        if self.queue.full():
            waiting = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
            lost = next((at for at, object_ in enumerate(waiting) if object_["kind"] == "frame"), 0)
            for object_ in (*waiting[:lost], *waiting[lost + 1 :]):
                self.queue.put_nowait(object_)
        self.queue.put_nowait(message)


class Hub:
    """All streams that are open, and the pages that watch them. opening: streams that are not open yet."""

    def __init__(self) -> None:
        self.streams: dict[int, OpenStream] = {}
        self.viewers: set[Viewer] = set()
        self.count = self.opening = 0

    def add(self, stream: OpenStream) -> int:
        """Its number."""
        self.count += 1
        self.streams[self.count] = stream
        self._tell()
        return self.count

    def remove(self, number: int) -> None:
        """A stream that has ended."""
        del self.streams[number]
        self._tell()

    def join(self, viewer: Viewer) -> None:
        """A page begins to watch."""
        self.viewers.add(viewer)
        self._tell()

    def choose(self, viewer: Viewer, number: int) -> None:
        """A page shows another stream from now on."""
        viewer.chosen = number
        head = self.streams[number].head() if number in self.streams else None
        if head is not None:
            viewer.put({"stream": number, **head})
        self._mark()

    def leave(self, viewer: Viewer) -> None:
        """A page is closed."""
        self.viewers.discard(viewer)
        self._mark()

    def publish(self, number: int, objects: Iterable[Mapping[str, Any]]) -> None:
        """Give what happens in a stream to those who watch it."""
        watching = [viewer for viewer in self.viewers if viewer.chosen == number]
        for message in objects if watching else ():
            if message["kind"] not in ("picture", "error", "note"):
                for viewer in watching:
                    viewer.put({"stream": number, **message})

    def _tell(self) -> None:
        listed = [
            {"number": number, "name": stream.name or f"stream {number}"} for number, stream in self.streams.items()
        ]
        for viewer in self.viewers:
            viewer.put({"kind": "streams", "streams": listed})
        self._mark()

    def _mark(self) -> None:
        chosen = {viewer.chosen for viewer in self.viewers}
        for number, stream in self.streams.items():
            stream.watched = number in chosen


# ---- pictures from a browser's camera: decoded, and the people in them as a frame of a stream ------------------------


class Camera:
    """A camera of a page. dimensions: that the network wants. fps: of the stream; times are brought to it.

    Raises ValueError for an estimator that does not know metres where they are wanted.
    """

    def __init__(self, estimator: Estimator, dimensions: int, fps: float):
        self.seeing, self.fps = Seeing(estimator, dimensions), fps
        self.begin: float | None = None
        self.last = -1
        self.size: tuple[int, int] | None = None  # of the pictures

    def frame(self, message: bytes) -> Frame | None:
        """The people of a picture; None where it belongs to the same frame as the last one."""
        time, image = picture(message)
        self.begin = time if self.begin is None else self.begin
        number = round((time - self.begin) / 1000 * self.fps)
        if not self.last < number < self.last + 2**31:
            return None
        people, scores = self.seeing.people(image, f"frame {number:,}")
        self.last, self.size = number, (image.shape[1], image.shape[0])
        return Frame(people, scores, None, number)


def picture(message: bytes) -> tuple[float, UInt8[np.ndarray, "H W 3"]]:
    """The time in milliseconds and the pixels of a message. Raises ValueError for anything but a JPEG behind a time."""
    time = struct.unpack("<d", message[:HEAD])[0] if len(message) > HEAD else float("nan")
    try:
        with Image.open(BytesIO(message[HEAD:]), formats=("JPEG",)) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"a picture of {image.width}x{image.height} pixels, expected at most {LARGEST:,}")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the message is no JPEG picture: {one_line(error)}") from None
    if not 0 <= time < 1e15:
        raise ValueError(f"the picture's time is {time} ms, expected 8 bytes of a float64 in front of the JPEG")
    return time, pixels


# ---- the people of a stream as a page draws them: upright, with the view that holds everybody ------------------------


class Scenery:
    """What a page needs to draw the frames of a stream. image_size: of the pictures that the coordinates are pixels of.

    Poses are turned so that y is up, by the vertical that the first frames have.
    """

    def __init__(self, layout: JointLayout, image_size: tuple[int, int] | None = None):
        self.layout, self.image_size = layout, image_size
        self.moments: deque[Float[np.ndarray, "V C"]] = deque(maxlen=MOMENTS)
        self.up: Up | None = None
        self.count = 0
        self.view: dict[str, Any] | None = None  # the latest

    def facts(self) -> dict[str, Any]:
        """What holds for all frames."""
        return layout_facts(self.layout) | {"image": list(self.image_size or ()), "view": self.view}

    def shown(self, poses: Mapping[Person, Float[np.ndarray, "V C"]], frame: int) -> dict[str, Any]:
        """A frame: each person's joints, null where one was not seen; now and then with a new view."""
        self.moments.extend(poses.values())
        found: dict[str, Any] = {"kind": "frame", "frame": frame}
        if poses and (self.count < FIRST or self.count % OFTEN == 0):
            self.view = found["view"] = self._view() or self.view
        self.count += bool(poses)
        turn = np.array(UPRIGHT[self.up], np.float32).T if self.up else None
        found["people"] = [
            {"id": person, "joints": _rounded(pose if turn is None else pose @ turn, np.asarray(pose.any(-1)))}
            for person, pose in poses.items()
        ]
        return found

    def _view(self) -> dict[str, Any] | None:
        """The view of the latest frames; none where they show nothing."""
        keypoint = np.stack(self.moments)[:, None]
        flat = keypoint.shape[3] == 2
        if not flat and self.count <= FIRST:
            self.up = upward(np.where(keypoint.any(-1, keepdims=True), keypoint, np.nan), self.layout)
        clip = SkeletonClip(keypoint, self.layout, "live", image_size=self.image_size)
        try:
            return view_of(stage_of(Scene(clip, up=self.up)))
        except ValueError:
            return None


def _rounded(pose: Float[np.ndarray, "V C"], seen: np.ndarray) -> list[list[float] | None]:
    return [
        [float(f"{value:.5g}") for value in joint] if there else None for joint, there in zip(pose, seen, strict=True)
    ]
