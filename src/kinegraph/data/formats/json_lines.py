"""JSON lines: one frame per line, as programs send them live, and as `kinegraph stream --record` writes them.

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

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.json_frame import LONGEST, Frame, Head, lines_of, parsed_line
from kinegraph.data.formats.landmark_clips import are_bodies
from kinegraph.data.reading.clips.clip_files import (
    ClipFile,
    clip_files,
    clips_of,
    first_readable,
    said_by_labels,
    some_below,
)
from kinegraph.data.reading.clips.conventions import layout_for
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.tables.table_json import is_clip
from kinegraph.data.tracking import gathered, track
from kinegraph.messages import first_few
from kinegraph.safe_io import parsed_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME = "json_lines"
TITLE = "JSON lines, one frame per line"
ENDINGS = (".jsonl", ".ndjson")
SUFFIXES = (*ENDINGS, ".json")  # a .json alone, where it has a frame on each line
LONGEST_GAP = 10_000  # frames


def detect(path: Path) -> str | None:
    """A file whose first line is a frame, or says what holds for all frames; or a folder with such files."""
    if path.is_dir():
        return "holds files of one frame as JSON per line" if some_below(path, ENDINGS, _is_one) else None
    lines = path.suffix.lower() in ENDINGS or (path.suffix.lower() == ".json" and _has_lines(path))
    return "one frame as JSON per line" if lines and _is_one(path) else None


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
        files = [replace(file, label=label, splits=splits) for file, (label, splits) in zip(files, said, strict=True)]
    several: list[str] = []
    return replace(
        first,
        clips=clips_of(files, lambda file: _clip_of(file, layout, first, several)),
        count=len(files),
        class_names=classes,
        source=f"JSON lines, {path.name}",
        skipped=lambda: [f"labels of frames, which change within a clip: {first_few(several)}"] if several else [],
    )


def _label(file: Path) -> str:
    """The label of the first frame."""
    with suppress(ValueError), closing(lines_of(file.open("rb"))) as lines:
        found = (parsed_line(line, str(file)) for line in islice(lines, 2))
        return next((line.label for line in found if isinstance(line, Frame)), "")
    return ""


def _clip_of(file: ClipFile, layout: str | None, first: Recordings, several: list[str]) -> Item:
    """The clip of a file of a folder. Raises ValueError where it is of another kind than the first one.

    several: gets the clips whose frames have different labels; they have none themselves.
    """
    found = _recording(file.path, layout)
    if (found.layout, found.units) != (first.layout, first.units):
        other, own = (f"{len(clip.layout)} joints in {clip.units}" for clip in (first, found))
        raise FormatError("joints", f"{file.path} has {own}, the first file {other}: read it apart")
    (clip,) = found.clips
    assert isinstance(clip, SkeletonClip)
    if found.skipped():
        several.append(file.name)
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


def _clip(name: str, frames: Mapping[int, Frame], layout: JointLayout, head: Head) -> SkeletonClip:
    span = range(min(frames), max(frames) + 1)
    channels = next(frame.keypoint.shape[2] for frame in frames.values() if len(frame.keypoint))
    nobody_there = np.zeros((0, len(layout), channels + 1), np.float32)
    poses = [_with_score(frames[t]) if t in frames and len(frames[t].keypoint) else nobody_there for t in span]
    named = [frames[t].ids or () if t in frames else () for t in span]
    tracked = all(len(ids) == len(pose) for ids, pose in zip(named, poses, strict=True))
    tracks = track([pose[..., :channels] for pose in poses], ids=named if tracked else None)
    values = gathered(poses, tracks)
    scored = any(frame.score is not None for frame in frames.values())
    score = np.ascontiguousarray(values[..., -1]) if scored else None
    place = np.ascontiguousarray(values[..., :channels])
    return SkeletonClip(place, layout, name, score=score, fps=head.fps, image_size=head.image_size)


def _with_score(frame: Frame) -> Float[np.ndarray, "P V D"]:
    score = np.ones(frame.keypoint.shape[:2], np.float32) if frame.score is None else frame.score
    return np.concatenate([frame.keypoint, score[..., None]], axis=2)
