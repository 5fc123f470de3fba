"""UI-PRMD: rehabilitation movements recorded with a Kinect v2, from the data set's own text files.

10 movements x 10 subjects x 10 episodes, each done well and done badly: 2000 clips of 22 joints, 30 frames/s. A clip is
two files, `Positions` (cm, each joint's offset in its parent's frame; the first joint's place in the room) and `Angles`
(degrees), one line per frame with x, y, z of every joint.

Source: Vakanski et al. 2018, "A data set of human body movements for physical rehabilitation exercises", Data 3(1):2.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_below
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, fault_of, spread
from kinegraph.messages import counted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

Labels = Literal["movement", "quality", "correct"]

NAME = "ui-prmd"
TITLE = "raw UI-PRMD (Kinect text files)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT = "kinect22"
FPS = 30.0
SOURCE = "UI-PRMD, Kinect (Vakanski et al. 2018, Data 3(1):2)"
LICENCE = "Open Data Commons PDDL 1.0 (public domain)"
MOVEMENTS = (
    "deep squat",
    "hurdle step",
    "inline lunge",
    "side lunge",
    "sit to stand",
    "standing active straight leg raise",
    "standing shoulder abduction",
    "standing shoulder extension",
    "standing shoulder internal-external rotation",
    "standing shoulder scaption",
)
FILE_NAME = re.compile(r"(m(\d\d)_s(\d\d)_e(\d\d))_(positions|angles)(_inc)?\.txt", re.IGNORECASE)


def class_names(labels: Labels = "movement", movements: Sequence[str] = MOVEMENTS) -> tuple[str, ...]:
    """The 10 movements, or with "quality" the 20 of movement x (correct, incorrect), correct first."""
    if labels != "quality":
        return tuple(movements)
    return tuple(f"{movement}, {quality}" for movement in movements for quality in ("correct", "incorrect"))


def class_index(movement: int, correct: bool, labels: Labels) -> int:
    """The index in class_names(labels)."""
    return 2 * movement + (not correct) if labels == "quality" else movement


def clip_files(path: str | Path) -> list[tuple[Path, Path]]:
    """The (Positions, Angles) files of every clip under a folder, correct ones first, by movement, subject, episode.

    Only folders named Kinect count; the data set's Vicon files have the same names. Raises ValueError when there are
    none.
    """
    path = Path(path).resolve()
    if not path.is_dir():
        raise ValueError(f"{path} is no folder; give the one that holds UI-PRMD's 'Segmented Movements'")
    found: dict[tuple, dict[str, Path]] = {}
    for file in files_below(path, "*.txt"):
        match, kinect = FILE_NAME.fullmatch(file.name), file.parent.parent
        if match and kinect.name.lower() == "kinect":
            clip = bool(match[6]), match[1].lower(), str(kinect)
            found.setdefault(clip, {})[match[5].lower()] = file
    if not found:
        example = "Kinect/Positions/m01_s01_e01_positions.txt"
        raise ValueError(f"there are no UI-PRMD files such as {example} under {path}; {_contents(path)}")
    pairs = [found[clip] for clip in sorted(found)]
    return [tuple(pair.get(kind) or _counterpart(pair, kind) for kind in ("positions", "angles")) for pair in pairs]


def pair_of(file: Path) -> tuple[Path, Path]:
    """The positions and the angles of the clip that a file is one half of."""
    kind = FILE_NAME.fullmatch(file.name)[5].lower()
    other = _counterpart({kind: file}, "angles" if kind == "positions" else "positions")
    return (file, other) if kind == "positions" else (other, file)


def _counterpart(pair: dict[str, Path], kind: str) -> Path:
    """Where the file of this kind should be, beside the other of its pair."""
    (file,) = pair.values()
    return file.parent.with_name(kind.title()) / FILE_NAME.sub(rf"\1_{kind}\6.txt", file.name)


def _contents(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    return f"found {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if names else "it is empty"


def detect(path: Path) -> str | None:
    """A text file of a clip, or a folder with some at any depth."""
    if path.is_file():
        return "has a name of UI-PRMD" if FILE_NAME.fullmatch(path.name) else None
    found = any(FILE_NAME.fullmatch(file.name) for file in files_below(path, "*_s*_e*_*.txt"))
    return "holds text files of UI-PRMD" if found else None


def read(path: Path, *, labels: Labels = "movement", sample: int | None = None) -> Recordings:
    """The clips under a folder, in metres, in the order of `clip_files`; or the clip of one text file and its pair.

    labels: "movement", "quality", or "correct", which leaves out the clips of movements done badly.
    sample: read so many clips only. Attributes are subject, episode and correct (1 or 0); split xsub trains on odd
    subjects.
    """
    pairs = [pair_of(path.resolve())] if path.is_file() else clip_files(path)
    if labels == "correct":
        pairs = [pair for pair in pairs if not FILE_NAME.fullmatch(pair[0].name)[6]]
    return Recordings(
        clips=_clips(pairs, labels, spread(len(pairs), sample)),
        count=len(pairs),
        layout=load_layout(LAYOUT),
        class_names=class_names(labels),
        units="m",
        source=SOURCE,
        licence=LICENCE,
    )


def _clips(pairs: Sequence[tuple[Path, Path]], labels: Labels, chosen: frozenset[int]) -> Iterator[Item]:
    for i, (positions, angles) in enumerate(pairs):
        match = FILE_NAME.fullmatch(positions.name)
        name, subject = match[1].lower() + (match[6] or "").lower(), int(match[3])
        try:
            if i in chosen:
                yield read_clip(positions, angles, labels)
            else:
                label = class_index(int(match[2]) - 1, not match[6], labels)
                yield Unread(name, label, {"subject": subject}, {"xsub": "train" if subject % 2 else "val"})
        except (ValueError, OSError) as error:
            yield fault_of(error, name)


def read_clip(positions: Path, angles: Path, labels: Labels) -> SkeletonClip:
    """One clip from its two files."""
    for file, other in ((positions, angles), (angles, positions)):
        if not file.is_file():
            raise ValueError(f"{other} has no counterpart {file}")
    match = FILE_NAME.fullmatch(positions.name)
    movement, subject, episode = (int(match[group]) for group in (2, 3, 4))
    if not 1 <= movement <= len(MOVEMENTS):
        raise ValueError(f"{positions} is of movement {movement}, UI-PRMD has 1 to {len(MOVEMENTS)}")
    layout, correct = load_layout(LAYOUT), not match[6]
    offset, angle = (read_table(file, len(layout.joints)) for file in (positions, angles))
    if len(offset) != len(angle):
        raise ValueError(f"{positions} has {counted(len(offset), 'frame')}, {angles} has {len(angle)}")
    joints = forward_kinematics(offset / 100, np.radians(angle), layout.parents)
    return SkeletonClip(
        keypoint=joints[None].astype(np.float32),
        layout=layout,
        name=match[1].lower() + (match[6] or "").lower(),
        label=class_index(movement - 1, correct, labels),
        fps=FPS,
        attributes={"subject": subject, "episode": episode, "correct": int(correct)},
        splits={"xsub": "train" if subject % 2 else "val"},
    )


def read_table(file: Path, joints: int) -> Float[np.ndarray, "T V 3"]:
    """A text file of x, y, z of every joint, one line per frame. Raises ValueError naming file and line."""
    rows = []
    try:
        lines = file.read_text(encoding="ascii").rstrip().splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not a text file of numbers") from None
    for number, line in enumerate(lines, start=1):
        cells = line.split(",")
        if len(cells) != 3 * joints:
            raise ValueError(
                f"{file} line {number} has {len(cells)} numbers, expected {3 * joints} ({joints} joints x 3)"
            )
        try:
            row = [float(cell) for cell in cells]
        except ValueError as error:
            raise ValueError(f"{file} line {number}: {error}") from None
        if not all(map(math.isfinite, row)):
            raise ValueError(f"{file} line {number} holds a value that is not finite")
        rows.append(row)
    if not rows:
        raise ValueError(f"{file} is empty")
    return np.array(rows).reshape(len(rows), joints, 3)


def forward_kinematics(
    offset: Float[np.ndarray, "T V 3"], angle: Float[np.ndarray, "T V 3"], parents: Sequence[int]
) -> Float[np.ndarray, "T V 3"]:
    """Places of the joints in the room from their offsets in the parent's frame and their rotations.

    offset: any unit; the root's is its place. angle: radians about x, y, z. parents: before their children, the root
    is its own. R[j] = R[parent] Rz Rx Ry, p[j] = p[parent] + R[parent] offset[j]. UI-PRMD does not state the order of
    the rotations; this is the one that keeps the feet on the floor in a squat (Rz Ry Rx lets the legs fly out).
    """
    turn = _rotation(angle, 2) @ _rotation(angle, 0) @ _rotation(angle, 1)  # (T, V, 3, 3)
    place = np.empty_like(offset)
    for joint, parent in enumerate(parents):
        if joint == parent:
            place[:, joint] = offset[:, joint]
            continue
        assert parent < joint, "parents come before their children"
        place[:, joint] = place[:, parent] + np.einsum("tij,tj->ti", turn[:, parent], offset[:, joint])
        turn[:, joint] = turn[:, parent] @ turn[:, joint]
    return place


def _rotation(angle: Float[np.ndarray, "T V 3"], axis: int) -> Float[np.ndarray, "T V 3 3"]:
    """Rotation matrices about one axis (0 x, 1 y, 2 z) by angle[..., axis]."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle[..., axis]), np.sin(angle[..., axis])
    turn = np.zeros((*angle.shape[:2], 3, 3))
    turn[..., axis, axis] = 1
    turn[..., i, i], turn[..., i, j] = cos, -sin
    turn[..., j, i], turn[..., j, j] = sin, cos
    return turn
