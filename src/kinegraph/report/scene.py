"""What is shown of a clip: its movement, the answers of a network over time, and how much each joint mattered."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up

Pictures = Callable[[Sequence[int]], Iterator[UInt8[np.ndarray, "H W 3"]]]
Explain = Callable[[SkeletonClip], Float[np.ndarray, "M T V"]]

USUAL_FPS = 30.0
LONGEST, MOST_PEOPLE = 300, 4  # frames and people of a clip that a page holds: it is to stay small
STILL = 0.35  # part of the way through a clip that is counted by the clock, the rest by movement
ENOUGH = 0.5  # of the most joints that anybody ever shows: with fewer a frame is no picture of a person


@dataclass(frozen=True, eq=False)
class Answers:
    """Classes and their probabilities over the time of a clip, in spans that follow one another.

    edges: frames; span i is edges[i] to edges[i + 1], that one not included. Where nothing is said, because nobody is
    there, all classes have probability 0. colours: of the classes on a page, where they are not the player's own; ""
    is grey.
    """

    class_names: Sequence[str]
    edges: Int[np.ndarray, "spans+1"]
    probabilities: Float[np.ndarray, "spans classes"]
    colours: Sequence[str] = ()

    def __post_init__(self):
        object.__setattr__(self, "edges", np.asarray(self.edges, np.int64))
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, np.float64))
        expected = (len(self.edges) - 1, len(self.class_names))
        if self.probabilities.shape != expected or 0 in expected:
            raise ValueError(
                f"probabilities have shape {self.probabilities.shape}, expected {expected[0]} spans and "
                f"{expected[1]} classes"
            )
        if (np.diff(self.edges) <= 0).any():
            raise ValueError(f"the edges of spans are {self.edges.tolist()}, expected frames that rise")

    def best(self) -> Int[np.ndarray, "spans"]:
        """The likeliest class of each span; -1 where nothing is said."""
        return np.where(self.probabilities.any(axis=1), self.probabilities.argmax(axis=1), -1)

    def leading(self, most: int = 5) -> list[int]:
        """The classes worth showing, those that are likely for longest first; all that are ever the likeliest go in
        front."""
        length, best = np.diff(self.edges), self.best()
        won = np.bincount(best + 1, weights=length, minlength=len(self.class_names) + 1)[1:]
        return np.lexsort((-(length @ self.probabilities), -won))[:most].tolist()

    def winners(self) -> list[int]:
        """The classes that are ever the likeliest, those that are for longest first."""
        return self.leading(len(set(self.best().tolist()) - {-1}))

    def at(self, frame: int) -> Float[np.ndarray, "classes"]:
        """The probabilities at a frame; before the first and after the last edge those of the nearest span."""
        span = np.searchsorted(self.edges, frame, side="right") - 1
        return self.probabilities[np.clip(span, 0, len(self.probabilities) - 1)]


def answers_of(class_names: Sequence[str], spans: Sequence[tuple[int, int, Float[np.ndarray, "classes"]]]) -> Answers:
    """The answers of a timeline: first frame, frame after the last, probabilities of each span.

    Between two of them nothing may be said.
    """
    edges, rows = [spans[0][0]], []
    for start, stop, probabilities in spans:
        if start > edges[-1]:
            edges.append(start)
            rows.append(np.zeros(len(class_names)))
        edges.append(stop)
        rows.append(probabilities)
    return Answers(class_names, edges, np.stack(rows))


@dataclass(frozen=True, eq=False)
class Scene:
    """A clip to be shown, and what is shown with it.

    title: by default the clip's name. note: a quiet line below it. label: name of the true class, where it is known.
    importance: of each joint at each time for the answer, in [0, 1].
    up: the vertical axis of a 3D clip; by default the one along which people stand.
    fps: where the clip does not say; without either it is 30.
    pictures: of a clip in pixels, gives what was filmed in some frames, whose numbers rise; people are drawn over it.
    """

    clip: SkeletonClip
    title: str = ""
    note: str = ""
    label: str = ""
    answers: Answers | None = None
    importance: Float[np.ndarray, "M T V"] | None = None
    up: Up | None = None
    fps: float | None = None
    pictures: Pictures | None = None

    def __post_init__(self):
        clip = self.clip
        if 0 in clip.keypoint.shape:
            raise ValueError(f"clip '{clip.name}' has {clip.people} people and {clip.frames} frames: nothing to draw")
        if self.importance is not None and self.importance.shape != clip.keypoint.shape[:3]:
            raise ValueError(
                f"importance has shape {self.importance.shape}, the clip's people, frames and joints are "
                f"{clip.keypoint.shape[:3]}"
            )

    @property
    def name(self) -> str:
        return self.title or self.clip.name or "clip"

    @property
    def rate(self) -> float:
        """Frames a second to play at."""
        return float(self.fps or self.clip.fps or USUAL_FPS)

    @property
    def timed(self) -> bool:
        """Whether that rate is known; if not, seconds would be made up."""
        return bool(self.fps or self.clip.fps)

    @property
    def individuals(self) -> list[str]:
        """The name of each person: the source's, or "Person 1" and so on."""
        return [name or f"Person {number + 1}" for number, name in enumerate(self.clip.names_of_people)]

    def time(self, frame: int) -> str:
        """When a frame is, to be shown."""
        return f"{frame / self.rate:.2f} s" if self.timed else f"frame {frame + 1}"


