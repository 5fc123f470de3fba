"""JSON lines: a frame a line, as programs send them while it happens, and as `kinegraph stream --record` writes them.

    {"layout": "coco17", "fps": 30, "image_size": [1920, 1080]}                              may be the first line
    {"frame": 0, "people": [{"id": 1, "keypoint": [[x, y], ...], "score": [s, ...]}, ...]}   own; x, y, z for 3D
    {"people": [{"pose_keypoints_2d": [x, y, s, ...], "person_id": [1]}, ...]}               OpenPose
    {"pose_landmarks": [[{"x", "y", "z", "visibility"}, ...], ...]}                          MediaPipe, all its forms
    {"persons": [{"track_id": 1, "keypoints": [[x, y, s], ...]}, ...]}                       and those of own scripts

The first frame may say these facts, too. A label in the lines is the clip's, if it is the same in all of them. id,
score and frame may be left out; {"people": []} is a frame without anybody. A joint that was not seen is null, NaN or
all zero. Frame numbers count up; numbers that are not there are frames without anybody.
Source: doc/02_output.md of OpenPose; ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.clip_columns import image_size_of, label_in
from kinegraph.data.formats.clip_files import ClipFile, clip_files, clips_of, first_readable, said_by_labels, some_below
from kinegraph.data.formats.conventions import layout_for
from kinegraph.data.formats.landmark_clips import are_bodies
from kinegraph.data.formats.landmarks import IN_PIXELS, LANDMARKS, WORLD, frames_of
from kinegraph.data.formats.openpose_files import _id, _pose
from kinegraph.data.formats.openpose_parts import BODIES
from kinegraph.data.formats.recordings import FormatError, Item, Recordings, nobody
from kinegraph.data.formats.table_csv import joint_index, layout_of
from kinegraph.data.formats.table_json import is_clip
from kinegraph.data.tracking import gathered, track
from kinegraph.messages import first_few, quoted
from kinegraph.safe_io import parsed_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

NAME = "json_lines"
TITLE = "JSON lines, a frame a line"
ENDINGS = (".jsonl", ".ndjson")
SUFFIXES = (*ENDINGS, ".json")  # a .json alone, where it has a frame on each line
LONGEST = 1 << 22  # bytes of a line: some thousand people
BY_NUMBER = {33: "blazepose33", 21: "hand21"}
LONGEST_GAP = 10_000  # frames
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
        if not isinstance(people, list) or not all(isinstance(one, Mapping) for one in people):
            raise ValueError(f"{origin} has 'people' {quoted(people)}, expected {FORM}")
        if any({*LANDMARKS} & {*one} for one in people) and not any("keypoint" in one for one in people):
            return _mediapipe(content, number, origin, dimensions)
        openpose = any("pose_keypoints_2d" in one for one in people)
        return _openpose(people, number, origin) if openpose else _own(people, number, origin)
    if isinstance(content, list) or (isinstance(content, Mapping) and {*LANDMARKS, *WORLD, *PEOPLE} & {*content}):
        return _mediapipe(content, number, origin, dimensions)
    raise ValueError(f"{origin} is {quoted(content)}, expected {FORM}, or landmarks of MediaPipe")


def frame_line(frame: Frame) -> str:
    """A frame as a line of our own form, without its end."""
    content: dict[str, Any] = {} if frame.number is None else {"frame": frame.number}
    people = content["people"] = list[dict[str, Any]]()
    for i, pose in enumerate(frame.keypoint):
        one: dict[str, Any] = {} if frame.ids is None else {"id": frame.ids[i]}
        one["keypoint"] = [[float(f"{it:.7g}") for it in joint] if any(joint) else None for joint in pose.tolist()]
        if frame.score is not None:
            one["score"] = [round(it, 4) for it in frame.score[i].tolist()]
        people.append(one)
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
    found = [(pose, one) for one in people if (pose := _joints(one.get("keypoint"), origin)) is not None]
    if not found:
        return Frame(np.zeros((0, 0, 2), np.float32), number=number)
    if len({pose.shape for pose, _ in found}) > 1:
        raise ValueError(f"{origin} has people of different numbers of joints or coordinates")
    keypoint, score = np.stack([pose for pose, _ in found]), None
    if any("score" in one for _, one in found):
        score = np.stack([_scores(one.get("score"), keypoint.shape[1], origin) for _, one in found])
        keypoint = keypoint * (score > 0)[..., None]
    ids = [one.get("id") for _, one in found]
    if any(it is not None for it in ids) and (len(set(map(str, ids))) < len(ids) or {*map(type, ids)} - {int, str}):
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
    return row is None or (isinstance(row, list) and any(it is None or it != it for it in row))


def _scores(values: object, joints: int, origin: str) -> Float[np.ndarray, "V"]:
    try:
        score = np.array([it or 0 for it in values] if isinstance(values, list) else 0, float)
    except (TypeError, ValueError, OverflowError):
        score = np.zeros(())
    if score.shape != (joints,) or not (np.abs(score) < 1e30).all():
        raise ValueError(f"{origin} has the score {quoted(values)}, expected a number for each of {joints} joints")
    return score.astype(np.float32)


def _openpose(people: Sequence[Mapping[str, Any]], number: int | None, origin: str) -> Frame:
    seen = [one for one in people if one.get("pose_keypoints_2d")]
    poses = [_pose(Path(origin), one["pose_keypoints_2d"]) for one in seen]
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
    used = next((it for it in names if content.get(it)), None) if isinstance(content, Mapping) else None
    try:
        frames = list(frames_of(content if used is None else content[used], Path(origin)))
    except ValueError as error:
        raise ValueError(f"{error}; or a frame as {FORM}") from None
    bodies = [body for frame in frames for body in frame.bodies]  # a list of several bodies may look like frames
    if not bodies:
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


def _layout_of(names: Sequence[str], origin: str) -> JointLayout:
    """The layout of landmarks, by their names or their number. Raises ValueError where none has them."""
    number = max(map(int, names)) + 1 if all(name.isdecimal() for name in names) else 0
    return load_layout(BY_NUMBER[number]) if number in BY_NUMBER else layout_of(Path(origin), names, 3, None)


# ---- a file ----------------------------------------------------------------------------------------------------------


def detect(path: Path) -> str | None:
    """A file whose first line is a frame, or says what holds for all frames; or a folder with such files."""
    if path.is_dir():
        return "holds files of a frame as JSON a line" if some_below(path, ENDINGS, _is_one) else None
    lines = path.suffix.lower() in ENDINGS or (path.suffix.lower() == ".json" and _has_lines(path))
    return "a frame as JSON a line" if lines and _is_one(path) else None


def _has_lines(file: Path) -> bool:
    """Whether the first two lines are an object each, as in a .json that holds JSON lines."""
    with closing(lines_of(file.open("rb"))) as lines:
        some = [line.strip().rstrip(b",") for line in islice(lines, 2)]
    return len(some) == 2 and all(line.startswith(b"{") and line.endswith(b"}") for line in some)


def lists_bodies(file: Path) -> bool:
    """Whether lines are bodies, several of one frame, or name the clip that they belong to; mediapipe reads them."""
    with suppress(ValueError), closing(lines_of(file.open("rb"))) as lines:
        return are_bodies([parsed_json(line.rstrip(b" \t\r\n,"), "") for line in islice(lines, 2)])
    return False


def _is_one(file: Path) -> bool:
    with file.open("rb") as lines:
        line = lines.readline(LONGEST + 1)
    if b'"image_id"' in line or lists_bodies(file):  # or a detection of COCO or AlphaPose
        return False
    try:
        parsed_line(line, "")
        return not is_clip(parsed_json(line.rstrip(b" \t\r\n,"), ""))  # which `table` reads
    except ValueError:
        return False


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clip of a file, or of each file of a folder; CLASS/FILE gives labels, train/CLASS/FILE parts as well.

    Raises ValueError that names the line which is not as expected, and where no file can be read.
    """
    files, classes = clip_files(path, ENDINGS, _is_one)
    first = first_readable(files, lambda file: _recording(file, layout))
    if not classes:
        classes, said = said_by_labels([_label(file.path) for file in files])
        files = [replace(it, label=label, splits=splits) for it, (label, splits) in zip(files, said, strict=True)]
    several: list[str] = []
    return replace(
        first,
        clips=clips_of(files, lambda file: _clip_of(file, layout, first, several)),
        count=len(files),
        class_names=classes,
        source=f"JSON lines, {path.name}",
        skipped=lambda: [f"labels of frames, which change within a clip: {first_few(several)}"] * bool(several),
    )


