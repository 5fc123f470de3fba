"""MediaPipe's Pose (BlazePose) for several people, with the models that lie in its package; nothing is fetched.

MediaPipe's own Pose sees one person. Its two networks do not have that limit: one detects people in a picture, one
finds the 33 landmarks of the person in a turned square of it and says where the square of the next frame is. So each
person is followed by squares. New people are detected in the whole picture and in squares that cover it, one of them a
frame; they are believed after a few frames. The detector often misses who is small or beside somebody else; so whoever
is lost is looked for with the second network, in upright squares beside the last one.
Source: Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020.
"""

import math
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Real, UInt8

from kinegraph.data.pose.estimators import Estimator
from kinegraph.skeleton.layout import load_layout

Image = UInt8[np.ndarray, "H W 3"]
Landmarks = Float[np.ndarray, "V 6"]  # x, y in pixels, visibility, and x, y, z in metres around the hips
Part = tuple[int, int, int, int]  # left, top, width and height in pixels

JOINTS = 33
TENTATIVE = 5  # frames in a row that somebody new is seen in before he or she is believed; the first frame is believed
PATIENCE = 60  # frames that somebody who is lost is looked for
RARELY = 15  # frames without anybody after which small people are looked for, too
BESIDE = (0.0, 0.25, -0.25, 0.5, -0.5)  # squares: so far beside the last one, one place per frame
MOST_SQUARES = 9  # that cover a picture
LARGER = 1.25  # than the person, the square that landmarks are looked for in
GROWS, MOVES = 1.6, 0.35  # from the square that was looked in to that of the landmarks: times as large, and squares
SURE = 0.5  # visibility of the trunk of somebody who is seen
APART = 0.4  # trunks from somebody's hips to the body of another; nearer, they are one who was seen twice
SHOULDERS, HIPS, ANKLES = [11, 12], [23, 24], [27, 28]
MISSING = 'MediaPipe is not installed: pip install "kinegraph[pose]" (Python 3.11 or 3.12), or give --pose'
DETECT = """
    input_stream: "image"
    output_stream: "detections"
    node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }
"""
LOCATE = """
    input_stream: "image"
    input_stream: "square"
    output_stream: "landmarks"
    output_stream: "world"
    output_stream: "next"
    node {
      calculator: "PoseLandmarkByRoiCpu"
      input_stream: "IMAGE:image"
      input_stream: "ROI:square"
      output_stream: "LANDMARKS:landmarks"
      output_stream: "AUXILIARY_LANDMARKS:around"
      output_stream: "WORLD_LANDMARKS:world"
    }
    node { calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size" }
    node {
      calculator: "PoseLandmarksToRoi"
      input_stream: "LANDMARKS:around"
      input_stream: "IMAGE_SIZE:size"
      output_stream: "ROI:next"
    }
"""


@dataclass(frozen=True)
class Square:
    """Where a person is in a picture: middle and side in pixels, and how far it is turned, in radians."""

    x: float
    y: float
    side: float
    turn: float = 0.0


Detect = Callable[[Image], Sequence[Square]]
Locate = Callable[[Image, Square], tuple[Landmarks, Square] | None]  # and the square of the next frame


