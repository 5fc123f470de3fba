"""Landmarks of MediaPipe (Pose, Hands, Holistic) that people saved as JSON -> clips.

    [{"x", "y", "z", "visibility"}, ...]                          one frame of one body: 33 joints, 21 of a hand
    [[the same], [the same], ...]                                 frames
    [{"frame": 0, "landmarks": [the same]}, ...]                  also pose_landmarks, poseLandmarks, keypoints ...
    {"frames": [...]}, {"pose_landmarks": [...]}                  an object around them
    {"nose": {"x", "y"}, "left_eye": ...}                         joints by name
    {"landmarks": [[the same], [the same]]}                       a result of MediaPipe Tasks: people of one frame

World landmarks (metres) are read where there are no others. Tables of landmarks: see `table_forms`.
Source: ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_below
from kinegraph.data.formats.conventions import layout_for
from kinegraph.data.formats.detections import picture_number
from kinegraph.data.formats.recordings import FormatError, Item, Recordings, nobody
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

NAME = "mediapipe"
TITLE = "landmarks of MediaPipe (JSON)"
SUFFIXES = (".json",)
HEAD = 1 << 14
LOOKED_AT = 20  # files of a folder
SCORES = ("visibility", "presence", "score", "confidence")
FRAMES = ("frames", "data", "results", "sequence")
LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks", "keypoints", "hand_landmarks", "handLandmarks",
             "multi_hand_landmarks", "multiHandLandmarks", "pose", "landmark")  # fmt: skip
WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks")
FEWEST = 5  # joints


def detect(path: Path) -> str | None:
    """A JSON file of objects with x and y, which no other format has, or a folder with such files."""
    if path.is_file():
        return "objects with x and y, as MediaPipe's landmarks" if _has_landmarks(path) else None
    named = next(filter(_has_landmarks, islice(files_below(path, "*.json"), LOOKED_AT)), None)
    return f"holds {named.name}, landmarks of MediaPipe" if named else None


def _has_landmarks(file: Path) -> bool:
    if not file.is_file() or file.suffix.lower() != ".json":
        return False
    with file.open("rb") as content:
        head = content.read(HEAD)
    others = (b'"clips"', b'"image_id"', b'"annotations"', b'"keypoint_scores"', b'"skeletons"', b'"people"')
    return b'"x"' in head and b'"y"' in head and not any(word in head for word in others)


@dataclass(frozen=True, eq=False)
class _Frame:
    """The bodies of a frame, (joints, 4) each: x, y, z, score. names: of the joints, where the file says them."""

    bodies: list[Float[np.ndarray, "V 4"]]
    names: tuple[str, ...] = ()


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clip of a file, or those of a folder, in which files of single frames are the frames of one.

    Raises ValueError where there are no landmarks.
    """
    files = [path] if path.is_file() else list(filter(_has_landmarks, files_below(path, "*.json")))
    recordings = _joined({file: list(_frames(read_json(file), file)) for file in files}, path)
    frames = [frame for found in recordings.values() for frame in found]
    sizes = {len(body) for frame in frames for body in frame.bodies}
    if not sizes:
        raise FormatError("empty", f"{path} has no frame with landmarks")
    if len(sizes) > 1:
        raise FormatError("joints", f"{path} has frames of {min(sizes)} and of {max(sizes)} landmarks")
    joints = sizes.pop()
    names = next((frame.names for frame in frames if frame.names), ())
    own = _named(names, path) if names and layout is None else None
    of = own or layout_for(joints, layout)
    deep = any(body[:, 2].any() for frame in frames for body in frame.bodies)
    return Recordings(
        clips=(_clip(found, of, name, deep) for name, found in recordings.items()),
        count=len(recordings),
        layout=of,
        class_names=(),
        units="m" if deep else "px",
        source=f"MediaPipe, {path.name}",
        guessed=frozenset(("units",) if own or layout else ("units", "layout")),
        unordered=True,
    )


