"""`kinegraph.Stream`: a frame goes in, and probabilities for each person come out, while it happens."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from jaxtyping import Float

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.reading.clips.conventions import LAYOUTS
from kinegraph.data.tracking import Follower
from kinegraph.inference.exported import Exported
from kinegraph.inference.inputs import differences
from kinegraph.inference.prediction import Prediction, size_of
from kinegraph.inference.streaming.causal import waits
from kinegraph.inference.streaming.graph import FrameGraph, GraphEngine, frame_graph
from kinegraph.inference.streaming.lengths import Lengths, lengths_of
from kinegraph.inference.streaming.poses import (
    Form,
    Person,
    Poses,
    Scores,
    Someone,
    array_of,
    between,
    form_of,
    ids_of,
    poses_of,
)
from kinegraph.inference.streaming.window import WindowEngine
from kinegraph.inference.trained_network import asked_of, check_one_class, placed_asked
from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

if TYPE_CHECKING:  # torch takes seconds to import, and an exported network does without it
    from torch import nn

    from kinegraph.inference.predictor import Predictor
    from kinegraph.inference.streaming.exact import ExactEngine
    from kinegraph.models.layers.streaming import StreamedNetwork
    from kinegraph.models.weights import Weights

EngineName = Literal["auto", "exact", "window"]
StreamPrecision = Literal["32-true", "bf16-mixed"]
COMPARED = 15  # frames of a person that are compared with the recordings of the training


@dataclass(frozen=True, eq=False)
class StreamAnswer:
    """The probabilities of one person after a frame.

    person: the id that was given, or a number from 1 on. frame: the frame that was pushed. start, stop: the frames that
    the answer rests on, stop not included. lost: frames since the person was last seen. new: whether this frame changed
    the answer. last: nothing follows, as the person has left or the stream has ended.
    """

    person: Person
    frame: int
    start: int
    stop: int
    prediction: Prediction
    lost: int = 0
    new: bool = True
    last: bool = False

    @property
    def middle(self) -> int:
        """The frame in the middle of those that the answer rests on."""
        return (self.start + self.stop) // 2


class Stream:
    """Probabilities for each person of a stream of frames: `for answer in stream.push(keypoint): ...`.

    Each person is seen alone, from the first frame on. Two engines compute the answers. "exact" sees each frame once
    and gives the features of the complete recording, `delay` frames later. "window" asks about the latest frames again
    and again. "auto" takes "exact" where network and preparation allow it; `reason` says why they do not.

    Args:
        model: what `load_model` or `load_weights` gave, or the path or name of a weights file, or of a file that
            `export` wrote: the exact engine asks one of `stream=True`, the window engine any other.
        fps: frames a second of the stream.
        people: that are followed at once; further people are left out and counted in `left_out`.
        engine: "auto", "exact" or "window".
        window: the time that an answer rests on, in frames or seconds ("3s"), by default the length of training clips.
            "start" is all since the person came, for the exact engine.
        stride: of the window engine, from one answer to the next, by default a tenth of a second.
        gap: a person who is away for longer begins anew, by default 1 s. Shorter gaps are filled, linear between.
        layout: of the frames, or its name, where it is not the network's. image_size: in pixels, where the preparation
            needs it.
        map_layout: take the joints by name from a layout with others too, or in another order.
        preprocessing: for weights without it, or in place of theirs.
        compare: refuse people in other units or upside down, as `kinegraph.predict` does.
        device: cpu, cuda, mps or auto.
        precision: "32-true", or "bf16-mixed" (bfloat16): with matrix units for it, as AMX, faster for many people;
            features differ by about a hundredth. `notes` says what was measured on this machine.

    Raises ValueError where the weights do not say what is needed, or "exact" is not possible, with the reason.
    """

    def __init__(
        self,
        model: "nn.Module | Weights | Exported | str | Path",
        *,
        fps: float | None = None,
        people: int = 1,
        engine: EngineName = "auto",
        window: int | str | None = None,
        stride: int | str | None = None,
        gap: int | str | None = None,
        layout: JointLayout | str | Path | None = None,
        image_size: Sequence[int] | str | None = None,
        map_layout: bool = False,
        preprocessing: Preprocessing | None = None,
        compare: bool = True,
        device: str = "auto",
        precision: StreamPrecision = "32-true",
    ):
        asked = asked_of(model, preprocessing, map_layout=map_layout)
        check_one_class(asked)
        _check_options(fps, people, engine, precision)
        self._asked = placed_asked(asked, device, precision) if (device, precision) != ("auto", "32-true") else asked
        self._exact, self.reason = _exact_engine(self._asked, engine)
        self.engine = "window" if self._exact is None else "exact"
        self.delay = 0 if self._exact is None else self._exact.delay + waits(asked.preprocessing)
        self.fps, self.people = fps, people
        self.lengths: Lengths = lengths_of(
            asked, fps=fps, window=window, stride=stride, gap=gap, exact=self.engine == "exact"
        )
        self.precision, self.notes = precision, self.lengths.notes
        if precision == "bf16-mixed":
            from kinegraph.inference.streaming.exact import in_bf16

            network = cast("StreamedNetwork | None", self._exact)  # no graph: an exported network has its own precision
            self._exact, line = in_bf16(cast("Predictor", asked), network, people, self.lengths.window)
            self.notes += (line,) if line else ()
        self.left_out = 0
        self.left: dict[Person, int] = {}  # with the last frame; until which frame each was seen
        self.layout = asked.layout if layout is None else load_layout(layout)
        self.image_size = None if image_size is None else size_of(image_size)
        if self.image_size is None and asked.preprocessing.normalize == "image":
            raise ValueError("the network needs the size of the pictures: give image_size, such as (1920, 1080)")
        self._compare, self._compared = compare, list[np.ndarray]()
        self._form, self._frame = cast(Form | None, None), -1
        self._forget()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the network."""
        return self._asked.class_names

    @property
    def network_layout(self) -> JointLayout:
        """Of the poses that `seen` gives."""
        return self._asked.layout

    @property
    def frame(self) -> int:
        """The number of the last frame, from 0 on; -1 before the first."""
        return self._frame

    def push(
        self,
        keypoint: Float[np.ndarray, "P V C"] | Float[np.ndarray, "V C"] | None,
        score: Float[np.ndarray, "P V"] | Float[np.ndarray, "V"] | None = None,
        *,
        ids: Iterable[Hashable] | None = None,
        frame: int | None = None,
    ) -> list[StreamAnswer]:
        """The answers for everybody who is there, or was within the gap, and of whom there are answers. Those who have
        been away for longer leave: their last answers come first.

        keypoint: (people, joints, channels) or one person's (joints, channels), in the coordinates of the training. A
            joint that was not seen is zero. None: nobody was seen.
        score: confidences of the joints. ids: who each person is; without them people are followed by their places.
        frame: the number of the frame, where numbers in between were lost.
        Raises ValueError for a frame that does not fit the network; the stream stays as it was.
        """
        number = self._number(frame)
        clip, ids = self._seen(keypoint, score, ids)
        form = self._form
        if clip is not None:
            form = form_of(clip)
            if self._form is not None and self._form != form:
                raise ValueError(f"frame {number} has {form.said}, the frames before have {self._form.said}")
            self._compare_once(clip)
        found = {} if clip is None else self._people(clip, ids, number)
        return self._advanced(found, number, form)

    def peek(self) -> list[StreamAnswer]:
        """The answers if the stream ended now, of everybody. Nothing changes. The exact engine takes some milliseconds
        for it: it computes the moments that wait for later frames."""
        return self._ended(self._someone)

    def finish(self) -> list[StreamAnswer]:
        """The last answers; then the stream is as new."""
        answers = self.peek()
        self.left = {person: state.seen + 1 for person, state in self._someone.items()}
        self._forget()
        self._form, self._frame, self._compared = None, -1, []
        return answers

    def _forget(self) -> None:
        self._running: ExactEngine | GraphEngine | WindowEngine | None = None
        self._someone: dict[Person, Someone] = {}
        self._follower = Follower(self.lengths.gap + 1)

    def seen(self) -> dict[Person, Float[np.ndarray, "V C"]]:
        """The poses of the last frame, of the people who are followed."""
        size = 0 if self._form is None else self._form.dimensions
        return {
            number: person.poses[0, :, :size] for number, person in self._someone.items() if person.seen == self._frame
        }

    def known(self) -> tuple[Person, ...]:
        """The people who are there, or were within the gap."""
        return tuple(self._someone)

    def fork(self) -> "Stream":
        """A stream that goes its own way from here; the network is the same."""
        other = copy(self)
        other._running = None if self._running is None else self._running.forked()
        other._someone = {person: copy(state) for person, state in self._someone.items()}
        other._follower, other._compared = deepcopy(self._follower), list(self._compared)
        return other

    def save(self, path: str | Path) -> None:
        """Write the state into a file, completely or not at all. ids have to be texts or whole numbers."""
        from kinegraph.inference.streaming.saved import save_stream

        save_stream(self, Path(path))

    def restore(self, path: str | Path) -> None:
        """Go on from a file of `save`. Raises ValueError where it is of another network or of other options."""
        from kinegraph.inference.streaming.saved import restore_stream

        restore_stream(self, Path(path))

    # ---- a frame -----------------------------------------------------------------------------------------------------

    def _number(self, frame: int | None) -> int:
        if frame is None:
            return self._frame + 1
        if isinstance(frame, bool) or not isinstance(frame, int | np.integer) or frame <= self._frame:
            raise ValueError(f"frame is {quoted(frame)}, expected a number above {self._frame}, that of the last frame")
        return int(frame)

    def _seen(
        self, keypoint: object, score: object, ids: Iterable[Hashable] | None
    ) -> tuple[SkeletonClip | None, Sequence[Hashable] | None]:
        """The people of a frame as a clip of one frame that fits the network, and their ids."""
        if keypoint is None:
            return None, None
        place = array_of(keypoint, "keypoint", 3)
        scores = None if score is None else array_of(score, "score", 2)
        ids = None if ids is None else ids_of(ids, len(place))
        there = np.asarray(place.any((1, 2)))
        if not there.any():
            return None, None
        if scores is not None and scores.shape != place.shape[:2]:
            raise ValueError(f"score has shape {scores.shape}, expected {place.shape[:2]}")
        if place.shape[1] != len(self.layout):
            others = LAYOUTS.get(place.shape[1], ())
            hint = f": --layout {' or '.join(others)}, with --map-layout for its joints by name" if others else ""
            has = f"layout '{self.layout.name}' has {len(self.layout)}"
            raise ValueError(f"frame {self._frame + 1} has {place.shape[1]} joints, {has}{hint}")
        kept = None if scores is None else scores[there][:, None]
        clip = SkeletonClip(
            place[there][:, None], self.layout, f"frame {self._frame + 1}", score=kept, image_size=self.image_size
        )
        ids = None if ids is None else [id_ for id_, seen in zip(ids, there, strict=True) if seen]
        return self._asked.fit(clip), ids

    def _compare_once(self, clip: SkeletonClip) -> None:
        """Compare the first frames with the recordings of the training. Raises ValueError where answers are wrong."""
        if not self._compare or len(self._compared) > COMPARED:
            return
        seen = [*self._compared, clip.keypoint[:1]]
        if len(seen) == COMPARED:
            frames = replace(clip, keypoint=np.concatenate(seen, axis=1), score=None)
            found = differences(self._asked, [frames])
            if found.wrong:  # the frame is not kept, so that the next one is refused, too; no answer is left
                self._forget()
                error = ValueError("; ".join(found.wrong))
                error.add_note("compare=False takes the frames as they are")
                raise error
            self.notes += tuple(line for line in found.notes if line not in self.notes)
            seen.append(clip.keypoint[:1])
        self._compared = seen

    def _people(self, clip: SkeletonClip, ids: Sequence[Hashable] | None, number: int) -> dict[Person, Poses]:
        """Who is in a frame: those who are known, and new people as long as there is room."""
        poses = poses_of(clip)  # (P, 1, V, D)
        if self._someone and (ids is None) != bool(self._follower.begun):
            has, had = ("has no ids", "have") if ids is None else ("has ids", "have none")
            raise ValueError(f"frame {number} {has}, the frames before {had}: give ids in all frames, or in none")
        if ids is not None and not self._someone:
            self._follower = Follower(self.lengths.gap + 1)  # nobody is followed any more
        if ids is None:
            ids = self._follower.follow(clip.keypoint[:, 0], number)
        there = {person: rows for person, rows in zip(ids, poses, strict=True) if person is not None}
        known = {person for person, state in self._someone.items() if number - state.seen <= self.lengths.gap + 1}
        chosen = {person: rows for person, rows in there.items() if person in known}
        for person, rows in there.items():
            if person not in chosen and len(known) < self.people:
                chosen[person] = rows
                known.add(person)
        self.left_out += len(poses) - len(chosen)
        return chosen

    def _advanced(self, found: Mapping[Person, Poses], number: int, form: Form | None) -> list[StreamAnswer]:
        """The answers after a frame that fits."""
        self._frame, self._form = number, form
        gone = [
            person
            for person, state in self._someone.items()
            if number - state.seen > self.lengths.gap + (person in found)
        ]
        answers = self._ended(gone)
        self.left = {person: self._someone.pop(person).seen + 1 for person in gone}
        if form is None:
            return []
        self._running = self._running or self._engine(form)
        self._running.drop(gone)
        changed = self._running.push(
            {person: self._filled(person, rows, number) for person, rows in found.items()}, number
        )
        for person, scores in changed.items():
            self._someone[person].scores = scores
        known = self._someone.items()
        return answers + [
            self._answer(person, state.scores, person in changed) for person, state in known if state.scores is not None
        ]

    def _ended(self, people: Collection[Person]) -> list[StreamAnswer]:
        """The answers of some people if no frame follows."""
        ended = self._running.ended(people) if self._running is not None and people else {}
        return [
            replace(self._answer(person, ended[person], new=True), last=True) for person in people if person in ended
        ]

    def _filled(self, person: Person, poses: Poses, number: int) -> Poses:
        """A person's pose, behind those of the frames in which he or she was lost."""
        state = self._someone.get(person)
        if state is None:
            self._someone[person] = Someone(number, number, poses)
            return poses
        before, lost, state.poses, state.seen = state.poses, number - state.seen - 1, poses, number
        return np.concatenate([between(before, poses, lost), poses]) if lost else poses

    def _engine(self, form: Form) -> "ExactEngine | GraphEngine | WindowEngine":
        lengths = self.lengths
        if self._exact is not None:
            if isinstance(self._exact, FrameGraph):
                return GraphEngine(cast(Exported, self._asked), self._exact, form, lengths.window)
            from kinegraph.inference.streaming.exact import ExactEngine

            return ExactEngine(cast("Predictor", self._asked), self._exact, form, lengths.window)
        assert lengths.window is not None, "lengths_of gives the window engine one"
        return WindowEngine(self._asked, form, lengths.window, lengths.stride, lengths.least)

    def _answer(self, person: Person, scores: Scores, new: bool) -> StreamAnswer:
        state = self._someone[person]
        prediction = Prediction(self.class_names, scores.probabilities, self._asked.least)
        start, stop = state.begin + scores.start, state.begin + scores.stop
        return StreamAnswer(person, self._frame, start, stop, prediction, self._frame - state.seen, new)


