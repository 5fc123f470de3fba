"""Keypoint annotations and results of COCO, and files of PoseTrack -> clips.

    {"images": [{"id", "file_name", "width", "height"}],
     "categories": [{"keypoints": [names], "skeleton": [[1, 2] ...]}],
     "annotations": [{"image_id", "keypoints": [x, y, v ...], "track_id", "score"}]}          annotations
    [{"image_id": 42, "category_id": 1, "keypoints": [x, y, score ...], "score": 0.9}, ...]   results
    {"videos": [{"id", "file_names", "width", "height"}],
     "annotations": [{"video_id", "id", "keypoints": [[x, y, v ...], null, ...]}]}             a person in all frames

Results may also be JSON lines, one a line.

Pictures of one recording are those of one `vid_id` or `video_id` (PoseTrack), or of one folder or name with a number; a
picture whose number stands alone is a clip of one frame. v is 0 for a joint that is not there, 1 for one that is
hidden, 2 for one that is seen: scores of 0, 0.5 and 1. Of a folder of such files, each is recordings of its own, named
by its place; folders CLASS/FILE name classes.
Source: cocodataset.org/#format-data, PoseTrack's poseval, YouTube-VIS (github.com/youtubevos/cocoapi).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending, one_by_one
from kinegraph.data.reading.clips.clip_files import some_below
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.json_rows import LINES, lists_records, read_records
from kinegraph.data.reading.joints.detections import (
    Person,
    Pictures,
    folders_of,
    picture_number,
    pose_of,
    recordings_of,
    sides,
)
from kinegraph.data.reading.joints.named_joints import layout_named
from kinegraph.messages import counted, quoted
from kinegraph.skeleton.layout import JointLayout

NAME = "coco"
TITLE = "COCO keypoints"
SUFFIXES = (".json", *LINES)
HEAD = 1 << 16
MOST_NUMBERS = 4  # of a joint; a longer list has all joints of a frame

FRAME_LABELS = re.compile(rb'"annotations"\s*:\s*\[\s*-?\d')  # one number per frame, as of CalMS21: no objects


def detect(path: Path) -> str | None:
    """A JSON file with images and annotations, or a list of results with a number as image_id; or a folder of such."""
    if path.is_dir():
        return "holds keypoints of COCO" if some_below(path, SUFFIXES, _is_one) else None
    if path.suffix.lower() not in SUFFIXES:
        return None
    with path.open("rb") as file:
        head = file.read(HEAD).lstrip()
        file.seek(max(path.stat().st_size - HEAD, 0))
        text = head + file.read(HEAD)
    words = [word in text for word in (b'"annotations"', b'"images"', b'"keypoints"', b'"video_id"')]
    if head.startswith(b"{") and sum(words) >= 2 and not FRAME_LABELS.search(head):
        return "has COCO's images and annotations"
    is_result = lists_records(path, head) and b'"image_id"' in head and b'"keypoints"' in head
    start = head.partition(b'"image_id"')[2].lstrip(b" :\t\r\n")[:1]
    return "a list of COCO's results" if is_result and start.isdigit() else None


def _is_one(file: Path) -> bool:
    return detect(file) is not None


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of an annotation or result file, or of all in a folder; see above. people: bodies of a clip at most.

    Raises ValueError where there are no keypoints.
    """
    files = [path] if path.is_file() else sorted(filter(_is_one, files_ending(path, SUFFIXES)))
    contents = [_read(file) for file in one_by_one(files)]
    joints = Counter(len(pose) for content in contents for pose in content.poses).most_common(1)
    most = joints[0][0] if joints else 0
    found: list[Pictures] = []
    for content in contents:
        place = "" if len(files) == 1 else content.file.relative_to(path).with_suffix("").as_posix()
        found += _recordings(content, most, place)
    others = sum(len(pose) != most for content in contents for pose in content.poses)
    own = (
        _own_layout(entry.get("keypoints"), entry.get("skeleton"), str(entry.get("name", "coco")), most)
        for content in contents
        for entry in _dicts(content.about, "categories", content.file)
    )
    return recordings_of(
        found,
        path,
        f"COCO keypoints of {path.name}",
        layout,
        people,
        own=next(filter(None, own), None),
        skipped=[f"annotations of other than {counted(most, 'joint')}, {others:,}"] if others else (),
    )


@dataclass(frozen=True, eq=False)
class _Content:
    """A file and its annotations with keypoints, whose poses stand beside them."""

    file: Path
    about: Mapping[str, Any]
    annotations: Sequence[Mapping[str, Any]]
    poses: Sequence[Float[np.ndarray, "V 3"]]


def _read(path: Path) -> _Content:
    content = read_records(path)
    about = content if isinstance(content, Mapping) else {"annotations": content}
    about = _by_pictures(about, path)
    annotations = [entry for entry in _dicts(about, "annotations", path) if entry.get("keypoints")]
    poses = [pose_of(value["keypoints"], where=f"{path}: annotation {at} ") for at, value in enumerate(annotations)]
    return _Content(path, about, annotations, poses)


