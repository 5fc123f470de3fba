"""Tables of joints in the forms in which people save them, brought to one row per joint, with clip, frame and joint.

frame, x_0, y_0, visibility_0, x_1, ...        wide: one row per frame; also nose_x, nose.x, x0, 0_x, landmark_0_x
iter, id, x, y                                 other names of the same columns
video, time, landmark, x, y                    times and names of pictures in place of frames, see `table_times`
nose, nose above x, y                          a header of two rows, see `csv_rows`
(without clip)                                 the file is a clip; rows that begin with "break" part it
(wide, without clip)                           another clip where label, subject, trial or the time says so, see
                                               `table_parts`
frame, p1_nose_x, p1_nose_y, p2_nose_x ...     wide, several people; also nose_1_x, nose_2_x
HeadPosX, SpineBase_TrackingState ...          as sensors and game engines log them, see `sensor_columns`
frame, type, landmark_index, x, y              MediaPipe's Holistic: pose, left_hand, right_hand; its face is left out
(wide, 501 joints without names)               the 33 of MediaPipe's body, and its face, which is left out
joint1_3dX, joint1_depthX, joint1_colorX ...   several kinds of places of the same joints: those in space are read
Frame, Pelvis x, L5 x, Right Shoulder x ...    segments of Xsens MVN, by the names that they have in `xsens23`
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from kinegraph.data.column_words import WORDS
from kinegraph.data.reading.clips.clip_columns import ALIASES as ALIASES_OF_FACTS
from kinegraph.data.reading.clips.clip_columns import (
    IN_ALL,
    INDEX,
    KNOWN,
    is_split,
    named_columns,
    plain_column,
    with_label,
)
from kinegraph.data.reading.files.csv_rows import Row, csv_lines
from kinegraph.data.reading.files.excel import SHEET
from kinegraph.data.reading.joints.named_joints import XSENS_NAMES, unwrapped
from kinegraph.data.reading.tables.holistic_columns import (
    FACE,
    OF_HOLISTIC,
    body_of,
    holistic_columns,
    name_of_part,
    rows_of_holistic,
    without,
)
from kinegraph.data.reading.tables.numbered_columns import WideJoint, are_numbered, numbered_joints
from kinegraph.data.reading.tables.sensor_columns import (
    bodies,
    in_space,
    is_place,
    is_turn,
    scored_row,
    usual_column,
    with_axes,
)
from kinegraph.data.reading.tables.table_parts import Parts, is_trial, parts_line, time_of_parts
from kinegraph.data.reading.tables.table_times import TIMES, are_pictures, rate_of, with_frames
from kinegraph.messages import did_you_mean

NEEDED = ("clip", "frame", "joint", "x", "y")
ALIASES = {
    "clip": ("clip_name", "video", "video_name", "video_id", "recording", "filename", "file_name", "file",
             "image_name", "image", "picture", "video_path", "video_file", "file_path", "filepath", "path",
             "image_path", "img_path", "image_file", *IN_ALL, SHEET),
    "frame": ("frame_id", "frame_number", "frame_no", "frameid", "frame_index", "frame_idx", "frame_num", "iter",
              "frame_order", "video_frame", "framenum", "framenumber", "frameno", *WORDS["frame"], *TIMES),
    "joint": ("landmark", "landmark_id", "landmark_name", "landmark_index", "landmark_idx", "keypoint", "keypoint_id",
              "keypoint_idx", "keypoint_name", "joint_id", "joint_name", "joint_index", "bodypart", "body_part",
              "part", "point", "marker", "bone", "bone_name", "bonename", "segment", "child_frame_id", "jointtype",
              "joint_type", "jointname", *WORDS["joint"], "id"),
    "person": ("person_id", "track_id", "track", "body", "body_id", "pid", "individual", "hand", "handedness",
               "bodyid", "bodyindex", "bodyindexid", "body_index", "trackingid", "tracking_id", "pose_id",
               "pose_index", "individual_id", "animal", "animal_id", "mouse", "mouse_id", "instance_id", "skeleton_id"),
    **{axis: tuple(name.format(axis) for name in ("pos{}", "pos_{}", "position_{}", "position{}", "{}_pos", "p{}",
                                                  "camera{}", "camera_{}", "loc{}", "loc_{}", "{}_px", "{}_pixel",
                                                  "{}_pixels", "{}_m", "{}_cm", "{}_mm", "{}_coord", "{}_coordinate",
                                                  "coord_{}"))
       for axis in "xyz"},
    "score": ("confidence", "visibility", "likelihood", "conf", "presence", "prob", "probability", "keypoint_score",
              "joint_score", "keypoint_confidence", "joint_confidence", "confidence_level"),
}  # fmt: skip
AXIS = (
    r"(?P<axis>x|y|z|score|conf|confidence|visibility|visible|vis|likelihood|presence|valid|prob|probability|state"
    r"|v|c|s|p)"
)
WIDE = [
    re.compile(rf"{AXIS}[ _.\-]?(?P<joint>\d{{1,3}})", re.IGNORECASE),
    re.compile(rf"(?P<joint>.+?)[ _.\-/:]+{AXIS}", re.IGNORECASE),
    re.compile(rf"(?P<joint>\d{{1,3}}){AXIS}", re.IGNORECASE),
    re.compile(rf"{AXIS}[ _.\-](?P<joint>.+)", re.IGNORECASE),
    re.compile(rf"(?P<joint>.+?) ?[(\[]{AXIS}[)\]]", re.IGNORECASE),
]
SCORES = ("visibility", "visible", "score", "confidence", "conf", "likelihood", "vis", "v", "c", "s", "p", "presence",
          "valid", "prob", "probability", "state")  # fmt: skip
KIND = re.compile(r"(?P<joint>.+?)[ _.\-]*(?P<kind>3d|2d|world|camera|depth|colou?r|rgb|image|pixel|ir)", re.IGNORECASE)
KINDS = ("3d", "world", "camera", "color", "colour", "rgb", "image", "pixel", "2d", "depth", "ir")  # the best first
STATE_NAMES = ("state", "trackingstate", "tracking_state")  # of a column in a table that has one row per joint
FEWEST_JOINTS = 3
BREAK = "break"
FIRST_FRAME = 1000  # rows in which a face shows
OF_XSENS = {name: XSENS_NAMES[name] for name in ("L5", "L3", "T12", "T8")}


def table_lines(path: Path, label: str | None) -> Iterator[Row]:
    """The rows of a table with their line numbers, the header first, as one row per joint of a named clip.

    label: the column of labels, where its name does not say it.
    """
    header, named, joints, lines = _opened(path, label)
    names = {column.lower() for column in named}
    clip = named.index("clip") if "clip" in named else None
    if joints:
        yield from _long(path, named, joints, lines)
        return
    named, lines = _with_scores(named, lines)
    if clip is not None or "clip" in names or not {*NEEDED[1:]} <= names or did_you_mean("clip", names):
        yield 1, named
        yield from lines
        return
    yield 1, [*named, "clip"]
    part = 0
    for line, row in lines:
        if row[0].strip().lower() == BREAK:
            part += 1
        else:
            yield line, [*row, _part(path, part)] if len(row) == len(header) else row


def _opened(path: Path, label: str | None) -> tuple[list[str], list[str], Sequence[WideJoint], Iterator[Row]]:
    """The header as it is, with the usual names of its columns, the joints of a wide table, and the rows."""
    lines = csv_lines(path)
    header = with_label(next(lines, (1, []))[1], label, path)
    joints, named = wide_joints(header), renamed(header)
    pictures = "frame" in named and "clip" not in named and are_pictures(path, named.index("frame"))
    if pictures:
        named[named.index("frame")] = "clip"
    clip = named.index("clip") if "clip" in named else None
    time = time_column(header)
    if time is not None and joints and "person" not in named:
        named[time], time = header[time], None  # one row per frame
    if joints and "person" not in named and "joint" in named and _counts_people(path, named.index("joint")):
        named[named.index("joint")] = "person"
    elif (
        joints
        and "person" in named
        and not {"frame", "clip"} & {*named}
        and not _counts_people(path, named.index("person"))
    ):
        named[named.index("person")] = "frame"  # such as pose_id, which numbers the rows
    if (places := holistic_columns(named)) is not None:
        lines = rows_of_holistic(len(header), *places, lines)
        header, named = without(header, places[0]), without(named, places[0])
    counted = bool(joints) and "person" not in named
    lines = with_frames(path, named, time, clip, lines, counted=counted, pictures=pictures)
    if clip is not None and "frame" not in named:
        named = [*named, "frame"]
    return header, named, body_of(joints), lines


def _counts_people(path: Path, place: int) -> bool:
    """Whether the ids of a table with all joints in a row come again, as those of people do, and number no rows."""
    some = [row[place] for _, row in islice(csv_lines(path), 1, FIRST_FRAME) if len(row) > place]
    return len({*some}) * 2 <= len(some)


def _with_scores(
    named: list[str], lines: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The columns with a score in place of a tracking state, and the rows with the score of each state."""
    place = next((i for i, name in enumerate(named) if plain_column(name) in STATE_NAMES), None)
    if place is None or {"score", *ALIASES["score"]} & {name.lower() for name in named}:
        return named, lines
    scored = [*named[:place], "score", *named[place + 1 :]]
    axes = [i for i, name in enumerate(named) if name in ("x", "y", "z")]
    return scored, ((line, scored_row(row, place, axes) if len(row) == len(named) else row) for line, row in lines)


