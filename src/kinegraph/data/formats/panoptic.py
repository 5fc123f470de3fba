"""Bodies of the CMU Panoptic Studio -> clips: one JSON file per frame, one folder per clip.

    CLASS/171204_pose1/hdPose3d_stage1_coco19/body3DScene_00000123.json
    {"fpsType": "hd_29_97", "bodies": [{"id": 0, "joints19": [x, y, z, confidence, ...]}, ...]}

In cm, y downward; the joints of layout panoptic19, or the first 15 of them (joints15). `id` says who is who; a joint
that was not seen has a confidence of -1.
Source: CMU-Perceptual-Computing-Lab/panoptic-toolbox, README.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_below
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.detections import Person, Pictures, folders_of, picture_number, recordings_of
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import load_layout

NAME = "panoptic"
TITLE = "bodies of the CMU Panoptic Studio"
SUFFIXES = (".json",)
HEAD = 4096
PATTERN = "body3DScene_*.json"
POSES = re.compile(r"(hd|vga)Pose3d_\w+", re.IGNORECASE)  # the folder of a recording's bodies
JOINTS = ("joints19", "joints15")


def detect(path: Path) -> str | None:
    """A JSON file with bodies of joints19 or joints15, or a folder with such files of a frame each."""
    if path.is_file():
        return "bodies of the Panoptic Studio" if _is_frame(path) else None
    first = next((file for file in files_below(path, PATTERN) if file.is_file() and _is_frame(file)), None)
    return f"holds {first.name}, bodies of the Panoptic Studio" if first else None


def _is_frame(file: Path) -> bool:
    if file.suffix.lower() != ".json":
        return False
    with file.open("rb") as content:
        head = content.read(HEAD)
    return b'"bodies"' in head and (any(f'"{key}"'.encode() in head for key in JOINTS) or b'"univTime"' in head)


def read(path: Path, *, people: int | None = None) -> Recordings:
    """The clips of a folder of frames, or of one file; in metres, y as it is. people: bodies of a clip at most.

    Raises ValueError where there is nobody.
    """
    files = [path] if path.is_file() else sorted(files_below(path, PATTERN))
    found: dict[str, Pictures] = {}
    for file in files:
        name = _name(file, path)
        pictures = found.setdefault(name, Pictures(name, folders=folders_of(name)))
        content = read_json(file)
        if not isinstance(content, Mapping) or not isinstance(bodies := content.get("bodies"), list):
            raise ValueError(f"{file} has no list 'bodies'")
        pictures.fps = pictures.fps or _rate(content.get("fpsType"))
        frame = picture_number(file.name)[1] or 0
        pictures.add(frame, None)
        for body in bodies:
            pictures.add(frame, _person(file, body))
    said = recordings_of(
        list(found.values()), path, f"CMU Panoptic, {path.name}", None, people, own=load_layout("panoptic19")
    )
    return replace(said, units="cm", guessed=frozenset(("up",)))


def _name(file: Path, path: Path) -> str:
    """The folders that a file lies in, without the one that is called after its kind."""
    folders = file.absolute().parent
    folders = folders.parent if POSES.fullmatch(folders.name) else folders
    top = path.absolute()
    return folders.relative_to(top).as_posix() if folders != top and folders.is_relative_to(top) else folders.name


def _rate(said: object) -> float | None:
    """29.97 of hd_29_97."""
    match = re.fullmatch(r"[a-z]+_(\d+)(?:_(\d+))?", str(said))
    return float(f"{match[1]}.{match[2] or 0}") if match else None


def _person(file: Path, body: object) -> Person:
    values = next((body[key] for key in JOINTS if key in body), None) if isinstance(body, Mapping) else None
    who = body.get("id") if isinstance(body, Mapping) else None
    return Person(_pose(file, values), who if isinstance(who, int) and who >= 0 else None)


def _pose(file: Path, values: object) -> Float[np.ndarray, "19 4"]:
    try:
        pose = np.array(values, np.float64).reshape(-1, 4)
    except (ValueError, TypeError, OverflowError):
        pose = np.zeros((0, 4))
    if len(pose) not in (15, 19):
        raise FormatError(
            "joints", f"{file} has a body with {quoted(values)[:60]}, expected x, y, z of 19 or 15 joints"
        )
    if not np.isfinite(pose).all() or np.abs(pose).max() > 1e30:
        raise FormatError("not_finite", f"{file} holds a number that is not finite")
    pose = np.where(pose[:, 3:] > 0, pose, 0)
    return np.pad(pose, ((0, 19 - len(pose)), (0, 0))).astype(np.float32)
