"""JSON of landmarks in the shapes that people save -> frames of bodies, with the names or numbers of their joints.

A body is a list of points, or an object of them by name or number. A point is {"x", "y", "z", "visibility"}, or
[x, y, z, visibility] in a list that is called landmarks, keypoints and so on; there, all numbers may also stand in one
list. A frame is a body, a list of bodies, or an object with them; a recording is a list of frames, an object of them by
number, a list of bodies that say their frame, an object of joints with the points of all frames, or one of people with
their frames. null and NaN: not seen.
"""

import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinegraph.data.reading.clips.conventions import SCORES as SCORES_BESIDE
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.landmark_points import (
    FEWEST,
    Point,
    body_in,
    is_body,
    is_listed_body,
    is_point,
    is_row,
    tracks_of_google,
)
from kinegraph.data.reading.joints.named_joints import are_joints
from kinegraph.messages import quoted
from kinegraph.skeleton.layout import load_layout

FRAMES = ("frames", "data", "results", "sequence", "poses_by_frame", "frame_data", "tracks", "positions")
FRAME_NUMBERS = ("frame", "frameid", "framenumber", "frameindex", "frameidx", "framenum", "frameno")
TIMES = ("timestamp", "time", "timestamps", "timesec", "timestampms", "timems")  # of a frame, without _ and case
PEOPLE = ("people", "persons", "poses", "bodies", "hands", "detections", "annots", "skeletons", "predictions")
WHO = ("track_id", "trackId", "tracking_id", "person_id", "personId", "personID", "id", "idx")
LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks", "keypoints", "hand_landmarks", "handLandmarks",
             "multi_hand_landmarks", "multiHandLandmarks", "pose", "landmark", "joints",
             "keypoints3d", "keypoints_3d", "joints3d", "joints_3d", "keypoints2d", "keypoints_2d",
             "bodyparts", "kpts", "kps")  # fmt: skip
SKELETON = "skeleton"  # an object of joints with their points in all frames, or bones
WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks", "worldLandmarks")
HANDEDNESS = ("handedness", "handednesses", "multi_handedness", "multiHandedness")
SAID_SIDE = ("category_name", "categoryName", "label", "display_name", "classification", "handedness", "side", "hand")
HANDS_BESIDE = {
    side: (f"{side}_hand_landmarks", f"{side}HandLandmarks", f"{side}_hand", f"{side}Hand")
    for side in ("left", "right")
}
OF_BODY, OF_UPPER_BODY = 33, 25  # joints
NUMBERED = re.compile(r"(?:frame|image|img)?[_\- ]?(\d{1,9})(?:\.(?:jpg|jpeg|png|0))?", re.IGNORECASE)
PARTS_APART = {  # whose x and y stand apart, as arrays (frames, joints): the name of their joints in a frame
    "pose": LANDMARKS[0], "body": LANDMARKS[0], "hand1": "left_hand_landmarks", "hand2": "right_hand_landmarks",
    "left_hand": "left_hand_landmarks", "right_hand": "right_hand_landmarks",
}  # fmt: skip
MOST_PEOPLE = 4  # of one frame; a longer list of bodies that stands alone is a list of frames


@dataclass
class Frame:
    """The bodies of a frame; the joints of each by name, or by number as text. number: what the file says.

    sides: "left" or "right" for each body that is a hand, where the file says it. ids: who each body is, where the file
    says it of all. time: in the unit of the file.
    """

    bodies: list[dict[str, Point]] = field(default_factory=list)
    number: int | None = None
    sides: list[str] = field(default_factory=list)
    ids: list[Hashable] = field(default_factory=list)
    time: float | None = None


def frames_of(content: object, path: Path, hands: bool = False) -> Iterator[Frame]:
    """The frames in what a JSON file holds. hands: joints of both hands behind those of a body.

    Raises ValueError for what is no list of frames.
    """
    if isinstance(content, Mapping):
        content = tracks_of_google(content) or _with_parts(content)
    if isinstance(content, Mapping):
        places = (content, *(content.get(key) for key in (*LANDMARKS, *WORLD, SKELETON)))
        content = next(filter(None, (_turned(place, path) for place in places)), content)
    if (tracked := _of_vitpose(content)) is not None:
        yield from tracked
        return
    for who, frames in (people := _of_people(content)):
        yield from (replace(frame, ids=[who] * len(frame.bodies)) for frame in frames_of(frames, path, hands))
    if people:
        return
    if isinstance(content, Mapping):
        inner = _inner(content)
        inner = inner or next((content[key] for key in PEOPLE if _are_frames(content.get(key))), None)
        if inner is not None:
            yield from frames_of(inner, path, hands)
            return
        alone = next((content[key] for key in (*LANDMARKS, *WORLD) if content.get(key)), None)
        if isinstance(alone, list) and len(alone) > MOST_PEOPLE and all(map(is_listed_body, alone)):
            yield from frames_of(alone, path, hands)
            return
        numbers = {key: found for key in content if (found := NUMBERED.fullmatch(str(key)))}
        if numbers and len(numbers) == len(content) and not is_body(content):
            for key, found in numbers.items():
                yield replace(_frame(content[key], path, hands), number=int(found[1]))
            return
        yield _frame(content, path, hands)
    elif not isinstance(content, list):
        raise ValueError(f"{path} is no list of landmarks or frames")
    elif is_listed_body(content) or _are_detections(content):
        yield _frame(content, path, hands)
    else:
        for frame in content:
            yield _frame(frame, path, hands)


