"""The people of a stream as a page draws them: upright, with the view that holds everybody. Plain data."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.inference.streaming.poses import Person
from kinegraph.report.player import layout_facts, view_of
from kinegraph.report.scene import Scene
from kinegraph.report.stage import stage_of
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import UPRIGHT, Up, upward
from kinegraph.skeleton.layout import JointLayout

FIRST, OFTEN = 10, 45  # frames until the first view, and from one view to the next
MOMENTS = 90  # frames that a view holds


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
    return [[float(f"{it:.5g}") for it in joint] if there else None for joint, there in zip(pose, seen, strict=True)]
