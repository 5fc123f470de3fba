"""Body parts that DeepLabCut or Lightning Pose has tracked in a video, in .csv files, or in DeepLabCut's .h5.

    scorer,       NETWORK,  NETWORK,  NETWORK,     ...
    individuals,  mouse1,   mouse1,   mouse1,      ...    this row only in files of several animals
    bodyparts,    snout,    snout,    snout,       ...
    coords,       x,        y,        likelihood,  ...
    0,            508.4,    1.4,      0.98,        ...    one row per frame, in pixels; an empty cell: not seen

One file is one clip, named as its video: the end that DeepLabCut adds, such as DLC_resnet50_boxMar1shuffle1_100000_el,
is left out. Body parts are joints, individuals are people, in the order of the first row of their names; the
likelihood is the score. Files name no bones: each body part is joined to one in the middle, unless a layout is given.
Three coordinates, as of triangulated videos, are read too; other columns, such as Lightning Pose's variances, are left
out and said. An .h5 holds the same table (h5py reads it); of a .csv and an .h5 of one name, the .csv
is read. The individual "single" holds the places that are no animal's, such as corners, and is left out where there are
others.
Source: DeepLabCut, user guide, "Novel Video Analysis", and guide for several animals, "Unique body parts".
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.deeplabcut_rows import (
    H5,
    LABELLED,
    Row,
    begins_with,
    is_deeplabcut_h5,
    opened,
    read_cells,
    read_h5,
    rows_of,
)
from kinegraph.data.large import blocks, placed, zeros
from kinegraph.data.reading.clips.clip_columns import Facts, facts
from kinegraph.data.reading.clips.clip_files import ClipFile, cells_of, clip_files, some_below
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault, FormatError, nobody
from kinegraph.data.reading.files.hdf5 import check_h5py
from kinegraph.data.reading.files.number_rows import check_size
from kinegraph.data.reading.joints.body_parts import layout_of, part_of_joint
from kinegraph.data.reading.joints.named_joints import built_in
from kinegraph.data.reading.steps.labels_file import with_labels
from kinegraph.messages import counted, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "deeplabcut", "body parts tracked by DeepLabCut or Lightning Pose (.csv, .h5)"
SUFFIXES = (".csv", ".h5", ".hdf5")
SINGLE, SEVERAL = ("scorer", "bodyparts", "coords"), ("scorer", "individuals", "bodyparts", "coords")
COORDS = ("x", "y", "z", "likelihood")
OWN_LAYOUT = "body parts of a DeepLabCut file"
UNIQUE = "single"  # DeepLabCut's name for the individual of what is there once
FILTERED = "_filtered"  # the end of files that DeepLabCut's `filterpredictions` writes
SPARSE = 10  # a file may number so many frames for each row it has
PIECE = 1 << 16  # letters read at once
NETWORK = re.compile(r"(?<=.)[_-]?(DLC_|DeepCut_|superanimal_).*$")  # behind the name of the video


@dataclass(frozen=True)
class Header:
    """The rows above the frames. columns: (individual, body part, coordinate) -> column. unique: parts of no animal.

    others: coordinates that mean nothing here.
    """

    width: int
    people: tuple[str, ...]
    parts: tuple[str, ...]
    columns: Mapping[tuple[str, str, str], int]
    unique: tuple[str, ...]
    others: tuple[str, ...] = ()

    @cached_property
    def channels(self) -> int:
        return 3 if any(coord == "z" for *_, coord in self.columns) else 2


def detect(path: Path) -> str | None:
    """A file whose first rows begin with scorer and then individuals or bodyparts, or a folder with such files."""
    if path.is_file():
        return "begins with scorer and bodyparts" if _is_deeplabcut(path) else None
    return "holds files of DeepLabCut" if some_below(path, SUFFIXES, _is_deeplabcut) else None


def read(
    path: Path,
    *,
    layout: str | None = None,
    labels_file: Path | None = None,
    class_names: str | None = None,
    val_share: float | None = None,
) -> Recordings:
    """The clips of a folder of DeepLabCut's files, in the order of their names, or of one file; in pixels.

    layout: name or YAML file of the joints; by default one of the body parts. labels_file: CSV with one row per clip,
        named as the file without its ending. Sub-folders name classes.
    Raises ValueError where no file can be read.
    """
    files, classes = clip_files(path, SUFFIXES, _is_deeplabcut)
    files, twice = _named_after_videos(files)
    table, missing, said = cells_of(files, classes), [], ()
    if labels_file is not None:
        table, missing, said = with_labels(table, labels_file, {file.name: file.path.stem for file in files})
    known = facts(table, class_names=class_names, val_share=val_share)
    of, assumed, lines, header = _layout([file.path for file in files], layout)
    return Recordings(
        clips=_clips([file for file in files if file.name in table], of, known, any(header.people)),
        count=len(table),
        layout=of,
        class_names=known.class_names,
        units="m" if header.channels == 3 else "px",
        guessed=frozenset(("units", "up") if header.channels == 3 else ()),
        source="; ".join(filter(None, [f"DeepLabCut, {path.name}", known.note])),
        skipped=lambda: [*twice, *lines, *missing],
        assumed=(*assumed, *said),
    )


def _is_deeplabcut(file: Path) -> bool:
    if file.suffix.lower() in H5:
        return is_deeplabcut_h5(file)
    if not begins_with(file, "scorer"):
        return False
    with opened(file) as lines:
        piece = lines.readline(PIECE)
        while piece and not piece.endswith("\n"):  # a header of many body parts is long
            piece = lines.readline(PIECE)
        return lines.readline(PIECE).lstrip('"').startswith(("bodyparts", "individuals"))


def _named_after_videos(files: Sequence[ClipFile]) -> tuple[list[ClipFile], list[str]]:
    """The files, their clips named after the videos, without the name of the network that DeepLabCut adds to them.

    Where several files are of one video, each keeps its own name; of a .csv and an .h5 of one name, the .csv is read,
    and of X.csv and X_filtered.csv the filtered one, which a line says.
    """
    tables = {file.path.with_suffix("") for file in files if file.path.suffix.lower() == ".csv"}
    kept = [file for file in files if file.path.suffix.lower() == ".csv" or file.path.with_suffix("") not in tables]
    filtered = {file.path.with_suffix("") for file in kept if file.path.stem.endswith(FILTERED)}
    twice = [file for file in kept if file.path.with_name(file.path.stem + FILTERED) in filtered]
    kept = [file for file in kept if file not in twice]
    videos = [file.name.removesuffix(file.path.stem) + NETWORK.sub("", file.path.stem) for file in kept]
    shared = Counter(videos)
    named = [
        replace(file, name=video) if shared[video] == 1 else file for file, video in zip(kept, videos, strict=True)
    ]
    lines = [f"recordings of which '{FILTERED}' files are there, too: {first_few([file.path.name for file in twice])}"]
    return sorted(named, key=lambda file: (file.path.stem, str(file.path))), lines if twice else []


def _clips(files: Sequence[ClipFile], layout: JointLayout, known: Facts, named: bool) -> Iterator[Item]:
    for file in files:
        try:
            if file.name in known.faults:
                yield Fault(known.faults[file.name], file.name, "label")
            else:
                yield _clip(file.path, file.name, layout, known, named)
        except (ValueError, OSError) as error:
            yield fault_of(error, file.name)


def _clip(file: Path, name: str, layout: JointLayout, known: Facts, named: bool) -> Item:
    header, rows = read_file(file)
    part_of = part_of_joint(layout, header.parts)
    if not part_of:
        raise FormatError("joints", f"{file}: none of {first_few(header.parts)} is a joint of layout '{layout.name}'")
    if layout.source == OWN_LAYOUT and (other := {*header.parts} ^ {*layout.joints}):
        problem = f"the body part {quoted(min(other))} is not in all files of the folder"
        raise FormatError("joints", f"{file}: {problem}; read them apart, or name the joints by --layout")
    parts = [part_of.get(joint, "") for joint in layout.joints]
    scored = any(coord == "likelihood" for *_, coord in header.columns)
    keypoint = zeros((len(header.people), len(rows), len(parts), header.channels))
    score = zeros(keypoint.shape[:3]) if scored else None
    somebody = False
    for frames in blocks(rows[None], keypoint, *([] if score is None else [score])):
        _fill(header, parts, rows[frames], keypoint[:, frames], None if score is None else score[:, frames])
        somebody = somebody or bool(keypoint[:, frames].any())
    if not somebody:
        return nobody(name)
    about = known.clips[name]
    return SkeletonClip(
        keypoint=keypoint,
        layout=layout,
        name=name,
        label=about.label,
        score=score,
        fps=about.fps,
        image_size=about.image_size,
        attributes={**({"individuals": ", ".join(header.people)} if named else {}), **about.attributes},
        splits=about.splits,
    )


def _fill(
    header: Header,
    parts: Sequence[str],
    rows: Float[np.ndarray, "T columns"],
    keypoint: Float[np.ndarray, "M T V C"],
    score: Float[np.ndarray, "M T V"] | None,
) -> None:
    """Put the cells of some frames in their places. parts: the body part of each joint, "" for none."""
    for m, who in enumerate(header.people):
        for v, part in enumerate(parts):
            columns = [header.columns.get((who, part, coord), -1) for coord in COORDS[: header.channels]]
            if -1 in columns:
                continue
            seen = np.isfinite(rows[:, columns]).all(1)
            keypoint[m, :, v] = np.where(seen[:, None], rows[:, columns], 0)
            if score is not None:
                at = header.columns.get((who, part, "likelihood"), -1)
                likelihood = rows[:, at] if at >= 0 else np.ones(len(rows), np.float32)
                score[m, :, v] = np.where(seen, np.where(np.isnan(likelihood), 1, likelihood), 0)


# ---- body parts and joints -------------------------------------------------------------------------------------------


def _layout(files: Sequence[Path], given: str | None) -> tuple[JointLayout, tuple[str, ...], list[str], Header]:
    """The layout, what was assumed, lines about what has no joint, and the header of the first file that has one.

    Raises FormatError where no header is read.
    """
    header, error = None, None
    for file in files:
        try:
            header = read_header(file)
            break
        except (ValueError, OSError) as fault:
            error = error or fault
    if header is None:
        raise FormatError("unreadable", str(fault_of(error)) if error else "there is no file of DeepLabCut")
    lines = [f"parts of '{UNIQUE}', which is no animal: {first_few(header.unique)}"] if header.unique else []
    lines += [f"columns that mean nothing here: {first_few(header.others)}"] if header.others else []
    if given is None:
        if (of := built_in(header.parts)) is not None:
            return of, (f"layout '{of.name}' by the names of the body parts (--layout)",), lines, header
        of = layout_of(header.parts, NAME, OWN_LAYOUT)
        centre = of.joints[of.centre]
        return of, (f"bones: from each body part to '{centre}', the file names none (--layout)",), lines, header
    of = load_layout(given)
    part_of = part_of_joint(of, header.parts)
    unseen = [joint for joint in of.joints if joint not in part_of]
    unused = [part for part in header.parts if part not in part_of.values()]
    lines += [f"{counted(len(unseen), 'joint')} without a body part, unseen: {first_few(unseen)}"] if unseen else []
    lines += [f"{len(unused)} body parts that are no joint of layout {of.name}: {first_few(unused)}"] if unused else []
    return of, (), lines, header


# ---- one file --------------------------------------------------------------------------------------------------------


def read_header(file: Path) -> Header:
    """The rows above the frames. Raises ValueError with file, line and cause."""
    if file.suffix.lower() in H5:
        return _of_h5(file, with_cells=False)[0]
    with opened(file) as lines:
        return _header(file, rows_of(file, lines))


def read_file(file: Path) -> tuple[Header, Float[np.ndarray, "T columns"]]:
    """Header and cells of a file, NaN for empty ones and for frames without a row. Raises ValueError."""
    if file.suffix.lower() in H5:
        return _of_h5(file)
    check_size(file)
    before = 0
    with opened(file) as lines:

        def rows() -> Iterator[Row]:
            nonlocal before
            for line, row in rows_of(file, lines):
                before = line
                yield line, row

        header = _header(file, rows())
        frames, cells = read_cells(file, lines, before, header.columns.values(), header.width)
    return header, _by_frame(file, frames, cells)


def _by_frame(
    file: Path, frames: Int[np.ndarray, "rows"], values: Float[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "T columns"]:
    """The cells of every frame from the first to the last one; they themselves where none is missing.

    Raises ValueError.
    """
    if not len(frames):
        raise ValueError(f"{file} has no frames")
    if (np.diff(frames) <= 0).any():
        raise ValueError(f"{file} has frames that do not go up")
    count = int(frames[-1] - frames[0]) + 1
    if count > SPARSE * len(frames):
        raise ValueError(
            f"{file} numbers {counted(count, 'frame')} and has {len(frames):,} of them, expected one row per frame"
        )
    if count == len(frames):
        return values
    return placed(values, frames - frames[0], count, np.nan)


def _header(file: Path, rows: Iterator[Row]) -> Header:
    top = [row for _, row in islice(rows, 3)]
    names = SEVERAL if len(top) > 1 and top[1][0] == "individuals" else SINGLE
    top += [row for _, row in islice(rows, len(names) - 3)]
    if all(row[1:3] == ["", ""] for row in top):  # the rows of pictures are named by folder, video and picture
        raise FormatError("unreadable", f"{file} holds {LABELLED}")
    if tuple(row[0] for row in top) != names:
        raise ValueError(f"{file} is no DeepLabCut file, whose first rows begin with {', '.join(names)}")
    width = len(top[0])
    if wrong := [i for i, row in enumerate(top) if len(row) != width]:
        raise ValueError(f"{file} line {wrong[0] + 1} has {counted(len(top[wrong[0]]), 'cell')}, line 1 has {width}")
    people = top[1] if names is SEVERAL else [""] * width
    return _named_columns(file, list(zip(people[1:], top[-2][1:], top[-1][1:], strict=True)), 1)


def _named_columns(file: Path, labels: Sequence[tuple[str, str, str]], first: int) -> Header:
    """The header of columns by individual, body part and coordinate. first: the number of the first column."""
    columns: dict[tuple[str, str, str], int] = {}
    others: dict[str, None] = {}
    for column, (who, part, coord) in enumerate(labels, first):
        if coord not in COORDS:
            others[coord or part] = None
            continue
        if (who, part, coord) in columns:
            of = f" of {quoted(who)}" if who else ""
            raise ValueError(f"{file} column {column + 1} has {coord} of the body part {quoted(part)}{of} again")
        columns[who, part, coord] = column
    return _of_animals(file, Header(len(labels) + first, (), (), columns, (), tuple(others)))


def _of_h5(file: Path, with_cells: bool = True) -> tuple[Header, Float[np.ndarray, "T columns"]]:
    """Header and cells of an .h5 file, as of a .csv."""
    check_h5py("DeepLabCut's .h5 files")
    labels, frames, values = read_h5(file, with_cells)
    if any(len(label) not in (3, 4) for label in labels):
        raise ValueError(f"{file} names its columns by other than scorer, bodyparts and coords")
    header = _named_columns(file, [("", *label[-2:]) if len(label) == 3 else label[-3:] for label in labels], 0)
    return header, _by_frame(file, frames, values) if with_cells else values


def _of_animals(file: Path, header: Header) -> Header:
    """The header with its people and parts, those that are no animal's apart."""
    people = tuple(dict.fromkeys(who for who, _, _ in header.columns))
    animals = tuple(who for who in people if who != UNIQUE) or people
    parts = tuple(dict.fromkeys(part for who, part, _ in header.columns if who in animals))
    unique = tuple(dict.fromkeys(part for who, part, _ in header.columns if who not in animals))
    if not parts:
        raise ValueError(f"{file} names no body parts")
    for who, part, _ in header.columns:
        if lacking := [coord for coord in COORDS[: header.channels] if (who, part, coord) not in header.columns]:
            raise ValueError(f"{file} has no column {lacking[0]} for the body part {quoted(part)}")
    return replace(header, people=animals, parts=parts, unique=unique)
