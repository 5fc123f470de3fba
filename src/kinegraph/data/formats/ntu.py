"""Raw NTU RGB+D 60 and 120: folders of `.skeleton` text files -> clips.

Shahroudy et al. 2016 (60 actions) and Liu et al. 2020 (120 actions). Names, subject lists, splits and the list of
samples with missing skeletons are those that the data sets' authors publish.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.cluster import Cluster
from kinegraph.data.folders import files_below
from kinegraph.data.formats.ntu_text import JOINTS, Bodies, parse_bodies
from kinegraph.data.pool import cores, in_order
from kinegraph.data.reading.clips.published_names import NTU_NAME, missing_skeletons, ntu_class_names
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, spread
from kinegraph.data.reading.faults import Fault
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

BodyPolicy = Literal["tracked", "energy"]
LICENCE = "NTU RGB+D terms of use (academic research): https://rose1.ntu.edu.sg/dataset/actionRecognition"
FPS = 30.0
EMPTY = ("nobody is", "every joint of every body is zero")  # how the faults of an empty file begin
MANY_FILES = 1000  # of which on numba's start is worth its seconds

TRAIN_SUBJECTS_60 = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))
TRAIN_SUBJECTS_120 = TRAIN_SUBJECTS_60.union(
    (45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94),
    (95, 97, 98, 100, 103),
)
TRAIN_CAMERAS = frozenset((2, 3))


NAME = "ntu"
TITLE = "raw NTU RGB+D (.skeleton)"
SUFFIXES = (".skeleton",)
MARKER = "SYNTHETIC.json"  # a file in their folder
FIRST_ID = 2**57  # of bodies. Kinect's tracking ids start at 2^56: copies of single files are known by theirs
FILES_LOOKED_AT = 50


def detect(path: Path) -> str | None:
    """A .skeleton file, or a folder with some at any depth."""
    if path.is_file():
        return "ends in .skeleton" if path.suffix.lower() == ".skeleton" else None
    return "holds .skeleton files" if next(files_below(path, "*.skeleton"), None) else None


def read(
    path: Path,
    *,
    bodies: BodyPolicy = "tracked",
    classes: Literal[60, 120] | None = None,
    keep_missing: bool = False,
    workers: int | Cluster | None = 1,
    sample: int | None = None,
) -> Recordings:
    """The clips of a folder of `.skeleton` files (with its subfolders), in the order of their names, or of one file.

    bodies: "tracked" follows the camera's body ids and drops ghosts; "energy" keeps the two of the first four bodies
        of each frame that spread most. Both give one or two people; see `tracked_bodies` and `energetic_bodies`.
    classes: 60 gives splits xsub and xview, 120 xsub and xset; by default what the files' names need. With 60, files
        of the other 60 actions are left out.
    keep_missing: also read the samples that are published as having missing or incomplete skeletons.
    workers: processes, or a cluster; None is one a core. Clips and their order do not depend on it, memory hardly.
    sample: read the joints of so many files only.
    Where no file has a name of NTU RGB+D, the clips have no labels and no splits.
    Keypoints are in metres in the camera's frame, float32. A file without any body is a fault.
    """
    if bodies not in POLICIES:
        raise ValueError(f"body policy '{bodies}' is not known; there are {', '.join(POLICIES)}")
    if classes not in (60, 120, None):
        raise ValueError(f"NTU RGB+D has 60 or 120 classes, not {classes}")
    if isinstance(workers, int) and workers < 1:
        raise ValueError(f"{workers} workers cannot read anything; give 1 or more")
    files = _list(path)
    published = any(NTU_NAME.fullmatch(file.stem) for file in files)
    actions = [int(found[5]) for file in files if (found := NTU_NAME.fullmatch(file.stem))]
    classes = classes or (60 if max((action for action in actions if action <= 120), default=0) <= 60 else 120)
    chosen, missing, others = _choose(files, classes, keep_missing)
    lines = (
        [f"{len(missing):,} on the published list of missing skeletons (--keep-missing reads them)"] if missing else []
    )
    lines += [f"{len(others):,} of actions that NTU RGB+D {classes} does not have"] if others else []
    names = _Names(classes) if published else None
    source = f"NTU RGB+D {classes}, raw files, bodies {bodies}" if published else f"files of {path.name}"
    synthetic = is_synthetic(path)
    return Recordings(
        clips=_clips(chosen, bodies, names, workers or cores(), spread(len(chosen), sample)),
        count=len(chosen),
        layout=load_layout("ntu25"),
        class_names=ntu_class_names(classes) if published else (),
        units="m",
        source=f"synthetic: {source}" if synthetic else source,
        licence=LICENCE if published and not synthetic else "",
        skipped=lambda: lines,
    )


# ---- files -----------------------------------------------------------------------------------------------------------


def _list(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no file or folder {path}")
    files = sorted(files_below(path, "*.skeleton"), key=lambda file: (file.name, str(file)))
    if not files:
        raise ValueError(f"there is no .skeleton file in {path} or its subfolders")
    return files


def name_numbers(name: str) -> dict[str, int]:
    """Setup, camera, subject, replication and action of a sample name such as S001C002P003R002A013."""
    found = NTU_NAME.fullmatch(name)
    if not found:
        raise ValueError(f"the name '{name}' is not of the form S001C002P003R002A013")
    numbers = dict(zip(("setup", "camera", "subject", "replication", "action"), map(int, found.groups()), strict=True))
    if lacking := [what for what, number in numbers.items() if number == 0]:
        raise ValueError(f"the name '{name}' has {lacking[0]} 0; they count from 1")
    if numbers["action"] > 120:
        raise ValueError(f"the name '{name}' has action {numbers['action']}; there are 120")
    return numbers


def _choose(files: Sequence[Path], classes: int, keep_missing: bool) -> tuple[list[Path], list[Path], list[Path]]:
    """The files to read, those on the list of missing skeletons, and those of other actions.

    Files with a broken name are read, and found broken then.
    """
    chosen, missing, others = [], [], []
    for file in files:
        found = NTU_NAME.fullmatch(file.stem)
        if found and not keep_missing and file.stem in missing_skeletons():
            missing.append(file)
        elif found and classes < int(found[5]) <= 120:
            others.append(file)
        else:
            chosen.append(file)
    return chosen, missing, others


# ---- clips -----------------------------------------------------------------------------------------------------------


def _clips(
    files: list[Path], bodies: BodyPolicy, names: "_Names | None", workers: int | Cluster, chosen: frozenset[int]
) -> Iterator[Item]:
    read_one = partial(_keypoint, bodies=bodies, named=names is not None, parse=_parser(len(files)))
    to_read = [file for i, file in enumerate(files) if i in chosen]
    with closing(in_order(read_one, to_read, workers)) as keypoints:  # a fault ends the workers at once
        first_of: dict[str, Path] = {}
        for i, file in enumerate(files):
            keypoint = next(keypoints) if i in chosen else None
            if (first := first_of.setdefault(file.stem, file)) != file:
                yield Fault(f"{file}: a sample of this name was read from {first} before", file.stem, "duplicate_name")
            elif isinstance(keypoint, str):
                yield Fault(f"{file}: {keypoint}", file.stem, "empty" if keypoint.startswith(EMPTY) else "broken")
            elif names is None:
                unnamed = None if keypoint is None else SkeletonClip(keypoint, load_layout("ntu25"), file.stem, fps=FPS)
                yield unnamed or Unread(file.stem)
            else:
                yield names.clip(file, keypoint)


@dataclass(frozen=True)
class _Names:
    """What the names of NTU RGB+D's files say, in a data set of 60 or 120 classes."""

    classes: int

    def clip(self, file: Path, keypoint: Float[np.ndarray, "M T 25 3"] | None) -> Item:
        try:
            numbers = name_numbers(file.stem)
        except ValueError as error:
            return Fault(f"{file}: {error}", file.stem)
        splits = {split: "train" if is_train else "val" for split, is_train in self._train(numbers).items()}
        if keypoint is None:
            return Unread(file.stem, numbers["action"] - 1, numbers, splits)
        return SkeletonClip(
            keypoint=keypoint,
            layout=load_layout("ntu25"),
            name=file.stem,
            label=numbers["action"] - 1,
            fps=FPS,
            attributes=numbers,
            splits=splits,
        )

    def _train(self, numbers: Mapping[str, int]) -> dict[str, bool]:
        """Whether a clip is for training, by the rules of each split."""
        if self.classes == 60:
            xsub, xview = numbers["subject"] in TRAIN_SUBJECTS_60, numbers["camera"] in TRAIN_CAMERAS
            return {"xsub": xsub, "xview": xview}
        return {"xsub": numbers["subject"] in TRAIN_SUBJECTS_120, "xset": numbers["setup"] % 2 == 0}


