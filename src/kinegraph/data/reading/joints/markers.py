"""Markers of motion capture as joints: a marker becomes the joint of its name.

RShoulder, R_Shoulder and "right shoulder" are right_shoulder. "Anna:RShoulder" is that of the subject Anna; subjects
are the people of a clip. Joints without a marker are unseen, markers without a joint are left out, and both are said.
Markers that are the joints of no built-in layout are joints of their own, see `bones.with_bones`.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.large import blocks, zeros
from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, first_readable, with_split
from kinegraph.data.reading.clips.recordings import METRES, Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.body_parts import layout_of
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import INFERRED, JointLayout, layout_names, load_layout

OWN_LAYOUT = "markers of the file"
MOST_JOINTS, FEWEST = 0.7, 10  # share of a layout's joints, and number, that name it among further markers
WORDS = {"meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm",
         "inch": "in", "inche": "in", "feet": "ft", "foot": "ft"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trajectories:
    """The content of a file. markers: coordinates in metres by name, NaN where a marker was not seen.

    bones: pairs of names, a bone and its parent, where the file has bones in place of markers.
    """

    names: tuple[str, ...]
    markers: Float[np.ndarray, "T markers 3"]
    rate: float | None
    bones: tuple[tuple[str, str], ...] = ()


def layout_of_markers(names: Sequence[str], given: str | None) -> tuple[JointLayout, list[str]]:
    """The layout of the joints, and lines about markers and joints that have no counterpart.

    given: its name or YAML file; by default the built-in one of these joints, or the only one that has all of them,
        else one of the markers themselves, whose bones are provisional (`guessed_of`).
    """
    there = {*map(plain_joint, names)}
    fitting = [load_layout(given)] if given else _fitting(there)
    if not fitting:
        own = layout_of(names, "markers", OWN_LAYOUT)
        return replace(own, unstated=frozenset(("spine", "shoulders"))), []
    if len({of.joints for of in fitting}) != 1:
        several = f"may be joints of {' or '.join(of.name for of in fitting)}"
        message = f"the {counted(len(names), 'marker')} {first_few(list(names))} {several}; name the joints by --layout"
        raise FormatError("joints", message)
    of = fitting[0]
    joints = {plain_joint(joint): joint for joint in of.joints}
    unseen = [joint for plain, joint in joints.items() if plain not in there]
    unused = [name for name in names if plain_joint(name) not in joints]
    if len(unseen) == len(of):
        raise FormatError("joints", f"no marker has the name of a joint of layout '{of.name}'")
    lines = [f"layout {of.name} taken by the markers' names"] if given is None else []
    lines += [f"{len(unseen)} of its joints have no marker and are unseen: {first_few(unseen)}"] if unseen else []
    if unused:
        lines.append(f"{counted(len(unused), 'marker')} without a joint of it: {first_few(unused)}")
    return of, lines


def metres_of(unit: str) -> float | None:
    """The factor to metres of a unit: mm, millimeters, Meter; None for other words."""
    word = unit.strip().lower()
    return METRES.get(WORDS.get(word.removesuffix("s"), word))


def guessed_of(layout: JointLayout) -> frozenset[str]:
    """What the files do not say: the vertical axis, and the bones of a layout of markers."""
    return frozenset(("up", "bones") if layout.source == OWN_LAYOUT else ("up",))


def _fitting(markers: Set[str]) -> list[JointLayout]:
    """The built-in layouts of these joints, or with all of them; one alone where it has the joints of the others, too.

    Where none has all of them, the one of which most joints have a marker. No layout with points of a face, which are
    no markers.
    """
    joints = {name: {*map(plain_joint, load_layout(name).joints)} for name in layout_names()}
    joints = {name: of for name, of in joints.items() if "face_0" not in of}
    fitting = {name: of for name, of in joints.items() if markers <= of}
    fitting = {name: of for name, of in fitting.items() if of == markers} or fitting
    if not fitting:
        most = max(len(of & markers) for of in joints.values())
        alike = {name: of for name, of in joints.items() if len(of & markers) >= max(MOST_JOINTS * len(of), FEWEST)}
        fitting = {name: of for name, of in alike.items() if len(of & markers) == most}
    largest = [name for name, of in fitting.items() if all(of >= others for others in fitting.values())]
    return [load_layout(name) for name in largest or fitting]


def joints_of_markers(found: Trajectories, layout: JointLayout) -> Float[np.ndarray, "T V 3"]:
    """The joints of a layout, zero where a marker is not there or was not seen."""
    place = {plain_joint(name): i for i, name in enumerate(found.names)}
    joints = zeros((len(found.markers), len(layout), 3))
    for part in blocks(found.markers[None], joints[None]):
        for number, joint in enumerate(layout.joints):
            if (column := place.get(plain_joint(joint))) is not None:
                marker = found.markers[part, column]
                joints[part, number] = np.where(np.isnan(marker).any(1, keepdims=True), 0, marker)
    return joints


Wanted = Callable[[str], bool]


def every(name: str) -> bool:
    """Whether a marker is wanted: all are."""
    return True


# ---- files whose markers may be of several subjects ------------------------------------------------------------------


def marker_recordings(
    found: tuple[Sequence[ClipFile], tuple[str, ...]],
    path: Path,
    read_file: Callable[[Path, Wanted, bool], Trajectories],
    layout: str | None,
) -> Recordings:
    """The clips of marker files, in metres. found: the files and the classes of their folders, as of `clip_files`.

    read_file: gives the markers of a file that are wanted, with all frames or, where it is asked for none, the names.
    Raises FormatError where no built-in layout has joints of these names and none is given.
    """
    files, classes = found
    subjects = subjects_of(first_readable(files, lambda file: read_file(file, every, False)))
    of, lines = _layout(subjects, layout)
    return Recordings(
        clips=clips_of(with_split(files), lambda file: _clip(file, of, read_file)),
        count=len(files),
        layout=of,
        class_names=classes,
        units="m",
        source=f"markers of {path.resolve().name}",
        skipped=lambda: lines,
        guessed=guessed_of(of),
    )


def subjects_of(found: Trajectories) -> dict[str, Trajectories]:
    """The markers of each subject, without its name before the colon; "" is the subject of markers without one."""
    columns: dict[str, list[int]] = {}
    for i, name in enumerate(found.names):
        columns.setdefault(name.rpartition(":")[0], []).append(i)
    return {subject: _one_subject(found, of) for subject, of in columns.items()}


def _one_subject(found: Trajectories, columns: Sequence[int]) -> Trajectories:
    """Some markers of a file, without the name of their subject; all of them are the same array, not a copy."""
    names = [found.names[i] for i in columns]
    all_of_them = len(names) == len(found.names)
    bones = tuple((_own_name(bone), _own_name(parent)) for bone, parent in found.bones if bone in names)
    markers = found.markers if all_of_them else found.markers[:, columns]
    return Trajectories(tuple(map(_own_name, names)), markers, found.rate, bones)


def _own_name(name: str) -> str:
    return name.rpartition(":")[2]


def _layout(subjects: dict[str, Trajectories], given: str | None) -> tuple[JointLayout, list[str]]:
    """The layout of the first subject whose markers are its joints; the others without any such marker are named."""
    largest = sorted(subjects.values(), key=lambda subject: -len(subject.names))
    error: FormatError | None = None
    for subject in largest:
        try:
            of, lines = layout_of_markers(subject.names, given)
        except FormatError as fault:
            error = error or fault
            if given is not None or (made := _layout_of_bones(subject)) is None:
                continue
            of, lines = made, []
        other = [name for name, found in subjects.items() if not _is_body(found, of)]
        if other:
            lines = [*lines, f"markers of {first_few(other)}, none of which is a joint of it"]
        return of, lines
    raise error or FormatError("joints", "there are no markers")


def _layout_of_bones(found: Trajectories) -> JointLayout | None:
    """The layout that the bones of a file are, None where they are not connected."""
    if not found.bones:
        return None
    place = {name: i for i, name in enumerate(found.names)}
    pairs = tuple((place[bone], place[parent]) for bone, parent in found.bones if bone != parent)
    children = {bone for bone, _ in pairs}
    root = next((i for i in range(len(place)) if i not in children), 0)
    try:
        source = "the bones of a motion capture file"
        return JointLayout(f"bones{len(place)}", found.names, pairs, root, source=source, unstated=frozenset(INFERRED))
    except ValueError:
        return None


def _is_body(found: Trajectories, layout: JointLayout) -> bool:
    return bool({*map(plain_joint, found.names)} & {*map(plain_joint, layout.joints)})


def _people(found: Trajectories, layout: JointLayout) -> Float[np.ndarray, "M T V 3"]:
    """The joints of each subject who is seen, computed in blocks of frames."""
    bodies = [subject for subject, points in subjects_of(_some(found, slice(0, 0))).items() if _is_body(points, layout)]
    keypoint = zeros((len(bodies), len(found.markers), len(layout), 3))
    seen = np.zeros(len(bodies), bool)
    for part in blocks(found.markers[None], keypoint):
        subjects = subjects_of(_some(found, part))
        for person, subject in enumerate(bodies):
            keypoint[person, part] = joints_of_markers(subjects[subject], layout)
            seen[person] |= keypoint[person, part].any()
    return keypoint if seen.all() else keypoint[seen]


def _some(found: Trajectories, frames: slice) -> Trajectories:
    return replace(found, markers=found.markers[frames])


def _clip(file: ClipFile, layout: JointLayout, read_file: Callable[[Path, Wanted, bool], Trajectories]) -> Item:
    joints = {*map(plain_joint, layout.joints)}
    found = read_file(file.path, lambda name: plain_joint(_own_name(name)) in joints, True)
    keypoint = _people(found, layout)
    return SkeletonClip(
        keypoint=keypoint, layout=layout, name=file.name, label=file.label, fps=found.rate, splits=file.splits
    )
