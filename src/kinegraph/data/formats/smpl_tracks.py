"""People as bodies of SMPL in videos -> clips: PHALP, 4D-Humans, VIBE and 3DPW (pickles, joblib, .pt), ROMP (.npz).

    {"img/000012.jpg": {"time": 12, "tid": [1, 2], "tracked_time": [0, 3], "3d_joints": [(45, 3), ...], ...}, ...}
                                                    PHALP and 4D-Humans, a picture each; a body that was not seen for
                                                    some time (tracked_time > 0) is a guess and left out
    {"fid": (T,), "3d_joints": (T, 45, 3), ...}     one of PHALP's tracklets
    {1: {"joints3d": (T, 49, 3), "frame_ids": (T,), "pose": ..., "betas": ...}, ...}     VIBE and alike, a person each
    {"jointPositions": [(T, 72), ...], ...}         3DPW, a person each, 30 frames a second

    {"results": {"00000000.jpg": {"joints": (people, 71, 3), "track_ids": (people,), ...}, ...}}
                                                    ROMP and BEV; also a .npz for each picture, 00000000.npz

The tracks are the people of a clip. Bodies of ROMP without track_ids stand where cam_trans says, by which they are
followed here; all others are relative to each body, but those of 3DPW stand in the scene; in metres. The first 25 of
PHALP's 44 or 45 joints and of VIBE's and SPIN's 49 are OpenPose's; 24, and the first 24 of ROMP's 71, are SMPL's. Files
with parameters of SMPL alone (WHAM, TRAM, GVHMR, newer VIBE) are refused with the way. A file is read as data, see
`safe_pickle`.
Source: brjathu/PHALP, phalp/trackers/PHALP.py and utils/smpl_utils.py; mkocabas/VIBE, demo.py; yohanshin/WHAM, demo.py;
Arthur151/ROMP, simple_romp/README.md.
"""

import mmap
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kinegraph.data.folders import files_ending, one_by_one
from kinegraph.data.formats.smpl import BODY, COUNTS, JOINTS, SMPL24
from kinegraph.data.reading.clips.clip_files import some_below
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.detections import (
    Person,
    Pictures,
    folders_of,
    picture_number,
    pose_of,
    recordings_of,
)
from kinegraph.data.reading.tables.array_files import PICKLES, TORCH, load_objects
from kinegraph.messages import counted, first_few
from kinegraph.safe_npz import load_npz_object, npz_shapes
from kinegraph.safe_packed import unpacked
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "smpl-tracks", "people as bodies of SMPL in a video (PHALP, 4D-Humans, VIBE, 3DPW, ROMP)"
SUFFIXES = (*PICKLES, *TORCH, ".npy", ".npz")
OF_ROMP, VIDEO_OF_ROMP, ROMP71 = "results", "video_results.npz", 71
IDS_OF_ROMP = "track_ids"
GHOST = object()  # in place of a person
IN_PICTURES, OF_3DPW, FPS_OF_3DPW = "3d_joints", "jointPositions", 30.0
OPENPOSE25 = (44, 45, 49)  # joints of which the first 25 are OpenPose's
KEYS = re.compile(
    rb"3d_joints|jointPositions|pred_rotmat|smpl_params_global|pose_world|orig_cam|global_orient|joints3d|"
    rb"pose_body"
)
TOOLS = (  # keys of files without joints, the tool, and what it says of bodies
    ({"pose_world", "trans_world"}, "WHAM", "pose_world, betas and trans_world"),
    ({"pred_rotmat", "pred_trans"}, "TRAM", "pred_rotmat, pred_shape and pred_trans"),  # one .npy per person
    ({"smpl_params_global"}, "GVHMR", "smpl_params_global"),
    ({"pred_cam", "orig_cam"}, "VIBE", "pose and betas"),
    ({"tid", "smpl"}, "PHALP", "smpl"),
    ({"pose_body", "root_orient"}, "", "root_orient, pose_body and trans"),  # InterHuman, AMASS as pickles
)
PLACED = "bodies of ROMP are where its cam_trans says, by which people are followed; `romp -t` writes track_ids"
RELATIVE = "joints are relative to each body, where bodies stand in the scene is not read"


