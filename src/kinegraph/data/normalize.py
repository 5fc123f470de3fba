"""Clips into common coordinates: empty frames filled, bodies centred and turned, pixels scaled. Axes M T V C.

Pure functions to float32; the arguments stay unchanged. A joint, frame or person that was not seen is all zero, and
stays zero except where a function says otherwise. The steps may be composed in any way; the sources name the published
recipes that use them.
"""

from collections.abc import Iterable, Sequence
from math import atan2, cos, hypot, sin

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.geometry import UPRIGHT, Up, seen
from kinegraph.skeleton.layout import JointLayout

Keypoint = Float[np.ndarray, "M T V C"]
Vector = tuple[float, float, float]


# ---- frames ----------------------------------------------------------------------------------------------------------


def fill_missing_frames(keypoint: Keypoint, frames: int | None = None) -> Float[np.ndarray, "M filled V C"]:
    """Fill each person's empty frames at the end by repeating the person from the start, to `frames` frames in all.

    A person who is absent in the first frame first loses all empty frames, also those in between; else frames in
    between stay empty. A person who is never there stays empty. A longer clip is cut to its first `frames` frames.
    frames: by default as many as there are. Raises ValueError for fewer than one.
    Source: pre_normalization of 2s-AGCN and MMAction2 0.x; cutting is ours, they cannot take more than 300 frames.
    """
    length = keypoint.shape[1] if frames is None else frames
    if length < 1:
        raise ValueError(f"a clip cannot be filled to {length} frames; give 1 or more")
    keypoint = keypoint[:, :length]
    filled = np.zeros((len(keypoint), length, *keypoint.shape[2:]), np.float32)
    shown = np.any(seen(keypoint), axis=2)
    for person, there, full in zip(keypoint, shown, filled, strict=True):
        if not there.any():
            continue
        kept = person[: np.flatnonzero(there)[-1] + 1] if there[0] else person[there]
        full[:] = kept[np.arange(length) % len(kept)]
    return filled


def drop_empty_frames(keypoint: Keypoint) -> Float[np.ndarray, "M t V C"]:
    """Keep the frames of the person who is there most often, who comes first.

    Raises ValueError for more than two people. Source: PreNormalize3D of MMAction2 1.x and PYSKL.
    """
    if len(keypoint) not in (1, 2):
        raise ValueError(f"empty frames are dropped for 1 or 2 people, the clip has {len(keypoint)}")
    if (np.abs(keypoint[0, :, 0, 0]) > 1e-8).all():  # nearly always, and quickly seen
        return keypoint.astype(np.float32, copy=False)
    there = np.any(np.abs(keypoint) > 1e-8, axis=(2, 3))
    main = int(there.sum(1).argmax())
    if not there[main].any():
        return keypoint.astype(np.float32)
    order = [main, *(person for person in range(len(keypoint)) if person != main)]
    return keypoint[order][:, there[main]].astype(np.float32)


def from_first_seen(keypoint: Keypoint, joints: Sequence[int]) -> Float[np.ndarray, "M t V C"]:
    """Leave out the first frames, up to the one in which all these joints of the first person are seen, if any is."""
    usable = seen(keypoint[0][None, :, list(joints)])[0].all(1)
    return keypoint[:, int(usable.argmax()) :]


# ---- centre ----------------------------------------------------------------------------------------------------------


def centre_each_frame(keypoint: Keypoint, joint: int) -> Keypoint:
    """Put the first person's joint at the origin in every frame: where the body goes is lost, how it moves is kept.

    In a frame without the first person, others stay where they are.
    """
    return _minus(keypoint, keypoint[:1, :, joint : joint + 1])


def centre_first_frame(keypoint: Keypoint, joint: int) -> Keypoint:
    """Put the first person's joint of the first frame at the origin: where the body goes is kept."""
    return _minus(keypoint, keypoint[:1, :1, joint : joint + 1])


def _minus(keypoint: Keypoint, centre: Float[np.ndarray, "1 _ 1 C"]) -> Keypoint:
    # Frame by frame in rows of all joints: many times faster than joint by joint in rows of three.
    people, frames, joints, _ = keypoint.shape
    centres = centre.repeat(joints, axis=2).reshape(1, centre.shape[1], -1)
    moved = (keypoint.reshape(people, frames, -1) - centres).astype(np.float32, copy=False).reshape(keypoint.shape)
    return moved if keypoint.all() else moved * seen(keypoint)[..., None]


# ---- turn ------------------------------------------------------------------------------------------------------------


