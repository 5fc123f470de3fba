"""What sees people in pictures: a pose estimator of another library, or a function of the user's own."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from kinegraph.messages import did_you_mean
from kinegraph.plugins import plugin_functions
from kinegraph.skeleton.layout import JointLayout, load_layout

NAMES = ("mediapipe", "rtmlib")

# The people of a picture: x, y (pixels) and score of each joint, and x, y, z in metres behind them where it knows them.
Pose = Callable[[UInt8[np.ndarray, "H W 3"]], Float[np.ndarray, "P V C"]]


class CannotStart(ValueError):
    """An estimator that can see no picture at all, such as one without its models."""

    kind = "missing"


@dataclass(frozen=True, eq=False)
class Estimator:
    """key: its name, version and settings; the same key gives the same results, which are kept. "" keeps none.

    start: gives the function that sees people, a new one for each video: it may follow people from frame to frame.
    world: whether it also gives metres.
    """

    name: str
    key: str
    layout: JointLayout
    start: Callable[[], Pose]
    world: bool = False


def estimator(pose: str | Pose | None = None, layout: str | None = None) -> Estimator:
    """The estimator of a name, by default MediaPipe; or a function of the user's own, called as `Pose` says.

    pose: "mediapipe", "rtmlib", "FILE.FUNCTION" of a file that `--plugins` names, or a function.
    layout: of the joints that a function gives; without it, the function's attribute `layout`.
    Raises ValueError for another name and for a library that is not installed.
    """
    pose = pose or "mediapipe"
    if isinstance(pose, str) and pose not in NAMES:
        own = plugin_functions()
        if pose not in own:
            hint = did_you_mean(pose, [*NAMES, *own]) or "; a function of your own needs --plugins FILE.py"
            raise ValueError(f"--pose '{pose}' is not known, expected {', '.join([*NAMES, *own])}{hint}")
        pose = own[pose]
    if callable(pose):
        return _own(pose, layout)
    if pose == "rtmlib":
        found = rtmlib()
    else:
        from kinegraph.data.pose.blazepose import blazepose

        found = blazepose()
    if layout is not None and load_layout(layout).joints != found.layout.joints:
        raise ValueError(
            f"--layout is '{layout}', {found.name} gives the joints of '{found.layout.name}': leave it out"
        )
    return found


def _own(pose: Pose, layout: str | None) -> Estimator:
    name = getattr(pose, "__name__", type(pose).__name__)
    layout = layout or getattr(pose, "layout", None)
    if layout is None:
        raise ValueError(f"the joints of the estimator {name} are not known: give a layout, such as layout='coco17'")
    of = load_layout(layout) if isinstance(layout, str) else layout

    def checked(image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "P V 3"]:
        return checked_people(pose(image), len(of))

    return Estimator(name, "", of, lambda: checked)


def coordinates(people: Float[np.ndarray, "*n V C"], world: bool) -> Float[np.ndarray, "*n V D"]:
    """x and y in pixels, y downward; or x, y and z in metres around the hips, y upward."""
    return people[..., 3:6] * np.array((1, -1, -1), np.float32) if world else people[..., :2]


def checked_people(people: Any, joints: int) -> Float[np.ndarray, "P V 3"]:
    """The people that an estimator gave. Raises ValueError for another shape and for values that are not finite."""
    values = np.asarray(people, np.float32)
    if values.size == 0:
        return np.zeros((0, joints, 3), np.float32)
    if values.ndim != 3 or values.shape[1:] != (joints, 3):
        raise ValueError(f"it gave shape {values.shape}, expected (people, {joints}, 3): x, y and score of a joint")
    if not np.isfinite(values).all():
        raise ValueError("it gave a value that is not finite")
    return values


# ---- RTMPose by rtmlib -----------------------------------------------------------------------------------------------


# Everybody in a picture, 17 joints of COCO. It fetches its models from the net at the first use.
# Source: github.com/Tau-J/rtmlib; Jiang et al., RTMPose: Real-Time Multi-Person Pose Estimation, 2023.
MODE = "balanced"  # rtmlib also has "lightweight" and "performance"
MISSING = "rtmlib is not installed: pip install rtmlib onnxruntime"
WITHOUT_A_NETWORK = "copy ~/.cache/rtmlib from a computer where it ran, or leave out --pose: MediaPipe has its models"


def rtmlib() -> Estimator:
    """Raises ValueError where rtmlib is not installed."""
    try:
        version = metadata.version("rtmlib")
    except metadata.PackageNotFoundError:
        raise ValueError(MISSING) from None
    return Estimator("rtmlib", f"rtmlib-{version}-body-{MODE}", load_layout("coco17"), _start)


def _start() -> Pose:
    try:
        from rtmlib import Body  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise CannotStart(f"{MISSING} ({error})") from None
    try:
        body = Body(mode=MODE, backend="onnxruntime", device="cpu")
    except OSError as error:  # also of urllib
        raise CannotStart(f"rtmlib cannot fetch its models: {error}; {WITHOUT_A_NETWORK}") from None

    def see(image: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "P 17 3"]:
        places, scores = body(np.ascontiguousarray(image[..., ::-1]))  # it expects blue, green, red
        if not len(places):
            return np.zeros((0, 17, 3), np.float32)
        return checked_people(np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=-1), 17)

    return see