def _of_vitpose(content: object) -> list[Frame] | None:
    """The frames of easy_ViTPose: people by their ids, joints as y, x and score, whose names stand beside them.

    Source: JunkyByte/easy_ViTPose, README.
    """
    names = content.get(SKELETON) if isinstance(content, Mapping) else None
    frames = content.get("keypoints") if isinstance(content, Mapping) else None
    if not isinstance(names, Mapping) or not isinstance(frames, list):
        return None
    people = [list(frame.items()) for frame in frames if isinstance(frame, Mapping)]
    rows = all(is_listed_body(joints) and all(map(is_row, joints)) for frame in people for _, joints in frame)
    if len(people) < len(frames) or not rows or not all(isinstance(name, str) for name in names.values()):
        return None
    named = [
        [
            {str(names.get(str(i), i)): (x, y, 0.0, score) for i, (y, x, score) in enumerate(joints)}
            for _, joints in frame
        ]
        for frame in people
    ]
    return [
        Frame(bodies, t, ids=[who for who, _ in frame])
        for t, (frame, bodies) in enumerate(zip(people, named, strict=True))
    ]


def _are_detections(content: Sequence[object]) -> bool:
    """Whether these are the people of one picture: each has a box, none a frame or a time."""
    boxed = all(isinstance(person, Mapping) and "bbox" in person for person in content)
    return boxed and all(
        said_of(person, (*FRAME_NUMBERS, *TIMES)) is None for person in content if isinstance(person, Mapping)
    )


