"""Answers of a network to questions, one after another: for clips, persons or stretches of a timeline, and in files."""

import csv
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import numpy as np
from jaxtyping import Bool

from kinegraph.atomic import atomic_file
from kinegraph.inference.inputs import Question
from kinegraph.inference.prediction import Prediction
from kinegraph.inference.timeline import frames_of, segments, window_starts
from kinegraph.inference.trained_network import Asked, probabilities
from kinegraph.messages import spreadsheet_cell
from kinegraph.skeleton.clip import SkeletonClip

if TYPE_CHECKING:
    from kinegraph.inference.predictor import Predictor


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says of a clip, of one person in it, or of a stretch of either.

    person: from 1, or None where the answer is for all. start, stop: frames of the recording, stop not included.
    """

    question: Question
    prediction: Prediction
    person: int | None
    start: int
    stop: int

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Start and end, where the frame rate is known."""
        fps = self.question.clip.fps
        return (self.start / fps, self.stop / fps) if fps else None

    @property
    def who(self) -> str | int | None:
        """The person's name where the source has names, else the number."""
        names = [name.strip() for name in str(self.question.clip.attributes.get("individuals", "")).split(",")]
        return names[self.person - 1] or self.person if self.person and self.person <= len(names) else self.person

    @property
    def repetitions(self) -> int | None:
        """How many end within the answer's frames, of its person or of all people together; None where not counted."""
        counted = self.question.repetitions
        if counted is None:
            return None
        of = counted if self.person is None else counted[self.person - 1 : self.person]
        return sum(self.start < repetition.end <= self.stop for person in of for repetition in person)

    @property
    def right(self) -> bool | None:
        """Whether it is the true class; None where that is not known, or is none of the network's classes."""
        truth = self.question.truth
        return truth == self.prediction.class_name if truth in self.prediction.class_names else None


@dataclass(frozen=True, eq=False)
class _Piece:
    """What the network sees at once: frames from `start` on, of everybody or one person of the clip of that number."""

    number: int
    question: Question
    person: int | None
    start: int
    clip: SkeletonClip


def answers(
    predictor: Asked,
    asked: Iterable[Question],
    *,
    per_person: bool = False,
    window: int | str | None = None,
    stride: int | str | None = None,
    batch_size: int = 32,
    least: int | str = 1,
) -> Iterator[Answer]:
    """The answers in the order of the questions, which are read while the answers are taken.

    per_person: one for each body of a clip, seen alone from its first frame to its last. window, stride: in frames, or
    in seconds ("3s"); an answer for each stretch of one class (see `timeline`), where anybody is; by default the stride
    is a quarter of a window. A network of frames answers for stretches without a window; least: of them, in frames or
    seconds, shorter ones are no answers.
    Batches of `batch_size` go across clips. Raises ValueError where a clip does not fit the network.
    """
    if getattr(predictor, "of_frames", False) and window is None:  # an exported network is none of frames
        yield from _of_frames(cast("Predictor", predictor), asked, per_person, batch_size, least)
        return
    pieces, seen = tee(_pieces(predictor, asked, per_person, window, stride))
    found = zip(pieces, probabilities(predictor, (piece.clip for piece in seen), batch_size), strict=True)
    for _, group in groupby(found, key=lambda pair: (pair[0].number, pair[0].person)):
        if window is not None:
            yield from _timeline(predictor, group, window)
            continue
        for piece, row in group:
            prediction = Prediction(predictor.class_names, row, predictor.least)
            yield Answer(piece.question, prediction, piece.person, piece.start, piece.start + piece.clip.frames)


def pieces(
    predictor: Asked,
    asked: Iterable[Question],
    *,
    per_person: bool = False,
    window: int | str | None = None,
    stride: int | str | None = None,
) -> Iterator[SkeletonClip]:
    """The clips that `answers` asks the network about, which fit it."""
    return (piece.clip for piece in _pieces(predictor, asked, per_person, window, stride))


def _of_frames(
    predictor: "Predictor", asked: Iterable[Question], per_person: bool, batch_size: int, shortest: int | str
) -> Iterator[Answer]:
    from kinegraph.evaluation.timelines import SEVERAL_FROM
    from kinegraph.inference.predictor import frame_stretches  # it takes PyTorch, which an exported network is free of

    least = SEVERAL_FROM if predictor.several else 0.0
    for question in asked:
        clip = predictor.fit(question.clip)
        frames = frames_of(shortest, clip.fps)
        for person, start, part in _people(clip) if per_person else [(None, 0, clip)]:
            for stretch in frame_stretches(predictor, part, batch_size, frames):
                prediction = Prediction(predictor.class_names, stretch.probabilities, least)
                yield Answer(question, prediction, person, start + stretch.start, start + stretch.stop)


