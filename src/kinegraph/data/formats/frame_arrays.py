"""A .npy or a text for each frame -> clips, one of each folder: the numbers of a frame's joints.

    hello/0/0.npy, hello/0/1.npy, ...    frames by their numbers; the folders around that of a clip may name its class
    (V, C) or (V * C,)                   joints and their 2 to 4 coordinates
    (1662,)                              MediaPipe's Holistic: 33 x (x, y, z, visibility), then x, y, z of 468 points of
                                         a face, which are left out, and of both hands, the left one first; (258,)
                                         without the face
    0001.txt, 0002.txt, ...              a row of 2 to 4 numbers for each joint, whose number may stand first or last
    walk_1.npy, bow_1.npy ...            several clips in a folder

Source: nicknochnack/ActionDetectionforSignLanguage, extract_keypoints.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending
from kinegraph.data.formats.folder import detect as is_dataset
from kinegraph.data.formats.poses_text import TEXTS, has_a_row_a_joint, separator_in
from kinegraph.data.reading.clips.clip_files import said_of_folders, text_of
from kinegraph.data.reading.clips.conventions import layout_for
from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.files.npy import mapped
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.data.reading.joints.axes import FLAT, OF_HOLISTIC, flat_shapes, of_holistic, with_joints
from kinegraph.data.reading.joints.detections import frame_numbers, picture_number
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "frame-arrays", "an array for each frame (.npy, .txt)"
SUFFIXES, BELOW = (), (".npy", *TEXTS)
LOOKED_AT = 50
FEWEST = 5  # numbered texts of a folder, that each is taken as a frame
JOINTS = range(5, 151)  # of a frame; another number of rows is a clip's frames
WITHOUT_FACE = "the face: 468 of MediaPipe's points"


def detect(path: Path) -> str | None:
    """A folder with several numbered arrays of a frame each."""
    if not path.is_dir() or is_dataset(path):
        return None
    some = list(islice(files_ending(path, (".npy",)), LOOKED_AT))
    if len(some) > 1 and all(map(_is_frame, some)):
        return "holds an array for each frame"
    texts = _by_clip(islice(files_ending(path, TEXTS), LOOKED_AT)).values()
    return "holds a text for each frame" if any(map(_are_frames, texts)) else None


def _is_frame(file: Path) -> bool:
    if picture_number(file.name)[1] is None or is_dataset(file.parent):
        return False
    with suppress(ValueError):
        shape = mapped(file).shape
        if len(shape) == 2:
            return shape[1] in (2, 3, 4) and shape[0] > 4
        return len(shape) == 1 and (shape[0] in OF_HOLISTIC or bool(flat_shapes(shape[0])))
    return False


def _by_clip(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """The files of each clip: those of a folder, or, where names begin in several ways, of each such beginning."""
    named: dict[Path, dict[str, list[Path]]] = {}
    for file in files:
        named.setdefault(file.parent, {}).setdefault(picture_number(file.name)[0], []).append(file)
    clips: dict[Path, list[Path]] = {}
    for folder, beginnings in named.items():
        for beginning, files in beginnings.items():
            clips[folder / beginning if len(beginnings) > 1 else folder] = files
    return dict(sorted(clips.items()))


def _are_frames(texts: Sequence[Path]) -> bool:
    """Whether the first texts of a folder are numbered and have a row for each of so many joints."""
    some = texts[:FEWEST]
    numbered = all(picture_number(text.name)[1] is not None for text in some)
    if len(some) < FEWEST or not numbered or not all(map(has_a_row_a_joint, some)):
        return False
    with suppress(ValueError):
        counts = {len(_array(text)) for text in some}
        return len(counts) == 1 and counts.pop() in JOINTS
    return False


def _array(file: Path) -> np.ndarray:
    """The numbers of a frame, without a column that counts the joints. Raises ValueError naming the file."""
    if file.suffix.lower() == ".npy":
        return mapped(file)
    width = len(first_numbers(file, separator := separator_in(file)))
    rows = table_of_numbers(text_of(file), file, width, f"{width} as in the first row", separator)
    for column in (0, -1) if width > 2 else ():
        if rows[0, column] in (0, 1) and (np.diff(rows[:, column]) == 1).all():  # it counts the joints
            return np.delete(rows, column, axis=1)
    return rows


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder, in the order of their names. layout: name or YAML file of the joints.

    Raises ValueError where no frame can be read.
    """
    texts = {folder: files for folder, files in _by_clip(files_ending(path, TEXTS)).items() if _are_frames(files)}
    if not (folders := _by_clip(files_ending(path, (".npy",))) or texts):
        raise FormatError("unreadable", f"{path} holds no array or text for each frame")
    places = [folder.relative_to(path).parts for folder in folders]
    classes, said = said_of_folders(places)
    shape = _array(next(iter(folders.values()))[0]).shape
    whole = holistic() if shape[-1] in OF_HOLISTIC and len(shape) == 1 and layout is None else None
    joints = len(load_layout(layout)) if layout else None
    first = _frames(next(iter(folders.values())), whole, joints)[0]
    of = whole or layout_for(first.shape[1], layout)
    clips = zip(folders.items(), places, said, strict=True)
    guessed = {"units", "up"} | (set() if whole else {"score"}) | (set() if layout or whole else {"layout"})
    return Recordings(
        clips=(
            _clip(files, "/".join(names) or folder.name, of, whole, *about) for (folder, files), names, about in clips
        ),
        count=len(folders),
        layout=of,
        class_names=classes,
        units="m" if first.shape[2] > 2 else "px",
        source=f"arrays of frames, {path.name}",
        skipped=lambda: [WITHOUT_FACE] if whole and OF_HOLISTIC[shape[0]] else [],
        assumed=(FLAT,) * (len(shape) == 1 and not whole),
        guessed=frozenset(guessed),
    )


