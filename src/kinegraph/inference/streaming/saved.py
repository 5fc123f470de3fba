"""The state of a stream in a file: arrays of numbers, in safetensors. A stream of the same kind goes on from it.

The file is written completely or not at all. What is read may come from anybody: each array is checked before it is
used, and the stream stays as it was where one does not fit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kinegraph.atomic import write_atomic
from kinegraph.data.tracking import Follower
from kinegraph.files import check_is_file
from kinegraph.inference.streaming.poses import Form, Person, Scores, Someone
from kinegraph.messages import one_line, quoted
from kinegraph.safe_io import parsed_json

if TYPE_CHECKING:
    from kinegraph.inference.streaming.stream import Stream

HEADER, VERSION = "kinegraph_stream", 1
MOST = 2**50  # frames, and people counted
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Saved:
    """The arrays of a file whose names begin with a prefix. Raises ValueError where one is not as expected."""

    arrays: Mapping[str, np.ndarray]
    prefix: str = ""

    def within(self, prefix: str) -> "Saved":
        """The arrays of a part."""
        return Saved(self.arrays, f"{self.prefix}{prefix}.")

    def has(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return self.prefix + name in self.arrays

    def array(self, name: str, *shape: int | None, kind: type = np.float32) -> np.ndarray:
        """Finite numbers of that shape, None standing for any length."""
        found = self.arrays.get(self.prefix + name, np.zeros((0,) * 9))
        fits = found.ndim == len(shape) and all(b in (None, a) for a, b in zip(found.shape, shape, strict=True))
        if not fits or found.dtype != kind or not np.isfinite(found).all():
            raise ValueError(f"'{self.prefix}{name}' is {found.dtype} of shape {found.shape}")
        return found

    def counts(self, name: str, count: int) -> tuple[int, ...]:
        """So many whole numbers that are not negative."""
        found = self.array(name, count, kind=np.int64)
        if found.min() < 0 or found.max() >= MOST:
            raise ValueError(f"'{self.prefix}{name}' is {found.tolist()}")
        return tuple(found.tolist())


def save_stream(stream: "Stream", path: Path) -> None:
    """Write the state of a stream. Raises ValueError for ids that are neither texts nor whole numbers."""
    followed, people, running = stream._follower.saved(), stream._someone, stream._running
    if wrong := [person for person in people if type(person) not in (int, str)]:
        raise ValueError(f"a stream with the id {quoted(wrong[0])} cannot be saved: ids have to be texts or integers")
    tick = 0 if running is None else running.tick
    arrays: Arrays = {"at": np.array([stream._frame + 1, stream.left_out, stream._follower.begun, len(followed), tick])}
    for i, (number, state) in enumerate(followed.items()):
        arrays |= {f"followed.{i}.{name}": array for name, array in state.items()} | {
            f"followed.{i}.number": np.array([number])
        }
    for i, (person, state) in enumerate(people.items()):
        arrays |= {f"person.{i}.at": np.array([state.begin, state.seen]), f"person.{i}.poses": state.poses}
        if state.scores is not None:
            arrays |= {f"person.{i}.of": np.array([state.scores.start, state.scores.stop])}
            arrays |= {f"person.{i}.probabilities": state.scores.probabilities}
        assert running is not None, "people are of an engine"
        arrays |= {f"person.{i}.engine.{name}": array for name, array in running.saved(person).items()}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    form = None if stream._form is None else [stream._form.dimensions, stream._form.scored]
    about = {"version": VERSION, "of": _identity(stream), "form": form, "people": list(people)}
    write_atomic(path, save(arrays, metadata={HEADER: json.dumps(about)}))


def restore_stream(stream: "Stream", path: Path) -> None:
    """Give a stream the state of a file."""
    check_is_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is not a state of a stream: {one_line(error)}") from None
    about = parsed_json(metadata[HEADER], path) if HEADER in metadata else None
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise ValueError(f"{path} is not a state of a stream that this Kinegraph reads")
    if about.get("of") != _identity(stream):
        raise ValueError(f"{path} is of a stream with another network or other options; build it with the same")
    try:
        _restore(stream, about, Saved(arrays))
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"{path} is a damaged state of a stream: {one_line(error)}") from None


def _restore(stream: "Stream", about: Mapping[str, Any], saved: Saved) -> None:
    frame, left_out, begun, followed, tick = saved.counts("at", 5)
    form, layout = about.get("form"), stream._asked.layout
    names: list[Person] = list(about["people"])
    if len(set(names)) != len(names) or any(type(name) not in (int, str) for name in names):
        raise ValueError(f"people are {quoted(names)}")
    if form is not None:
        dimensions, scored = form
        if dimensions not in (2, 3) or not isinstance(scored, bool):
            raise ValueError(f"form is {quoted(form)}")
        form = Form(layout, dimensions, scored, stream.image_size)
    engine = None if form is None else stream._engine(form)
    someone: dict[Person, Someone] = {}
    for i, name in enumerate(names):
        if form is None or engine is None:
            raise ValueError("there are people without poses")
        own = saved.within(f"person.{i}")
        poses = own.array("poses", 1, len(layout), form.dimensions + form.scored)
        begin, seen = own.counts("at", 2)
        someone[name] = Someone(begin, seen, poses, _scores(own, len(stream.class_names)))
        engine.restore(name, own.within("engine"))
    if engine is not None:
        engine.tick = tick
    follower = Follower(stream.lengths.gap + 1)
    follower.restore(begun, dict(_followed(saved.within(f"followed.{i}"), len(layout)) for i in range(followed)))
    stream._running, stream._form, stream._someone, stream._follower = engine, form, someone, follower
    stream._frame, stream.left_out, stream._compared = frame - 1, left_out, []


def _scores(saved: Saved, classes: int) -> Scores | None:
    if not saved.has("of"):
        return None
    start, stop = saved.counts("of", 2)
    return Scores(start, stop, saved.array("probabilities", classes, kind=np.float64))


def _followed(saved: Saved, joints: int) -> tuple[int, dict[str, np.ndarray]]:
    pose = saved.array("pose", joints, None, kind=np.float64)
    about = {"velocity": saved.array("velocity", pose.shape[1], kind=np.float64)}
    about |= {"size": saved.array("size", 1, kind=np.float64), "at": np.array(saved.counts("at", 2))}
    return saved.counts("number", 1)[0], {"pose": pose} | about


def _identity(stream: "Stream") -> str:
    """What network, preparation and options a state is of."""
    lengths, asked = stream.lengths, stream._asked
    options = (stream.engine, lengths.window, lengths.stride, lengths.least, lengths.gap, stream.people)
    facts = [options, asked.preprocessing.to_dict(), asked.layout.to_dict(), stream.image_size]
    text = json.dumps(facts if stream.precision == "32-true" else [*facts, stream.precision])
    return hashlib.sha256(f"{text} {asked.fingerprint}".encode()).hexdigest()
