"""A frame of people as a line of JSON, in any of the forms that `json_lines` names."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.openpose_files import _id, _pose
from kinegraph.data.reading.clips.clip_columns import image_size_of, label_in
from kinegraph.data.reading.clips.openpose_parts import BODIES
from kinegraph.data.reading.joints.landmark_points import IN_PIXELS
from kinegraph.data.reading.joints.landmarks import LANDMARKS, WORLD, frames_of
from kinegraph.data.reading.joints.named_joints import joint_index, layout_of
from kinegraph.messages import quoted
from kinegraph.safe_io import parsed_json
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

LONGEST = 1 << 22  # bytes of a line: some thousand people
BY_NUMBER = {33: "blazepose33", 21: "hand21"}
PEOPLE = ("persons", "poses", "detections")  # hands and bodies are those of Leap Motion and Kinect
FACTS = ("layout", "fps", "image_size")
FORM = '{"people": [{"keypoint": [[x, y], ...], "score": [1, ...], "id": 1}, ...]} (score and id may be left out)'


@dataclass(frozen=True)
class Head:
    """What holds for all frames, as far as the first line says it."""

    layout: JointLayout | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """The people of one line. score, ids, number: where the line has them.

    layout: the built-in one that the form implies. fractions: x and y are parts of a picture. head: what the first line
    says of the recording besides.
    """

    keypoint: Float[np.ndarray, "P V C"]
    score: Float[np.ndarray, "P V"] | None = None
    ids: tuple[int | str, ...] | None = None
    number: int | None = None
    layout: str | None = None
    fractions: bool = False
    head: Head | None = None
    label: str = ""  # in words, or a number


def parsed_line(line: str | bytes, origin: str, dimensions: int | None = None, first: bool = False) -> Head | Frame:
    """The content of a line. Raises ValueError that begins with the origin.

    dimensions: that are wanted, where a line has both: of MediaPipe, world landmarks for 3, those of the picture for 2.
    first: whether a frame may also say what holds for all frames; later ones are not asked for it.
    """
    if len(line) > LONGEST:
        raise ValueError(f"{origin} has {len(line):,} bytes, expected a frame of at most {LONGEST:,}")
    separators = b" \t\r\n," if isinstance(line, bytes) else " \t\r\n,"
    content = parsed_json(line.rstrip(separators), origin)  # type: ignore[arg-type]
    if isinstance(content, Mapping) and any(name in content for name in FACTS):
        if not {"people", *LANDMARKS, *WORLD, *PEOPLE} & {*content}:
            return _head(content, origin)
        if first:
            return replace(_frame(content, origin, dimensions), head=_head(content, origin))
    return _frame(content, origin, dimensions)


def _frame(content: Any, origin: str, dimensions: int | None) -> Frame:
    label = label_in(content) if isinstance(content, Mapping) else ""
    frame = _people(content, origin, dimensions)
    return replace(frame, label=label) if label else frame


def _people(content: Any, origin: str, dimensions: int | None) -> Frame:
    number = content.get("frame") if isinstance(content, Mapping) else None
    if number is not None and (type(number) is not int or not 0 <= number < 2**50):
        raise ValueError(f"{origin} has 'frame' {quoted(number)}, expected a whole number from 0 on")
    if isinstance(content, Mapping) and "people" in content:
        people = content["people"]
        if not isinstance(people, list) or not all(isinstance(person, Mapping) for person in people):
            raise ValueError(f"{origin} has 'people' {quoted(people)}, expected {FORM}")
        if any({*LANDMARKS} & {*person} for person in people) and not any("keypoint" in person for person in people):
            return _mediapipe(content, number, origin, dimensions)
        openpose = any("pose_keypoints_2d" in person for person in people)
        return _openpose(people, number, origin) if openpose else _own(people, number, origin)
    if isinstance(content, list) or (isinstance(content, Mapping) and {*LANDMARKS, *WORLD, *PEOPLE} & {*content}):
        return _mediapipe(content, number, origin, dimensions)
    raise ValueError(f"{origin} is {quoted(content)}, expected {FORM}, or landmarks of MediaPipe")


def frame_line(frame: Frame) -> str:
    """A frame as a line of our own form, without its end."""
    content: dict[str, Any] = {} if frame.number is None else {"frame": frame.number}
    people = content["people"] = list[dict[str, Any]]()
    for i, pose in enumerate(frame.keypoint):
        person: dict[str, Any] = {} if frame.ids is None else {"id": frame.ids[i]}
        person["keypoint"] = [
            [float(f"{number:.7g}") for number in joint] if any(joint) else None for joint in pose.tolist()
        ]
        if frame.score is not None:
            person["score"] = [round(score, 4) for score in frame.score[i].tolist()]
        people.append(person)
    return json.dumps(content)


def head_line(head: Head) -> str:
    """The first line of a file, without its end."""
    facts = {"layout": head.layout and head.layout.to_dict(), "fps": head.fps, "image_size": head.image_size}
    return json.dumps({name: value for name, value in facts.items() if value is not None})


# ---- a line ----------------------------------------------------------------------------------------------------------


def _head(content: Mapping[str, Any], origin: str) -> Head:
    layout, fps, size = (content.get(name) for name in FACTS)
    try:
        if isinstance(layout, str):
            if layout not in layout_names():  # a path is a file of this machine, not for a line from elsewhere
                raise ValueError(f"no layout {quoted(layout)}; built in are {', '.join(layout_names())}")
            layout = load_layout(layout)
        elif layout is not None:
            layout = JointLayout.from_dict(layout)
        if size is not None:
            size = image_size_of(size if isinstance(size, str) else "x".join(map(str, size)))
        if fps is not None and (type(fps) not in (int, float) or not 0 < fps < 10_000):
            raise ValueError(f"fps is {quoted(fps)}, expected frames a second, above 0")
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"{origin} says of the recording what cannot be read: {quoted(error)}") from None
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None
    return Head(layout, None if fps is None else float(fps), size)


def _own(people: Sequence[Mapping[str, Any]], number: int | None, origin: str) -> Frame:
    found = [(pose, person) for person in people if (pose := _joints(person.get("keypoint"), origin)) is not None]
    if not found:
        return Frame(np.zeros((0, 0, 2), np.float32), number=number)
    if len({pose.shape for pose, _ in found}) > 1:
        raise ValueError(f"{origin} has people of different numbers of joints or coordinates")
    keypoint, score = np.stack([pose for pose, _ in found]), None
    if any("score" in person for _, person in found):
        score = np.stack([_scores(person.get("score"), keypoint.shape[1], origin) for _, person in found])
        keypoint = keypoint * (score > 0)[..., None]
    ids = [person.get("id") for _, person in found]
    if any(who is not None for who in ids) and (len(set(map(str, ids))) < len(ids) or {*map(type, ids)} - {int, str}):
        raise ValueError(f"{origin} has the ids {quoted(ids)}, expected another number or text for each person")
    return Frame(keypoint, score, tuple(ids) if ids[0] is not None else None, number)


def _joints(values: object, origin: str) -> Float[np.ndarray, "V C"] | None:
    """The joints of a person, zero where a coordinate is null or NaN; None where no joint was seen."""
    rows = values if isinstance(values, list) else [0]
    seen = [row for row in rows if isinstance(row, list) and not _unseen(row)]
    if not seen and all(row is None or isinstance(row, list) for row in rows):
        return None
    if values is None:
        raise ValueError(f"{origin} has a person without 'keypoint', expected {FORM}")
    unseen = [0.0] * (len(seen[0]) if seen else 0)
    try:
        pose = np.array([unseen if _unseen(row) else row for row in rows], float)
    except (TypeError, ValueError, OverflowError):
        pose = np.zeros(())
    if pose.ndim != 2 or pose.shape[1] not in (2, 3) or not (np.abs(pose) < 1e30).all():
        raise ValueError(f"{origin} has the keypoint {quoted(values)}, expected joints as [x, y], [x, y, z] or null")
    return pose.astype(np.float32)


def _unseen(row: Any) -> bool:
    """Whether a joint is null or lacks a coordinate; programs in Python write NaN for it."""
    return row is None or (isinstance(row, list) and any(cell is None or cell != cell for cell in row))


def _scores(values: object, joints: int, origin: str) -> Float[np.ndarray, "V"]:
    try:
        score = np.array([value or 0 for value in values] if isinstance(values, list) else 0, float)
    except (TypeError, ValueError, OverflowError):
        score = np.zeros(())
    if score.shape != (joints,) or not (np.abs(score) < 1e30).all():
        raise ValueError(f"{origin} has the score {quoted(values)}, expected a number for each of {joints} joints")
    return score.astype(np.float32)


def _openpose(people: Sequence[Mapping[str, Any]], number: int | None, origin: str) -> Frame:
    seen = [person for person in people if person.get("pose_keypoints_2d")]
    poses = [_pose(Path(origin), person["pose_keypoints_2d"]) for person in seen]
    joints = {len(pose) for pose in poses}
    if len(joints) > 1 or (joints and joints.isdisjoint(BODIES)):
        raise ValueError(f"{origin} has people of {sorted(joints)} joints, expected OpenPose's 18 or 25")
    if not poses:
        return Frame(np.zeros((0, 0, 2), np.float32), number=number)
    ids = tuple(map(_id, seen))
    known = min(ids) >= 0 and len(set(ids)) == len(ids)
    values = np.stack(poses)
    return Frame(values[..., :2], values[..., 2], ids if known else None, number, BODIES[joints.pop()])


def _mediapipe(content: Any, number: int | None, origin: str, dimensions: int | None) -> Frame:
    names = [*WORLD, *LANDMARKS] if dimensions == 3 else [*LANDMARKS, *WORLD]
    used = next((name for name in names if content.get(name)), None) if isinstance(content, Mapping) else None
    try:
        frames = list(frames_of(content if used is None else content[used], Path(origin)))
    except ValueError as error:
        raise ValueError(f"{error}; or a frame as {FORM}") from None
    bodies = [body for frame in frames for body in frame.bodies]  # a list of several bodies may look like frames
    if not bodies:
        _check_empty(content if used is None else {used: content[used]}, origin)
        return Frame(np.zeros((0, 0, 2), np.float32), number=number)
    layout = _layout_of([*dict.fromkeys(name for body in bodies for name in body)], origin)
    values = np.zeros((len(bodies), len(layout), 4), np.float32)
    for rows, body in zip(values, bodies, strict=True):
        rows[[joint_index(layout, name) for name in body]] = list(body.values())
    values[..., 3] = np.nan_to_num(values[..., 3], nan=1)
    values[values[..., 3] <= 0] = 0
    deep = dimensions == 3 or (dimensions is None and bool(values[..., 2].any()))
    ids = tuple(frames[0].ids) if len(frames) == 1 and frames[0].ids else None
    fractions = used not in WORLD and bool(np.abs(values[..., :2]).max() < IN_PIXELS)
    return Frame(values[..., : 3 if deep else 2], values[..., 3], ids, number, layout.name, fractions)


def _check_empty(content: Any, origin: str) -> None:
    """Raises ValueError for people of a frame without places, or with places in another form: nobody is in neither."""
    named = content if isinstance(content, Mapping) else {}
    people = next((named[key] for key in ("people", *PEOPLE) if isinstance(named.get(key), list)), None)
    for person in [content] if people is None else people:
        places = [person.get(key) for key in (*LANDMARKS, *WORLD)] if isinstance(person, Mapping) else [person]
        without = people is not None and isinstance(person, Mapping) and not {*LANDMARKS, *WORLD} & {*person}
        if without or any(map(_has_numbers, places)):
            raise ValueError(f"{origin} has a person without places of joints, {quoted(person)}, expected {FORM}")


def _has_numbers(value: Any) -> bool:
    """Whether a number lies in lists and objects; NaN is none."""
    if isinstance(value, Mapping | list):
        return any(map(_has_numbers, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _layout_of(names: Sequence[str], origin: str) -> JointLayout:
    """The layout of landmarks, by their names or their number. Raises ValueError where none has them."""
    number = max(map(int, names)) + 1 if all(name.isdecimal() for name in names) else 0
    return load_layout(BY_NUMBER[number]) if number in BY_NUMBER else layout_of(Path(origin), names, 3, None)


def lines_of(file: BinaryIO | BufferedIOBase) -> Iterator[bytes]:
    """The lines that are not empty, each of at most `LONGEST` bytes and one more; the file is closed at the end."""
    with file:
        while line := file.readline(LONGEST + 1):
            if line.strip():
                yield line