def _timeline(predictor: Asked, group: Iterable[tuple[_Piece, np.ndarray]], window: int | str) -> Iterator[Answer]:
    starts, rows, piece = [], [], None
    for piece, row in group:  # its frames are let go of
        starts.append(piece.start)
        rows.append(row)
    assert piece is not None, "groupby makes no empty groups"
    length = frames_of(window, piece.clip.fps)
    for segment in segments(starts, length, piece.start + piece.clip.frames, np.stack(rows)):
        prediction = Prediction(predictor.class_names, segment.probabilities, predictor.least)
        yield Answer(piece.question, prediction, piece.person, segment.start, segment.stop)


def _pieces(
    predictor: Asked, asked: Iterable[Question], per_person: bool, window: int | str | None, stride: int | str | None
) -> Iterator[_Piece]:
    for number, question in enumerate(asked):
        clip = predictor.fit(question.clip)
        nobody = np.zeros((0, *clip.keypoint.shape[1:]), np.float32)
        question = replace(question, clip=replace(clip, keypoint=nobody, score=None))  # its facts outlive its frames
        for person, start, part in _people(clip) if per_person else [(None, 0, clip)]:
            if window is None:
                yield _Piece(number, question, person, start, part)
                continue
            called = f"clip '{clip.name}'"
            length = frames_of(window, clip.fps, called)
            step = max(length // 4, 1) if stride is None else frames_of(stride, clip.fps, called)
            for first in window_starts(part.frames, length, step):
                if (seen := _stretch(part, first, first + length)) is not None:
                    yield _Piece(number, question, person, start + first, seen)


def _people(clip: SkeletonClip) -> Iterator[tuple[int, int, SkeletonClip]]:
    """Each body's number from 1, its first frame, and the clip of it alone."""
    for person, body in enumerate(clip.keypoint):
        there = np.flatnonzero(body.any((1, 2)))
        if len(there):
            start, stop = int(there[0]), int(there[-1]) + 1
            yield person + 1, start, _only(clip, slice(person, person + 1), slice(start, stop))


def _stretch(clip: SkeletonClip, start: int, stop: int) -> SkeletonClip | None:
    """Some frames and who is in them, or None where nobody is."""
    there = np.any(clip.keypoint[:, start:stop], axis=(1, 2, 3))
    if not there.any():
        return None
    return _only(clip, slice(None) if there.all() else there, slice(start, stop))


def _only(clip: SkeletonClip, people: slice | Bool[np.ndarray, "M"], frames: slice) -> SkeletonClip:
    score = None if clip.score is None else clip.score[people, frames]
    return replace(clip, keypoint=clip.keypoint[people, frames], score=score)


# ---- in a file: rows as they come, a .csv for spreadsheets or a .json for programs -----------------------------------


@contextmanager
def answer_file(path: Path, top: int) -> Generator[Callable[[Answer], None], None, None]:
    """A function that writes an answer with its `top` classes. The file appears whole at the end or not at all."""
    rows = _csv if path.suffix == ".csv" else _json
    with (
        atomic_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
        rows(file, top) as write,
    ):
        yield write


@contextmanager
def _csv(file: TextIO, top: int) -> Generator[Callable[[Answer], None], None, None]:
    table = csv.writer(file, lineterminator="\n")
    more = [f"{what}_{k}" for k in range(2, top + 1) for what in ("class", "probability")]
    table.writerow(list(facts(None)) + ["class", "probability", *more])

    def write(answer: Answer) -> None:
        best = answer.prediction.top(top)
        cells = [cell for name, probability in best for cell in (name, f"{probability:.6f}")]
        cells += [""] * (2 * top - len(cells))
        table.writerow([spreadsheet_cell(value) for value in [*facts(answer).values(), *cells]])

    yield write


@contextmanager
def _json(file: TextIO, top: int) -> Generator[Callable[[Answer], None], None, None]:
    comma = ""

    def write(answer: Answer) -> None:
        nonlocal comma
        best = [{"class": name, "probability": round(value, 6)} for name, value in answer.prediction.top(top)]
        file.write(f"{comma}\n{json.dumps(facts(answer) | {'top': best}, ensure_ascii=False)}")
        comma = ","

    file.write("[")
    yield write
    file.write("\n]\n")


def facts(answer: Answer | None) -> dict[str, Any]:
    """What is said beside the classes; the names alone where there is no answer. known: see `Prediction`."""
    names = ("clip", "source", "person", "first_frame", "end_frame", "start_seconds", "end_seconds")
    names += ("truth", "right", "known", "repetitions")
    if answer is None:
        return dict.fromkeys(names)
    start, end = answer.seconds or (None, None)
    rounded = [None if second is None else round(second, 3) for second in (start, end)]
    question = answer.question
    values = (question.clip.name, question.source, answer.who, answer.start, answer.stop, *rounded)
    said = (question.truth, answer.right, answer.prediction.known, answer.repetitions)
    return dict(zip(names, (*values, *said), strict=True))
