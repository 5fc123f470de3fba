"""Tables of joints in the forms that people save them, all brought to one: a row a joint, with clip, frame and joint.

frame, x_0, y_0, visibility_0, x_1, ...        wide: a row a frame; also nose_x, nose.x, x0, 0_x, landmark_0_x
iter, id, x, y                                 other names of the same columns
video, time, landmark, x, y                    times and names of pictures in place of frames, see `table_times`
(without clip)                                 the file is a clip; rows that begin with "break" part it
(wide, with label)                             a clip for each stretch of rows with one label
(wide, 501 joints without names)               the 33 of MediaPipe's body, and its face, which is left out
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinegraph.data.formats.clip_columns import ALIASES as ALIASES_OF_FACTS
from kinegraph.data.formats.clip_columns import KNOWN, csv_lines, is_split, named_columns, plain_column
from kinegraph.data.formats.table_times import TIMES, rate_of, with_frames
from kinegraph.messages import did_you_mean

NEEDED = ("clip", "frame", "joint", "x", "y")
ALIASES = {
    "clip": ("clip_name", "clip_id", "video", "video_name", "video_id", "sequence", "sequence_id", "recording",
             "filename", "file_name", "file", "image_name", "image", "picture"),
    "frame": ("frame_id", "frame_number", "frame_no", "frameid", "frame_index", "frame_idx", "frame_num", "iter",
              *TIMES),
    "joint": ("landmark", "landmark_id", "landmark_name", "landmark_index", "landmark_idx", "keypoint", "keypoint_id",
              "keypoint_idx", "keypoint_name", "joint_id", "joint_name", "joint_index", "bodypart", "body_part",
              "part", "point", "marker", "id"),
    "person": ("person_id", "track_id", "track", "body", "body_id", "pid", "individual", "hand", "handedness"),
    "score": ("confidence", "visibility", "likelihood", "conf", "presence"),
}  # fmt: skip
AXIS = r"(?P<axis>x|y|z|score|conf|confidence|visibility|vis|likelihood|presence|v|c|s|p)"
WIDE = [
    re.compile(rf"{AXIS}[ _.\-]?(?P<joint>\d{{1,3}})", re.IGNORECASE),
    re.compile(rf"(?P<joint>.+?)[ _.\-]+{AXIS}", re.IGNORECASE),
    re.compile(rf"(?P<joint>\d{{1,3}}){AXIS}", re.IGNORECASE),
    re.compile(rf"{AXIS}[ _.\-](?P<joint>.+)", re.IGNORECASE),
]
SCORES = ("visibility", "score", "confidence", "conf", "likelihood", "vis", "v", "c", "s", "p", "presence")
FEWEST_JOINTS = 3
BREAK = "break"
WITH_FACE, OF_BODY = 501, 33  # joints of MediaPipe's body and face


def table_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table with their line numbers, the header first, as a row a joint of a named clip."""
    lines = csv_lines(path)
    line, header = next(lines, (1, []))
    joints, named = wide_joints(header), renamed(header)
    names = {column.lower() for column in named}
    clip = named.index("clip") if "clip" in named else None
    time = time_column(header)
    if time is not None and joints and "person" not in named:
        named[time], time = header[time], None  # a row a frame
    lines = with_frames(path, named, time, clip, lines)
    if clip is not None and "frame" not in named:
        named = [*named, "frame"]
    if joints:
        yield from _long(path, line, named, body_of(joints), lines)
        return
    if clip is not None or "clip" in names or not {*NEEDED[1:]} <= names or did_you_mean("clip", names):
        yield line, named
        yield from lines
        return
    yield line, [*named, "clip"]
    part = 0
    for line, row in lines:
        if row[0].strip().lower() == BREAK:
            part += 1
        else:
            yield line, [*row, _part(path, part)] if len(row) == len(header) else row


def time_column(header: Sequence[str]) -> int | None:
    """The column whose times stand for frames."""
    named = renamed(header)
    place = named.index("frame") if "frame" in named else None
    return place if place is not None and plain_column(header[place]) in TIMES else None


def rate_by_times(path: Path) -> tuple[str, float] | None:
    """The column of times that stand for frames, and the frame rate that they say; None without."""
    _, header = next(csv_lines(path), (1, []))
    if (place := time_column(header)) is None or (rate := rate_of(path, place)) is None:
        return None
    return header[place], rate


def _part(path: Path, number: int) -> str:
    return path.stem if number == 0 else f"{path.stem}-{number + 1}"


