"""What a network says of each frame of long recordings, beside the truth, and all figures that follow from both."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.evaluation.segmental import (
    OVERLAPS,
    TIOU,
    Counts,
    average_precision,
    delays,
    edit_score,
    false_alarms,
    hits,
)
from kinegraph.notebook import ShownPath
from kinegraph.skeleton.segment import IGNORED, Segment, one_label, runs, runs_of_each

SEVERAL_FROM = 0.5  # probability from which a class is there, where a frame may have several
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, eq=False)
class Timeline:
    """The truth and the probabilities of each frame of one recording.

    probabilities: of each class in each frame. labels: which classes each frame has.
    several: whether a frame may have several classes. Otherwise it has one, or none.
    none: number of the class of frames without a label. None: these frames are ignored. fps: NaN where unknown.
    """

    name: str
    probabilities: Float[np.ndarray, "T classes"]
    labels: Bool[np.ndarray, "T classes"]
    several: bool = False
    none: int | None = None
    fps: float = float("nan")
    subject: str = ""

    @cached_property
    def truth(self) -> Int[np.ndarray, "T"]:
        """The class of each frame, where a frame has one. Ignored: frames without a class, or with several."""
        return one_label(self.labels, self.none)[0]

    @cached_property
    def predicted(self) -> Int[np.ndarray, "T"]:
        return np.where(self.truth == IGNORED, IGNORED, self.probabilities.argmax(axis=1))

    @cached_property
    def segments(self) -> list[Segment]:
        """The true segments, without those of the class `none`."""
        return self._something(runs_of_each(self.labels)) if self.several else runs(self.truth, none=self.none)

    @cached_property
    def found(self) -> list[Segment]:
        """The predicted segments, without those of the class `none`."""
        if self.several:
            return self._something(runs_of_each(self.probabilities >= SEVERAL_FROM, self.probabilities))
        return runs(self.predicted, self.probabilities, none=self.none)

    def _something(self, segments: list[Segment]) -> list[Segment]:
        return [segment for segment in segments if segment.label != self.none]

    @cached_property
    def counts(self) -> Int[np.ndarray, "classes 3"]:
        """Frames of each class: in the truth, in the predictions, and in both."""
        if self.several:
            there, given = self.labels, self.probabilities >= SEVERAL_FROM
        else:
            classes = np.arange(self.labels.shape[1])
            there, given = self.truth[:, None] == classes, self.predicted[:, None] == classes
        return np.stack([there.sum(0), given.sum(0), (there & given).sum(0)], axis=1)

    @property
    def known(self) -> int:
        """Frames that count."""
        return len(self.labels) if self.several else int((self.truth != IGNORED).sum())


@dataclass(frozen=True)
class SegmentFigures:
    """The figures of some recordings. All are shares from 0 to 1, NaN where there is nothing to measure.

    accuracy: share of right frames; where a frame may have several classes, of right answers for each class of each
        frame. edit: NaN where a frame may have several classes. f1, mean_ap: for each least overlap.
    delay: median of the seconds from the start of a segment to its first right frame. missed: share of the segments
        without a right frame. alarms: predictions an hour that overlap no segment of their class.
    """

    frames: int
    segments: int
    accuracy: float
    mean_class_accuracy: float
    edit: float
    f1: dict[float, float]
    mean_ap: dict[float, float]
    delay: float
    missed: float
    alarms: float

    def flat(self) -> dict[str, float]:
        """The figures by name, for logs and tables."""
        named: dict[str, float] = {"frame_accuracy": self.accuracy, "mean_class_accuracy": self.mean_class_accuracy}
        named |= {"edit": self.edit} | {f"f1_{round(100 * k)}": value for k, value in self.f1.items()}
        named |= {"map": _mean(list(self.mean_ap.values())), "delay_seconds": self.delay, "missed": self.missed}
        return named | {"false_alarms_an_hour": self.alarms}


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class. frames: that have it. precision, recall: of frames. counts: for each least overlap."""

    label: int
    frames: int
    precision: float
    recall: float
    segments: int
    found: int
    counts: dict[float, Counts]
    mean_ap: float
    delay: float
    missed: float
    alarms: float


def figures(timelines: Sequence[Timeline]) -> SegmentFigures:
    """The figures of some recordings."""
    pairs = [(timeline.segments, timeline.found) for timeline in timelines]
    counts = np.sum([timeline.counts for timeline in timelines], axis=0)
    there, _, both = counts.T
    several = any(timeline.several for timeline in timelines)
    return SegmentFigures(
        frames=sum(timeline.known for timeline in timelines),
        segments=sum(len(truth) for truth, _ in pairs),
        accuracy=_accuracy(timelines),
        mean_class_accuracy=_mean((both[there > 0] / there[there > 0]).tolist()),
        edit=float("nan") if several else _mean_edit(timelines, pairs),
        f1={least: sum((hits(a, b, least) for a, b in pairs), Counts()).f1 for least in OVERLAPS},
        mean_ap={least: _mean_ap(pairs, least) for least in TIOU},
        **_promptness(timelines, pairs),
    )


