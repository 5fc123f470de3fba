"""What is shown of a clip: its movement, and what a network says of it when, and which joints mattered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from kinegraph.skeleton.clip import SkeletonClip

Up = Literal["x", "y", "z", "-x", "-y", "-z"]

USUAL_FPS = 30.0


@dataclass(frozen=True, eq=False)
class Answers:
    """Classes and their probabilities over the time of a clip, in spans that follow one another.

    edges: frames; span i is edges[i] to edges[i + 1], that one not included. Where nothing is said, because nobody is
    there, all classes have probability 0.
    """

    class_names: Sequence[str]
    edges: Int[np.ndarray, "spans+1"]
    probabilities: Float[np.ndarray, "spans classes"]

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
    """

    clip: SkeletonClip
    title: str = ""
    note: str = ""
    label: str = ""
    answers: Answers | None = None
    importance: Float[np.ndarray, "M T V"] | None = None
    up: Up | None = None
    fps: float | None = None

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

    def time(self, frame: int) -> str:
        """When a frame is, to be shown."""
        return f"{frame / self.rate:.2f} s" if self.timed else f"frame {frame + 1}"