def _parser(files: int) -> Callable[[bytes], Bodies]:
    """The reader of one file's text that is the fastest for so many."""
    if files >= MANY_FILES:
        from kinegraph.data.formats import ntu_scan  # imports numba

        if ntu_scan.njit is not None:
            return ntu_scan.parse_bodies
    return parse_bodies


def _keypoint(
    file: Path, bodies: BodyPolicy, named: bool = True, parse: Callable[[bytes], Bodies] = parse_bodies
) -> Float[np.ndarray, "M T 25 3"] | str:
    """The keypoints of a file, or what is wrong with it."""
    try:
        if named:
            name_numbers(file.stem)
        found = parse(file.read_bytes())
        if not found.ids:
            raise ValueError(f"{EMPTY[0]} in any of its {found.frames} frames")
        keypoint = POLICIES[bodies](found)
        if not keypoint.any():
            raise ValueError(EMPTY[1])
        return keypoint
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)


# ---- whose bodies ----------------------------------------------------------------------------------------------------


def energetic_bodies(bodies: Bodies) -> Float[np.ndarray, "M T 25 3"]:
    """The first four bodies of each frame by position, of which the two that spread most are kept, widest first.

    The k-th body of every frame counts as the same person, whatever its id; a fifth is ignored. Spread is the sum of
    the standard deviations of x, y and z over all joints of the frames that have the body. All frames stay.
    Source: the converters of 2s-AGCN and MMAction2 0.x, which keep a second person of zeros where there is only one.
    """
    first_of_frame = np.searchsorted(bodies.frame, bodies.frame)
    place = np.arange(len(bodies.frame)) - first_of_frame
    keep = place < 4
    people = np.zeros((4, bodies.frames, JOINTS, 3))
    people[place[keep], bodies.frame[keep]] = bodies.joints[keep]
    seen = people.any((2, 3))
    spread = [person[there].std((0, 1)).sum() if there.any() else 0 for person, there in zip(people, seen, strict=True)]
    widest = np.argsort(spread)[::-1][:2]
    return people[widest[seen[widest].any(1)]].astype(np.float32)