def align_body(
    keypoint: Float[np.ndarray, "M T V 3"],
    layout: JointLayout,
    spine_to: Vector | None = (0, 0, 1),
    shoulders_to: Vector | None = (1, 0, 0),
) -> Float[np.ndarray, "M T V 3"]:
    """Turn everybody so that the first person of the first frame has the spine upward and then the shoulders sideways.

    spine_to: where lower to upper spine points after the first turn. shoulders_to: where left to right shoulder points
        after the second, which in general tilts the spine again. None leaves out a turn; so does a bone of no length.
    Both turns are the shortest ones. Raises ValueError for a clip without z, and when the layout does not name its
    spine or shoulders.
    Source: pre_normalization of 2s-AGCN and MMAction2 0.x, PreNormalize3D of 1.x.
    """
    _check_depth(keypoint)
    first, turn = np.asarray(keypoint[0, 0], np.float64), np.eye(3)
    for what, target in (("spine", spine_to), ("shoulders", shoulders_to)):
        if target is not None:
            start, end = _pair(layout, what)
            turn = shortest_rotation(turn @ (first[end] - first[start]), target) @ turn
    return _turned(keypoint, turn)


def face_front(
    keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout, up: Vector = (0, 1, 0), right: Vector = (1, 0, 0)
) -> Float[np.ndarray, "M T V 3"]:
    """Turn everybody about the vertical only, so that the first person's shoulders in the first frame point `right`.

    How the body leans is kept, which `align_body` takes away. up: the vertical of the recording, y for Kinect cameras.
    right: where left to right shoulder points afterwards, seen from above. Shoulders one above the other: no turn.
    Raises ValueError for a clip without z, a layout that does not name its shoulders, and directions that are the same.
    """
    _check_depth(keypoint)
    left_shoulder, right_shoulder = _pair(layout, "shoulders")
    x, y, z = up
    length = hypot(x, y, z)
    vertical = x / length, y / length, z / length
    across = keypoint[0, 0, right_shoulder].astype(np.float64) - keypoint[0, 0, left_shoulder]
    level, target = (_level(direction, vertical) for direction in (across.tolist(), right))
    if not any(target):
        raise ValueError("the directions 'up' and 'right' are the same; give two that are not")
    angle = atan2(_dot(_cross(level, target), vertical), _dot(level, target))
    return _turned(keypoint, _rotation(vertical, cos(angle), sin(angle)))


def set_upright(keypoint: Float[np.ndarray, "M T V 3"], up: Up) -> Float[np.ndarray, "M T V 3"]:
    """Exchange axes so that y points up, by a quarter or half turn; the recording's vertical is `up`.

    Raises ValueError for a clip without z.
    """
    return _turned(keypoint, np.array(UPRIGHT[up], float)) if up != "y" else keypoint


def _turned(keypoint: Float[np.ndarray, "M T V 3"], turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "M T V 3"]:
    """One product in float32, of which the turn is computed in float64."""
    _check_depth(keypoint)
    rows = keypoint.reshape(-1, 3).astype(np.float32, copy=False)
    return (rows @ np.ascontiguousarray(turn.T, np.float32)).reshape(keypoint.shape)


def _check_depth(keypoint: Float[np.ndarray, "M T V C"]) -> None:
    if keypoint.shape[-1] != 3:
        raise ValueError(f"only clips with x, y and z can be turned, this one has {keypoint.shape[-1]} channels")


def shortest_rotation(
    vector: Float[np.ndarray, "3"] | Vector, target: Float[np.ndarray, "3"] | Vector
) -> Float[np.ndarray, "3 3"]:
    """The matrix that turns `vector` into the direction of `target`, about the axis perpendicular to both.

    The identity where there is no such axis: for a vector of (nearly) no length, and for one that points the same way
    or exactly the other way, as in the published programs.
    """
    # Plain numbers: numpy would take longer here than for all the rest of a clip.
    (a, b, c), (x, y, z) = map(float, vector), map(float, target)
    axis = _cross((a, b, c), (x, y, z))
    if abs(a) + abs(b) + abs(c) < 1e-6 or sum(map(abs, axis)) < 1e-6:
        return np.eye(3)
    lengths, across = hypot(a, b, c) * hypot(x, y, z), hypot(*axis)
    return _rotation([part / across for part in axis], (a * x + b * y + c * z) / lengths, across / lengths)


def _cross(one: Iterable[float], other: Iterable[float]) -> Vector:
    (a, b, c), (x, y, z) = one, other
    return b * z - c * y, c * x - a * z, a * y - b * x


def _dot(a: Iterable[float], other: Iterable[float]) -> float:
    return sum(a * b for a, b in zip(a, other, strict=True))


def _level(direction: Sequence[float], vertical: Vector) -> Vector:
    """The part of a direction that is at right angles to the vertical."""
    upward = _dot(direction, vertical)
    a, b, c = (part - upward * share for part, share in zip(direction, vertical, strict=True))
    return a, b, c