def _by_pictures(about: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The same with an annotation for each picture, where annotations are people of videos with all their frames."""
    people = [person for person in _dicts(about, "annotations", path) if "video_id" in person]
    people = [person for person in people if _are_frames(person.get("keypoints"))]
    if not people:
        return about
    videos = {_id(video, "id", path): video for video in _dicts(about, "videos", path)}
    images, annotations = {}, []
    for number, person in enumerate(people):
        video, of = _id(person, "video_id", path), videos.get(person["video_id"], {})
        names = of["file_names"] if isinstance(of.get("file_names"), list) else []
        for t, keypoints in enumerate(person["keypoints"]):
            folder = picture_number(str(names[t]))[0] if t < len(names) else ""
            name = of.get("name") or folder or video
            image = {"id": f"{video}/{t}", "video_id": video, "frame_id": t, "file_name": f"{name}/{t}.jpg"}
            images[image["id"]] = image | {side: of.get(side) for side in ("width", "height")}
            who = {"track_id": person.get("id", number)}
            annotations += [{"image_id": image["id"], "keypoints": keypoints} | who] if keypoints else []
    named = [
        {**video, "name": images[f"{key}/0"]["file_name"].rpartition("/")[0]}
        for key, video in videos.items()
        if f"{key}/0" in images
    ]
    return {**about, "videos": named, "images": [*images.values()], "annotations": annotations}


def _are_frames(keypoints: object) -> bool:
    """Whether these are the joints of a person in each frame, null where it is not seen: lists of numbers."""
    lists = keypoints if isinstance(keypoints, list) else []
    there = [row for row in lists if row is not None]
    return bool(there) and all(isinstance(array, list) and len(array) > MOST_NUMBERS for array in there)


def _recordings(content: _Content, joints: int, place: str) -> list[Pictures]:
    """The recordings of a file, with the poses of so many joints. place: in front of their names."""
    path = content.file
    images = {_id(image, "id", path): image for image in _images(content.about, path)}
    videos = {_id(entry, "id", path): entry for entry in _dicts(content.about, "videos", path)}
    found: dict[str, Pictures] = {}
    for image in images.values():
        _place(found, image, videos, path)  # also pictures without anybody
    for annotation, pose in zip(content.annotations, content.poses, strict=True):
        number = _id(annotation, next((key for key in PICTURES if key in annotation), "image_id"), path)
        pictures, frame = _place(found, images.get(number, {"id": number}), videos, path)
        who = next((annotation[key] for key in ("track_id", "instance_id", "person_id") if key in annotation), None)
        if len(pose) == joints:
            pictures.add(frame, Person(_scored(pose), who if isinstance(who, int | str) else None))
    if not place:
        return list(found.values())
    alone = len({pictures.name for pictures in found.values()}) == 1
    return [
        replace(pictures, name=place if alone else f"{place}/{pictures.name}", folders=folders_of(place))
        for pictures in found.values()
    ]


def _dicts(about: Mapping[str, Any], key: str, path: Path) -> Sequence[Mapping[str, Any]]:
    value = about.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise ValueError(f"{path}: '{key}' is no list of objects")
    return value


PICTURES = ("image_id", "frame_id", "frame", "frame_index")  # of an annotation


def _images(about: Mapping[str, Any], path: Path) -> Sequence[Mapping[str, Any]]:
    """The pictures, also where they are names by their numbers, as in Animal Pose."""
    value = about.get("images")
    if isinstance(value, Mapping) and all(isinstance(entry, str) for entry in value.values()):
        return [{"id": int(key) if key.isdecimal() else key, "file_name": name} for key, name in value.items()]
    return _dicts(about, "images", path)


def _id(item: Mapping[str, Any], key: str, path: Path) -> int | str:
    value = item.get(key)
    if not isinstance(value, int | str):
        raise ValueError(f"{path} has as {key} {quoted(value)[:60]}, expected a number or a name")
    return value


def _place(
    found: dict[str, Pictures], image: Mapping[str, Any], videos: Mapping[int | str, Mapping[str, Any]], path: Path
) -> tuple[Pictures, int]:
    """The recording of a picture, and the number of its frame."""
    name, number = picture_number(str(image.get("file_name", image.get("id", 0))))
    for key in ("vid_id", "video_id"):
        if key in image:
            video = videos.get(image[key], {}) if isinstance(image[key], int | str) else {}
            name = str(video.get("name") or video.get("file_name") or image[key])
            number = next((image[key] for key in ("frame_id", "frame_index") if key in image), number)
    if not isinstance(number, int) or isinstance(number, bool):
        name, number = str(image.get("file_name", image.get("id"))), 0
    size = sides(image.get("width"), image.get("height"))
    key = f"{name} {size}"  # pictures of other sizes are of another recording
    pictures = found.setdefault(key, Pictures(name or path.stem, size=size))
    pictures.add(number, None)
    return pictures, number


def _scored(pose: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """Visibilities 0, 1, 2 as scores; scores stay."""
    if pose[:, 2].max(initial=0) == 2:
        pose[:, 2] /= 2
    return pose


def _own_layout(names: object, bones: object, title: str, joints: int) -> JointLayout | None:
    """The layout that a category names. COCO counts the ends of bones from 1; some files count from 0."""
    if not isinstance(names, list) or len(names) != joints:
        return None
    pairs = [pair for pair in bones if isinstance(pair, list)] if isinstance(bones, list) else []
    first = 0 if any(0 in pair for pair in pairs) else 1
    return layout_named(names, [[end - first for end in pair if isinstance(end, int)] for pair in pairs], title)