SHORT = 11  # frames
WIDE = 0.8  # of the height
WIDE_SHARE = 0.69754  # of the frames


def tracked_bodies(bodies: Bodies) -> Float[np.ndarray, "M T 25 3"]:
    """Bodies followed by their ids, ghosts dropped, put one after another into at most two people.

    Frames without any body are dropped. The frames of an id are taken as one run from its first, without the gaps.
    Where there are several ids, those of at most 11 frames go, then those that are wider than 0.8 of their height in
    69.754 % of their frames or more. The rest are placed by motion (the variance of their joints, largest first): into
    the first person if they begin after or end before what is there, else likewise into the second, else nowhere, so
    that of three people at a time the two who move most stay. Empty ends are cut. The person who is there in the first
    frame comes first. A rule that would leave nobody (the published program stops there) is not applied.
    Source: PYSKL, tools/data/ntu_preproc.py, which keeps a second person of zeros if everybody fits into the first.
    """
    if len(set(bodies.ids)) == 1:
        return bodies.joints.astype(np.float32)[None]
    runs = _runs(bodies)
    if len(runs) > 1:
        runs = [run for run in runs if len(run.joints) > SHORT] or runs
    if len(runs) > 1:
        runs = _without_wide(runs) or runs
    if len(runs) == 1:
        return runs[0].joints[None]
    people = _two_people(runs)
    there = np.flatnonzero(np.abs(people).sum((0, 2, 3)) >= 1e-3)
    people = people[:, there[0] : there[-1] + 1] if len(there) else people
    # The published program looks at joint 1 only, the middle of the spine.
    absent = np.abs(people[:, 0, 1]).sum(1) < 1e-3
    if absent[0] and not absent[1]:
        people = people[::-1]
    return np.ascontiguousarray(people[people.any((1, 2, 3))])


