"""Predictions of Detectron2 -> clips: instances as JSON, or the .npz that VideoPose3D's inference writes.

    [{"pred_keypoints": [[[x, y, score], ...], ...], "scores": [...]}, ...]      a frame each; also {"instances": {...}}
    boxes, keypoints, metadata                                                   keypoints[frame][1]: (people, 4, 17),
                                                                                 rows x, y, logit and probability

Detectron2's other output, coco_instances_results.json, is a list of COCO's results. Nobody is followed by Detectron2:
people are followed here. The arrays of the .npz are pickles, of which only arrays and plain values are read.
Source: facebookresearch/detectron2, structures/instances.py; VideoPose3D, inference/infer_video_d2.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.clips.clip_files import some_below
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.detections import Person, Pictures, folders_of, pose_of, recordings_of, sides
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json
from kinegraph.safe_npz import load_npz_object, npz_shapes

NAME = "detectron"
TITLE = "predictions of Detectron2"
SUFFIXES = (".json", ".npz")
HEAD = 1 << 16
KEYPOINTS = "pred_keypoints"
ARRAYS = {"boxes", "keypoints", "metadata"}


def detect(path: Path) -> str | None:
    """A JSON file with pred_keypoints, or a .npz with boxes, keypoints and metadata; or a folder with such files."""
    if path.is_dir():
        return "holds predictions of Detectron2" if some_below(path, SUFFIXES, _is_one) else None
    if path.suffix.lower() == ".json":
        with path.open("rb") as content:
            return "instances of Detectron2" if f'"{KEYPOINTS}"'.encode() in content.read(HEAD) else None
    if path.suffix.lower() == ".npz":
        with suppress(ValueError):
            return "arrays of VideoPose3D's detections" if {*npz_shapes(path)} >= ARRAYS else None
    return None


def _is_one(file: Path) -> bool:
    return detect(file) is not None


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clip of a file, or those of a folder, whose sub-folders name classes. people: bodies of a clip at most.

    Raises ValueError where there is nobody.
    """
    files = [path] if path.is_file() else sorted(filter(_is_one, files_ending(path, SUFFIXES)))
    found = []
    for file in files:
        name = file.stem.partition(".")[0]
        if path.is_dir():
            name = (file.relative_to(path).parent / name).as_posix()
        pictures = Pictures(name, folders=folders_of(name))
        if file.suffix.lower() == ".npz":
            _add_arrays(pictures, file)
        else:
            _add_instances(pictures, read_json(file), file)
        found.append(pictures)
    return recordings_of(found, path, f"Detectron2, {path.name}", layout, people)


def _add_instances(pictures: Pictures, content: object, path: Path) -> None:
    frames = content
    if isinstance(content, Mapping) and KEYPOINTS not in content and "instances" not in content:
        frames = next((entry for entry in content.values() if isinstance(entry, list)), list(content.values()))
    for number, frame in enumerate(frames if isinstance(frames, list) else [frames]):
        inner = frame.get("instances", frame) if isinstance(frame, Mapping) else None
        inner = inner.get("fields", inner) if isinstance(inner, Mapping) else None
        if not isinstance(inner, Mapping):
            raise ValueError(f"{path}: frame {number} is {quoted(frame)[:60]}, expected an object with {KEYPOINTS}")
        bodies = inner.get(KEYPOINTS) or []
        if not isinstance(bodies, Sequence) or isinstance(bodies, str):
            raise ValueError(f"{path}: {KEYPOINTS} of frame {number} are no list")
        pictures.add(number, None)
        for body in bodies:
            pictures.add(number, Person(pose_of(body, where=f"{path}: a person of frame {number} ")))


def _add_arrays(pictures: Pictures, path: Path) -> None:
    frames, about = load_npz_object(path, "keypoints", several=True), load_npz_object(path, "metadata")
    if isinstance(about, Mapping):
        pictures.size = sides(about.get("w"), about.get("h"))
    for number, classes in enumerate(frames if isinstance(frames, Sequence | np.ndarray) else ()):
        pictures.add(number, None)
        there = classes[1] if isinstance(classes, Sequence | np.ndarray) and len(classes) > 1 else ()
        for body in there if isinstance(there, Sequence | np.ndarray) else ():
            rows = np.asarray(body)
            if rows.ndim != 2 or rows.shape[0] not in (3, 4) or rows.dtype.kind not in "fiu":
                raise FormatError("shape", f"{path} holds a person of shape {rows.shape}, expected (4, 17)")
            pictures.add(number, Person(pose_of(rows[[0, 1, -1]].T, where=f"{path}: frame {number} ")))
