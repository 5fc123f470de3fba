"""MediaPipe's Pose (BlazePose) for several people, with the models that lie in its package; nothing is fetched.

MediaPipe's own Pose sees one person. Its two networks do not have that limit: one detects people in a picture, one
finds the 33 landmarks of the person in a turned square of it and says where the square of the next frame is. So people
are detected now and then, in the picture and in parts of it for those who are small, and each is followed by squares.
Source: Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020.
"""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from kinegraph.data.pose.estimators import Estimator
from kinegraph.skeleton.layout import load_layout

JOINTS = 33
EVERY = 5  # frames from one detection to the next
LARGER = 1.25  # than the person, the square that landmarks are looked for in
SAME = 0.1  # of a square: two people whose landmarks are nearer, in the mean, are one
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


def blazepose() -> Estimator:
    """Raises ValueError where MediaPipe, or one with its models in it, is not installed."""
    os.environ.setdefault("GLOG_minloglevel", "2")  # it prints to stderr
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
        from mediapipe.python.solutions import pose  # noqa: F401 - it loads the parts of the graphs
    except ImportError:
        raise ValueError(MISSING) from None
    key = f"mediapipe-{mediapipe.__version__}-several-1"
    return Estimator("mediapipe", key, load_layout("blazepose33"), People, world=True)


class People:
    """Sees and follows everybody in the pictures of one video."""

    def __init__(self) -> None:
        self.detector, self.locator = _graph(DETECT, "detections"), _graph(LOCATE, "landmarks", "world", "next")
        self.squares: list[Any] = []
        self.frame = 0

    def __call__(self, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "P V 6"]:
        """x, y in pixels, visibility, and x, y, z in metres around the hips, of everybody."""
        squares = list(self.squares)
        if self.frame % EVERY == 0:
            squares += self._detected(image)
        self.frame += 1
        found: list[Float[np.ndarray, "V 6"]] = []
        self.squares = []
        for square in squares:
            result = self.locator.process({"image": image, "square": square})
            if result.landmarks is None:
                continue
            one = _landmarks(result, image)
            if all(_apart(one, other) > SAME * square.width * image.shape[1] for other in found):
                found.append(one)
                self.squares.append(result.next)
        return np.stack(found) if found else np.zeros((0, JOINTS, 6), np.float32)

    def _detected(self, image: UInt8[np.ndarray, "H W 3"]) -> Iterator[Any]:
        for detection in self.detector.process(image).detections or ():
            yield _square(detection.location_data.relative_keypoints, *image.shape[1::-1])


def _graph(text: str, *outputs: str) -> Any:
    from google.protobuf import text_format
    from mediapipe.framework import calculator_pb2
    from mediapipe.python.solution_base import SolutionBase

    config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
    return SolutionBase(graph_config=config, outputs=list(outputs))


def _square(points: Sequence[Any], width: int, height: int) -> Any:
    """The square around a detected person: from the middle of the hips, as far as the second point, upright by it."""
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect

    across, up = (points[1].x - points[0].x) * width, (points[0].y - points[1].y) * height
    size = 2 * LARGER * math.hypot(across, up)
    return NormalizedRect(
        x_center=points[0].x,
        y_center=points[0].y,
        width=size / width,
        height=size / height,
        rotation=math.pi / 2 - math.atan2(up, across),
    )


def _landmarks(result: Any, image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "V 6"]:
    height, width = image.shape[:2]
    flat = [(it.x * width, it.y * height, it.visibility) for it in result.landmarks.landmark]
    deep = [(it.x, it.y, it.z) for it in result.world.landmark]
    return np.concatenate([flat, deep], axis=1).astype(np.float32)


def _apart(one: Float[np.ndarray, "V 6"], other: Float[np.ndarray, "V 6"]) -> float:
    return float(np.linalg.norm(one[:, :2] - other[:, :2], axis=1).mean())