def blazepose() -> Estimator:
    """Raises ValueError where MediaPipe, or one with its models in it, is not installed."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # it prints to stderr
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
        from mediapipe.python.solutions import pose  # noqa: F401 - it loads the parts of the graphs
    except ImportError:
        raise ValueError(MISSING) from None
    key = f"mediapipe-{mediapipe.__version__}-several-3"
    return Estimator("mediapipe", key, load_layout("blazepose33"), lambda: People(*_networks()), world=True)


# ---- who is in the pictures ------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Person:
    """Somebody who is followed. square: where to look next. seen: frames until now; lost: frames since then."""

    square: Square
    seen: int
    lost: int = 0


class People:
    """Sees and follows everybody in the pictures of one video."""

    def __init__(self, detect: Detect, locate: Locate) -> None:
        self.detect, self.locate = detect, locate
        self.followed: list[_Person] = []
        self.frame = 0

    def __call__(self, image: Image) -> Float[np.ndarray, "P V 6"]:
        """The landmarks of everybody."""
        parts = squares_of(image.shape[1], image.shape[0])
        looked_at = [parts[self.frame % len(parts)]] if self.frame else parts
        if not self.followed and self.frame % RARELY == 1:
            looked_at = small_squares_of(image.shape[1], image.shape[0])
        seen: list[Landmarks] = []
        for person in self.followed:
            self._follow(person, image, seen)
        for left, top, width, height in looked_at:
            for landmarks in self.detect(np.ascontiguousarray(image[top : top + height, left : left + width])):
                square = replace(landmarks, x=left + landmarks.x, y=top + landmarks.y)
                if all(_trunks(np.array((square.x, square.y)), other) > APART for other in seen):
                    self._follow(new := _Person(square, 0 if self.frame else TENTATIVE), image, seen)
                    self.followed.append(new)
        self.frame += 1
        now = [person for person in self.followed if not person.lost]
        believed = [landmarks for person, landmarks in zip(now, seen, strict=True) if person.seen >= TENTATIVE]
        self.followed = now + [
            person for person in self.followed if person.seen >= TENTATIVE and 0 < person.lost < PATIENCE
        ]
        return np.stack(believed) if believed else np.zeros((0, JOINTS, 6), np.float32)

    def _follow(self, person: _Person, image: Image, seen: list[Landmarks]) -> None:
        """Look for somebody in his or her square, and add the landmarks to those seen; nobody is seen twice."""
        square = person.square
        if person.lost:
            square = replace(square, x=square.x + BESIDE[person.lost % len(BESIDE)] * square.side, turn=0.0)
        result = self.locate(image, square)
        if result is not None and _agree(square, result[1]):
            landmarks, following = result
            known = person.seen > TENTATIVE and not person.lost
            if landmarks[SHOULDERS + HIPS, 2].mean() >= SURE and not any(
                _same(landmarks, other, known) for other in seen
            ):
                person.square, person.seen, person.lost = following, person.seen + 1, 0
                seen.append(landmarks)
                return
        person.lost += 1


@lru_cache(maxsize=4)
def squares_of(width: int, height: int) -> list[Part]:
    """The picture, and the largest squares that cover it; neighbours share half."""
    side = min(width, height)
    count = min(math.ceil(2 * max(width, height) / side) - 1, MOST_SQUARES)
    lefts, tops = (np.linspace(0, end - side, count).round().astype(int).tolist() for end in (width, height))
    return [(0, 0, width, height), *((left, top, side, side) for left, top in zip(lefts, tops, strict=True))]


@lru_cache(maxsize=4)
def small_squares_of(width: int, height: int) -> list[Part]:
    """Squares of half the shorter side that cover the picture; neighbours share half."""
    side = max(min(width, height) // 2, 1)
    columns, rows = (min(math.ceil(2 * length / side) - 1, 2 * MOST_SQUARES) for length in (width, height))
    lefts, tops = (np.linspace(0, end - side, n).round().astype(int) for end, n in ((width, columns), (height, rows)))
    return [(int(left), int(top), side, side) for left in lefts for top in tops]


def _agree(square: Square, following: Square) -> bool:
    """Whether landmarks are those of the person who was looked for in a square; following: the square of these."""
    moved = math.hypot(following.x - square.x, following.y - square.y)
    return 1 / GROWS < following.side / square.side < GROWS and moved < MOVES * square.side


def _same(one: Landmarks, other: Landmarks, known: bool) -> bool:
    """Whether two are one person who was seen twice: the hips lie at the same place, or, of somebody who was not known
    in the frame before, anywhere on the body. People who embrace stay two.
    """
    hips, others = one[HIPS, :2].mean(0), other[HIPS, :2].mean(0)
    if known:
        trunk = max(_trunk(one), _trunk(other))
        return bool(np.hypot(*(hips - others)) < APART * trunk)
    return min(_trunks(hips, other), _trunks(others, one)) < APART


def _trunk(landmarks: Landmarks) -> float:
    """From the hips to the shoulders, in pixels."""
    return max(float(np.hypot(*(landmarks[SHOULDERS, :2].mean(0) - landmarks[HIPS, :2].mean(0)))), 1.0)


def _trunks(place: Real[np.ndarray, "2"], landmarks: Landmarks) -> float:
    """How far a place is from the line between somebody's shoulders and ankles, in lengths of his or her trunk."""
    top, end = landmarks[SHOULDERS, :2].mean(0), landmarks[ANKLES, :2].mean(0)
    line = end - top
    share = np.clip((place - top) @ line / max(line @ line, 1.0), 0, 1)
    return float(np.hypot(*(place - top - share * line))) / _trunk(landmarks)


# ---- MediaPipe -------------------------------------------------------------------------------------------------------


class _Kept(threading.local):
    """Graphs of a thread, for all its videos: they remember no picture. MediaPipe gives the memory of one back late."""

    graphs: tuple[Any, Any] | None = None

    def process(self, which: int, given: Any) -> Any:
        try:
            if self.graphs is None:
                self.graphs = _graph(DETECT, "detections"), _graph(LOCATE, "landmarks", "world", "next")
            return self.graphs[which].process(given)
        except Exception:
            self.graphs = None  # after an error they answer nothing more
            raise


_kept = _Kept()


def _networks() -> tuple[Detect, Locate]:
    """MediaPipe's two networks."""
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect

    def detect(image: Image) -> list[Square]:
        return [_square(detection.location_data, image) for detection in _kept.process(0, image).detections or ()]

    def locate(image: Image, square: Square) -> tuple[Landmarks, Square] | None:
        high, wide = image.shape[:2]
        rect = NormalizedRect(
            x_center=square.x / wide, y_center=square.y / high, width=square.side / wide, height=square.side / high,
            rotation=square.turn,
        )  # fmt: skip
        result = _kept.process(1, {"image": image, "square": rect})
        if result.landmarks is None:
            return None
        flat = [(point.x * wide, point.y * high, point.visibility) for point in result.landmarks.landmark]
        deep = [(point.x, point.y, point.z) for point in result.world.landmark]
        it = result.next
        following = Square(it.x_center * wide, it.y_center * high, it.width * wide, it.rotation)
        return np.concatenate([flat, deep], axis=1).astype(np.float32), following

    return detect, locate


def _square(found: Any, image: Image) -> Square:
    """The square around a detected person: from the middle of the hips as far as a second point, upright by it."""
    middle, end, *_ = ((point.x * image.shape[1], point.y * image.shape[0]) for point in found.relative_keypoints)
    across, up = end[0] - middle[0], middle[1] - end[1]
    side = max(2 * LARGER * math.hypot(across, up), 1.0)
    return Square(*middle, side, math.pi / 2 - math.atan2(up, across))


def _graph(text: str, *outputs: str) -> Any:
    from google.protobuf import text_format
    from mediapipe.framework import calculator_pb2
    from mediapipe.python.solution_base import SolutionBase

    config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
    return SolutionBase(graph_config=config, outputs=list(outputs))