def _exact_engine(
    asked: "Predictor | Exported", engine: EngineName
) -> "tuple[StreamedNetwork | FrameGraph | None, str | None]":
    """What computes frames as they arrive, None for the window engine; and the reason where it is not possible."""
    if isinstance(asked, Exported):
        exact = frame_graph(asked)
    else:
        from kinegraph.inference.streaming.exact import frame_by_frame

        exact = frame_by_frame(asked.network, asked.preprocessing)
    if isinstance(exact, str):
        if engine == "exact":
            raise ValueError(f"the exact engine is not possible: {exact}; engine='window' takes every network")
        return None, exact
    if engine == "window" and isinstance(exact, FrameGraph):
        raise ValueError("the window engine asks about clips, this network was exported with --stream: leave it out")
    return None if engine == "window" else exact, None


def _check_options(fps: float | None, people: int, engine: str, precision: str) -> None:
    if precision not in get_args(StreamPrecision):
        raise ValueError(f"precision is {quoted(precision)}, expected 32-true or bf16-mixed")
    if fps is not None and (not isinstance(fps, int | float | np.number) or not 0 < fps < 10_000):
        raise ValueError(f"fps is {quoted(fps)}, expected frames a second, above 0")
    if not isinstance(people, int | np.integer) or people < 1:
        raise ValueError(f"people is {quoted(people)}, expected a number, at least 1")
    if engine not in get_args(EngineName):
        raise ValueError(f"engine is {quoted(engine)}, expected auto, exact or window")