def _frames(
    files: Sequence[Path], whole: JointLayout | None, joints: int | None
) -> tuple[Float[np.ndarray, "n V C"], list[int]]:
    """The joints of the frames in the order of their numbers, and these. Raises ValueError naming a file."""
    numbered = sorted((picture_number(file.name)[1] or 0, file) for file in files)
    arrays = [_array(file) for _, file in numbered]
    if other := next(
        (i for i, array in enumerate(arrays) if array.shape != arrays[0].shape or array.dtype.kind not in "fiu"), 0
    ):
        found = f"{arrays[other].dtype} {arrays[other].shape}, {numbered[0][1].name} {arrays[0].shape}"
        raise FormatError("shape", f"{numbered[other][1]} holds {found}")
    found = np.stack(arrays).astype(np.float32)
    if whole:
        found = of_holistic(found)
    elif found.ndim == 2:
        found = with_joints(found, joints)[:, 0]
    return np.where(np.isnan(found).any(2, keepdims=True), 0, found), [number for number, _ in numbered]


def _clip(
    files: Sequence[Path],
    name: str,
    layout: JointLayout,
    whole: JointLayout | None,
    label: int | None,
    splits: dict[str, str],
) -> Item:
    try:
        frames, numbers = _frames(files, whole, len(layout))
        places, _ = frame_numbers(numbers)
        found = np.zeros((int(places[-1]) + 1, *frames.shape[1:]), np.float32)
        found[places] = frames
        score = np.ascontiguousarray(np.clip(found[..., 3], 0, 1)) if found.shape[2] == 4 else None
        if not found[..., :2].any():
            return nobody(name)
        clip = SkeletonClip(np.ascontiguousarray(found[None, ..., :3]), layout, name, label, splits=splits)
        return clip if score is None else replace(clip, score=score[None] * clip.keypoint.any(3))
    except (ValueError, OSError) as error:
        return fault_of(error, name)