def renamed(header: Sequence[str]) -> list[str]:
    """The columns by the names that they have here; names that mean something already stay as they are."""
    others = {name: others for name, others in ALIASES.items() if name != "score"}
    try:
        return list(named_columns(header, ALIASES_OF_FACTS | others).values())
    except ValueError:  # two columns of one name: said where columns are checked
        return list(header)


# ---- wide ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WideJoint:
    """Where the coordinates of a joint are: places of x, y, z and score in a row, -1 for one that is not there."""

    name: str
    places: tuple[int, int, int, int]


def wide_joints(header: Sequence[str]) -> list[WideJoint]:
    """The joints of a table that has a row a frame; none for another table."""
    for pattern in WIDE:
        found: dict[str, dict[str, int]] = {}
        for place, column in enumerate(header):
            if match := pattern.fullmatch(column.strip()):
                found.setdefault(match["joint"].strip(), {}).setdefault(match["axis"].lower(), place)
        whole = {joint: axes for joint, axes in found.items() if {"x", "y"} <= axes.keys()}
        if len(whole) >= FEWEST_JOINTS:
            return [_joint(name, axes) for name, axes in zip(_names(list(whole)), whole.values(), strict=True)]
    return []


def _joint(name: str, axes: Mapping[str, int]) -> WideJoint:
    score = next((axes[key] for key in SCORES if key in axes), -1)
    return WideJoint(name, (axes["x"], axes["y"], axes.get("z", -1), score))


def _names(joints: Sequence[str]) -> list[str]:
    """The names of joints; numbers from 0 where they are numbers, also behind one word: landmark_0, landmark_1 ..."""
    numbers = [re.fullmatch(r"(.*?)(\d{1,3})", joint) for joint in joints]
    if not all(numbers) or len({number[1] for number in numbers if number}) > 1:
        return list(joints)
    places = [int(number[2]) for number in numbers if number]
    first = 1 if min(places) == 1 and max(places) == len(places) else 0  # counted from 1
    return [str(place - first) for place in places]


def body_of(joints: Sequence[WideJoint]) -> Sequence[WideJoint]:
    """The joints of MediaPipe's body, where those of its face stand behind them without names."""
    numbered = all(joint.name == str(place) for place, joint in enumerate(joints))
    return joints[:OF_BODY] if len(joints) == WITH_FACE and numbered else joints


def face_of(path: Path) -> tuple[str, ...]:
    """The line on joints of a face that are left out."""
    joints = wide_joints(next(csv_lines(path), (1, []))[1])
    face = len(joints) - len(body_of(joints))
    return (f"{face} of {len(joints)} joints, MediaPipe's face behind its body",) * bool(face)


def left_out(header: Sequence[str]) -> list[str]:
    """The columns of a wide table that mean nothing here, such as angles."""
    joints = wide_joints(header)
    if not joints:
        return []
    used = {place for joint in joints for place in joint.places}
    kept = {place for place, name in enumerate(renamed(header)) if _is_kept(name)}
    return [name for place, name in enumerate(header) if place not in used | kept]


def _is_kept(name: str) -> bool:
    return name in (*KNOWN, "clip", "frame", "person") or is_split(name)


def _long(
    path: Path, line: int, header: Sequence[str], joints: Sequence[WideJoint], lines: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """A row a joint from each row of a wide table."""
    kept = {name: place for place, name in enumerate(header) if _is_kept(name)}
    deep = all(joint.places[2] >= 0 for joint in joints)
    scored = all(joint.places[3] >= 0 for joint in joints)
    axes = [0, 1, *([2] if deep else []), *([3] if scored else [])]
    others = [name for name in kept if name not in ("frame", "clip")]
    yield line, ["clip", "frame", "joint", *("x", "y", "z", "score")[:2], *["z"] * deep, *["score"] * scored, *others]
    part, row_of_part, before = 0, 0, None
    for line, row in lines:
        if row[0].strip().lower() == BREAK:
            part, row_of_part, before = part + 1, 0, None
            continue
        if len(row) != len(header):
            raise ValueError(f"{path} line {line} has {len(row)} cells, the header has {len(header)}")
        label = row[kept["label"]] if "label" in kept else None
        if "clip" not in kept and before is not None and label != before:
            part, row_of_part = part + 1, 0
        before = label
        clip = row[kept["clip"]] if "clip" in kept else _part(path, part)
        frame = row[kept["frame"]] if "frame" in kept else str(row_of_part)
        row_of_part += 1
        rest = [row[kept[name]] for name in others]
        for joint in joints:
            yield line, [clip, frame, joint.name, *(row[joint.places[axis]] for axis in axes), *rest]
