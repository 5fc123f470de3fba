"""What an annotation of MMAction2 or PYSKL says of its clip: label, frame rate, image size, keypoints and scores."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import counted
from kinegraph.safe_pickle import quoted


def label_of(item: Mapping) -> int | None:
    """The class; None without one. Raises FormatError for several, and for what is no number of a class."""
    label = item.get("label")
    if label is None:
        return None
    labels = label.tolist() if isinstance(label, np.ndarray) else label
    if isinstance(labels, list | tuple) and len(labels) > 1:
        way = "list the clip once for each of them, with one label each"
        raise FormatError("label", f"has {len(labels)} labels, {quoted(labels)}; a clip has one class here: {way}")
    label = labels[0] if isinstance(labels, list | tuple) and labels else labels
    whole = isinstance(label, Integral) or (isinstance(label, Real) and float(label).is_integer())
    if not whole or label < 0:
        raise FormatError("label", f"has label {quoted(label)}, expected a number from 0")
    return int(label)


def fps_of(item: Mapping) -> float | None:
    """Frames a second; None where it does not say them."""
    fps = item.get("fps")
    return float(fps) if isinstance(fps, Real) and fps > 0 else None


def image_size_of(item: Mapping) -> tuple[int, int] | None:
    """Width and height from img_shape (height, width); None without one. Raises ValueError for another form."""
    shape = item.get("img_shape")
    if shape is None:
        return None
    sides = shape.tolist() if isinstance(shape, np.ndarray) else shape
    pixels = isinstance(sides, tuple | list) and all(isinstance(side, Integral) and side > 0 for side in sides[:2])
    if not pixels or len(sides) < 2:
        raise ValueError(f"has img_shape {quoted(shape)}, expected (height, width) in pixels")
    return int(sides[1]), int(sides[0])


def arrays_of(item: Mapping) -> tuple[np.ndarray, np.ndarray | None]:
    """Keypoints and scores of an annotation, their shapes checked."""
    keypoint, score = item.get("keypoint"), item.get("keypoint_score")
    if not is_keypoint(keypoint) or keypoint.ndim != 4:
        found = f"{keypoint.dtype} {keypoint.shape}" if isinstance(keypoint, np.ndarray) else type(keypoint).__name__
        raise ValueError(f"has as keypoint {found}, expected numbers (people, frames, joints, 2 or 3)")
    total = item.get("total_frames")
    total = keypoint.shape[1] if total is None else total
    if not isinstance(total, Integral) or total != keypoint.shape[1]:
        message = f"has {counted(keypoint.shape[1], 'frame')} of keypoints, total_frames says {quoted(total)}"
        raise FormatError("stated_frames", message)
    if len(keypoint) and not total:
        raise ValueError("has no frames")
    if score is None:
        return keypoint, None
    if not isinstance(score, np.ndarray) or score.dtype.kind not in "fiu" or score.shape != keypoint.shape[:3]:
        raise ValueError(
            f"has keypoint_score {getattr(score, 'shape', None) or quoted(score)}, expected {keypoint.shape[:3]}"
        )
    return keypoint, score


def is_keypoint(value: object) -> bool:
    """Whether a value is an array of joints, with or without an axis of people."""
    return isinstance(value, np.ndarray) and value.ndim in (3, 4) and value.dtype.kind in "fiu"


def frames_of(item: Mapping) -> int | None:
    """How many frames it says that the clip has."""
    total = item.get("total_frames")
    return int(total) if isinstance(total, Integral) else None
