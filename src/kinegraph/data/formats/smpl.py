"""Files of SMPL, SMPL-H, SMPL-X and AMASS (.npz) that hold joints -> clips, one of each file.

    joints         (T, V, 3)    also Jtr, joints3d, smpl_joints ...: 22 or 24 joints, of SMPL-H and SMPL-X the first 22
    mocap_framerate             frames a second; also mocap_frame_rate, fps

Poses of SMPL are turns of its joints (poses, root_orient, pose_body, betas, trans). Where the joints are follows from
the model alone, which may not be passed on: files without joints are named, with the way to compute them.
Source: smpl-x.is.tue.mpg.de and amass.is.tue.mpg.de, formats of the files; vchoutas/smplx, joint_names.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, first_readable, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import first_few
from kinegraph.safe_npz import load_npz, npz_shapes
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "smpl", "joints in files of SMPL and AMASS (.npz)"
SUFFIXES = (".npz",)
PARAMETERS = frozenset(
    ("betas", "trans", "transl", "poses", "root_orient", "pose_body", "body_pose", "global_orient", "thetas",
     "smpl_poses", "smpl_trans", "mocap_framerate", "mocap_frame_rate", "gender")
)  # fmt: skip
JOINTS = ("joints", "Jtr", "jtr", "joints3d", "joints_3d", "smpl_joints", "j3d", "keypoints3d", "keypoints_3d")
RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
SMPL24, BODY = 24, 22  # joints of SMPL, and of it without hands, which come first in SMPL-H and SMPL-X
COUNTS = (BODY, SMPL24, 45, 52, 55, 73, 117, 127, 137, 144)  # of SMPL, SMPL-H and SMPL-X, with and without added points
FEWEST = 2  # parameters
WIDTHS = (63, 66, 69, 72, 156, 165)  # numbers of poses in a frame, which may stand alone
OF_PICKLES = frozenset(("betas", "smpl", "pred_cam", "body_pose", "global_orient"))


def detect(path: Path) -> str | None:
    """A .npz with parameters of SMPL such as poses, betas and trans, or a folder with some."""
    return reason_of(
        path, SUFFIXES, is_smpl, "a .npz with parameters of SMPL", "holds .npz files with parameters of SMPL"
    )


def is_smpl(file: Path) -> bool:
    """Whether a file has parameters of SMPL."""
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return False
    with suppress(ValueError):
        shapes = npz_shapes(file)
        poses = shapes.get("poses", ())
        alone = len(poses) == 2 and poses[1] in WIDTHS and len(shapes) == 1
        return alone or len(PARAMETERS & {*shapes}) >= FEWEST
    return False


def has_parameters(content: object, depth: int = 2) -> bool:
    """Whether a value of a pickle, or objects in it, have parameters of SMPL, as VIBE, WHAM and PHALP save them."""
    if not isinstance(content, Mapping):
        return False
    inside = any(has_parameters(entry, depth - 1) for entry in list(content.values())[:FEWEST]) if depth else False
    return inside or bool(OF_PICKLES & {*map(str, content)})


def read(path: Path) -> Recordings:
    """The clips of a file or a folder, in metres; sub-folders name classes. Raises ValueError where none has joints."""
    files, classes = clip_files(path, SUFFIXES, is_smpl)
    joints, _ = first_readable(files, read_file)
    of = load_layout("smpl24" if joints.shape[1] == SMPL24 else "smpl22")
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, of)),
        count=len(files),
        layout=of,
        class_names=classes,
        units="m",
        source=f"SMPL, {path.resolve().name}",
        guessed=frozenset(("units", "up")),
    )


def read_file(file: Path) -> tuple[Float[np.ndarray, "T V 3"], float | None]:
    """The joints of SMPL's body in a file, 22 or 24, and its frame rate. Raises FormatError for one without joints."""
    shapes = npz_shapes(file)
    key = next((key for key in JOINTS if key in shapes), None)
    if key is None:
        raise FormatError("no_joints", _without_joints(file, shapes))
    arrays = load_npz(file, (key, *RATES))
    joints = np.asarray(arrays[key])
    if joints.ndim != 3 or joints.shape[2] != 3 or joints.shape[1] < BODY or joints.dtype.kind not in "fiu":
        raise FormatError("shape", f"{file} holds {key} {joints.shape}, expected (frames, 22 or more joints, 3)")
    if joints.shape[1] not in COUNTS:
        known = "is no number of joints of SMPL; of VIBE's and SPIN's 49 the first 25 are OpenPose's"
        raise FormatError("joints", f"{file} holds {key} {joints.shape}: {joints.shape[1]} {known}: save them as .npy")
    rate = next((float(arrays[key].item()) for key in RATES if key in arrays and arrays[key].size == 1), 0.0)
    kept = SMPL24 if joints.shape[1] == SMPL24 else BODY
    return joints[:, :kept].astype(np.float32), rate if 0 < rate < 1e6 else None


def _without_joints(file: Path, shapes: Mapping[str, Sequence[int]]) -> str:
    there = first_few([f"{name} {tuple(shape)}" for name, shape in shapes.items() if name in PARAMETERS and shape], 3)
    way = "compute them by the package smplx and its model files, and save them as the array joints (frames, 22, 3)"
    return f"{file} holds the turns of SMPL's joints, {there}, and not where the joints are: {way}"


def _clip(file: ClipFile, layout: JointLayout) -> Item:
    joints, rate = read_file(file.path)
    if joints.shape[1] != len(layout):
        problem = f"has {joints.shape[1]} joints, the first file has the {len(layout)} of layout '{layout.name}'"
        raise FormatError("joints", f"{file.path} {problem}")
    seen = np.isfinite(joints).all(2, keepdims=True)
    return SkeletonClip(
        keypoint=np.where(seen, joints, 0)[None],
        layout=layout,
        name=file.name,
        label=file.label,
        fps=rate,
        splits=file.splits,
    )