def _label(file: Path) -> str:
    """The label of the first frame."""
    with suppress(ValueError), closing(lines_of(file.open("rb"))) as lines:
        found = (parsed_line(line, str(file)) for line in islice(lines, 2))
        return next((it.label for it in found if isinstance(it, Frame)), "")
    return ""


def _clip_of(file: ClipFile, layout: str | None, first: Recordings, several: list[str]) -> Item:
    """The clip of a file of a folder. Raises ValueError where it is of another kind than the first one.

    several: gets the clips whose frames have different labels; they have none themselves.
    """
    found = _recording(file.path, layout)
    if (found.layout, found.units) != (first.layout, first.units):
        other, own = (f"{len(it.layout)} joints in {it.units}" for it in (first, found))
        raise FormatError("joints", f"{file.path} has {own}, the first file {other}: read it apart")
    (clip,) = found.clips
    if not isinstance(clip, SkeletonClip):
        return nobody(file.name)
    several += [file.name] * bool(found.skipped())
    return replace(clip, name=file.name, label=None if found.skipped() else file.label, splits=file.splits)


def _recording(path: Path, layout: str | None) -> Recordings:
    """One file."""
    head, frames = _read(path)
    shown = [frame for frame in frames.values() if len(frame.keypoint)]
    if not shown:
        raise FormatError("empty", f"{path} has no frame with a person")
    if len({frame.keypoint.shape[1:] for frame in shown}) > 1:
        raise FormatError("joints", f"{path} has frames with different numbers of joints or coordinates")
    first = shown[0]
    joints, said = first.keypoint.shape[1], head.layout if layout is None else None
    of = said or layout_for(joints, layout or first.layout)
    if len(of) != joints:
        raise FormatError("joints", f"{path} has {joints} joints, its layout '{of.name}' {len(of)}")
    labels = {frame.label for frame in frames.values()}
    return Recordings(
        clips=(clip for clip in [_clip(path.stem, frames, of, head)]),  # a generator, as of all formats
        count=1,
        layout=of,
        class_names=(),
        units="m" if first.keypoint.shape[2] == 3 else "px",
        source=f"JSON lines, {path.name}",
        skipped=lambda: ["labels of frames"] * (len(labels) > 1),
        guessed=frozenset(("units",) if said or layout or first.layout else ("units", "layout")),
    )


