"""Clips into common coordinates: empty frames filled, bodies centred and turned, pixels scaled. Axes M T V C.

Pure functions; each returns a new float32 array. A joint, frame or person that was not seen is all zero, and stays so
except where a function says otherwise. `ntu_published`, `prenormalize3d` and `image_to_unit` are what published
recipes do; the others are the steps they are made of and may be composed in any way.
"""

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.skeleton.layout import JointLayout

Keypoint = Float[np.ndarray, "M T V C"]
Vector = tuple[float, float, float]


# ---- frames ----------------------------------------------------------------------------------------------------------


def fill_missing_frames(keypoint: Keypoint, frames: int | None = None) -> Keypoint:
    """Fill each person's empty frames at the end by repeating the person from the start, to `frames` frames in all.

    A person who is absent in the first frame first loses all empty frames, also those in between; else frames in
    between stay empty. A person who is never there stays empty. A longer clip is cut to its first `frames` frames.
    Source: pre_normalization of 2s-AGCN and MMAction2 0.x; cutting is ours, they cannot take more than 300 frames.
    """
    frames = keypoint.shape[1] if frames is None else frames
    if frames < 1:
        raise ValueError(f"a clip cannot be filled to {frames} frames; give 1 or more")
    keypoint = keypoint[:, :frames]
    filled = np.zeros((len(keypoint), frames, *keypoint.shape[2:]), np.float32)
    for person, there, full in zip(keypoint, _seen(keypoint).any(2), filled, strict=True):
        if not there.any():
            continue
        kept = person[: np.flatnonzero(there)[-1] + 1] if there[0] else person[there]
        full[:] = kept[np.arange(frames) % len(kept)]
    return filled


def drop_empty_frames(keypoint: Keypoint) -> Keypoint:
    """Keep the frames of the person who is there most often, who comes first. Takes one or two people.

    Source: PreNormalize3D of MMAction2 1.x and PYSKL.
    """
    if len(keypoint) not in (1, 2):
        raise ValueError(f"empty frames are dropped for 1 or 2 people, the clip has {len(keypoint)}")
    there = (np.abs(keypoint) > 1e-8).any((2, 3))
    main = int(there.sum(1).argmax())
    if not there[main].any():
        return keypoint.astype(np.float32)
    order = [main, *(person for person in range(len(keypoint)) if person != main)]
    return keypoint[order][:, there[main]].astype(np.float32)


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
    return ((keypoint - centre) * _seen(keypoint)[..., None]).astype(np.float32)


def _seen(keypoint: Keypoint) -> Bool[np.ndarray, "M T V"]:
    return keypoint.any(-1)


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
    Both turns are the shortest ones. Source: pre_normalization of 2s-AGCN and MMAction2 0.x, PreNormalize3D of 1.x.
    """
    turned = np.asarray(keypoint, np.float64)
    for what, target in (("spine", spine_to), ("shoulders", shoulders_to)):
        if target is not None:
            start, end = _pair(layout, what)
            turned = turned @ shortest_rotation(turned[0, 0, end] - turned[0, 0, start], target).T
    return turned.astype(np.float32)


def face_front(
    keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout, up: Vector = (0, 1, 0), right: Vector = (1, 0, 0)
) -> Float[np.ndarray, "M T V 3"]:
    """Turn everybody about the vertical only, so that the first person's shoulders in the first frame point `right`.

    How the body leans is kept, which `align_body` takes away. up: the vertical of the recording, y for Kinect cameras.
    right: where left to right shoulder points afterwards, seen from above. Shoulders one above the other: no turn.
    """
    left_shoulder, right_shoulder = _pair(layout, "shoulders")
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    across = keypoint[0, 0, right_shoulder].astype(np.float64) - keypoint[0, 0, left_shoulder]
    level, target = (v - up * (v @ up) for v in (across, np.asarray(right, np.float64)))
    if not target.any():
        raise ValueError("the directions 'up' and 'right' are the same; give two that are not")
    angle = np.arctan2(np.cross(level, target) @ up, level @ target)
    return (keypoint @ _rotation(up, angle).T).astype(np.float32)


def shortest_rotation(
    vector: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"] | Vector
) -> Float[np.ndarray, "3 3"]:
    """The matrix that turns `vector` into the direction of `target`, about the axis perpendicular to both.

    The identity where there is no such axis: for a vector of (nearly) no length, and for one that points the same way
    or exactly the other way, as in the published programs.
    """
    vector, target = np.asarray(vector, np.float64), np.asarray(target, np.float64)
    axis = np.cross(vector, target)
    if np.abs(vector).sum() < 1e-6 or np.abs(axis).sum() < 1e-6:
        return np.eye(3)
    cosine = vector @ target / (np.linalg.norm(vector) * np.linalg.norm(target))
    angle = np.arccos(np.clip(cosine, -1, 1))
    return np.eye(3) if angle < 1e-6 else _rotation(axis / np.linalg.norm(axis), angle)


def _rotation(axis: Float[np.ndarray, "3"], angle: float) -> Float[np.ndarray, "3 3"]:
    """Rodrigues' formula; the axis has length 1."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _pair(layout: JointLayout, what: str) -> tuple[int, int]:
    pair = getattr(layout, what)
    if pair is None:
        raise ValueError(f"layout '{layout.name}' does not name its {what}; add '{what}: [joint, joint]' to its YAML")
    return pair


# ---- whole recipes ---------------------------------------------------------------------------------------------------


def ntu_published(
    keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout, frames: int | None = 300
) -> Float[np.ndarray, "M frames V 3"]:
    """What the published NTU converters do to a clip: fill, centre each frame on the upper spine joint, align.

    That is joint 1, the middle of the spine, in ntu25. Source: pre_normalization of 2s-AGCN, MMAction2 0.x, BABEL and
    the TensorFlow ST-GCN. They sum coordinates to see whether a joint is zero; we look at each coordinate.
    """
    filled = fill_missing_frames(keypoint, frames)
    return align_body(centre_each_frame(filled, _pair(layout, "spine")[1]), layout)


def prenormalize3d(keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout) -> Float[np.ndarray, "M t V 3"]:
    """What MMAction2 1.x and PYSKL do to a clip: drop empty frames, centre on the first upper spine joint, align.

    The clip may come back with fewer frames and its two people exchanged. Source: PreNormalize3D, which centres layouts
    other than ntu25 on their last joint; we take the upper spine joint in all.
    """
    kept = drop_empty_frames(keypoint)
    return align_body(centre_first_frame(kept, _pair(layout, "spine")[1]), layout)


# ---- images ----------------------------------------------------------------------------------------------------------


def image_to_unit(keypoint: Float[np.ndarray, "M T V C"], width: int, height: int) -> Float[np.ndarray, "M T V C"]:
    """Pixels to [-1, 1], x by the width and y by the height; a score in the third channel stays.

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

    A person of zeros becomes one of -0.5. Source: PoseNormalize, which takes every clip for 1920 x 1080 pixels.
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
