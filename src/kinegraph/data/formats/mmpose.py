"""Predictions of MMPose's inferencer and demo -> clips.

    [{"keypoints": [[x, y] ...], "keypoint_scores": [...]}, ...]                       a picture: its people
    [{"frame_id": 1, "instances": [the same ...]}, ...]                                a video
    {"meta_info": {"keypoint_id2name": ...}, "instance_info": [the same as of a video]}
    {"frames": [{"frame": 0, "persons": [{"track_id": 1, the same}]}, ...]}            as people save them by hand
    [{"frame": 0, "keypoints": [[x, y] ...], "keypoint_scores": [...]}, ...]

A file of a video is a clip; files of pictures whose names end in a number are the frames of one. Folders CLASS/FILE and
CLASS/CLIP/ name classes.
Source: open-mmlab/mmpose demo/topdown_demo_with_mmdet.py and mmpose/apis/inferencers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinegraph.data.folders import files_ending, one_by_one
from kinegraph.data.reading.clips.clip_files import reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.joints.detections import (
    Person,
    Pictures,
    folders_of,
    picture_number,
    pose_of,
    recordings_of,
)
from kinegraph.data.reading.joints.landmarks import FRAMES
from kinegraph.data.reading.joints.named_joints import layout_named
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import JointLayout

NAME = "mmpose"
TITLE = "predictions of MMPose"
SUFFIXES = (".json",)
HEAD = 1 << 16
PEOPLE = ("instances", "persons", "people", "detections", "poses")
WHO = ("track_id", "instance_id", "person_id", "id")
NUMBERS = ("frame_id", "frame", "frame_idx", "frame_index", "frame_number")


def detect(path: Path) -> str | None:
    """A JSON file of instances with keypoints and keypoint_scores, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_prediction, "instances as MMPose writes them", "holds instances of MMPose")


def _is_prediction(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    return (
        b'"keypoint_scores"' in head or b'"instance_info"' in head or (b'"instances"' in head and b'"frame_id"' in head)
    )


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of a file of a video or picture, or of all in a folder. people: bodies of a clip at most.

    Raises ValueError where there is no instance.
    """
    files = [path] if path.is_file() else sorted(filter(_is_prediction, files_ending(path, SUFFIXES)))
    found: dict[str, Pictures] = {}
    own: JointLayout | None = None
    for file in one_by_one(files):
        content = read_json(file)
        own = own or (
            _own_layout(content["meta_info"]) if isinstance(content, Mapping) and "meta_info" in content else None
        )
        name = file.stem if file == path else file.relative_to(path).with_suffix("").as_posix()
        _add(found, content, file, name, alone=len(files) == 1)
    return recordings_of(list(found.values()), path, f"MMPose, {path.name}", layout, people, own=own)


def _add(found: dict[str, Pictures], content: object, file: Path, name: str, alone: bool) -> None:
    """Add what a file holds to the recording that it is of. name: of the file below the folder that is read."""
    keys = ("instance_info", "predictions", *FRAMES)
    if isinstance(content, Mapping):
        content = next((content[key] for key in keys if isinstance(content.get(key), list)), None)
    frames = content
    if isinstance(frames, list) and frames and all(isinstance(frame, list) for frame in frames):
        # the inferencer's own result: a list of instances for each picture
        # A frame may be a batch of one picture.
        frames = [frame[0] if len(frame) == 1 and isinstance(frame[0], list) else frame for frame in frames]
        frames = frames[0] if len(frames) == 1 else [{"instances": frame} for frame in frames]
    if not isinstance(frames, list) or not all(isinstance(frame, Mapping) for frame in frames):
        raise ValueError(f"{file} is no list of frames or instances")
    frames = [_of_arrays(frame) for frame in frames]
    if any(key in frame for frame in frames for key in (*PEOPLE, *NUMBERS)):
        pictures = found.setdefault(f"{name}.json", Pictures(name, folders=folders_of(name)))
        for place, frame in enumerate(frames):
            number = next((frame[key] for key in NUMBERS if isinstance(frame.get(key), int)), place)
            people = next((frame[key] for key in PEOPLE if key in frame), [frame])  # a frame's only person
            _add_people(pictures, number, people or [], file)
        return
    recording, number = (name, 0) if alone else picture_number(f"{name}.json")
    of = Pictures(recording or file.absolute().parent.name, folders=folders_of(recording))
    pictures = found.setdefault(recording, of)
    _add_people(pictures, number or 0, frames, file)


def _of_arrays(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    """A frame whose instances stand in lists of keypoints and of scores, with an object for each of them."""
    said = frame.get("pred_instances")
    if not isinstance(said, Mapping) or not isinstance(keypoints := said.get("keypoints"), list):
        return frame
    scores = said.get("keypoint_scores")
    each = scores if isinstance(scores, list) and len(scores) == len(keypoints) else [None] * len(keypoints)
    people = [{"keypoints": pose, "keypoint_scores": of} for pose, of in zip(keypoints, each, strict=True)]
    number = picture_number(str(frame["image_path"]))[1] if "image_path" in frame else None
    return {**frame, PEOPLE[0]: people} | ({} if number is None else {NUMBERS[0]: number})


def _add_people(pictures: Pictures, frame: int, instances: object, file: Path) -> None:
    if not isinstance(instances, list) or not all(isinstance(instance, Mapping) for instance in instances):
        raise ValueError(f"{file}: the instances of frame {frame} are no list of objects")
    pictures.add(frame, None)
    for instance in instances:
        where = f"{file}: an instance of frame {frame} "
        pose = pose_of(instance.get("keypoints"), instance.get("keypoint_scores"), where)
        who = next((instance[key] for key in WHO if isinstance(instance.get(key), int)), None)
        pictures.add(frame, Person(pose, who if isinstance(who, int) and who >= 0 else None))


def _own_layout(meta: object) -> JointLayout | None:
    """The layout of the joints and bones that the file names."""
    names = meta.get("keypoint_id2name") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(names, Mapping):
        return None
    try:
        order = [str(names[key]) for key in sorted(names, key=int)]
    except (TypeError, ValueError):
        return None
    return layout_named(order, meta.get("skeleton_links"), str(meta.get("dataset_name", NAME)))