def time_column(header: Sequence[str]) -> int | None:
    """The column whose times stand for frames."""
    named = renamed(header)
    place = named.index("frame") if "frame" in named else None
    return place if place is not None and plain_column(header[place]) in TIMES else None


def rate_by_times(path: Path) -> tuple[str, float] | None:
    """The column of times, in place of frames or beside them, and the frame rate that it says; None without."""
    _, header = next(csv_lines(path), (1, []))
    place, frame = time_column(header), None
    if place is None:
        place = next((i for i, column in enumerate(header) if plain_column(column) in TIMES), None)
        named = renamed(header)
        frame = named.index("frame") if "frame" in named else None
    if place is None or (rate := rate_of(path, place, frame)) is None:
        return None
    return header[place], rate


def _part(path: Path, number: int) -> str:
    return path.stem if number == 0 else f"{path.stem}-{number + 1}"


def renamed(header: Sequence[str]) -> list[str]:
    """The columns by the names that they have here; names that mean something already stay as they are."""
    others = {name: others for name, others in ALIASES.items() if name != "score"}
    try:
        return with_axes([*named_columns(header, ALIASES_OF_FACTS | others).values()])
    except ValueError:  # two columns of one name: said where columns are checked
        return list(header)


# ---- wide ------------------------------------------------------------------------------------------------------------


