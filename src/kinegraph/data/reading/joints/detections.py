"""Lists of detected people, as pose estimators write them -> clips: frames in order, people followed or by ids."""

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import said_by_folders
from kinegraph.data.reading.clips.conventions import layout_for
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.joints.named_joints import bones_line
from kinegraph.data.tracking import CROWD, gathered, track
from kinegraph.messages import counted, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NUMBERED = re.compile(r"(.*?)[_\-. ]?(\d{1,12})")
SECOND_ENDING = re.compile(r"(\.(jpe?g|png|bmp|predictions|openpifpaf))+$", re.IGNORECASE)  # of a.jpg.predictions.json
LARGEST_STEP = 12  # between the numbers of a sequence's pictures; others are single pictures
OF_PROGRAMS = re.compile(r"labels|json|predictions|sep-json|(predict|track)\d*", re.IGNORECASE)  # folders of results
MOST_FRAMES = 1_000_000
FEWEST_STEPS = 4
# Joints of body, face and hands -> the layout of the body, which the first ones are, and of all.
WITH_BODY = {136: ("halpe26", "halpe136"), 133: ("coco17", "wholebody133")}


@dataclass(frozen=True, eq=False)
class Person:
    """A detection: x, y (z) and score of its joints, zero for one that was not seen; and who it is, where known."""

    pose: Float[np.ndarray, "V D"]
    who: Hashable = None


@dataclass(eq=False)
class Pictures:
    """The people of each picture of a recording, by the number of its frame.

    size: width and height. folders: those that hold the recording's file or frames; they may name its part and class.
    """

    name: str
    people: dict[int, list[Person]] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    fps: float | None = None
    folders: tuple[str, ...] = ()

    def add(self, frame: int, person: Person | None) -> None:
        """Add somebody to a frame, or a frame without anybody."""
        there = self.people.setdefault(frame, [])
        if person is not None:
            there.append(person)


def picture_number(name: str) -> tuple[str, int | None]:
    """The recording and the number that the name of a picture says: "walk/img_0012.jpg" -> ("walk", 12)."""
    path = PurePosixPath(name.replace("\\", "/"))
    path = path.with_stem(SECOND_ENDING.sub("", path.stem))
    found = NUMBERED.fullmatch(path.stem)
    folder = "" if str(path.parent) == "." else str(path.parent)
    if found is None:
        return (f"{folder}/{path.stem}" if folder else path.stem), None
    stem = found[1] if found[1].lower() not in ("", "img", "image", "frame", "im") else ""
    return "/".join(filter(None, (folder, stem))), int(found[2])


def sequences(recordings: Sequence[Pictures]) -> list[Pictures]:
    """The recordings, those whose numbers do not follow each other as single pictures; each with a name of its own."""
    found = []
    for recording in recordings:
        steps = np.diff(np.array(sorted(recording.people), float))
        if len(steps) and steps.max() > LARGEST_STEP and np.median(steps) > 2 and not are_even(steps):
            found += [
                replace(
                    recording, name=f"{recording.name}-{frame}" if recording.name else str(frame), people={frame: there}
                )
                for frame, there in sorted(recording.people.items())
            ]
        else:
            found.append(recording)
    times = Counter(recording.name for recording in found)
    return [
        replace(recording, name=f"{recording.name}-{min(recording.people, default=0)}")
        if times[recording.name] > 1
        else recording
        for recording in found
    ]


def folders_of(name: str) -> tuple[str, ...]:
    """The folders in the name of a clip that may name its part and class: without those that programs make."""
    folders = name.split("/")[:-1]
    while folders and OF_PROGRAMS.fullmatch(folders[-1]):
        folders.pop()
    return tuple(folders)


def pose_of(numbers: object, scores: object = None, where: str = "") -> Float[np.ndarray, "V D"]:
    """Coordinates and score of joints in a list of (x, y, score), or of (x, y) or (x, y, z) with scores beside it.

    A joint with NaN or null was not seen.

    Raises FormatError for what is no such list.
    """
    try:
        values = np.array(numbers, dtype=np.float64)
        beside = None if scores is None else np.array(scores, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError, OverflowError):
        values, beside = np.zeros(0), None
    if values.ndim == 1 and beside is not None and len(beside) and values.size == 2 * len(beside):
        values = values.reshape(-1, 2)
    elif values.ndim == 1 and values.size and values.size % 3 == 0:
        values = values.reshape(-1, 3)
    if values.ndim != 2 or not values.size or values.shape[1] not in (2, 3):
        raise FormatError(
            "joints", f"{where}has as keypoints {quoted(numbers)[:60]}, expected x, y, score of each joint"
        )
    if beside is None and values.shape[1] == 2:
        beside = np.ones(len(values))
    if beside is not None:
        if len(beside) != len(values):
            raise FormatError("score", f"{where}has {len(beside)} scores for {counted(len(values), 'joint')}")
        values = np.column_stack([values, beside])
    values = np.where(np.isnan(values).any(1, keepdims=True), 0, values)  # NaN and null: not seen
    if np.abs(values).max() > 1e30:
        raise FormatError("not_finite", f"{where}holds a number that is not finite")
    seen = values[:, -1:] > 0
    if values.shape[1] == 3:  # in 2D, (0, 0) is a joint that was not seen; in 3D, it may be the root
        seen &= values[:, :2].any(1, keepdims=True)
    return np.where(seen, values, 0).astype(np.float32)


