"""The preparation of a clip, frame by frame, for recipes that never look ahead.

Such a recipe refers to the first frame at most. So a frame is prepared as a clip of the first frame and itself, by the
code that prepares every clip. Motion is the step to the next frame: it waits for one frame.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.streaming.poses import Form, Person, Poses
from kinegraph.skeleton.geometry import seen

IN_A_ROW = ("loop", "fill", "pad", "window")  # ways to choose frames that take a long clip's own, one after another
ALONE = ("none", "image", "image_published")  # ways to normalise that look at one frame only
CAUSAL = ("none", "ntu_published", "first_frame", "first_frame_centre", "facing", "image", "image_published")

Seen = Float[np.ndarray, "_ V _"]  # some frames as the network sees them: its channels


def obstacle(steps: Preprocessing) -> str | None:
    """Which option of a recipe needs the complete clip, and why; None where each frame can be prepared at once."""
    if steps.sampling not in IN_A_ROW:
        return f"sampling '{steps.sampling}' chooses frames by the length of the complete clip"
    if steps.normalize == "sized":
        return "normalize 'sized' divides by the bone length of the complete clip"
    if steps.normalize == "box":
        return "normalize 'box' looks at all frames of the complete clip"
    if steps.normalize not in CAUSAL:
        return f"normalize '{steps.normalize}' is not known to look at earlier frames only"
    if steps.moments:
        return "moments counts frames from the beginning to the end of the complete clip"
    if steps.test_mirror:
        return "test_mirror asks about each clip twice"
    return None


def waits(steps: Preprocessing) -> int:
    """Frames that have to come before one is prepared."""
    return int(any(stream.endswith("motion") for stream in steps.streams))


def pushed(frames: Mapping[Person, "CausalFrames"], poses: Mapping[Person, Poses]) -> dict[Person, Seen]:
    """`CausalFrames.push` of several people. Frames that stand for themselves are prepared all at once."""
    everybody = [frames[person] for person in poses]
    if not everybody or waits(everybody[0].steps) or everybody[0].steps.normalize not in ALONE:
        return {person: frames[person].push(rows) for person, rows in poses.items()}
    for body, rows in zip(everybody, poses.values(), strict=True):
        body.first = rows[:1] if body.first is None else body.first
    together = np.concatenate(list(poses.values()))
    prepared = prepare_clip(everybody[0].form.clip(together), _as_recorded(everybody[0].steps, len(together)))[0, 0]
    ends = np.cumsum([len(rows) for rows in poses.values()])
    return dict(zip(poses, np.split(prepared, ends[:-1]), strict=True))


class CausalFrames:
    """One person's frames as the network sees them. steps: a recipe without an `obstacle`."""

    def __init__(self, steps: Preprocessing, form: Form):
        self.steps, self.form = steps, form
        self.ahead = waits(steps)
        self.first: Poses | None = None
        self.waiting: Poses | None = None  # seen, but not yet prepared
        self.skipped = 0  # frames before the first

    def push(self, poses: Poses) -> Seen:
        """The frames that are prepared now: all, or all but the last where motion is wanted."""
        if self.first is None:
            begin = _begin(poses, self.steps, self.form)
            poses, self.skipped = poses[begin:], self.skipped + begin
            if not len(poses):
                return self._nothing(poses)
            self.first = poses[:1]
        waiting = poses if self.waiting is None else np.concatenate([self.waiting, poses])
        self.waiting = waiting[-1:] if self.ahead else None
        return self._prepared(waiting, len(waiting) - self.ahead)

    def rest(self) -> Seen:
        """The frames that are left when no frame follows. Nothing changes."""
        if self.waiting is None:
            return self._nothing(np.zeros((0, len(self.form.layout), 1), np.float32))
        return self._prepared(self.waiting, len(self.waiting))

    def _prepared(self, poses: Poses, count: int) -> Seen:
        if not count:
            return self._nothing(poses)
        assert self.first is not None
        clip = self.form.clip(np.concatenate([self.first, poses]))
        return prepare_clip(clip, _as_recorded(self.steps, clip.frames))[0, 0, 1 : 1 + count]

    def _nothing(self, poses: Poses) -> Seen:
        channels = self.steps.channels(self.form.dimensions, self.form.scored)
        return np.zeros((0, poses.shape[1], channels), np.float32)


def absent_body(steps: Preprocessing, form: Form) -> Float[np.ndarray, "V C"]:
    """What the network sees of a person who is not there."""
    poses = np.ones((1, len(form.layout), form.dimensions + form.scored), np.float32)
    poses[:, ::2] = 0.5  # anybody: bones of no length cannot be turned
    return prepare_clip(form.clip(poses), replace(_as_recorded(steps, 1), people=2))[0, 1, 0]


@lru_cache(maxsize=64)
def _as_recorded(steps: Preprocessing, frames: int) -> Preprocessing:
    """The same preparation of a clip of so many frames: each of them once, of one person."""
    return replace(steps, people=1, sampling="pad", frames=frames, test_frames=None)


def _begin(poses: Poses, steps: Preprocessing, form: Form) -> int:
    """The first frame of the clip: "facing" leaves out frames before spine and shoulders are seen."""
    if steps.normalize != "facing":
        return 0
    root = form.layout.spine[0] if form.layout.spine else form.layout.centre
    usable = seen(poses[:, [root, *(form.layout.shoulders or ())], : form.dimensions + form.scored]).all(1)
    return int(usable.argmax()) if usable.any() else len(poses)
