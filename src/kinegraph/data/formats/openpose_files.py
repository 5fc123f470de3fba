"""What is in OpenPose's and Kinetics-skeleton's JSON files: the people of each frame, and the bodies of a clip."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.openpose_parts import KEYS, POINTS, further_keys
from kinegraph.data.reading.joints.detections import picture_number
from kinegraph.data.tracking import Tracks, gathered, track
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json

PUBLISHED_PEOPLE = 5  # the published reader looks at the first five people of a frame


@dataclass(frozen=True)
class Detections:
    """The people of each frame as x, y, score; a joint that was not seen is all zero."""

    frames: Sequence[Float[np.ndarray, "_ V 3"]]  # as many people as there are in each
    ids: Sequence[Sequence[int]] | None = None  # who they are, where OpenPose tracked them


@dataclass(frozen=True, eq=False)
class Bodies:
    """The bodies of a clip, zero in the frames that they are not in. left_out: detections that are of none."""

    keypoint: Float[np.ndarray, "M T V 2"]
    score: Float[np.ndarray, "M T V"]
    left_out: int


def best_of_each_frame(seen: Detections, people: int) -> Bodies:
    """Body 0 is in every frame the person with the largest sum of scores, body 1 the next: identities may change.

    Source: feeder_kinetics.py of yysijie/st-gcn, which also looks at the first five people only.
    """
    chosen = [np.argsort(-poses[:PUBLISHED_PEOPLE, :, 2].sum(1), kind="stable")[:people] for poses in seen.frames]
    rows = np.full((max(map(len, chosen), default=0), len(chosen)), -1)
    for t, best in enumerate(chosen):
        rows[: len(best), t] = best
    there = sum(int(poses.any((1, 2)).sum()) for poses in seen.frames)
    taken = sum(int(poses[best].any((1, 2)).sum()) for poses, best in zip(seen.frames, chosen, strict=True))
    return _bodies(seen, Tracks(rows, left_out=there - taken))


def tracked(seen: Detections, people: int) -> Bodies:
    """People by their ids, or followed from frame to frame; those with the largest sum of scores are kept."""
    places = [poses[..., :2] for poses in seen.frames]
    return _bodies(seen, track(places, [poses[..., 2].mean(1) for poses in seen.frames], people, seen.ids))


def _bodies(seen: Detections, tracks: Tracks) -> Bodies:
    found = gathered(seen.frames, tracks)
    return Bodies(np.ascontiguousarray(found[..., :2]), np.ascontiguousarray(found[..., 2]), tracks.left_out)


# ---- the files -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FrameOf:
    """A frame in a file of many."""

    file: Path
    content: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.file)


# a frame's number -> its JSON or content, or one JSON of all frames, of OpenPose's or of Kinetics-skeleton
Files = Mapping[int, Path | FrameOf] | Path
POSES = ("pose_keypoints_2d", "pose_keypoints", "joints")  # "joints" is AlphaPose's
SPARSE, LONGEST_GAP = 100, 10_000  # frames a clip may be long for each that is there, and without any


def detections(name: str, files: Files, joints: int, parts: Sequence[str] = ()) -> Detections:
    """Everybody in every frame of a clip, from the first recorded frame on. joints: of the body."""
    people = list(poses(files, parts))
    frames, who = {number: seen for number, seen, _ in people}, {number: ids for number, _, ids in people}
    expected = joints + sum(POINTS[key] for key in further_keys(parts))
    if not frames:
        return Detections([np.zeros((0, expected, 3), np.float32)])
    first, last = min(frames), max(frames)
    if last - first > SPARSE * len(frames) + LONGEST_GAP:
        raise ValueError(
            f"clip {quoted(name)} goes from frame {quoted(first)} to {quoted(last)} in {len(frames):,} frames, "
            "expected frames counted one by one"
        )
    for pose in (pose for people in frames.values() for pose in people):
        if len(pose) != expected:
            raise ValueError(f"clip {quoted(name)} has a person of {len(pose)} joints, the first had {expected}")
    nobody = np.zeros((0, expected, 3))
    span = range(first, last + 1)
    known = all(number >= 0 for ids in who.values() for number in ids)
    ids = [who.get(i, []) for i in span] if known else None
    return Detections([np.array(frames.get(i) or nobody, np.float32) for i in span], ids)


def frames_in(file: Path) -> dict[int, Path | FrameOf]:
    """The frames of a file that holds many: a list of them, or an object with one for each picture; {} for others.

    AlphaPose writes such objects (--format open, --format cmu), by the names of pictures.
    """
    return _frames_of(read_json(file), file)


def _frames_of(content: object, file: Path) -> dict[int, Path | FrameOf]:
    if isinstance(content, list):
        frames = dict(enumerate(content))
    elif isinstance(content, Mapping) and not _has_people(content):
        numbers = [picture_number(str(name))[1] for name in content]
        numbered = None not in numbers and len(set(numbers)) == len(numbers)
        frames = dict(zip(numbers if numbered else range(len(numbers)), content.values(), strict=True))
    else:
        return {}
    if not frames or not all(map(_has_people, frames.values())):
        return {}
    return {int(number or 0): FrameOf(file, frame) for number, frame in frames.items()}


def _has_people(frame: object) -> bool:
    return isinstance(frame, Mapping) and isinstance(frame.get("people", frame.get("bodies")), list)


def poses(files: Files, parts: Sequence[str] = ()) -> Iterator[tuple[int, list[Float[np.ndarray, "V 3"]], list[int]]]:
    """Frame number, the people in it as x, y, score, further parts behind the body, and their ids, -1 without one."""
    if isinstance(files, Path):
        content = read_json(files)
        if not (frames := _frames_of(content, files)):
            yield from _of_kinetics(content, files)
            return
        files = frames
    for number, file in sorted(files.items()):
        found, ids = [], []
        for person in _people(file):
            if values := next((person[key] for key in POSES if person.get(key)), None):
                further = [_further(file, person, key) for key in further_keys(parts)]
                found.append(np.concatenate([_pose(file, values), *further]))
                ids.append(_id(person))
        yield number, found, ids


def _id(person: Mapping) -> int:
    """What OpenPose's --tracking gives; -1 where it did not track."""
    listed = person.get("person_id")
    number = listed[0] if isinstance(listed, list) and len(listed) == 1 else listed
    return number if type(number) is int else -1