def wide_joints(header: Sequence[str]) -> list[WideJoint]:
    """The joints of a table that has one row per frame; none for another table."""
    return [*_wide_joints(tuple(header))]


@lru_cache  # the files of a folder have one header
def _wide_joints(header: tuple[str, ...]) -> Sequence[WideJoint]:
    columns = in_space([*map(usual_column, header)])
    for pattern in WIDE:
        found: dict[str, dict[str, int]] = {}
        for place, column in enumerate(columns):
            if match := pattern.fullmatch(column.strip()):
                found.setdefault(match["joint"].strip(), {}).setdefault(match["axis"].lower(), place)
        whole = {joint: axes for joint, axes in found.items() if {"x", "y"} <= axes.keys() and is_place(joint)}
        whole = {joint: axes for joint, axes in whole.items() if not is_turn(columns[axes["x"]], columns)}
        whole = _of_one_kind(whole, found)
        if len(whole) >= FEWEST_JOINTS:
            return [_joint(name, axes) for name, axes in zip(_names(list(whole)), whole.values(), strict=True)]
    return numbered_joints(columns)


def _of_one_kind(
    joints: dict[str, dict[str, int]], columns: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """The joints by one kind of their places, where all have several: in space before those in pictures.

    columns: of all joints, among which are their scores.
    """
    split = {joint: match for joint in joints if (match := KIND.fullmatch(joint))}
    kinds: dict[str, dict[str, str]] = {}
    for joint, match in split.items():
        kinds.setdefault(match["kind"].lower(), {})[match["joint"]] = joint
    if len(split) < len(joints) or len(kinds) < 2 or len({tuple(of) for of in kinds.values()}) > 1:
        return joints
    best = min(kinds, key=KINDS.index)
    scores = {
        base: {key: columns.get(base, {})[key] for key in SCORES if key in columns.get(base, {})}
        for base in kinds[best]
    }
    return {base: scores[base] | joints[joint] for base, joint in kinds[best].items()}


def _joint(name: str, axes: Mapping[str, int]) -> WideJoint:
    key = next((key for key in SCORES if key in axes), None)
    score = -1 if key is None else axes[key]
    return WideJoint(name, (axes["x"], axes["y"], axes.get("z", -1), score), key == "state")


def _names(joints: Sequence[str]) -> list[str]:
    """The names of joints; numbers from 0 where they are numbers, also behind one word: landmark_0, landmark_1 ..."""
    if {*OF_XSENS} <= {*joints}:
        return [OF_XSENS.get(joint, XSENS_NAMES.get(joint.replace(" ", ""), joint)) for joint in joints]
    parts = [OF_HOLISTIC.fullmatch(joint) for joint in joints]
    if all(parts) and len({part[1].lower() for part in parts if part}) > 1:
        return [name_of_part(part[1].lower(), int(part[2])) for part in parts if part]
    numbers = [re.fullmatch(r"(.*?)(\d{1,3})", joint) for joint in joints]
    if not all(numbers) or len({number[1] for number in numbers if number}) > 1:
        return unwrapped(joints)
    places = [int(number[2]) for number in numbers if number]
    first = 1 if min(places) == 1 and max(places) == len(places) else 0  # counted from 1
    return [str(place - first) for place in places]


def face_of(path: Path) -> tuple[str, ...]:
    """The line on joints of a face that are left out."""
    lines = csv_lines(path)
    header = next(lines, (1, []))[1]
    joints = wide_joints(header)
    if not joints and (places := holistic_columns(renamed(header))) is not None:
        first = islice(lines, FIRST_FRAME)
        there = any(row[places[0]].strip().lower() == FACE for _, row in first if len(row) == len(header))
        return ("rows of type face",) * there
    face = len(joints) - len(body_of(joints))
    return (f"{face} of {len(joints)} joints, MediaPipe's face",) if face else ()


def left_out(header: Sequence[str]) -> list[str]:
    """The columns of a wide table that mean nothing here, such as angles."""
    joints = wide_joints(header)
    if not joints:
        return []
    used = {place for joint in joints for place in joint.places}
    named = renamed(header)
    kept = {place for place, name in enumerate(named) if _is_kept(name) or (is_trial(name) and "clip" not in named)}
    return [name for place, name in enumerate(header) if place not in used | kept and not INDEX.fullmatch(name)]


def may_be_scored(path: Path) -> bool:
    """Whether the third number of a joint may be its score, as no name of a column says what it is."""
    header = next(csv_lines(path), (1, []))[1]
    return are_numbered(header, wide_joints(header))


def parted(path: Path, clips: int, label: str | None) -> tuple[str, ...]:
    """The line on the clips of a wide table that names none. label: its column of labels."""
    header, named, joints, _ = _opened(path, label)
    return parts_line(path, header, named, clips) if joints else ()


def _is_kept(name: str) -> bool:
    return name in (*KNOWN, "clip", "frame", "person") or is_split(name)


@dataclass(frozen=True, eq=False)
class Wide:
    """A table with one row per frame of one person. columns: as those of one row per joint. rows: the number of the
    line, the cells of clip and frame and of what else is kept, and those of all joints, axis after axis of each.

    places, frame, time, width: the columns of the joints' cells, of the frame and of times that may begin anew, None
    without one, and their number. alone: the file names no clips, labels or other facts.
    """

    columns: list[str]
    joints: list[str]
    axes: int
    rows: Iterator[tuple[int, list[str], list[str]]]
    places: list[int]
    frame: int | None
    time: int | None
    width: int
    alone: bool


def open_wide(path: Path, label: str | None) -> Wide | None:
    """The table in that form; None where it has another one, or several people in a row. label: as of `table_lines`."""
    _, named, joints, lines = _opened(path, label)
    names = [joint.name for joint in joints]
    if not joints or "person" in named or bodies(names) or any(joint.by_state for joint in joints):
        return None
    columns, axes, others = _parts_of_row(named, joints)
    places = [joint.places[axis] for joint in joints for axis in axes]
    kept = [named.index(name) for name in others]
    rows = (
        (line, [clip, frame, *(row[column] for column in kept)], [row[column] for column in places])
        for line, clip, frame, row in _frames(path, named, lines)
    )
    frame = named.index("frame") if "frame" in named else None
    alone = not others and "clip" not in named and not any(map(is_trial, named))
    return Wide([*columns, *others], names, len(axes), rows, places, frame, time_of_parts(named), len(named), alone)


def _parts_of_row(header: Sequence[str], joints: Sequence[WideJoint]) -> tuple[list[str], list[int], list[str]]:
    """The columns of a joint, the places in `WideJoint.places` that all joints have, and the other columns kept."""
    deep = all(joint.places[2] >= 0 for joint in joints)
    scored = all(joint.places[3] >= 0 for joint in joints)
    columns = ["clip", "frame", "joint", "x", "y", *(["z"] if deep else []), *(["score"] if scored else [])]
    others = [name for name in header if _is_kept(name) and name not in ("frame", "clip")]
    return columns, [0, 1, *([2] if deep else []), *([3] if scored else [])], others


def _frames(path: Path, header: Sequence[str], lines: Iterator[Row]) -> Iterator[tuple[int, str, str, list[str]]]:
    """The line, the clip and the frame of each row of a wide table, and the row."""
    kept = {name: place for place, name in enumerate(header) if _is_kept(name)}
    parts, row_of_part = Parts(header), 0
    for line, row in lines:
        if row[0].strip().lower() == BREAK:
            parts.split()
            row_of_part = 0
            continue
        if len(row) != len(header):
            raise ValueError(f"{path} line {line} has {len(row)} cells, the header has {len(header)}")
        if "clip" not in kept and parts.begins(row):
            row_of_part = 0
        clip = row[kept["clip"]] if "clip" in kept else _part(path, parts.number)
        frame = row[kept["frame"]] if "frame" in kept else str(row_of_part)
        row_of_part += 1
        yield line, clip, frame, row


def _long(path: Path, header: Sequence[str], joints: Sequence[WideJoint], lines: Iterator[Row]) -> Iterator[Row]:
    """One row per joint from each row of a wide table."""
    columns, axes, others = _parts_of_row(header, joints)
    kept = [header.index(name) for name in others]
    several = bodies([joint.name for joint in joints]) if "person" not in others else None
    who = [[person] for person, _ in several] if several else [[]] * len(joints)
    names = [name for _, name in several] if several else [joint.name for joint in joints]
    yield 1, [*columns, *(["person"] if several else []), *others]
    for line, clip, frame, row in _frames(path, header, lines):
        rest = [row[column] for column in kept]
        for joint, name, person in zip(joints, names, who, strict=True):
            cells = [row[joint.places[axis]] for axis in axes]
            if joint.by_state:
                cells = scored_row(cells, len(cells) - 1, range(len(cells) - 1))
            yield line, [clip, frame, name, *cells, *person, *rest]
