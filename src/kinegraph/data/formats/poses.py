"""Arrays of one clip each, as pose estimators and lifting networks save them: .npy, or .npz or .mat with one of them.

    (T, V, C)       frames, joints, coordinates: one person; VideoPose3D and MotionBERT write (T, 17, 3)
    (T, M, V, C)    several people in rows; (M, T, V, C) is recognised by how joints move
    (T, V * C)      the numbers of a frame in one row, coordinates of a joint beside each other; also of two people, as
                    nested lists in .json, and as text without a header (.csv, .txt), as numpy's savetxt writes them
    (T, V * 7)      x, y, z and a quaternion of each joint, as of Keraal; (T, V * 9) with x and y in a picture behind it
    (T * V, C)      text with a row for each joint, C numbers in it; --layout says how many rows are a frame
    frame, id, ...  text with a row for each person in a frame, as of MOT, see `track_rows`
    C               2: x, y;   3: x, y, score or x, y, z;   4: x, y, z, score or a Kinect's state (0, 1, 2)

Beside it, a .npz may have the scores of its joints (scores, keypoint_scores ...), as people save what RTMPose and
rtmlib give, fps, image_size, the names of its joints (joint_names ...) and single values, such as label, subject or
split; a .json may hold such an array as nested lists, alone or under one name. A .mat of MATLAB has the same, in
variables or in a struct, its axes in any order, or an array (T, 3) for each joint, named as the joint, or x and y apart
(Penn Action). In folders, pickles and .pt may hold such an array, too.

The layout follows from the proportions of bodies (`unstated.py`), or --layout names it. NaN means: not seen. An array
may also be relative to a joint, which is then zero in all frames and in the middle of the others: it is seen.
VideoPose3D's data_3d_*.npz holds a dictionary of such arrays, see `videopose.py`.
Sources: facebookresearch/VideoPose3D, run.py (--viz-export); Walter0807/MotionBERT, infer_wild.py (X3D.npy).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from kinegraph.data.folders import files_ending
from kinegraph.data.formats import movenet
from kinegraph.data.formats.annotations import detect as is_annotations
from kinegraph.data.formats.folder import detect as is_dataset
from kinegraph.data.formats.poses_facts import BY_NAME, LABELS, names_in, said_of, with_facts
from kinegraph.data.formats.poses_text import (
    TEXTS,
    are_flat,
    are_of_people,
    has_a_row_a_joint,
    has_turns,
    is_counted,
    is_flat,
    read_text,
)
from kinegraph.data.formats.smpl import is_smpl
from kinegraph.data.reading.clips.clip_files import (
    AT_ORIGIN,
    ClipFile,
    clip_files,
    clips_of,
    first_readable,
    some_below,
)
from kinegraph.data.reading.clips.conventions import SCORES, as_shares, layout_for
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.json_rows import array_of
from kinegraph.data.reading.files.npy import mapped
from kinegraph.data.reading.joints.axes import (
    ANY_ORDER,
    COUNTED,
    FRAMES_FIRST,
    MOST_PEOPLE,
    NO_PEOPLE,
    PEOPLE_FIRST,
    TURNS,
    check_places,
    flat_lines,
    frames_come_first,
    way_of_axes_first,
    with_joints,
    with_people,
)
from kinegraph.data.reading.joints.named_joints import bones_line, in_places, layout_by_names, places_in
from kinegraph.data.reading.steps.people import BodyPolicy
from kinegraph.data.reading.tables.array_files import MAT, PICKLES, TORCH, open_named
from kinegraph.data.reading.tables.track_rows import LINE
from kinegraph.data.tracking import CROWD
from kinegraph.messages import counted, first_few
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "poses", "arrays of one clip each (.npy, .npz, .mat, .pkl, .pt)"
PICKLED = (*PICKLES, *TORCH)  # read whole to be seen: in folders alone, one of them has the format clip-arrays
SUFFIXES = (".npy", ".npz", ".json", MAT, *PICKLED)
LARGEST_PICKLE = 1 << 26  # bytes of a clip
JOINTS = (  # where a .npz has other arrays, too
    "keypoint", "keypoints", "kpts", "joints", "skeleton", "poses", "pose", "skel", "d_skel", "pred", "pos_img",
)  # fmt: skip
NESTED = re.compile(  # lists of frames, joints and coordinates, alone or under a name
    rb'\s*(\{\s*"[^"]{1,60}"\s*:\s*)?\[\s*\[\s*\[\s*(\[\s*)?-?\d'
)
STATES = (0, 1, 2)  # of a Kinect, in place of a score: not tracked, inferred, tracked
LOOKED_AT = 20  # files whose order of axes is looked at
IN_BOX = 0.9  # share of bodies around the origin, for a joint that is always there to be one that was seen


def detect(path: Path) -> str | None:
    """A .npy, or a .npz with one array, of such a shape; or a folder with some that no other format reads."""
    if path.is_file():
        if path.suffix.lower() in PICKLED:
            return None
        if _is_one(path):
            return "an array of frames, joints and coordinates"
        if has_a_row_a_joint(path):
            return "a text of rows of 2 to 4 numbers, a joint each"
        return "an array of frames, a row of numbers each" if is_flat(path) else None
    others = is_dataset(path) or any((path / name).is_file() for name in ("train.json", "val.json"))  # BABEL
    if others or _are_clips_below(path) or not (some_below(path, SUFFIXES, _is_one) or are_flat(path)):
        return None
    return "holds arrays of frames, joints and coordinates"


def read(path: Path, *, layout: str | None = None, bodies: BodyPolicy = "tracked") -> Recordings:
    """The clips of a folder of such arrays, in the order of their names, or of one file; sub-folders name classes.

    layout: name or YAML file of the joints; by default what fits the bodies. bodies: "tracked" follows people who
    change rows, "rows" leaves everybody in the row of the array.
    Raises ValueError where no file can be read.
    """
    strict = path.is_dir() and some_below(path, SUFFIXES, _is_one)  # rows of numbers beside arrays may be labels

    def is_clip(file: Path) -> bool:
        return _holds_joints(file) is not False or (not strict and (is_flat(file) or has_a_row_a_joint(file)))

    files, classes = clip_files(path, SUFFIXES if strict else (*SUFFIXES, *TEXTS), is_clip)
    files, classes, lines = with_facts(files, classes, _key)
    other = [] if path.is_file() else [file.name for file in files_ending(path, SUFFIXES) if not is_clip(file)]
    joints = len(load_layout(layout)) if layout else None
    first, flat = first_readable(files, lambda file: (_arrays(file, joints)[0], is_flat(file)))
    tracked, turned = flat and are_of_people(files[0].path), flat and has_turns(files[0].path)
    names = names_in(files[0].path, first.shape[-2])
    of, places = layout_by_names(files[0].path, names, None, *first.shape[-2:])
    if layout is not None:
        of = load_layout(layout) if names else layout_for(first.shape[-2], layout)
        places = places_in(of, names, first.shape[-2])
    arrays = [] if flat else _first_arrays(files)
    of_movenet = movenet.is_multipose(_shape(files[0].path))
    frames_first = of_movenet or frames_come_first(arrays)
    y_first = movenet.has_y_first(arrays)
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, of, places, frames_first or flat, y_first)),
        count=len(files),
        layout=of,
        class_names=classes,
        units="m" if first.shape[-1] > 2 else "px",
        source=f"arrays of {path.resolve().name}",
        skipped=lambda: (
            ([f"{counted(len(other), 'array')} of another shape: {first_few(other)}"] if other else []) + lines
        ),
        unordered=bodies == "tracked" and first.ndim == 4 and not tracked,
        as_arrays=True,
        guessed=frozenset({"score", "units", "up", *([] if layout or names else ["layout"])}),
        assumed=(
            *bones_line(of),
            *([LINE] if tracked else []),
            *([TURNS] if turned else flat_lines(_shape(files[0].path)[1]) if flat and not tracked else ()),
            *([COUNTED] if flat and not tracked and not turned and is_counted(files[0].path, first) else []),
            *([ANY_ORDER] if files[0].path.suffix.lower() == MAT else []),
            *([movenet.MULTIPOSE if of_movenet else FRAMES_FIRST] if frames_first else []),
            *([movenet.Y_FIRST] if y_first else []),
            *([NO_PEOPLE] if first.ndim == 3 else []),
            *([PEOPLE_FIRST] if first.ndim == 4 and not frames_first and not flat and len(first) > 2 else []),
        ),
    )


def _shape(file: Path) -> tuple[int, ...]:
    """The shape of a .npy, by its head; (0, 0) of others."""
    return mapped(file).shape if file.suffix.lower() == ".npy" else (0, 0)


def _has_labels(file: Path) -> bool:
    """Whether an array of labels lies beside an array, as clip-arrays reads them."""
    return any(file.with_name(f"{word}.npy").is_file() for word in LABELS)


def _are_clips_below(folder: Path) -> bool:
    """Whether the arrays of a folder are x_train.npy, y_train.npy and so on, which the format clip-arrays reads."""
    return any(file.stem.lower() in LABELS for file in files_ending(folder, (".npy",)))


def _is_one(file: Path) -> bool:
    return _holds_joints(file) is True


def _holds_joints(file: Path) -> bool | None:
    """Whether a file holds one array of such a shape, by the heads of its arrays; None where they cannot be read."""
    if not file.is_file() or file.suffix.lower() not in SUFFIXES or is_dataset(file.parent):
        return False
    if file.suffix.lower() == ".json":
        with file.open("rb") as content:
            match = NESTED.match(content.read(200))
        return match is not None and (not match[1] or len(read_json(file)) == 1)
    with suppress(ValueError):
        if file.suffix.lower() == ".npy":
            shape = mapped(file).shape
            return _fits(shape) and not (len(shape) == 4 and (min(shape[:2]) > MOST_PEOPLE or _has_labels(file)))
        if file.suffix.lower() in PICKLED and (file.stat().st_size > LARGEST_PICKLE or is_annotations(file)):
            return False
        return _key(open_named(file).shapes) is not None and not (file.suffix.lower() == ".npz" and is_smpl(file))
    return None


def _fits(shape: Sequence[int]) -> bool:
    usual = len(shape) in (3, 4) and shape[-1] in (2, 3, 4) and shape[-2] > 1
    return usual or movenet.is_multipose(shape) or movenet.is_singlepose(shape)


def _key(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The one array of a .npz that holds joints; None where there are several, and in files of the format npz."""
    names = [name for name, shape in shapes.items() if _fits(shape)]
    named = [name for name in names if name.lower() in JOINTS]
    names = named if len(named) == 1 else names
    if len(names) != 1 or "length" in shapes or _labels_of_clips(shapes, names[0]):
        return None
    return names[0]