def further_parts(files: Files) -> list[str]:
    """Which of hands and face the first frame with a person has, too."""
    if isinstance(files, Path):
        files = frames_in(files)
    for _, file in sorted(files.items()):
        if people := _people(file):
            return [part for part, keys in KEYS.items() if any(map(any, _numbers(people, keys)))]
    return []


def only_in_space(files: Files) -> bool:
    """Whether the people of the first frame that has some have joints in 3D alone."""
    for file in ({} if isinstance(files, Path) else files).values():
        if people := _people(file):
            return bool(people[0].get("pose_keypoints_3d")) and not any(people[0].get(key) for key in POSES)
    return False


def _numbers(people: Sequence[Mapping], keys: Sequence[str]) -> Iterator[Sequence]:
    for values in (person.get(f"{key}_keypoints_2d") for person in people for key in keys):
        if isinstance(values, list):
            yield values


def _people(file: Path | FrameOf) -> list[Mapping]:
    content = read_json(file) if isinstance(file, Path) else file.content
    people = content.get("people", content.get("bodies")) if isinstance(content, Mapping) else None
    if not isinstance(people, list):
        raise ValueError(f"{file} has no list 'people'; is it written by OpenPose?")
    return [person for person in people if isinstance(person, Mapping)]


def _further(file: Path | FrameOf, person: Mapping, key: str) -> Float[np.ndarray, "V 3"]:
    """A hand or a face, all zero where it was not seen."""
    values = person.get(f"{key}_keypoints_2d")
    if not values:
        return np.zeros((POINTS[key], 3), np.float32)
    pose = _pose(file, values)
    if len(pose) != POINTS[key]:
        raise ValueError(f"{file} has {len(pose)} points in {key}_keypoints_2d, expected {POINTS[key]}")
    return pose


def _of_kinetics(content: object, file: Path) -> Iterator[tuple[int, list[Float[np.ndarray, "V 3"]], list[int]]]:
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, list):
        raise ValueError(f"{file} has no list 'data' of frames")
    for frame in data:
        number = frame.get("frame_index") if isinstance(frame, Mapping) else None
        if type(number) is not int:
            raise ValueError(f"{file} has a frame with frame_index {quoted(number)}, expected a whole number")
        found = []
        for person in frame.get("skeleton") or ():
            place, score = (person.get("pose"), person.get("score")) if isinstance(person, Mapping) else (None, None)
            if not isinstance(place, list) or not isinstance(score, list) or len(place) != 2 * len(score):
                raise ValueError(
                    f"{file} frame {quoted(number)} has a skeleton without two numbers in 'pose' for each 'score'"
                )
            found.append(_pose(file, [value for i, s in enumerate(score) for value in (*place[2 * i : 2 * i + 2], s)]))
        yield number, found, [-1] * len(found)


def _pose(file: Path | FrameOf, values: object) -> Float[np.ndarray, "V 3"]:
    """x, y, score of each joint; all zero where the score is."""
    try:
        pose = np.array(values, np.float64).reshape(-1, 3)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{file} has keypoints that are not x, y, score of each joint") from None
    if not (np.abs(pose) < 1e30).all():  # or too large for what is stored
        raise ValueError(f"{file} holds a number that is not finite")
    pose[pose[:, 2] <= 0] = 0
    return pose.astype(np.float32)
