"""Where people stand in a picture: which way is up, where the floor is, and from where they are looked at.

The player in the browser, film strips and videos start from the same view; `project` here and in player_stage.js are
the same formulas.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.report.scene import Scene
from kinegraph.skeleton.geometry import UPRIGHT, body_extent, seen, upward
from kinegraph.skeleton.layout import JointLayout

PITCH = 0.16  # rad, from slightly above
ASIDE = 0.45  # rad, away from a person's front: depth shows
DISTANCE = 5.0  # of the eye from the middle, in halves of the scene's largest extent
ROOM = 0.4  # around people in an image, in sizes of a body
MARGIN = 0.88  # of a picture's width and height is filled


@dataclass(frozen=True, eq=False)
class Stage:
    """A clip in a picture's world, and the view of it.

    points: y is up in 3D; in 2D pixels with y down. NaN where a joint was not seen.
    size: of a body, median over people and frames. low, high: corners of a box that holds everything.
    floor, yaw, pitch: 3D only; the height people stand on, the angles in rad that the eye goes round and rises by.
    grid: distance of the floor's lines.
    """

    points: Float[np.ndarray, "M T V C"]
    size: float
    low: Float[np.ndarray, "C"]
    high: Float[np.ndarray, "C"]
    floor: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    grid: float = 1.0

    @property
    def flat(self) -> bool:
        return self.points.shape[3] == 2

    @property
    def centre(self) -> Float[np.ndarray, "C"]:
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        """Half of the height."""
        return float(self.high[1] - self.low[1]) / 2

    @property
    def reach(self) -> float:
        """How far from the vertical line through the centre anybody goes: the same from all sides."""
        return float(np.hypot(*(self.high - self.low)[[0, 2]])) / 2


def stage_of(scene: Scene, room: float = ROOM) -> Stage:
    """The clip of a scene, placed. room: around people in an image, in sizes of a body.

    Raises ValueError where nothing can be seen or a value is not finite."""
    clip = scene.clip
    if not np.isfinite(clip.keypoint).all():
        raise ValueError(f"clip '{clip.name}' holds values that are not finite; a joint that was not seen is all zero")
    points = np.where(seen_joints(scene)[..., None], clip.keypoint, np.nan).astype(np.float64)
    if np.isnan(points).all():
        raise ValueError(f"clip '{clip.name}' shows nobody: no joint is seen in any of its {clip.frames} frames")
    if points.shape[3] == 2:
        if scene.pictures is not None and clip.image_size:
            return Stage(points, max(body_extent(points), 1e-6), np.zeros(2), np.array(clip.image_size, float))
        return _flat_stage(points, clip.image_size, room)
    up = scene.up or upward(points, clip.layout)
    points = points @ np.array(UPRIGHT[up], float).T
    size = max(body_extent(points), 1e-6)
    low, high = _bounds(points)
    stage = Stage(points, size, low, high, floor=float(low[1]), pitch=PITCH, grid=_round_step(size / 3))
    return replace(stage, yaw=front(points, clip.layout))


def seen_joints(scene: Scene) -> Bool[np.ndarray, "M T V"]:
    """Where a joint has a place and, if the clip has confidences, one above zero."""
    there = seen(scene.clip.keypoint)
    return there if scene.clip.score is None else there & (scene.clip.score > 0)


def _flat_stage(points: Float[np.ndarray, "M T V 2"], image_size: tuple[int, int] | None, room: float) -> Stage:
    """The part of the image where people are, with room around them."""
    size = max(body_extent(points), 1e-6)
    low, high = _bounds(points)
    first, last = low - room * size, high + room * size
    if image_size:  # not beyond its edges, unless somebody is
        first, last = np.maximum(first, np.minimum(low, 0)), np.minimum(last, np.maximum(high, image_size))
    return Stage(points, size, first, last)


def _bounds(points: Float[np.ndarray, "M T V C"]) -> tuple[Float[np.ndarray, "C"], Float[np.ndarray, "C"]]:
    """A box that holds nearly every joint; single wild ones may be outside."""
    every = points.reshape(-1, points.shape[3])
    low, high = np.nanpercentile(every, [0.2, 99.8], axis=0)
    return low, np.maximum(high, low + 1e-6)


def _round_step(step: float) -> float:
    """The nearest of 1, 2, 5, 10 ... and 0.5, 0.2, 0.1 ..."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(min((1, 2, 5, 10), key=lambda digit: abs(np.log(step / (digit * power)))) * power)


# ---- where the front is ----------------------------------------------------------------------------------------------


def front(points: Float[np.ndarray, "M T V 3"], layout: JointLayout) -> float:
    """The yaw of an eye that sees faces: a little aside of one person's front, square to the line between several."""
    facing = _facing(points, layout)
    seen = np.maximum((~np.isnan(points)).sum(axis=2), 1e-9)
    middles = np.nansum(points, axis=2) / seen  # (M, T, 3), zero where somebody is absent
    together = middles.any(axis=2)[:2].all(axis=0)
    if len(points) > 1 and together.any():
        across = np.median(middles[1, together] - middles[0, together], axis=0)[[0, 2]]
        if np.hypot(*across) > 1e-6:
            square = np.array([-across[1], across[0]])
            square = -square if square @ facing < 0 else square
            return float(np.arctan2(square[0], square[1])) + ASIDE / 2
    return float(np.arctan2(facing[0], facing[1])) + ASIDE


def _facing(points: Float[np.ndarray, "M T V 3"], layout: JointLayout) -> Float[np.ndarray, "2"]:
    """The mean direction (x, z) that chests look in: up × (right → left) turned round; -z, to a camera, if unknown."""
    pairs = [layout.shoulders] if layout.shoulders else list(layout.mirror)
    if pairs:
        left, right = (points[:, :, [pair[side] for pair in pairs]] for side in (0, 1))
        toward = (right - left).reshape(-1, 3)
        x, z = np.nansum(toward[:, 2]), -np.nansum(toward[:, 0])
        if np.hypot(x, z) > 1e-6:
            return np.array([x, z])
    return np.array([0.0, -1.0])


# ---- into the picture ------------------------------------------------------------------------------------------------


def project(
    stage: Stage, points: Float[np.ndarray, "... C"], width: float, height: float
) -> tuple[Float[np.ndarray, "... 2"], Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Places in a picture (x right, y down), how far away they are (0 at the centre), and pixels per unit there."""
    if stage.flat:
        scale = min(width / (stage.high[0] - stage.low[0]), height / (stage.high[1] - stage.low[1])) * 0.96
        places = (points - stage.centre) * scale + np.array([width, height]) / 2
        return places, np.zeros(points.shape[:-1]), np.full(points.shape[:-1], scale)
    around, over = (
        np.array([np.cos(stage.yaw), np.sin(stage.yaw)]),
        np.array([np.cos(stage.pitch), np.sin(stage.pitch)]),
    )
    x, y, z = np.moveaxis(points - stage.centre, -1, 0)
    right, toward = x * around[0] - z * around[1], x * around[1] + z * around[0]
    up, toward = y * over[0] - toward * over[1], y * over[1] + toward * over[0]
    tall = stage.half * over[0] + stage.reach * abs(over[1])
    eye = DISTANCE * max(stage.half, stage.reach)
    scale = MARGIN * min(height / 2 / tall, width / 2 / stage.reach) * eye / (eye - toward)
    return np.stack([width / 2 + right * scale, height / 2 - up * scale], axis=-1), -toward, scale