def _with_parts(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with its frames, where x and y of the joints of a pose and hands stand apart; any other as it is."""
    apart = {
        name: [content[f"{part}_{axis}"] for axis in "xyz" if f"{part}_{axis}" in content]
        for part, name in PARTS_APART.items()
        if isinstance(content.get(f"{part}_x"), list) and isinstance(content.get(f"{part}_y"), list)
    }
    if LANDMARKS[0] not in apart or FRAMES[0] in content:
        return content
    parts = {name: [_rows_of(frame) for frame in zip(*axes, strict=False)] for name, axes in apart.items()}
    of_body = parts[LANDMARKS[0]]
    for body in of_body:
        body += [None] * (OF_BODY - len(body)) if len(body) == OF_UPPER_BODY else []
    frames = [dict(zip(parts, frame, strict=True)) for frame in zip(*parts.values(), strict=False)]
    return {**content, FRAMES[0]: frames}


def _rows_of(frame: Sequence[Any]) -> list[list[Any] | None]:
    """The points of a frame whose axes are lists of numbers; [] of anything else."""
    in_lists = all(isinstance(values, list) for values in frame)
    return [list(point) for point in zip(*frame, strict=False)] if in_lists else []


def _inner(content: Mapping[str, Any]) -> Any:
    """The frames around which an object stands; None without."""
    return next((content[key] for key in FRAMES if isinstance(content.get(key), list | Mapping)), None)


def _of_people(content: object) -> list[tuple[Hashable, Any]]:
    """The people of a recording, each with all frames; [] for what holds frames of people."""
    if isinstance(content, Mapping) and _inner(content) is None:
        found = list(content.items())
    elif isinstance(content, list) and all(isinstance(person, Mapping) for person in content):
        ids = [next((person[key] for key in WHO if isinstance(person.get(key), int | str)), None) for person in content]
        found = [
            (i if who is None else who, _inner(person))
            for i, (who, person) in enumerate(zip(ids, content, strict=True))
        ]
    else:
        return []
    return found if all(_are_frames(frames) for _, frames in found) else []


def _turned(content: object, path: Path) -> list[dict[str, Any]]:
    """The frames of an object that has the points of each joint in all frames, by its name; [] for another object.

    Raises FormatError for joints with different numbers of frames.
    """
    if not isinstance(content, Mapping):
        return []
    joints = {str(name): points for name, value in content.items() if (points := _points_of_frames(value))}
    if len(joints) < FEWEST or not are_joints(joints):
        return []
    first = next(iter(joints))
    if other := next((name for name in joints if len(joints[name]) != len(joints[first])), None):
        counts = f"{len(joints[first])} frames of {quoted(first)} and {len(joints[other])} of {quoted(other)}"
        raise FormatError("joints", f"{path} has {counts}, expected a point in each frame; null: not seen")
    times = {
        name: values
        for name, values in content.items()
        if isinstance(values, list) and len(values) == len(joints[first])
    }
    return [{name: values[t] for name, values in (times | joints).items()} for t in range(len(joints[first]))]


def _points_of_frames(value: Any) -> list:
    """The points of a joint, one a frame, also where lists of x and of y hold them; [] for anything else."""
    if isinstance(value, Mapping) and all(isinstance(value.get(axis), list) for axis in "xy"):
        series = {str(axis): numbers for axis, numbers in value.items() if isinstance(numbers, list)}
        even = len({*map(len, series.values())}) == 1
        return [dict(zip(series, point, strict=True)) for point in zip(*series.values(), strict=True)] if even else []
    points = value if isinstance(value, list) else []
    fits = all(point is None or is_row(point) or is_point(point) for point in points)
    return points if fits and any(point is not None for point in points) else []


def _are_frames(value: object) -> bool:
    """Whether these are no people of one frame: each says its frame or its time, and these differ."""
    if not isinstance(value, list) or not all(isinstance(frame, Mapping) for frame in value):
        return False
    said = [(said_of(frame, FRAME_NUMBERS), said_of(frame, TIMES)) for frame in value]
    return len(set(map(str, said))) > 1 and all(pair != (None, None) for pair in said)


def said_of(frame: Mapping[str, Any], names: Sequence[str]) -> Any:
    """What a frame says under one of these names, in any case and with or without _."""
    plain = {re.sub(r"[_\- ]", "", str(key).lower()): value for key, value in frame.items()}
    return next((plain[key] for key in names if isinstance(plain.get(key), int | float | str)), None)


def left_out_of(content: object) -> list[str]:
    """The names of landmarks beside those of the pose, such as of the face, in the first frames."""
    content = _with_parts(content) if isinstance(content, Mapping) else content
    frames = next((content[key] for key in FRAMES if key in content), None) if isinstance(content, Mapping) else content
    some = [frame for frame in (frames if isinstance(frames, list) else [content])[:100] if isinstance(frame, Mapping)]
    posed = [frame for frame in some if any(frame.get(key) for key in LANDMARKS[:2])]
    names = {str(key) for frame in posed for key, value in frame.items() if value}
    return sorted(name for name in names - {*LANDMARKS, *WORLD} if name.lower().endswith("landmarks"))


def _frame(frame: object, path: Path, hands: bool) -> Frame:
    number = said_of(frame, FRAME_NUMBERS) if isinstance(frame, Mapping) else None
    time = said_of(frame, TIMES) if isinstance(frame, Mapping) else None
    whole = isinstance(number, int | float) and float(number).is_integer() and abs(number) < 1e12
    bodies = _bodies(frame, path)
    if hands and len(bodies) == 1 and isinstance(frame, Mapping):
        bodies = [bodies[0] | hands_beside(frame, bodies[0], path)]
    number = int(number) if whole and isinstance(number, int | float) else None
    time = float(time) if isinstance(time, int | float) and math.isfinite(time) else None
    return Frame(bodies, number, sides_of(frame, len(bodies)), _ids_of(frame, len(bodies)), time)


def _ids_of(frame: object, bodies: int) -> list[Hashable]:
    """Who each body of a frame is; [] where the frame does not say it of all, or of two the same."""
    among: object = frame
    if isinstance(frame, Mapping):
        numbers = [key for key, value in frame.items() if _is_of_person(key, value)]
        if len(numbers) == len(frame) == bodies:
            return numbers
        among = next((frame[key] for key in PEOPLE if isinstance(frame.get(key), list)), None)
    people = among if isinstance(among, list) else [frame]
    names = WHO if isinstance(among, list) else WHO[:-2]  # the number of a frame may be its id
    said = [next((person[key] for key in names if isinstance(person.get(key), int | str)), None)
            for person in people if isinstance(person, Mapping)]  # fmt: skip
    return list(said) if len(set(said)) == len(said) == bodies and None not in said else []


def _bodies(frame: object, path: Path) -> list[dict[str, Point]]:
    """The bodies in what stands for a frame."""
    if not frame:
        return []
    if is_listed_body(frame):
        return [body_in(frame, path)]
    if isinstance(frame, Mapping):
        named = next((frame[key] for key in (*LANDMARKS, *PEOPLE, *WORLD) if frame.get(key)), None)
        if named is None:  # bodies under names of their own, such as left_hand
            return [body_in(value, path) for key, value in frame.items() if is_body(value) or _is_of_person(key, value)]
        if is_listed_body(named):
            return [_scored(body_in(named, path), frame)]
        bodies = _bodies(named, path)
        said = next((frame[key] for key in SCORES_BESIDE if isinstance(frame.get(key), list)), [])
        if len(said) == len(bodies) and all(isinstance(scores, list) for scores in said):
            return [_scored(body, {SCORES_BESIDE[0]: scores}) for body, scores in zip(bodies, said, strict=True)]
        return bodies
    if isinstance(frame, list) and all(isinstance(value, list | Mapping) or value is None for value in frame):
        return [
            body
            for value in frame
            for body in ([body_in(value, path)] if is_listed_body(value) else _bodies(value, path))
        ]
    raise ValueError(f"{path} has as a frame {quoted(frame)[:80]}, expected a list of landmarks with x and y")


def _is_of_person(key: object, value: object) -> bool:
    """Whether this is a body under the number of a person, also in rows of numbers."""
    in_rows = isinstance(value, list) and is_listed_body(value) and any(map(is_row, value))
    return str(key).isdecimal() and (in_rows or is_body(value))


def _scored(body: dict[str, Point], frame: Mapping[str, Any]) -> dict[str, Point]:
    """The body with the scores that stand beside its joints, where these have none of their own."""
    said = next((frame[key] for key in SCORES_BESIDE if isinstance(frame.get(key), list)), [])
    numbers = len(said) == len(body) and all(isinstance(score, int | float) and score == score for score in said)
    if not numbers or any(point[3] not in (1.0, 0.0) and point[3] == point[3] for point in body.values()):
        return body
    return {name: (*point[:3], float(score) if any(point[:2]) else 0.0)
            for (name, point), score in zip(body.items(), said, strict=True)}  # fmt: skip


# ---- hands -----------------------------------------------------------------------------------------------------------


def sides_of(frame: object, bodies: int) -> list[str]:
    """The side of each hand in what stands for a frame; [] where the file does not say all of them."""
    if isinstance(frame, Mapping):
        said = next((frame[key] for key in HANDEDNESS if frame.get(key)), None)
        among = next((frame[key] for key in PEOPLE if isinstance(frame.get(key), list)), None)
        alone = not any(frame.get(key) for key in (*LANDMARKS, *PEOPLE, *WORLD))
        named = [str(key) for key, value in frame.items() if alone and is_body(value)]
        if said and not isinstance(said, list):
            said = [said]
        sides = [_side(hand) for hand in said or among or named]
    else:
        sides = [_side(hand) for hand in frame if isinstance(hand, Mapping)] if isinstance(frame, list) else []
    return sides if len(sides) == bodies and all(sides) else []


def rows_of_sides(frames: Sequence[Frame]) -> tuple[str, ...]:
    """The hands that are the people of clips; none where the sides of some are not known, or a frame has one twice."""
    there = [frame for frame in frames if frame.bodies]
    if not all(frame.sides and len({*frame.sides}) == len(frame.sides) for frame in there):
        return ()
    return tuple(sorted({side for frame in there for side in frame.sides}))


def _side(said: object) -> str:
    """left or right in the ways that MediaPipe and people say it; "" for anything else."""
    while isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, Mapping):
        said = next((said[key] for key in SAID_SIDE if said.get(key)), "")
        return _side(said) if not isinstance(said, str) else _side_in(said)
    return _side_in(said) if isinstance(said, str) else ""


def _side_in(text: str) -> str:
    return next((side for side in ("left", "right") if text.lower().startswith(side)), "")


def hands_beside(frame: Mapping[str, object], body: Mapping[str, Point], path: Path) -> dict[str, Point]:
    """The joints of both hands beside a body, by numbers behind its own, or by names where it has names."""
    numbered = all(name.isdecimal() for name in body)
    names = load_layout("hand21").joints
    found: dict[str, Point] = {}
    for place, side in enumerate(("left", "right")):
        hand = next((frame[key] for key in HANDS_BESIDE[side] if frame.get(key)), None)
        if isinstance(hand, list) and len(hand) == 1 and is_listed_body(hand[0]):
            hand = hand[0]
        if hand is None or not is_listed_body(hand):
            continue
        for i, point in enumerate(body_in(hand, path).values()):
            if i < len(names):
                first = OF_BODY + place * len(names)
                found[str(first + i) if numbered else f"{side}_hand_{names[i]}"] = point
    return found