@dataclass(frozen=True, eq=False)
class _Run:
    """One body id: from frame `start` (of the frames with bodies), frame by frame."""

    start: int
    joints: Float[np.ndarray, "frame 25 3"]
    motion: float

    @property
    def end(self) -> int:
        return self.start + len(self.joints)


def _runs(bodies: Bodies) -> list[_Run]:
    """One run an id, most motion first."""
    joints = bodies.joints.astype(np.float32)
    frame = np.unique(bodies.frame, return_inverse=True)[1]  # frames without bodies do not count
    rows: dict[int, list[int]] = {}
    for row, body in enumerate(bodies.ids):
        rows.setdefault(body, []).append(row)
    runs = [_Run(int(frame[row[0]]), joints[row], _motion(joints[row])) for row in rows.values()]
    return sorted(runs, key=lambda run: -run.motion)


def _motion(joints: Float[np.ndarray, "frame 25 3"]) -> float:
    return float(joints.reshape(-1, 3).var(0).sum())


def _without_wide(runs: list[_Run]) -> list[_Run]:
    """Bodies that are mostly wider than tall are furniture; the motion of the others counts in their tall frames."""
    kept = []
    for run in runs:
        width, height = np.ptp(run.joints[:, :, :2], axis=1).T
        tall = width <= np.float32(WIDE) * height
        if tall.all():
            kept.append(run)
        elif 1 - tall.mean() < WIDE_SHARE:
            kept.append(_Run(run.start, run.joints, min(run.motion, _motion(run.joints[tall]))))
    return sorted(kept, key=lambda run: -run.motion)


def _two_people(runs: list[_Run]) -> Float[np.ndarray, "2 T 25 3"]:
    people = np.zeros((2, max(run.end for run in runs), JOINTS, 3), np.float32)
    taken = [(runs[0].start, runs[0].end), (0, 0)]
    people[0, runs[0].start : runs[0].end] = runs[0].joints
    for run in runs[1:]:
        for person, (start, end) in enumerate(taken):
            if max(start, run.start) >= min(end, run.end):
                people[person, run.start : run.end] = run.joints
                taken[person] = min(start, run.start), max(end, run.end)
                break
    return people


POLICIES = {"tracked": tracked_bodies, "energy": energetic_bodies}


# ---- synthetic recordings among raw files: all that is made of them has to say so ------------------------------------
# `kinegraph.synthetic` writes the marks that are looked for here.


def is_synthetic(raw: str | Path) -> bool:
    """Whether a raw folder, one of its subfolders or a raw file was written by `kinegraph synthesize`, or holds copies.

    The folder has a marker; copied files are known by the ids of their bodies, which some of a folder's are asked for.
    """
    raw = Path(raw)
    if raw.is_file():
        return (raw.parent / MARKER).is_file() or (raw.suffix == ".skeleton" and _has_our_ids(raw))
    if (raw / MARKER).is_file() or any(files_below(raw, MARKER)):
        return True
    files = sorted(filter(Path.is_file, files_below(raw, "*.skeleton")))
    return any(_has_our_ids(file) for file in files[:: max(1, len(files) // FILES_LOOKED_AT)])


def _has_our_ids(file: Path) -> bool:
    """Whether the first body of a file has an id as no Kinect gives."""
    with file.open("rb") as content:
        words = [line.split() for line in content.read(1000).split(b"\n")]
    first = next((line[0] for line in words if len(line) == 10 and line[0].isdigit()), b"0")
    return int(first) // FIRST_ID == 1