def _rotation(axis: Iterable[float], cosine: float, sine: float) -> Float[np.ndarray, "3 3"]:
    """Rodrigues' formula; the axis has length 1."""
    x, y, z = axis
    rest = 1 - cosine
    return np.array(
        [
            [x * x * rest + cosine, x * y * rest - z * sine, x * z * rest + y * sine],
            [y * x * rest + z * sine, y * y * rest + cosine, y * z * rest - x * sine],
            [z * x * rest - y * sine, z * y * rest + x * sine, z * z * rest + cosine],
        ]
    )


def _pair(layout: JointLayout, what: str) -> tuple[int, int]:
    pair = getattr(layout, what)
    if pair is None:
        raise ValueError(f"layout '{layout.name}' does not name its {what}; add '{what}: [joint, joint]' to its YAML")
    return pair


# ---- what published recipes do ---------------------------------------------------------------------------------------


def centre_and_align(
    keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout, each_frame: bool = False
) -> Float[np.ndarray, "M T V 3"]:
    """Centre a clip on the upper spine joint (the middle of the spine in ntu25) and align its bodies.

    each_frame: behind `fill_missing_frames` this is pre_normalization of 2s-AGCN, MMAction2 0.x, BABEL and the
    TensorFlow ST-GCN, which sum coordinates to see whether a joint is zero; we look at each coordinate. Else all frames
    are centred by the first: behind `drop_empty_frames` this is PreNormalize3D of MMAction2 1.x and PYSKL, which
    centres layouts other than ntu25 on their last joint. Of the frames after the first, any may be left out before.
    Raises ValueError when the layout does not name its spine or shoulders.
    """
    centre = centre_each_frame if each_frame else centre_first_frame
    return align_body(centre(keypoint, spine_of(layout)[1]), layout)


def origin(layout: JointLayout) -> int:
    """The joint that a clip is centred on where nothing is turned: the upper spine joint, or the layout's centre."""
    return layout.spine[1] if layout.spine else layout.centre


def spine_of(layout: JointLayout) -> tuple[int, int]:
    """Lower and upper spine joint. Raises ValueError when the layout does not name them."""
    return _pair(layout, "spine")


# ---- images ----------------------------------------------------------------------------------------------------------


def to_box(keypoint: Float[np.ndarray, "M T V C"], dimensions: int) -> Float[np.ndarray, "M T V C"]:
    """Each of the first axes from its lowest to its highest place in the clip, on [-1, 1]; joints at zero stay there.

    An axis along which nothing differs is 0. Source: NW-UCLA in Shift-GCN and CTR-GCN.
    """
    place, there = keypoint[..., :dimensions], seen(keypoint[..., :dimensions])
    if not there.any():
        return keypoint
    low, high = place[there].min(0), place[there].max(0)
    size = np.where(high > low, high - low, 1)
    boxed = np.where(high > low, 2 * (place - low) / size - 1, 0) * there[..., None]
    return np.concatenate([boxed.astype(keypoint.dtype), keypoint[..., dimensions:]], axis=3)


def image_to_unit(keypoint: Float[np.ndarray, "M T V C"], width: int, height: int) -> Float[np.ndarray, "M T V C"]:
    """Pixels to [-1, 1], x by the width and y by the height; a score in the third channel stays.

    width, height: of the image in pixels; ValueError when one is not above 0.
    A joint that was not seen, at pixel (0, 0), goes to (-1, -1). Source: PreNormalize2D of MMAction2 1.x.
    """
    half = _half_size(width, height)
    scaled = keypoint.astype(np.float32)
    scaled[..., :2] = (keypoint[..., :2] - half) / half
    return scaled


def image_and_score_to_half(
    keypoint: Float[np.ndarray, "M T V 3"], width: int = 1920, height: int = 1080
) -> Float[np.ndarray, "M T V 3"]:
    """Pixels and score (x, y, score) to [-0.5, 0.5], as the 2D recipes of MMAction2 0.x do after padding people.

    A person of zeros becomes one of -0.5. width, height: of the image in pixels. Raises ValueError without a score and
    for a size that is not above 0. Source: PoseNormalize, which assumes 1920 x 1080 pixels for every clip.
    """
    if keypoint.shape[-1] != 3:
        raise ValueError(f"expected x, y and score, the clip has {keypoint.shape[-1]} channels")
    half = _half_size(width, height)
    size = np.array([*(2 * half), 1], np.float32)
    return ((keypoint - np.array([*half, 0.5], np.float32)) / size).astype(np.float32)


def _half_size(width: int, height: int) -> Float[np.ndarray, "2"]:
    if width <= 0 or height <= 0:
        raise ValueError(f"an image of {width} x {height} pixels has no size to scale by")
    return np.array([width, height], np.float32) / 2