# ---- clips of an evaluation ------------------------------------------------------------------------------------------


def scenes_of(evaluation: Evaluation, places: Sequence[int], explain: Explain | None = None) -> list[Scene]:
    """The clips at some places of an evaluation; none where the dataset is not at hand.

    explain: the importance of joints in a clip.
    """
    if evaluation.folder is None:
        return []
    return [_scene(evaluation, place, explain) for place in places]


def _scene(evaluation: Evaluation, place: int, explain: Explain | None) -> Scene:
    clip = evaluation.folder[evaluation.indices[place]]
    importance = explain(clip) if explain else None
    clip, importance = _thinned(clip, importance)
    names, label = evaluation.class_names, int(evaluation.labels[place])
    said = Answers(names, np.array([0, clip.frames]), evaluation.probability(place)[None])
    return Scene(clip, label=names[label], answers=said, importance=importance)


def thinned(clip: SkeletonClip, step: int) -> SkeletonClip:
    """Each `step`-th frame of a clip, at a rate that is as many times lower."""
    kept = (slice(None), slice(None, None, step))
    score = None if clip.score is None else clip.score[kept]
    return replace(clip, keypoint=clip.keypoint[kept], score=score, fps=(clip.fps or USUAL_FPS) / step)


def _thinned(clip: SkeletonClip, importance: np.ndarray | None) -> tuple[SkeletonClip, np.ndarray | None]:
    """Of a long clip every second, third ... frame, and not more people than a page shows."""
    step = -(-clip.frames // LONGEST)
    if step == 1 and clip.people <= MOST_PEOPLE:
        return clip, importance
    score = None if clip.score is None else clip.score[:MOST_PEOPLE]
    few = replace(clip, keypoint=clip.keypoint[:MOST_PEOPLE], score=score)
    return thinned(few, step), None if importance is None else importance[:MOST_PEOPLE, ::step]


# ---- the moments of a clip that one picture of it shows --------------------------------------------------------------


def key_frames(points: Float[np.ndarray, "M T V C"], count: int) -> Int[np.ndarray, "k"]:
    """The first frame, the last, and those between that divide the movement into equal parts; at most `count`.

    points: NaN where a joint was not seen. Frames that show nobody, or a few joints only, are left out. Some of the way
    is counted by the clock, so that long stillness is shown too.
    """
    joints = (~np.isnan(points).any(axis=3)).sum(axis=2).max(axis=0)  # (T,) of the person who shows most
    there = np.flatnonzero(joints >= max(ENOUGH * joints.max(), 1))
    return there[_of_movement(points[:, there], count)]


def _of_movement(points: Float[np.ndarray, "M T V C"], count: int) -> Int[np.ndarray, "k"]:
    frames = points.shape[1]
    if frames <= count:
        return np.arange(frames)
    if count == 1:
        return np.array([frames // 2])
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)  # (M, T - 1, V)
    moved = np.nansum(np.minimum(steps, 5 * max(np.nanmedian(steps), 1e-9) if (~np.isnan(steps)).any() else 1), (0, 2))
    moved = np.convolve(np.pad(moved, 2, mode="edge"), np.ones(5) / 5, mode="valid")  # sensors tremble
    even = np.full(frames - 1, 1 / (frames - 1))
    pace = STILL * even + (1 - STILL) * (moved / moved.sum() if moved.sum() > 0 else even)
    way = np.concatenate([[0], np.cumsum(pace)])
    wanted = np.searchsorted(way, np.linspace(0, way[-1], count) - 1e-9)
    wanted[0], wanted[-1], place = 0, frames - 1, np.arange(count)
    wanted = np.maximum.accumulate(wanted - place) + place  # no frame twice,
    return np.minimum(wanted, frames - count + place)  # and room for those that follow
