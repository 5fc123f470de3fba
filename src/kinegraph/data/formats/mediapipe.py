"""Landmarks of MediaPipe (Pose, Hands, Holistic) that people saved as JSON -> clips.

    [{"x", "y", "z", "visibility"}, ...]                          one frame of one body: 33 joints, 21 of a hand
    [[the same], [the same], ...]                                 frames
    [{"frame": 0, "landmarks": [the same]}, ...]                  also pose_landmarks, poseLandmarks, keypoints ...
    {"fps": 30, "frames": [...]}, {"0": [...], "1": [...]}        an object around them, or with them by number
    {"nose": {"x", "y"}, "left_eye": ...}                         joints by name or number; also {"nose": [x, y]}
    {"nose": [[x, y], [x, y], ...], "left_eye": ...}              joints by name, each with its points in all frames
    [{"frame": 0, "track_id": 1, "keypoints": [[x, y, s], ...]}]  a body each; also [x, y, s, x, y, s, ...]
    [{"frame": 0, "people": [{"id": 1, "keypoints": ...}]}]       also persons, poses, bodies, detections
    {"landmarks": [[the same], [the same]]}                       a result of MediaPipe Tasks: people of one frame
    {"pose_landmarks", "left_hand_landmarks", ...}                Holistic; --parts hands reads the hands, too
    {"pose_x": [[...]], "pose_y", "hand1_x", "hand2_x", ...}      INCLUDE: 25 joints of the body; hand1 is the left one
    {"positions": {"1.0": {"Nose": [x, y], ...}, ...}}            Keraal

Points with a name or an id have any order, and those that are missing were not seen. World landmarks (metres) are read
where there are no others. Hands whose side is said (`handedness`, left_hand) are two people, the left one first.
Shapes: see `landmarks`; several clips in a file: `landmark_clips`; tables of landmarks: `table_forms`; Parquet and
Arrow with lists in their cells are read as such JSON: `columnar`.
Source: ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending, one_by_one
from kinegraph.data.formats.json_lines import lists_bodies
from kinegraph.data.formats.landmark_clips import facts_in, named_clips, said_of_clips, unpickled
from kinegraph.data.formats.smpl import has_parameters
from kinegraph.data.reading.clips.clip_columns import label_in
from kinegraph.data.reading.clips.clip_files import said_by_folders, said_by_labels
from kinegraph.data.reading.clips.conventions import layout_for
from kinegraph.data.reading.clips.openpose_parts import Part, holistic
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.files.columnar import COLUMNAR
from kinegraph.data.reading.files.file_kinds import is_other_json
from kinegraph.data.reading.files.json_rows import TEXTS, first_record, read_records
from kinegraph.data.reading.joints.detections import frame_numbers, picture_number, sides
from kinegraph.data.reading.joints.landmark_points import PLACES
from kinegraph.data.reading.joints.landmarks import (
    FRAMES,
    HANDS_BESIDE,
    LANDMARKS,
    MOST_PEOPLE,
    PEOPLE,
    WORLD,
    Frame,
    frames_of,
    left_out_of,
    rows_of_sides,
)
from kinegraph.data.reading.joints.named_joints import joint_index, layout_of_table
from kinegraph.data.reading.tables.array_files import PICKLES
from kinegraph.data.reading.tables.named_arrays import named_arrays
from kinegraph.data.reading.tables.table_json import is_clip
from kinegraph.data.reading.tables.table_times import rate_of_times
from kinegraph.data.tracking import CROWD, gathered, track
from kinegraph.messages import first_few
from kinegraph.safe_pickle import load_pickle
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME, TITLE = "mediapipe", "landmarks of MediaPipe (JSON)"
OF_ROWS = (*COLUMNAR, *TEXTS)  # tables with lists in their cells
LINES = (".jsonl", ".ndjson")  # of bodies; those of frames have the format json_lines
ENDINGS = (".json", *LINES, *OF_ROWS)
SUFFIXES = (*ENDINGS, *PICKLES)  # pickles of the same shapes, with arrays for lists
HEAD, LOOKED_AT = 1 << 14, 20  # bytes; files of a folder
LARGEST_PICKLE = 1 << 27  # bytes; lists take many times as much memory as arrays
OTHERS = (b'"clips"', b'"image_id"', b'"annotations"', b'"keypoint_scores"', b'_keypoints_2d"', b"AlphaPose")
WORDS = (b'"landmarks"', b'"pose_landmarks"', b'"poseLandmarks"', b'"pose_world_landmarks"')
NAMED_ROW = re.compile(  # a joint with its place, or with its places in all frames
    rb'"(nose|(left|right|l|r)[ _]?(shoulder|hip|knee|wrist))"\s*:\s*(\{\s*"x"\s*:\s*)?(\[\s*|null\s*,\s*){1,9}'
    rb"-?[\d.]+(e-?\d+)?\s*,",
    re.IGNORECASE,
)
NUMBERED_ROWS = re.compile(  # frames by their numbers, each a list of joints, or of each person
    rb'(^|"frames"\s*:|\.(mp4|avi|mov|mkv|webm)"\s*:)\s*'
    rb'\{\s*"(frame|image|img)?[_\- ]?\d{1,9}(\.jpe?g|\.png)?"\s*:\s*(\{\s*"\w{1,20}"\s*:\s*)?(\[\s*){2,3}-?\d',
    re.IGNORECASE,
)
OBJECT_OF_ROWS = re.compile(rb'"(landmarks|keypoints|joints)"\s*:\s*\{\s*"[^"]{1,60}"\s*:\s*\[\s*-?\d[-\d.eE+]*\s*,')
LISTED = re.compile(rb'"(%s)"\s*:\s*\[\s*(\[\s*){0,3}(-?\d|NaN|null)' % "|".join((*LANDMARKS, *WORLD)).encode())
SERIES = re.compile(rb'"[^"]{1,60}"\s*:\s*\{\s*"x"\s*:\s*\[\s*(-?\d|NaN|null)')  # x of a joint in all frames
PLACED = re.compile(rb'"(%s)"\s*:\s*\[\s*-?\d' % "|".join(PLACES).encode())  # a point that is a list
TRACKED = re.compile(rb'"keypoints"\s*:\s*\[\s*\{\s*"\d+"\s*:\s*\[\s*\[')  # of easy_ViTPose
OF_LISTS = re.compile(rb'"skeletons"\s*:\s*\[\s*[\[\d]|"skeleton"\s*:\s*\[')  # of NW-UCLA, of others
APART = re.compile(rb'"(pose|body)_x"\s*:\s*\[\s*\[')  # x of all joints in all frames
FORMS = (APART, OBJECT_OF_ROWS, NAMED_ROW, NUMBERED_ROWS, LISTED, SERIES, PLACED, TRACKED)
RATES = ("fps", "frame_rate", "frameRate", "framerate")
SIDES = (("width", "height"), ("image_width", "image_height"), ("frame_width", "frame_height"),
         ("video_width", "video_height"), ("imageWidth", "imageHeight"), ("videoWidth", "videoHeight"))  # fmt: skip


def detect(path: Path) -> str | None:
    """A JSON file of objects with x and y or of landmarks, which no other format has, or a folder with such files."""
    if path.is_file():
        if path.suffix.lower() in PICKLES:
            return "a pickle of frames with joints" if _has_frames(path) else None
        return "objects with x and y, as MediaPipe's landmarks" if _has_landmarks(path) else None
    named = next(filter(_has_landmarks, islice(files_ending(path, ENDINGS), LOOKED_AT)), None)
    return f"holds {named.name}, landmarks of MediaPipe" if named else None


def _has_landmarks(file: Path) -> bool:
    suffix = file.suffix.lower()
    if not file.is_file() or suffix not in ENDINGS:
        return False
    if suffix in OF_ROWS:
        return _is_of_frames(file)
    if suffix in LINES and not lists_bodies(file):
        return False
    with file.open("rb") as content:
        head = content.read(HEAD)
    if any(word in head for word in OTHERS) or OF_LISTS.search(head) or is_other_json(head):
        return False
    has_x_and_y = all(re.search(rb'"%s"\s*:' % axis, head) for axis in (b"[xX]", b"[yY]"))
    return has_x_and_y or any(word in head for word in WORDS) or any(form.search(head) for form in FORMS)


def _is_of_frames(file: Path) -> bool:
    """Whether the rows of a table hold the joints of a frame or a body each, in lists."""
    record = first_record(file)
    with suppress(ValueError):
        return (
            any(isinstance(value, list) for value in record.values())
            and not is_clip(record)
            and any(frame.bodies for frame in frames_of([record], file))
        )
    return False


def _has_frames(path: Path) -> bool:
    """Whether a pickle holds frames in one of these shapes, and no clips that `clip_arrays` reads."""
    if path.stat().st_size > LARGEST_PICKLE:
        return False
    with suppress(ValueError):
        content = load_pickle(path)
        if has_parameters(content):
            return False  # turns, not places
        if named_arrays(content, path.stem) or not isinstance(content, list | Mapping):
            return False
        frames = list(frames_of(unpickled(path), path))
        return sum(bool(frame.bodies) for frame in frames) * 2 > len(frames) > 0
    return False


@dataclass(eq=False)
class _File:
    frames: list[Frame]
    fps: float | None
    size: tuple[int, int] | None
    left_out: Sequence[str]
    folders: tuple[str, ...] = ()  # those that name its part and class
    timed: bool = False  # the frame rate is that of the times of frames
    labels: tuple[str, ...] = ()  # those that the file or its frames say, each once
    cells: Mapping[str, str] = field(default_factory=dict)  # what else they say of a clip among others


def read(
    path: Path, *, layout: str | None = None, parts: Sequence[Part] | None = None, expected: JointLayout | None = None
) -> Recordings:
    """The clip of a file, or those of a folder, in which files of single frames are the frames of one.

    parts: hands besides the body, as Holistic gives them. expected: the layout of the network that is asked, for files
        of just its joints. Raises ValueError where there are no landmarks.
    """
    hands = "hands" in (parts or ())
    if "face" in (parts or ()):
        raise ValueError("MediaPipe's face of 468 points has no layout here; give --parts body hands")
    files = [path] if path.is_file() else list(filter(_has_landmarks, files_ending(path, ENDINGS)))
    contents = {
        file: unpickled(file) if file.suffix.lower() in PICKLES else read_records(file) for file in one_by_one(files)
    }
    if path.is_file() and (clips := named_clips(contents[path], path.stem)):
        recordings = {name: replace(_read(clip, path, hands), cells=facts_in(clip)) for name, clip in clips.items()}
    else:
        recordings = _joined({file: _read(content, file, hands) for file, content in contents.items()}, path)
    bodies = [body for found in recordings.values() for frame in found.frames for body in frame.bodies]
    names = list(dict.fromkeys(name for body in bodies for name in body))
    if not names:
        raise FormatError("empty", f"{path} has no frame with landmarks")
    numbered = all(name.isdecimal() for name in names)
    of = _layout_of(path, bodies, names, layout, hands, expected)
    deep = any(point[2] for body in bodies for point in body.values())
    unsaid = any(point[3] != point[3] for body in bodies for point in body.values())
    frames = [frame for found in recordings.values() for frame in found.frames]
    known = any(frame.bodies for frame in frames) and all(frame.ids for frame in frames if frame.bodies)
    rows = rows_of_sides(frames)
    source = f"landmarks of {path.name}" + (f", people are the {' and the '.join(rows)} hand" if rows else "")
    classes, said, lines = _classes(recordings)
    read_too = {name for names in HANDS_BESIDE.values() for name in names} if hands else set()
    if beside := sorted({name for found in recordings.values() for name in found.left_out} - read_too):
        way = "; --parts body hands reads the hands" if any("hand" in name.lower() for name in beside) else ""
        lines = [f"{first_few(beside)}, beside the pose{way}", *lines]
    not_stated = {"units", "plane"}
    if deep:
        not_stated.add("up")
    if unsaid:
        not_stated.add("score")
    if numbered and not layout and not hands:
        not_stated.add("layout")
    return Recordings(
        clips=(
            _clip(found, of, name, deep, rows, known, *about)
            for (name, found), about in zip(recordings.items(), said, strict=True)
        ),
        count=len(recordings),
        layout=of,
        class_names=classes,
        units="m" if deep else "px",
        source=source,
        skipped=lambda: lines,
        guessed=frozenset(not_stated),
        assumed=_rate_lines(recordings),
        unordered=not rows and not known,
    )


def _layout_of(
    path: Path,
    bodies: Sequence[Mapping[str, Sequence[float]]],
    names: Sequence[str],
    given: str | None,
    hands: bool,
    expected: JointLayout | None,
) -> JointLayout:
    """The layout that is given, or that of landmarks of these names or numbers. Raises ValueError where none fits."""
    if hands and given is None:
        of = holistic()
        if not any(body.keys() & {*map(str, range(33, 75)), *of.joints[33:]} for body in bodies):
            raise ValueError(f"{path} has no hands beside its bodies; leave --parts out")
        return of
    if not all(name.isdecimal() for name in names):
        return layout_of_table(path, names, 3, given, expected)
    count, counts = max(map(int, names)) + 1, {len(body) for body in bodies}
    if not hands and len(counts) > 1 and count in counts:
        _check_alike(counts, bodies, path)
    return layout_for(count, given) if given else layout_of_table(path, names, 3, None, expected)


def _classes(recordings: Mapping[str, _File]) -> tuple[tuple[str, ...], list[tuple[Any, ...]], list[str]]:
    """The classes; label, splits and attributes of each clip, by folders or files; a line on labels of frames."""
    several = [name for name, found in recordings.items() if len(found.labels) > 1]
    lines = [f"labels of frames, which change within a clip: {first_few(several)}"] if several else []
    if any(recording.cells for recording in recordings.values()):
        return *said_of_clips({name: recording.cells for name, recording in recordings.items()}), lines
    classes, said = said_by_folders([found.folders for found in recordings.values()])
    labels = [recording.labels[0] if len(recording.labels) == 1 else "" for recording in recordings.values()]
    if not classes or all(labels):  # what the files say counts more than where they lie
        parts = [splits for _, splits in said]
        classes, said = said_by_labels(labels)
        if all(part.keys() == {"split"} for part in parts):
            said = [(label, splits) for (label, _), splits in zip(said, parts, strict=True)]
    return classes, [(*facts, {}) for facts in said], lines


def _check_alike(counts: set[int], bodies: Sequence[Mapping[str, object]], path: Path) -> None:
    """Raises FormatError for bodies of 33 and of 21 joints in a file, which are poses and hands."""
    if all(list(body) == list(map(str, range(len(body)))) for body in bodies):
        raise FormatError("joints", f"{path} has frames of {min(counts)} and of {max(counts)} landmarks")


def _read(content: Any, file: Path, hands: bool) -> _File:
    places = content[:1] if isinstance(content, list) else []
    if isinstance(content, Mapping):
        places = [content, *content.values()]
    abouts = [place for place in places if isinstance(place, Mapping)]
    said = (_number(about.get(key)) for about in abouts for key in RATES)
    rate = next((number for number in said if number and 0 < number < 1e6), None)
    sizes = (sides(about.get(width), about.get(height)) for about in abouts for width, height in SIDES)
    frames = list(frames_of(content, file, hands))
    times = [] if rate else [frame.time for frame in frames if frame.time is not None]
    timed = rate_of_times(list(zip(times, _numbers(frames)[0], strict=True))) if len(times) == len(frames) else None
    size = next(filter(None, sizes), None)
    return _File(frames, rate or timed, size, left_out_of(content), timed=timed is not None, labels=_labels(content))


def _labels(content: object) -> tuple[str, ...]:
    """The label of the clip where the file has one, else the labels of its frames."""
    if isinstance(content, Mapping) and (label := label_in(content)):
        return (label,)
    frames = next((content[key] for key in FRAMES if key in content), None) if isinstance(content, Mapping) else content
    objects = [frame for frame in frames if isinstance(frame, Mapping)] if isinstance(frames, list) else []
    framed = [frame for frame in objects if any(key in frame for key in (*LANDMARKS, *WORLD, *PEOPLE))]  # not points
    return tuple(filter(None, dict.fromkeys(map(label_in, framed))))


def _number(value: object) -> float | None:
    """A number, also one that is written as text."""
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _rate_lines(recordings: Mapping[str, _File]) -> tuple[str, ...]:
    """The line on frame rates by the times of frames."""
    rates = sorted({recording.fps for recording in recordings.values() if recording.timed and recording.fps})
    said = first_few([f"{rate:g}" for rate in rates])
    return (f"{said} frames a second by the times of the frames (--fps)",) if rates else ()


def _joined(files: Mapping[Path, _File], path: Path) -> dict[str, _File]:
    """What each clip is made of: a file, or the files of one name with a number where all have a single frame."""
    if len(files) < 2 or any(len(landmarks.frames) != 1 for landmarks in files.values()):
        if path.is_file():
            return {file.stem: landmarks for file, landmarks in files.items()}
        names = {file: file.relative_to(path).with_suffix("").as_posix() for file in files}
        return {
            names[file]: replace(landmarks, folders=file.relative_to(path).parts[:-1])
            for file, landmarks in files.items()
        }
    found: dict[str, _File] = {}
    for place, (file, landmarks) in enumerate(files.items()):
        name, number = picture_number(file.relative_to(path).as_posix())
        clip = found.setdefault(
            name or path.absolute().name,
            _File([], landmarks.fps, landmarks.size, landmarks.left_out, file.parent.relative_to(path).parts[:-1]),
        )
        clip.labels = tuple(dict.fromkeys((*clip.labels, *landmarks.labels)))
        clip.frames.append(replace(landmarks.frames[0], number=place if number is None else number))
    return found


def _clip(
    recording: _File,
    layout: JointLayout,
    name: str,
    deep: bool,
    rows: Sequence[str],
    known: bool,
    label: int | None,
    splits: Mapping[str, str],
    attributes: Mapping[str, int | str],
) -> Item:
    try:
        numbers, step = _numbers(recording.frames)
        there = [
            (t, i, frame) for t, frame in zip(numbers, recording.frames, strict=True) for i in range(len(frame.bodies))
        ]
        if not there:
            return nobody(name)
        frames = [np.zeros((0, len(layout), 4))] * (max(numbers) + 1)
        who: list[list[Hashable]] = [[] for _ in frames]
        for t, i, frame in there:
            pose = np.zeros((1, len(layout), 4))
            pose[0, [joint_index(layout, joint) for joint in frame.bodies[i]]] = list(frame.bodies[i].values())
            frames[t] = np.concatenate([frames[t], pose])
            if known:
                who[t].append(frame.ids[i])
            else:
                who[t].append(rows.index(frame.sides[i]) if rows else len(who[t]))
        values = _people(frames, who, rows, known)
        values[..., 3] = np.nan_to_num(values[..., 3], nan=1)
        if not np.isfinite(values).all() or np.abs(values).max() > 1e30:
            raise FormatError("not_finite", "holds a number that is not finite")
        seen = values[..., 3:] > 0
        keypoint = np.ascontiguousarray((values[..., : 3 if deep else 2] * seen).astype(np.float32))
        score = np.ascontiguousarray((values[..., 3] * seen[..., 0]).astype(np.float32))
        rate = recording.fps / step if recording.fps else None
        about: dict[str, Any] = {"image_size": recording.size, "fps": rate, "splits": splits, "attributes": attributes}
        return SkeletonClip(keypoint, layout, name, label, score=score, **about)
    except ValueError as error:
        return fault_of(error, name)


def _people(
    frames: Sequence[Float[np.ndarray, "_ V 4"]], who: Sequence[Sequence[Any]], rows: Sequence[str], known: bool
) -> Float[np.ndarray, "M T V 4"]:
    """The people of a clip. who: the id of each body, or its row where there are no ids."""
    if known:
        return gathered(frames, track([frame[..., :3] for frame in frames], None, CROWD, who))
    values = np.zeros((max(len(rows), *map(len, frames)), len(frames), *frames[0].shape[1:]))
    for t, there in enumerate(who):
        for body, row in enumerate(there):
            values[row, t] = frames[t][body]
    return values


def _numbers(frames: Sequence[Frame]) -> tuple[list[int], float]:
    """The place of each frame, from 0: by their numbers where all have one; the same number twice is one frame."""
    said = [frame.number for frame in frames if frame.number is not None]
    if not frames or len(said) < len(frames):
        return list(range(len(frames))), 1.0
    order = sorted(set(said))
    if len(order) == 1 and len(said) > MOST_PEOPLE:  # a number that does not count
        return list(range(len(frames))), 1.0
    found, step = frame_numbers(order)
    place = dict(zip(order, found.tolist(), strict=True))
    return [place[number] for number in said], step
