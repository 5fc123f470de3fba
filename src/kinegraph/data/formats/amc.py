"""Acclaim motion capture: .amc files of motion with their .asf skeletons, as CMU and HDM05 publish them.

    :FULLY-SPECIFIED
    :DEGREES
    1                                           number of the frame
    root 9.37 17.87 -17.31 -2.06 9.8 -1.7       the channels of each bone, as its skeleton lists them
    lowerback 2.13 0.4 -0.7

A file 01_02.amc needs 01.asf, HDM_bd_walk_001_120.amc needs HDM_bd.asf: the skeleton that begins like it, or the only
one, in its folder or the one above. Joints come by forward kinematics: R[b] = R[parent] C Q C^-1 with C the bone's
axes and Q its angles, p[b] = p[parent] + R[b] (direction * length). CMU's and HDM05's bones have the layout hdm31.
HDM05's names say actor, class and frames a second, CMU's the subject; folders CLASS/FILE name classes.
Sources: as of `asf.py`; Mueller et al. 2007, Documentation: Mocap Database HDM05.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.asf import Bone, Skeleton, read_skeleton
from kinegraph.data.reading.clips.clip_files import (
    AT_ORIGIN,
    ClipFile,
    clip_files,
    clips_of,
    first_readable,
    some_below,
)
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.number_rows import LARGEST_NUMBER, check_size
from kinegraph.messages import first_few, one_line, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import one_after_another
from kinegraph.skeleton.layout import INFERRED, JointLayout, load_layout

NAME, TITLE = "amc", "motion capture of Acclaim (.amc with .asf)"
SUFFIXES = (".amc", ".asf")
MOTION = (".amc",)
LAYOUT = "hdm31"
INCHES, METRES_A_INCH = 0.45, 0.0254
HDM05 = re.compile(r"HDM_([a-z]{2})_([A-Za-z]\w*?)_(\d+)_(\d+)")
CMU, CMU_FPS = re.compile(r"(\d{2,3})_\d{2,3}"), 120.0
STARTS = (b":fully-specified", b":degrees", b":radians", b"#!oml:asf")


def detect(path: Path) -> str | None:
    """A file with the words of a motion file at its start, or a folder with .amc files at any depth."""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(1000).lower()
        if path.suffix.lower() == ".asf" and b":version" in start:
            return "is a skeleton of Acclaim"
        return "begins as a motion of Acclaim" if any(word in start for word in STARTS) else None
    return "holds .amc files" if some_below(path, MOTION) else None


def read(path: Path) -> Recordings:
    """The clips of a folder of .amc files, in the order of their names, or of one file; in metres, y upward.

    All skeletons have the bones of the first one. Raises ValueError where no file can be read with its skeleton.
    """
    if path.suffix.lower() == ".asf":
        raise ValueError(f"{path} is a skeleton without motion; give its .amc file, or the folder of both")
    files, folders = clip_files(path, MOTION)

    @cache
    def skeleton_of(file: Path) -> Skeleton:
        return read_skeleton(skeleton_file(file))

    first: Skeleton = first_readable(files, skeleton_of)
    layout = layout_of(first)
    named = [HDM05.fullmatch(file.path.stem) for file in files]
    classes = folders or tuple(sorted({name[2] for name in named if name}))
    inches = first.length == INCHES
    slow = [file.name for file in files if CMU.fullmatch(file.path.stem)]
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, skeleton_of(file.path), layout, classes)),
        count=len(files),
        layout=layout,
        class_names=classes,
        units="m",
        source=f"motion capture of {path.resolve().name}",
        guessed=frozenset() if inches else frozenset(("units", "up")),
        assumed=(f"{CMU_FPS:g} frames a second, as most of CMU's recordings have (--fps)",) if slow else (),
    )


def skeleton_file(motion: Path) -> Path:
    """The .asf file of a .amc file. Raises ValueError that lists the .asf files of the folders."""
    for folder in (motion.parent, motion.parent.parent):
        there = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".asf" and file.is_file())
        begins = [file for file in there if motion.stem.lower().startswith(file.stem.lower())]
        if begins or len(there) == 1:
            return max(begins or there, key=lambda file: len(file.stem))
        if there:
            names = first_few([file.name for file in there])
            raise ValueError(f"{motion} begins with the name of no skeleton beside it; there are {names}: rename one")
    raise ValueError(f"{motion} has no skeleton; put its .asf file into the same folder")


def layout_of(skeleton: Skeleton) -> JointLayout:
    """hdm31 where the bones are those of CMU and HDM05, else the joints of the skeleton."""
    names = tuple(bone.name for bone in skeleton.bones)
    usual = load_layout(LAYOUT)
    if {*names} == {*usual.joints}:
        return usual
    bones = tuple((i, bone.parent) for i, bone in enumerate(skeleton.bones) if i)
    return JointLayout(f"{NAME}{len(names)}", names, bones, 0, source="an ASF skeleton", unstated=frozenset(INFERRED))


def _clip(file: ClipFile, skeleton: Skeleton, layout: JointLayout, classes: Sequence[str]) -> Item:
    place = skeleton.place()
    if other := {*layout.joints} ^ {*place}:
        raise FormatError(
            "joints", f"{file.path}: the bone {quoted(min(other))} is not in all skeletons; read them apart"
        )
    places = read_file(file.path, skeleton)
    named, cmu = HDM05.fullmatch(file.path.stem), CMU.fullmatch(file.path.stem)
    subject: dict[str, int | str] = {}
    fps = None
    if cmu:
        subject, fps = {"subject": int(cmu[1])}, CMU_FPS
    if named:
        subject = {"subject": named[1]}
        if 0 < int(named[4]) < 10_000:
            fps = float(named[4])
    label = file.label if file.label is not None or not named else classes.index(named[2])
    return SkeletonClip(
        keypoint=places[None][:, :, [place[joint] for joint in layout.joints]],
        layout=layout,
        name=file.name,
        label=label,
        fps=fps,
        attributes=subject,
        splits=file.splits,
    )


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, skeleton: Skeleton) -> Float[np.ndarray, "T V 3"]:
    """Places of the joints: metres where the unit is known, else as in the file. Raises ValueError with the line."""
    check_size(file)
    columns, width = _columns(skeleton)
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        try:
            degrees, rows = _rows(lines, columns, width)
        except ValueError as error:
            raise ValueError(f"{file} {error}") from None
    if not rows:
        raise ValueError(f"{file} has no frames")
    unit = np.pi / 180 if degrees or (degrees is None and skeleton.degrees) else 1.0
    places = forward_kinematics(skeleton, np.array(rows), columns, unit)
    places *= METRES_A_INCH / INCHES if skeleton.length == INCHES else 1 / skeleton.length
    return np.where(places.any(2, keepdims=True), places, AT_ORIGIN).astype(np.float32)


def _columns(skeleton: Skeleton) -> tuple[dict[str, slice], int]:
    """Where the channels of each bone are in a row of numbers, and how many there are."""
    found: dict[str, slice] = {}
    width = 0
    for bone in skeleton.bones:
        found[bone.name] = slice(width, width + len(bone.channels))
        width += len(bone.channels)
    return found, width


def _rows(
    lines: Iterator[str], columns: Mapping[str, slice], width: int
) -> tuple[bool | None, list[Float[np.ndarray, " width"]]]:
    """Whether angles are in degrees, where the file says it, and the numbers of each frame."""
    degrees, rows = None, []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words and words[0].startswith(":"):
            degrees = {":degrees": True, ":radians": False}.get(words[0].lower(), degrees)
        elif len(words) == 1 and words[0].isdecimal():
            rows.append(np.zeros(width, np.float32))
        elif words and rows and words[0] in columns:
            rows[-1][columns[words[0]]] = _channels(number, words, columns[words[0]])
        elif words and rows:
            raise ValueError(f"line {number} holds the bone {quoted(words[0])}, which its skeleton does not have")
        elif words:
            raise ValueError(f"line {number} holds {quoted(line)}, expected the number of a frame")
    return degrees, rows


def _channels(number: int, words: Sequence[str], place: slice) -> Sequence[float]:
    try:
        values = [float(word) for word in words[1:]]
    except ValueError as error:
        raise ValueError(f"line {number}: {one_line(error)}") from None
    if len(values) != (count := place.stop - place.start):
        raise ValueError(f"line {number} has {len(values)} numbers for {quoted(words[0])}, its skeleton has {count}")
    if not all(abs(value) < LARGEST_NUMBER for value in values):
        raise ValueError(f"line {number} holds a number that is not finite")
    return values


def forward_kinematics(
    skeleton: Skeleton, rows: Float[np.ndarray, "T width"], columns: Mapping[str, slice], unit: float
) -> Float[np.ndarray, "T V 3"]:
    """Places of the joints in the unit of the skeleton; see the head of this file. unit: of angles, in radians."""
    places = np.empty((len(rows), len(skeleton.bones), 3))
    turns: list[Float[np.ndarray, "T 3 3"]] = []
    for i, bone in enumerate(skeleton.bones):
        values = dict(zip(bone.channels, rows[:, columns[bone.name]].T, strict=True))
        turn = _turn(bone, values, len(rows), unit)
        offset = np.tile(np.array(bone.direction) * bone.length, (len(rows), 1))
        for axis in "xyz":
            offset[:, "xyz".index(axis)] += values.get(f"t{axis}", 0.0)
        if i:
            turn = turns[bone.parent] @ turn
            offset = places[:, bone.parent] + np.einsum("tij,tj->ti", turn, offset)
        places[:, i] = offset
        turns.append(turn)
    return places


def _turn(
    bone: Bone, values: Mapping[str, Float[np.ndarray, " T"]], frames: int, unit: float
) -> Float[np.ndarray, "T 3 3"]:
    """The turn of a bone against its parent."""
    turning = [channel for channel in bone.channels if channel.startswith("r")]
    if not turning:
        return np.broadcast_to(np.eye(3), (frames, 3, 3))
    angles = unit * np.stack([values[channel] for channel in turning], axis=1).astype(np.float64)
    own = bone.frame()
    return own @ one_after_another(angles, ["xyz".index(channel[1]) for channel in turning]) @ own.T