def detect(path: Path) -> str | None:
    """A pickle, a .npy of objects or a .pt with keys of these tools, or a folder with some."""
    if path.is_dir():
        return "holds bodies of SMPL, followed in videos" if some_below(path, SUFFIXES, _is_one) else None
    return "bodies of SMPL, followed in a video" if _is_one(path) else None


def _is_one(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not file.is_file() or not file.stat().st_size:
        return False
    if file.suffix.lower() == ".npz":
        with suppress(ValueError, OSError):
            return dict(npz_shapes(file)) == {OF_ROMP: ()}
        return False
    with file.open("rb") as raw, suppress(ValueError, OSError):
        if zipfile.is_zipfile(raw) and not (file.suffix.lower() in TORCH and _is_of_torch(raw)):
            return False  # a .npz under another name
        raw.seek(0)
        content = unpacked(raw, file)
        if content is not raw:
            return KEYS.search(content.read()) is not None
        if file.suffix.lower() == ".npy" and b"'|O'" not in raw.read(128):
            return False
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return KEYS.search(mapped) is not None
    return False


def _is_of_torch(file: BinaryIO) -> bool:
    with zipfile.ZipFile(file) as packed:
        return any(name.endswith("data.pkl") for name in packed.namelist())


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clip of a file, or those of a folder, whose sub-folders name classes. people: bodies of a clip at most.

    Raises ValueError where there is nobody, or no file has joints.
    """
    files = [path] if path.is_file() else sorted(filter(_is_one, files_ending(path, SUFFIXES)))
    whole = {file.parent for file in files if file.name == VIDEO_OF_ROMP}
    found: dict[str, Pictures] = {}
    own, ghosts, in_scene, placed = None, 0, False, False
    for file in one_by_one(files):
        name = file.stem if path.is_file() else file.relative_to(path).with_suffix("").as_posix()
        content = load_npz_object(file, OF_ROMP) if file.suffix.lower() == ".npz" else load_objects(file)
        if _is_picture(content):  # one of ROMP
            if file.parent in whole:
                continue
            content = {file.name: content}
            name = picture_number(name)[0] or path.absolute().name
        in_scene = isinstance(content, Mapping) and OF_3DPW in content
        placed = placed or (isinstance(content, Mapping) and any(map(_is_placed, content.values())))
        pictures = found.setdefault(name, Pictures(name, folders=folders_of(name)))
        pictures.fps = FPS_OF_3DPW if in_scene else None
        for frame, who, joints in _bodies(content):
            own = own or _layout_of(joints, file)
            if who is GHOST:
                ghosts += 1
            body = joints[: len(own)]
            pictures.add(frame, None if who is GHOST else Person(pose_of(body, np.ones(len(body))), who))
        if not pictures.people:
            raise FormatError("no_joints", _without_joints(file, content))
    lines = [f"bodies that PHALP guessed where it saw nobody: {ghosts:,}"] if ghosts else []
    known = recordings_of(
        [*found.values()], path, f"SMPL, {path.name}", layout, people, own=own, units="m", skipped=lines
    )
    line = PLACED if placed else RELATIVE
    return known if in_scene else replace(known, assumed=(*known.assumed, line))


def _layout_of(joints: np.ndarray, file: Path) -> JointLayout:
    """The joints that come first. Raises FormatError for a number of joints that none of these tools has."""
    if len(joints) in OPENPOSE25:
        return load_layout("openpose25")
    if len(joints) == ROMP71:
        return load_layout("smpl24")
    if len(joints) in COUNTS:
        return load_layout("smpl24" if len(joints) == SMPL24 else "smpl22")
    known = ", ".join(map(str, sorted({*OPENPOSE25, BODY, SMPL24})))
    raise FormatError("joints", f"{file} has bodies of {len(joints)} joints, expected {known}")


def _bodies(content: Any) -> Iterator[tuple[int, Any, np.ndarray]]:
    """Frame, person and joints (V, 3) of each body. The person: None where nothing says it, GHOST of nobody."""
    if not isinstance(content, Mapping):
        return
    if OF_3DPW in content:
        for who, track in enumerate(content[OF_3DPW]):
            yield from _track(who, np.asarray(track).reshape(len(track), -1, 3), None)
        return
    yield from _track_of(0, content)
    for number, (name, inside) in enumerate(content.items()):
        if _is_picture(inside):
            yield from _picture_of_romp(picture_number(str(name))[1], number, inside)
        elif isinstance(inside, Mapping) and isinstance(inside.get(IN_PICTURES), list):
            yield from _picture(_whole(inside.get("time"), number), inside)
        elif isinstance(inside, Mapping):
            yield from _track_of(name, inside)


def _track_of(who: Any, content: Mapping) -> Iterator[tuple[int, Any, np.ndarray]]:
    """The bodies of a person's arrays, where joints are among them."""
    key = next((key for key in (IN_PICTURES, *JOINTS) if np.ndim(content.get(key, 0)) == 3), None)
    frames = next((content[key] for key in ("frame_ids", "fid") if content.get(key) is not None), None)
    if key is not None:
        yield from _track(who, np.asarray(content[key]), frames)


def _track(who: Any, joints: np.ndarray, frames: Any) -> Iterator[tuple[int, Any, np.ndarray]]:
    numbers = np.arange(len(joints)) if frames is None else np.asarray(frames).ravel()
    if len(numbers) != len(joints) or joints.dtype.kind not in "fiu":
        there = f"{counted(len(joints), 'body', 'bodies')} and {counted(len(numbers), 'frame')}"
        raise FormatError("shape", f"person {who} has {there}, expected as many")
    for frame, body in zip(numbers.tolist(), joints, strict=True):
        yield int(frame), who, body


def _picture(number: int, content: Mapping) -> Iterator[tuple[int, Any, np.ndarray]]:
    """The bodies of one of PHALP's pictures."""
    bodies, ids = content[IN_PICTURES], content.get("tid", [])
    since = content.get("tracked_time", [0] * len(bodies))
    for who, unseen, body in zip(ids, since, bodies, strict=False):
        yield number, GHOST if unseen else who, np.asarray(body, np.float64).reshape(-1, 3)


def _is_picture(content: Any) -> bool:
    """Whether this is what ROMP or BEV saw in one picture."""
    return isinstance(content, Mapping) and "joints" in content and "cam_trans" in content


def _is_placed(content: Any) -> bool:
    return _is_picture(content) and IDS_OF_ROMP not in content


def _picture_of_romp(frame: int | None, number: int, content: Mapping) -> Iterator[tuple[int, Any, np.ndarray]]:
    bodies, places = _numbers(content["joints"]), _numbers(content["cam_trans"])
    ids = np.ravel(content.get(IDS_OF_ROMP, [None] * len(bodies))).tolist()
    if bodies.ndim != 3 or bodies.shape[2] != 3 or len(ids) != len(bodies) or places.size != 3 * len(bodies):
        found = f"joints {bodies.shape}, cam_trans {places.shape} and {counted(len(ids), 'id')}"
        raise FormatError(
            "shape", f"picture {number} has {found}, expected (people, {ROMP71}, 3), (people, 3) and as many"
        )
    if IDS_OF_ROMP not in content:
        bodies = bodies + places.reshape(-1, 1, 3)
    for who, body in zip(ids, bodies, strict=True):
        yield number if frame is None else frame, who, body


def _numbers(value: Any) -> np.ndarray:
    """A value as an array of numbers; an empty one for anything else."""
    try:
        return np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)


def _whole(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, int | np.integer) else otherwise


def _without_joints(file: Path, content: Any) -> str:
    """What a file holds in place of joints, and the way."""
    content = content.item() if isinstance(content, np.ndarray) and content.size == 1 else content
    inside = [content, *(content.values() if isinstance(content, Mapping) else ())]
    keys = {str(key) for folder in inside if isinstance(folder, Mapping) for key in folder}
    tool, what = next(((tool, what) for of, tool, what in TOOLS if of <= keys), ("", first_few(sorted(keys))))
    other = "; its file demo_*.pkl with 3d_joints has" if tool == "PHALP" else ""
    wrote = f", and {tool} writes no file that does" if tool and not other else ""
    way = "compute them by the package smplx and its model files, and save them as .npy (frames, 24, 3)"
    return f"{file} has parameters of SMPL ({what}) and does not say where joints are{wrote}{other}: {way}"