def _labels_of_clips(shapes: Mapping[str, tuple[int, ...]], key: str) -> list[str]:
    """The labels beside an array of many clips, which the format clip-arrays reads."""
    beside = [name for name, shape in shapes.items() if name.lower() in LABELS and shape[:1] == shapes[key][:1]]
    return beside if len(shapes[key]) == 4 else []


# ---- one file --------------------------------------------------------------------------------------------------------


def read_array(file: Path) -> Shaped[np.ndarray, "..."]:
    """The array of a file. Raises ValueError for one that is not of frames, joints and 2 to 4 coordinates."""
    return _arrays(file)[0]


def _arrays(
    file: Path, joints: int | None = None
) -> tuple[Shaped[np.ndarray, "..."], Shaped[np.ndarray, "..."] | None]:
    """The array of a file, and the scores beside it. joints: their number, where rows of numbers may be several."""
    scores = None
    if file.suffix.lower() in BY_NAME:
        found = open_named(file, joints)
        shapes = found.shapes
        if (key := _key(shapes)) is None:
            raise ValueError(
                f"{file} holds {first_few(list(shapes))}, expected one array (frames, joints, coordinates)"
            )
        array = found.load(key)
        beside = [name for name in SCORES if shapes.get(name) in (array.shape[:-1], (*array.shape[:-1], 1))]
        scores = found.load(beside[0]).reshape(array.shape[:-1]) if beside else None
    elif file.suffix.lower() == ".json":
        array = _nested(file)
    elif file.suffix.lower() in TEXTS:
        array = read_text(file, joints)
    else:
        array = mapped(file)
    if array.dtype.kind in "fiu" and array.ndim == 2 and file.suffix.lower() in (".npy", ".json", *TEXTS):
        array = with_joints(array, joints)
    if array.dtype.kind not in "fiu" or not _fits(array.shape) or 0 in array.shape:
        expected = "numbers (frames, joints, 2 to 4 coordinates), or with people as second axis"
        if array.ndim == 3 and array.shape[0] in (2, 3):
            expected += f"; it looks like (coordinates, frames, joints): save {way_of_axes_first(array)}"
        raise FormatError("shape", f"{file} holds {array.dtype} {array.shape}, expected {expected}")
    check_places(array, file)
    return movenet.usual_order(array), scores