def _read(path: Path) -> tuple[Head, dict[int, Frame]]:
    head, frames, last = Head(), dict[int, Frame](), -1
    for place, line in enumerate(lines_of(path.open("rb")), 1):
        origin = f"{path} line {place}"
        content = parsed_line(line, origin, first=place == 1)
        if isinstance(content, Head):
            if place > 1:
                raise ValueError(f"{origin} says what holds for all frames, which belongs into the first line")
            head = content
            continue
        head = content.head or head
        number = last + 1 if content.number is None else content.number
        if not last < number <= last + LONGEST_GAP:
            raise ValueError(f"{origin} is frame {number}, the frame before is {last}; expected numbers that count up")
        frames[number], last = content, number
    return head, frames


def lines_of(file: BinaryIO | BufferedIOBase) -> Iterator[bytes]:
    """The lines that are not empty, each of at most `LONGEST` bytes and one more; the file is closed at the end."""
    with file:
        while line := file.readline(LONGEST + 1):
            if line.strip():
                yield line


def _clip(name: str, frames: Mapping[int, Frame], layout: JointLayout, head: Head) -> Item:
    span = range(min(frames), max(frames) + 1)
    channels = next(frame.keypoint.shape[2] for frame in frames.values() if len(frame.keypoint))
    nobody_there = np.zeros((0, len(layout), channels + 1), np.float32)
    poses = [_with_score(frames[t]) if t in frames and len(frames[t].keypoint) else nobody_there for t in span]
    named = [frames[t].ids or () if t in frames else () for t in span]
    tracked = all(len(ids) == len(pose) for ids, pose in zip(named, poses, strict=True))
    tracks = track([pose[..., :channels] for pose in poses], ids=named if tracked else None)
    values = gathered(poses, tracks)
    if not len(values):
        return nobody(name)
    scored = any(frame.score is not None for frame in frames.values())
    score = np.ascontiguousarray(values[..., -1]) if scored else None
    place = np.ascontiguousarray(values[..., :channels])
    return SkeletonClip(place, layout, name, score=score, fps=head.fps, image_size=head.image_size)


def _with_score(frame: Frame) -> Float[np.ndarray, "P V D"]:
    score = np.ones(frame.keypoint.shape[:2], np.float32) if frame.score is None else frame.score
    return np.concatenate([frame.keypoint, score[..., None]], axis=2)