def of_class(timelines: Sequence[Timeline], label: int) -> ClassFigures:
    """The figures of one class."""
    there, given, both = np.sum([timeline.counts[label] for timeline in timelines], axis=0).tolist()
    nothing = any(timeline.none == label for timeline in timelines)  # it has no segments, so no false ones either
    pairs = [(_of(timeline.segments, label), _of(timeline.found, label)) for timeline in timelines]
    return ClassFigures(
        label=label,
        frames=there,
        precision=both / given if given else float("nan"),
        recall=both / there if there else float("nan"),
        segments=sum(len(truth) for truth, _ in pairs),
        found=sum(len(found) for _, found in pairs),
        counts={least: sum((hits(a, b, least) for a, b in pairs), Counts()) for least in OVERLAPS},
        mean_ap=_mean([_mean_ap(pairs, least) for least in TIOU]),
        **_promptness(timelines, pairs) | ({"alarms": float("nan")} if nothing else {}),
    )


def by_subject(timelines: Sequence[Timeline]) -> dict[str, SegmentFigures]:
    """The figures of each subject's recordings, where the subjects are known."""
    subjects = sorted({timeline.subject for timeline in timelines} - {""})
    return {
        subject: figures([timeline for timeline in timelines if timeline.subject == subject]) for subject in subjects
    }


def sums(timeline: Timeline) -> dict[str, tuple[float, float]]:
    """Figures of one recording as (part, whole). Of several recordings: the sum of parts over the sum of wholes."""
    truth, found = timeline.segments, timeline.found
    whole = timeline.labels.size if timeline.several else timeline.known
    accuracy = _accuracy([timeline])
    named: dict[str, tuple[float, float]] = {"frame_accuracy": (accuracy * whole if whole else 0.0, whole)}
    counts = not timeline.several and timeline.known > 0
    named["edit"] = (edit_score(_order(truth), _order(found)), 1.0) if counts else (0.0, 0.0)
    for least in OVERLAPS:
        matched = hits(truth, found, least)
        named[f"f1_{round(100 * least)}"] = (2 * matched.hits, 2 * matched.hits + matched.wrong + matched.missed)
    return named


Pair = tuple[list[Segment], list[Segment]]


def _of(segments: Sequence[Segment], label: int) -> list[Segment]:
    return [segment for segment in segments if segment.label == label]


def _order(segments: Sequence[Segment]) -> list[int]:
    return [segment.label for segment in segments]


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def _mean_edit(timelines: Sequence[Timeline], pairs: Sequence[Pair]) -> float:
    """The mean over the recordings that have frames with a known class."""
    return _mean(
        [edit_score(_order(a), _order(b)) for timeline, (a, b) in zip(timelines, pairs, strict=True) if timeline.known]
    )


def _accuracy(timelines: Sequence[Timeline]) -> float:
    """The share of right frames, or of right answers for each class of each frame."""
    total = right = 0
    for timeline in timelines:
        there, given, both = timeline.counts.sum(axis=0).tolist()
        size = timeline.labels.size if timeline.several else timeline.known
        total += size
        right += size - (there - both) - (given - both) if timeline.several else both
    return right / total if total else float("nan")


def _mean_ap(pairs: Sequence[Pair], least: float) -> float:
    truth, found = [a for a, _ in pairs], [b for _, b in pairs]
    labels = sorted({segment.label for recording in truth for segment in recording})
    return _mean([average_precision(truth, found, label, least) for label in labels])


def _promptness(timelines: Sequence[Timeline], pairs: Sequence[Pair]) -> dict[str, float]:
    """delay, missed and alarms; those in seconds and hours are NaN where a frame rate is not known."""
    waits: list[float] = []
    missed = alarms = 0
    for timeline, (truth, found) in zip(timelines, pairs, strict=True):
        frames = delays(truth, found)
        missed += frames.count(None)
        waits += [frame / timeline.fps for frame in frames if frame is not None]
        alarms += len(false_alarms(truth, found))
    seconds = sum(timeline.known / timeline.fps for timeline in timelines)  # ignored frames have no predictions
    hours = seconds / SECONDS_AN_HOUR
    segments = sum(len(truth) for truth, _ in pairs)
    return {
        "delay": float(np.median(waits)) if waits else float("nan"),
        "missed": missed / segments if segments else float("nan"),
        "alarms": alarms / hours if hours > 0 else float("nan"),
    }


@dataclass(frozen=True, eq=False)
class TimelineEvaluation:
    """The test of a network on long recordings. report: the page about it, where one was written."""

    timelines: Sequence[Timeline]
    class_names: Sequence[str]
    report: Path | None = None

    def __post_init__(self):
        object.__setattr__(self, "report", self.report and ShownPath(self.report))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Of all recordings: frame accuracy, edit score, F1@10, 25 and 50 and the others."""
        return figures(self.timelines).flat()

    def __repr__(self) -> str:
        known = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items() if value == value)
        return f"TimelineEvaluation({len(self.timelines)} long recordings: {known})"