def _nested(file: Path) -> Float[np.ndarray, "..."]:
    try:
        content = read_json(file)
        if isinstance(content, Mapping) and len(content) == 1:
            (content,) = content.values()
        return array_of(content, 4)
    except (ValueError, TypeError, OverflowError) as error:
        if str(file) in str(error):
            raise
        raise FormatError("shape", f"{file} is no nested list of frames, joints and 2 to 4 coordinates") from None


def _first_arrays(files: Sequence[ClipFile]) -> list[Float[np.ndarray, "..."]]:
    """x and y of the first files that have an axis of people."""
    arrays = []
    for file in files[:LOOKED_AT]:
        with suppress(ValueError, OSError):
            arrays.append(np.asarray(read_array(file.path)[..., :2]))
    return [array for array in arrays if array.ndim == 4]


def _clip(file: ClipFile, layout: JointLayout, places: Sequence[int], frames_first: bool, y_first: bool) -> Item:
    array, beside = _arrays(file.path, len(places))
    with np.errstate(over="ignore"):  # a number that is too large is infinite, which is said of the clip
        array = np.array(with_people(array), np.float32)
    if y_first:
        array[..., :2] = array[..., 1::-1]
    if array.shape[2] == len(places):
        array = in_places(array, places, len(layout))
        beside = None if beside is None else in_places(with_people(beside[..., None]), places, len(layout))[..., 0]
    score = None if beside is None else np.array(beside).reshape(array.shape[:3])
    if frames_first and len(array) > 1:
        array, score = array.swapaxes(0, 1), None if score is None else score.swapaxes(0, 1)
    if len(array) > CROWD:
        raise FormatError(
            "shape",
            f"{file.path} would hold {counted(len(array), 'person', 'people')}; save each clip in a file of its own",
        )
    array = np.where(np.isnan(array).any(3, keepdims=True), 0, array)
    keypoint = array[..., :3]
    if array.shape[3] == 4 and score is None:
        score = array[..., 3]
    if score is not None and beside is None and score.max() == STATES[-1] and np.isin(score, STATES).all():
        score = score / STATES[-1]
    if score is not None and beside is None and not (score.min() >= 0 and score.max() <= 1.001):
        wrong = "has four numbers a joint, whose last is no score from 0 to 1"
        raise FormatError("shape", f"{file.path} {wrong}; save x, y and z alone, or x, y, z and a score")
    if score is not None:
        score = np.ascontiguousarray(as_shares(score), np.float32) * keypoint.any(3)
    fps, size = said_of(file.path)
    return SkeletonClip(
        with_origin(keypoint),
        layout,
        file.name,
        file.label,
        score=score,
        splits=file.splits,
        fps=fps,
        image_size=size,
        attributes=file.attributes,
    )


def with_origin(keypoint: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "M T V C"]:
    """The array, in which the joint that all others are relative to is no longer zero, as if it were not seen."""
    there = keypoint.any(3)
    always = ~there.any((0, 1))
    if always.sum() != 1:
        return keypoint
    bodies = keypoint[there.any(2)]
    around = ((bodies.min(1) < 0) & (bodies.max(1) > 0)).all(1)
    if around.mean() < IN_BOX:
        return keypoint
    return np.where((always & there.any(2)[..., None])[..., None], np.float32(AT_ORIGIN), keypoint)