def _joined(files: Mapping[Path, list["_Frame"]], path: Path) -> dict[str, list["_Frame"]]:
    """The frames of each clip: of a file, or of the files of one name with a number where all have a single frame."""
    if len(files) < 2 or any(len(frames) != 1 for frames in files.values()):
        return {file.stem: frames for file, frames in files.items()}
    found: dict[str, dict[int, list[_Frame]]] = {}
    for place, (file, frames) in enumerate(files.items()):
        name, number = picture_number(file.relative_to(path).as_posix())
        found.setdefault(name or path.absolute().name, {})[place if number is None else number] = frames
    return {name: [it for _, frames in sorted(one.items()) for it in frames] for name, one in found.items()}


def _clip(frames: Sequence[_Frame], layout: JointLayout, name: str, deep: bool) -> Item:
    people = max(len(frame.bodies) for frame in frames)
    if not people:
        return nobody(name)
    values = np.zeros((people, len(frames), len(layout), 4), np.float32)
    for t, frame in enumerate(frames):
        for person, body in enumerate(frame.bodies):
            values[person, t] = body
    seen = values[..., 3:] > 0
    keypoint = np.ascontiguousarray(values[..., : 3 if deep else 2] * seen)
    return SkeletonClip(keypoint, layout, name, score=np.ascontiguousarray(values[..., 3]))


def _frames(content: object, path: Path) -> Iterator[_Frame]:
    if isinstance(content, Mapping):
        inner = next((content[key] for key in FRAMES if isinstance(content.get(key), list)), None)
        if inner is not None:
            yield from _frames(inner, path)
            return
        yield _frame(content, path)
        return
    if not isinstance(content, list):
        raise ValueError(f"{path} is no list of landmarks or frames")
    if _is_body(content):
        yield _frame(content, path)
        return
    for frame in content:
        yield _frame(frame, path)


def _frame(frame: object, path: Path) -> _Frame:
    """The bodies in what stands for a frame."""
    if isinstance(frame, Mapping):
        found = next((frame[key] for key in (*LANDMARKS, *WORLD) if frame.get(key)), None)
        if found is not None:
            return _frame(found, path)
        points = {name: value for name, value in frame.items() if _is_point(value)}
        if len(points) >= FEWEST:
            return _Frame([_body(list(points.values()), path)], tuple(map(str, points)))
        return _Frame([])
    if frame is None or frame == []:
        return _Frame([])
    if isinstance(frame, list) and _is_body(frame):
        names = tuple(str(point["name"]) for point in frame if isinstance(point.get("name"), str))
        return _Frame([_body(frame, path)], names if len(names) == len(frame) else ())
    if isinstance(frame, list) and all(isinstance(it, list | Mapping) for it in frame):
        inner = [_frame(it, path) for it in frame]
        return _Frame([body for one in inner for body in one.bodies], next((it.names for it in inner if it.names), ()))
    raise ValueError(f"{path} has as a frame {quoted(frame)[:80]}, expected a list of landmarks with x and y")


def _is_point(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(value.get(axis), int | float) for axis in "xy")


def _is_body(value: Sequence[object]) -> bool:
    return len(value) >= FEWEST and all(map(_is_point, value))


def _body(points: Sequence[object], path: Path) -> Float[np.ndarray, "V 4"]:
    values = np.zeros((len(points), 4))
    for place, point in enumerate(points):
        assert isinstance(point, Mapping), "it was looked at"
        score = next((point[key] for key in SCORES if isinstance(point.get(key), int | float)), 1.0)
        depth = point.get("z")
        values[place] = point["x"], point["y"], depth if isinstance(depth, int | float) else 0.0, score
    if not np.isfinite(values).all() or np.abs(values).max() > 1e30:
        raise FormatError("not_finite", f"{path} holds a number that is not finite")
    return values


def _named(names: Sequence[str], path: Path) -> JointLayout:
    """The built-in layout with joints of these names in this order; spelling does not matter."""
    plain = [_plain(name) for name in names]
    for name in layout_names():
        if [_plain(joint) for joint in load_layout(name).joints] == plain:
            return load_layout(name)
    some = f"{len(names)} joints {', '.join(names[:3])} ..."
    raise FormatError("layout", f"{path}: the {some} are of no built-in layout in this order; give --layout")


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