def recordings_of(
    found: Sequence[Pictures],
    path: Path,
    source: str,
    layout: str | None,
    people: int | None,
    *,
    own: JointLayout | None = None,
    units: str = "px",
    skipped: Sequence[str] = (),
) -> Recordings:
    """The clips of all that was found. layout: as given; own: as the file says it. people: bodies of a clip at most.

    Raises FormatError where nobody was found.
    """
    clips = sequences(found)
    shape = next((person.pose.shape for clip in clips for there in clip.people.values() for person in there), None)
    if shape is None:
        raise FormatError("empty", f"{path} has no person with keypoints")
    joints, deep = shape[0], shape[1] == 4
    lines = list(skipped)
    own = own if own and len(own) == joints and not layout else None
    if joints in WITH_BODY and not (layout and len(load_layout(layout)) == joints):
        body, all_of_them = WITH_BODY[joints]
        own = load_layout(body)
        line = (
            f"{joints - len(own)} of {counted(joints, 'joint')}: '{body}' is the body, --layout {all_of_them} reads all"
        )
        lines.append(line)
    of = own or layout_for(joints, layout)
    classes, said = said_by_folders([clip.folders for clip in clips])
    left_out: dict[str, int] = {}
    guessed = {"units"} | ({"layout"} if not (layout or own) else set()) | ({"up"} if deep else set())
    return Recordings(
        clips=_clips(clips, said, of, people, left_out),
        count=len(clips),
        layout=of,
        class_names=classes,
        units="m" if deep else units,
        source=source,
        skipped=lambda: lines + beyond_lines(left_out),
        assumed=bones_line(of),
        guessed=frozenset(guessed),
    )


def _clips(
    recordings: Sequence[Pictures],
    said: Sequence[tuple[int | None, dict[str, str]]],
    layout: JointLayout,
    people: int | None,
    left_out: dict[str, int],
) -> Iterator[Item]:
    """A clip of each recording. people: bodies at most. left_out: gets how often people were seen who are in none."""
    for pictures, (label, splits) in zip(recordings, said, strict=True):
        try:
            item = _clip(pictures, layout, people or CROWD, left_out)
            yield replace(item, label=label, splits=splits) if isinstance(item, SkeletonClip) else item
        except ValueError as error:
            yield fault_of(error, pictures.name)


def _clip(pictures: Pictures, layout: JointLayout, people: int, left_out: dict[str, int]) -> Item:
    numbers, step = frame_numbers(sorted(pictures.people))
    if not any(pictures.people.values()):
        return nobody(pictures.name)
    poses = [person.pose for there in pictures.people.values() for person in there]
    if wrong := {len(pose) for pose in poses} - {
        len(layout),
        *(joints for joints, (body, _) in WITH_BODY.items() if body == layout.name),
    }:
        raise FormatError("joints", f"has {counted(min(wrong), 'joint')}, layout '{layout.name}' has {len(layout)}")
    if len({pose.shape[1] for pose in poses}) > 1:
        raise FormatError("joints", "has joints in 2D and in 3D")
    empty = np.zeros((0, len(layout), poses[0].shape[1]), np.float32)
    frames: list[np.ndarray] = [empty] * (int(numbers[-1]) + 1)
    ids: list[list[Hashable]] = [[] for _ in frames]
    for number, (_, there) in zip(numbers.tolist(), sorted(pictures.people.items()), strict=True):
        if there:
            frames[number] = np.stack([person.pose[: len(layout)] for person in there])
            ids[number] = [person.who for person in there]
    known = all(who is not None for there in ids for who in there)
    weights = [poses[..., -1].mean(1) if len(poses) else np.zeros(0) for poses in frames]
    tracks = track([poses[..., :-1] for poses in frames], weights, people, ids if known else None)
    if tracks.left_out:
        left_out[pictures.name] = tracks.left_out
    found = gathered(frames, tracks)
    return SkeletonClip(
        keypoint=np.ascontiguousarray(found[..., :-1]),
        layout=layout,
        name=pictures.name,
        score=np.ascontiguousarray(found[..., -1]),
        image_size=pictures.size,
        fps=pictures.fps / step if pictures.fps else None,
    )


def are_even(steps: Sequence[float] | np.ndarray) -> bool:
    """Whether steps between numbers of frames are all the same, as where a video's frame of each second was taken."""
    return len(steps) >= FEWEST_STEPS and min(steps) == max(steps) >= 2


def frame_numbers(numbers: Sequence[int]) -> tuple[np.ndarray, float]:
    """Frames counted from 0, and the step between them: numbers in steps of two and more follow each other.

    Where most steps are 1, a larger one is a gap. Raises ValueError for more frames than a recording has.
    """
    if max(numbers) - min(numbers) > 2**53:
        raise ValueError(f"frames are numbered up to {max(numbers):.3g}; expected at most {MOST_FRAMES:,}")
    found = np.array([number - min(numbers) for number in numbers], np.int64)
    steps = np.diff(found)
    if are_even(steps) or (len(steps) > 1 and np.median(steps) >= 2 and steps.max() <= LARGEST_STEP):
        return np.arange(len(found)), float(steps.mean())
    if found[-1] > MOST_FRAMES:
        raise ValueError(f"frames are numbered up to {found[-1]:,}; expected at most {MOST_FRAMES:,}")
    return found, 1.0


def beyond_lines(left_out: Mapping[str, int]) -> list[str]:
    """The line on people who are in no clip."""
    if not left_out:
        return []
    return [f"people beyond the bodies of a clip, seen {sum(left_out.values()):,} times; --people keeps more"]


def sides(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height of a picture in pixels; None where they are not two such numbers."""
    fits = all(isinstance(side, int | float) and 1 <= side < 1e6 for side in (width, height))
    return (round(width), round(height)) if fits else None
