"""What is asked of frames while they come, by `kinegraph stream` and `serve`: a stream for each recording."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from kinegraph.data.formats.json_frame import Frame, Head
from kinegraph.data.normalize import set_upright
from kinegraph.data.reading.clips.clip_columns import image_size_of
from kinegraph.data.reading.clips.recordings import METRES
from kinegraph.inference.clip_matching import kinds
from kinegraph.inference.events import EventRule, none_class
from kinegraph.inference.exported import Exported
from kinegraph.inference.streaming.lengths import USUAL_RATE
from kinegraph.inference.streaming.live import Happening, Live
from kinegraph.inference.streaming.stream import EngineName, Stream, StreamPrecision
from kinegraph.inference.timeline import frames_of, parsed_length
from kinegraph.inference.trained_network import asked_of
from kinegraph.messages import counted, did_you_mean, first_few
from kinegraph.skeleton.geometry import Up
from kinegraph.skeleton.layout import load_layout

if TYPE_CHECKING:  # torch takes seconds to import, and an exported network does without it
    from kinegraph.inference.predictor import Predictor
    from kinegraph.models.weights import Weights

Write = Callable[[Frame | Head], None]
ALL = 2 / 3  # of --enter is --leave
LOOKED_AT, OUTSIDE = 30, 1.2  # frames in which joints are compared with the picture, times its size that are too much
MEASURED = 90  # frames whose mean time is compared with the frame rate
LEAPS = 10  # frames in a row of which none follows the one before


@dataclass(frozen=True, eq=False)
class Played:
    """A recording: what holds for all of its frames, and the frames. live: they are as a program sends them, so that
    the options of the session are still to be applied."""

    name: str
    head: Head
    frames: Iterator[Frame]
    live: bool


@dataclass(eq=False)
class Session:
    """The options of a call. note: takes lines for the user. live: the stream of the recording that is watched.

    interrupted: whether Ctrl-C ended it. last: the number of the last frame. named: whether its people have ids.
    """

    model: "Weights | Exported"
    people: int
    window: str | None
    stride: str | None
    gap: str | None
    engine: EngineName
    enter: float
    leave: float | None
    least: str
    delay: str
    none: str | None
    count: bool
    layout: str | None
    fps: float | None
    image_size: str | None
    map_layout: bool
    device: str
    note: Callable[[str], None]
    live: Live | None = None
    interrupted: bool = False
    last: int = -1
    noted: set[str] = field(default_factory=set)
    named: bool | None = None
    leaps: list[int] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    precision: StreamPrecision = "32-true"
    units: str | None = None
    up: Up | None = None

    def __post_init__(self) -> None:
        asked = asked_of(self.model)
        steps = asked.preprocessing
        self.dimensions = max((kind for kind, _ in kinds(steps, asked.channels, asked.coordinates)), default=2)
        self.joints, self.doubted = asked.layout, asked.least
        self.sized = steps.normalize == "image"
        self.trained = asked.trained.fps[1] if asked.trained.fps else None
        self.nothing = _number_of(self.none, asked.class_names)
        self.size = None if self.image_size is None else image_size_of(self.image_size)
        if not isinstance(asked, Exported):
            _share_little(asked, self.engine)
        self._rule(USUAL_RATE)  # what is wrong in the options is said before a frame is waited for
        for length in (self.window, self.stride, self.gap):
            if length not in (None, "start"):
                parsed_length(length)

    def fps_of(self, recording: Played) -> float:
        """Frames a second: as given, as the recording says, as in training, or 30."""
        return self.fps or recording.head.fps or self.trained or USUAL_RATE

    def watch(self, recording: Played, frames: Iterator[Frame], write: Write | None) -> Iterator[list[Happening]]:
        """What happens in each frame. Ctrl-C and an error end the recording; what is known then is given out.

        write: takes every frame. Raises ValueError for a frame that does not fit the network.
        """
        self.live, self.last, self.named = None, -1, None
        try:
            for frame in frames:
                happenings = self.push(recording, frame, write)
                if self.live is not None:
                    yield happenings
        except KeyboardInterrupt:
            self.interrupted = True
        except ValueError:
            if self.live is not None:
                yield self.live.finish()
            raise
        if self.live is not None:
            yield self.live.finish()
        else:
            self.note(self.nobody(recording))

    def nobody(self, recording: Played) -> str:
        """A line on a recording that has no answer."""
        seen = f"{counted(self.last + 1, 'frame')} without anybody" if self.last >= 0 else "no frame came"
        return f"{recording.name}: {seen}, so there is no answer"

    def push(self, recording: Played, frame: Frame, write: Write | None = None) -> list[Happening]:
        """What happens in the next frame of a recording. Raises ValueError for one that does not fit the network."""
        number = self.last + 1 if frame.number is None else frame.number
        self._note_leaps(number)
        size = self.size or recording.head.image_size
        frame = in_metres(self._named_alike(frame, number), self.units, self.up) if recording.live else frame
        frame = replace(in_pixels(frame, self.dimensions, size), number=number)
        if self.sized and size and number < LOOKED_AT and len(frame.keypoint):
            self._note_outside(frame, size)
        if self.live is None:
            if not len(frame.keypoint):
                self.last = number
                return []
            self.live = self._live(recording, frame)
            if write is not None:
                stream = self.live.stream
                write(Head(stream.layout, self.fps_of(recording), stream.image_size))
        if write is not None:
            write(frame)
        seen = frame.keypoint if len(frame.keypoint) else None
        before = time.perf_counter()
        happenings = self.live.push(seen, frame.score, frame.ids, number)
        self._note_late(time.perf_counter() - before, self.live.stream.fps or USUAL_RATE)
        self._note_new(self.live.stream.notes)
        if self.live.stream.left_out:
            there, kept = len(frame.keypoint), self.live.stream.people
            followed = "one is followed" if kept == 1 else f"{kept} are followed"
            self._note_once("left out", f"frame {number} has {there} people, {followed}: --people {there} follows all")
        self.last = number
        return happenings

    def _named_alike(self, frame: Frame, number: int) -> Frame:
        """People have ids in all frames, as in the first one, or in none: a tracker may leave some of them out."""
        if not len(frame.keypoint):
            return frame
        named = frame.ids is not None
        self.named = named if self.named is None else self.named
        if named == self.named:
            return frame
        if named:
            self._note_once(
                "ids", f"people have ids from frame {number} on; they are followed by their places, as before"
            )
            return replace(frame, ids=None)
        self._note_once("no ids", f"people of frame {number} have no ids, those before have: such frames count as lost")
        return replace(frame, keypoint=frame.keypoint[:0], score=None)

    def _note_once(self, about: str, line: str) -> None:
        if about not in self.noted:
            self.noted.add(about)
            self.note(line)

    def _note_late(self, took: float, fps: float) -> None:
        """Say that frames take longer than they last: a source that does not wait is then answered ever later."""
        self.took = [*self.took, took][-MEASURED:]
        mean = sum(self.took) / MEASURED
        if len(self.took) == MEASURED and mean > 1 / fps:
            line = f"a frame takes {1000 * mean:.0f} ms here, and {fps:g} come a second: answers come later and later"
            self._note_once("late", f"{line}; fewer --people, a longer --stride or a smaller network help")

    def _note_new(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._note_once(line, line)

    def _note_outside(self, frame: Frame, size: tuple[int, int]) -> None:
        """Say that joints lie where no picture of that size has them."""
        x, y = frame.keypoint[..., :2].max((0, 1)).tolist()
        if x > OUTSIDE * size[0] or y > OUTSIDE * size[1]:
            line = f"joints are far outside of the picture: up to ({x:.0f}, {y:.0f}) in {size[0]}x{size[1]}"
            self._note_once("outside", f"{line}; is --image-size right?")

    def _note_leaps(self, number: int) -> None:
        """Say that no frame follows the one before: numbers that are times in milliseconds look like that."""
        self.leaps = [*self.leaps, number - self.last][-LEAPS:] if self.last >= 0 else []
        if len(self.leaps) == LEAPS and min(self.leaps) > 1:
            self._note_once(
                "leaps",
                f"the last {LEAPS} frames are numbered {min(self.leaps)} or more apart, and those in between count as "
                "lost: 'frame' has to count frames, not milliseconds; leave it out where none is lost",
            )

    def _live(self, recording: Played, frame: Frame) -> Live:
        head, fps = recording.head, self.fps_of(recording)
        layout = head.layout
        if recording.live and (named := self.layout or (frame.layout if layout is None else None)):
            layout = load_layout(named)
        if self.sized and not (self.size or head.image_size):
            raise ValueError(
                f"{recording.name} does not say the size of its pictures, which the network needs: give --image-size, "
                'such as 1920x1080, or {"image_size": [1920, 1080]} in the first line'
            )
        stream = Stream(
            self.model, fps=fps, people=self.people, engine=self.engine, window=self.window, stride=self.stride,
            gap=self.gap, layout=layout, image_size=self.size or head.image_size, map_layout=self.map_layout,
            device=self.device, precision=self.precision,
        )  # fmt: skip
        notes = [*stream.notes]
        if not (self.fps or head.fps):
            notes.append(f"the source does not say its frame rate, taken as {fps:g}; --fps changes it")
        if stream.reason and self.engine == "auto":
            every = stream.lengths.stride
            notes.append(
                f"window engine, an answer every {counted(every, 'frame')} ({every / fps:.2g} s): {stream.reason}"
            )
        elif stream.delay:
            notes.append(
                f"exact engine: an answer knows a frame {stream.delay} frames ({stream.delay / fps:.1f} s) later"
            )
        if self.doubted > self.enter:
            notes.append(
                f"below {self.doubted:.2%} an answer of these weights is rather none of the classes, and events begin "
                f"from {self.enter:.0%} on; --enter {self.doubted:.4g} asks for as much"
            )
        self._note_new(notes)
        return Live(stream, self._rule(fps), self.count)

    def _rule(self, fps: float) -> EventRule:
        leave = self.enter * ALL if self.leave is None else self.leave
        delay = 0 if self.delay in ("0", "0s") else frames_of(self.delay, fps)
        return EventRule(self.enter, leave, frames_of(self.least, fps), delay, self.nothing)


def _share_little(asked: "Predictor", engine: EngineName) -> None:
    """One thread of torch, where the products of a frame are too small to share.

    With two, each of a frame's hundred products waits for the slower one: ten times as long beside other programs.
    """
    import torch

    from kinegraph.inference.predictor import WIDE, widest
    from kinegraph.inference.streaming.exact import frame_by_frame

    if torch.get_num_threads() == 1:
        return
    narrow = 0 < widest(asked.network) < WIDE
    if narrow or (engine != "window" and not isinstance(frame_by_frame(asked.network, asked.preprocessing), str)):
        torch.set_num_threads(1)


def in_metres(frame: Frame, units: str | None, up: Up | None) -> Frame:
    """A frame in space in metres and with y upward. units, up: of its coordinates, where they were given.

    Raises ValueError for those of pictures.
    """
    if (units is None and up is None) or not len(frame.keypoint):
        return frame
    if frame.keypoint.shape[2] != 3 or units not in (None, *METRES):
        given = f"--units {units}" if units is not None else f"--up {up}"
        raise ValueError(f"{given}: frames of a program have units ({', '.join(METRES)}) and --up in space alone")
    there = frame.keypoint.any(-1, keepdims=True)
    place = set_upright(frame.keypoint[:, None] * np.float32(METRES[units or "m"]), up or "y")[:, 0]
    return replace(frame, keypoint=place * there)


def in_pixels(frame: Frame, dimensions: int, image_size: tuple[int, int] | None) -> Frame:
    """A frame in pixels, where its coordinates are fractions of a picture and the network wants pixels."""
    if not frame.fractions or dimensions == 3 or not len(frame.keypoint):
        return frame
    if image_size is None:
        raise ValueError("the landmarks are fractions of a picture: give --image-size, such as 1920x1080")
    return replace(frame, keypoint=frame.keypoint[..., :2] * np.array(image_size, np.float32), fractions=False)


def _number_of(name: str | None, names: tuple[str, ...]) -> int | None:
    if name is None:
        return none_class(names)
    if name not in names:
        hint = did_you_mean(name, names) or f"; the network has {first_few(names)}"
        raise ValueError(f"--none is '{name}', which is no class of the network{hint}")
    return names.index(name)
