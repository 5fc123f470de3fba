"""Formats whose every file is one clip: the files of a folder, their names, classes and splits by its sub-folders.

FOLDER/walk.bvh             clip walk
FOLDER/walk/01.bvh          clip walk/01 of class walk; a fifth of each class becomes "val" of the split holdout
FOLDER/s01/walk/01.bvh      the same of person s01, where all outer folders are numbered people
FOLDER/train/walk/01.bvh    the same in part train; all files are then in train, val or test
FOLDER/mydata/walk/01.bvh   the same of class walk: a folder around all others, as of an archive, divides nothing
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from kinegraph.data.folders import files_ending, places
from kinegraph.data.reading.clips.clip_columns import MADE, VAL_SHARE, facts, made_split, part_of
from kinegraph.data.reading.clips.clip_columns import PARTS as PART_WORDS
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.split_names import PARTS
from kinegraph.messages import composed, first_few

AT_ORIGIN = 1e-6  # a joint that is exactly at the origin lies so far from it, since zero means: not seen
LARGEST = 1 << 30  # bytes; hours of many joints
LOOKED_AT = 50  # files of a folder that say whether it is of a format
PERSON = re.compile(r"(s|sub|subj|subject|p|person|participant|actor|performer|user|patient)[_\- ]?\d+", re.IGNORECASE)
SPELT = re.compile(r"(subj|subject|person|participant|actor|performer|user|patient)[_\- ]?\d+", re.IGNORECASE)
CODED = r"(a|act|action|g|gesture|class)[_\- ]?\d"  # as data sets number classes
NUMBERED = re.compile(rf"(?!{CODED})[^\W\d_]*[_\- ]?\d[\d_\-. ]*", re.IGNORECASE)  # 12, cam1, trial_2, 2024-05-01
OF_DATA = re.compile(  # folders of programs, data sets and days, which are no class
    r"(new_|3d_|2d_)?(joints|skeletons?|keypoints?|poses?|landmarks?|annotations?|data|dataset|raw|csv|json|npy|bvh|c3d|mat|"
    r"videos?|clips?|frames?|output|results?|predictions|labels|sequences|motions?|body)([_\-]?\d+d?){0,3}|.*_(output|results)|"
    r"joint_positions|pose_per_individual_videos|openpose.*|alphapose.*|mediapipe.*|mmpose.*|.*sports2d|"
    r"\d{4}[_\-.]\d\d[_\-.]\d\d.*|20\d{6}.*",  # dates
    re.IGNORECASE,
)
T = TypeVar("T")


class Named(Protocol):
    """What a clip is made of: a file, or a part of one."""

    @property
    def name(self) -> str:
        """Of the clip."""
        ...


N = TypeVar("N", bound=Named)


@dataclass(frozen=True)
class ClipFile:
    path: Path
    name: str
    label: int | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    folders: str = ""  # that stand before the names of its clips, see `named_apart`


def clip_files(
    path: Path, endings: Sequence[str], is_one: Callable[[Path], bool] = Path.is_file
) -> tuple[list[ClipFile], tuple[str, ...]]:
    """The clips of a folder in the order of their names, or of one file, and the classes that the folders name.

    is_one: whether a file with one of these endings is of the format. Raises ValueError where none is.
    """
    if path.is_file():
        return [ClipFile(path, path.stem)], ()
    places = {file: file.relative_to(path).parts[:-1] for file in files_ending(path, endings) if is_one(file)}
    if not places:
        raise FormatError("unreadable", f"{path} holds no file of this format")
    classes, said = said_by_folders(list(places.values()))
    files = [
        ClipFile(file, "/".join((*folders, file.stem)), label, splits)
        for (file, folders), (label, splits) in zip(places.items(), said, strict=True)
    ]
    return sorted(files, key=lambda file: (file.name, str(file.path))), classes


def files_named(
    path: Path, endings: Sequence[str], is_one: Callable[[Path], bool], name: Callable[[Path], str]
) -> list[ClipFile]:
    """The files of `clip_files` of a format whose file names, and not their folders, say what a clip is.

    name: of the clip of a file. Clips of one name in several folders are named with their folders, too.
    """
    return named_apart([ClipFile(file.path, name(file.path)) for file in clip_files(path, endings, is_one)[0]], path)


def name_parts(file: Path, pattern: re.Pattern[str], example: str) -> re.Match[str]:
    """What the name of a file says, with or without its ending. Raises ValueError for another name than `example`."""
    match = pattern.fullmatch(file.stem) or pattern.fullmatch(file.name)
    if match is None:
        raise FormatError("name", f"{file} has another name than the files of this data set, such as {example}")
    return match


def named_apart(files: Sequence[ClipFile], top: Path) -> list[ClipFile]:
    """The files; where several have one name, their clips are named with the folders below `top`, too."""
    times = Counter(file.name for file in files)
    return [
        file if times[file.name] == 1 or top.is_file() else replace(file, folders=_folders(file, top)) for file in files
    ]


def _folders(file: ClipFile, top: Path) -> str:
    """The folders of a file, without those with which its name begins."""
    folders, own = file.path.relative_to(top).parts[:-1], tuple(file.name.split("/"))
    same = next((n for n in range(len(folders), 0, -1) if own[:n] == folders[-n:]), 0)
    return "/".join(folders[: len(folders) - same])


def _in_folders(file: Named, item: Item) -> Item:
    """The clip of a file with its folders in its name, where these tell it from others."""
    if not isinstance(file, ClipFile) or not file.folders:
        return item
    if isinstance(item, Fault):
        return replace(item, clip=f"{file.folders}/{item.clip}")
    return replace(item, name=f"{file.folders}/{item.name}")


@dataclass(frozen=True)
class Levels:
    """Which of the folders around each clip says what, counted from 0, the outermost; None: none does."""

    label: int | None = None
    part: int | None = None
    subject: int | None = None

    def cells(self, folders: Sequence[str]) -> dict[str, str]:
        """What the folders of a clip say, as cells of a table."""
        there = (("split", self.part), ("subject", self.subject), ("label", self.label))
        cells = {
            column: composed(folders[level]) for column, level in there if level is not None and level < len(folders)
        }
        return cells | ({"split": _part_in(cells["split"])} if "split" in cells else {})


def _part_in(folder: str) -> str:
    """The part of a split that a folder is, also by one of its words: include50_train_keypoints -> train."""
    words = [part for word in re.split(r"[_\-. ]", folder) if (part := part_of(word)) in PARTS]
    return words[0] if len(words) == 1 else part_of(folder)


def _are_parts(folders: Collection[str]) -> bool:
    """Whether these are parts of a split: train and val, or names that differ in such a word alone."""
    rests = {
        re.sub(rf"(^|[_\-. ])({'|'.join((*PARTS, *PART_WORDS))})(?=$|[_\-. ])", "", folder.lower())
        for folder in folders
    }
    several = len(folders) > 1 and len(rests) == 1
    return all((_part_in if several else part_of)(folder) in PARTS for folder in folders)


def levels_of(places: Sequence[tuple[str, ...]]) -> Levels:
    """The level of the folders that names the class, the part and the person of the clips.

    The class is the innermost level with several names, unless it is a part, a person, or only a number. Where no level
    has several names, the class is the outermost one.
    """
    inside = [folders for folders in places if folders]
    depth = min(map(len, inside), default=0)
    names = [{folders[level] for folders in inside} for level in range(depth)]
    part = next((level for level in range(depth) if _are_parts(names[level])), None)
    other = [level for level in range(depth) if level != part]
    alone = len(other) == 1  # then s01 may be a sign or a sport, too; subject_01 is nobody else
    people = [level for level in other if all(map((SPELT if alone else PERSON).fullmatch, names[level]))]
    dividing = [level for level in other if len(names[level]) > 1 and level not in people]
    words = [level for level in dividing if not all(map(NUMBERED.fullmatch, names[level]))]
    several = [level for level in words if len({folders[: level + 1] for folders in inside}) < len(inside)]
    numbers = [level for level in dividing if all(name.isdecimal() and len(name) < 5 for name in names[level])]
    # A folder that holds one clip, as all of its level do, is no class where another folder divides them, too.
    last = [level for level in other if level not in people and not all(map(OF_DATA.fullmatch, names[level]))]
    chosen = several[-1:] or words[:1] or numbers[:1] or last
    return Levels(chosen[0] if chosen else None, part, people[0] if people else None)


def said_by_folders(
    places: Sequence[tuple[str, ...]],
) -> tuple[tuple[str, ...], list[tuple[int | None, dict[str, str]]]]:
    """The classes, and the label and splits of each clip, by the folders in which it lies, the outermost first.

    Folders of people, such as subject01 around walk, say who acts: a split keeps each on one side.
    """
    levels = levels_of(places)
    said = [levels.cells(folders) for folders in places]
    classes = tuple(sorted({cells["label"] for cells in said if "label" in cells}))
    labels = [classes.index(cells["label"]) if "label" in cells else None for cells in said]
    if levels.part is not None and all(places):
        return classes, [(label, {"split": cells["split"]}) for label, cells in zip(labels, said, strict=True)]
    if not classes:
        return (), [(None, {}) for _ in places]
    numbered = {f"{number:09}": label for number, label in enumerate(labels)}
    subjects = [{"subject": cells.get("subject", "")} for cells in said]
    parts = made_split(dict(zip(numbered, subjects, strict=True)), numbered, VAL_SHARE)[0]
    return classes, [(label, {split: part[clip] for split, part in parts.items()}) for clip, label in numbered.items()]


def said_of_folders(
    places: Sequence[tuple[str, ...]],
) -> tuple[tuple[str, ...], list[tuple[int | None, dict[str, str]]]]:
    """The same of clips that are folders: their own is no class, but may be a person, as in walk/s01."""
    levels = levels_of(places)
    people = levels.label is not None and levels.subject == min(map(len, places), default=0) - 1
    return said_by_folders(places if people else [folders[:-1] for folders in places])


def with_split(files: Sequence[ClipFile]) -> list[ClipFile]:
    """The files; a fifth of clips without class and part becomes "val", as a table of segments may label them."""
    if any(file.splits for file in files):
        return list(files)
    numbered = {f"{number:09}": file for number, file in enumerate(files)}
    parts = made_split({clip: {} for clip in numbered}, dict.fromkeys(numbered), VAL_SHARE)[0]
    return [replace(file, splits={split: of[clip] for split, of in parts.items()}) for clip, file in numbered.items()]


def line_on_folders(folder: Path, found: Recordings) -> tuple[str, ...]:
    """A line on the folders that name the classes, where they are not directly in `folder`, or others divide it."""
    if not found.class_names:
        return ()
    below = (place.path.relative_to(folder) for place in places(folder) if place.files and place.path != folder)
    inside = [tuple(map(composed, place.parts)) for place in below]
    depth = max(map(len, inside), default=0)
    names = [sorted({folders[level] for folders in inside if len(folders) > level}) for level in range(depth)]
    level = next((level for level in range(depth) if names[level] == sorted(found.class_names)), None)
    if level is not None and len(names[level]) == 1:
        return (
            f"classes: one, the folder {names[level][0]}, as no folder divides the clips (--labels-file gives labels)",
        )
    if level is None or depth == 1:
        return ()
    said = []
    for other in (place for place in range(depth) if place != level and len(names[place]) > 1):
        if _are_parts(names[other]):
            said.append(f"{first_few(names[other])} as parts of a split")
        elif all(map(PERSON.fullmatch, names[other])):
            said.append(f"{first_few(names[other])} as people")
        elif len({folders[: other + 1] for folders in inside}) < len(inside) or other < level:
            said.append(f"{first_few(names[other])} as parts of names only")
    around = "/".join(names[place][0] for place in range(level) if len(names[place]) == 1)
    where = f", in {around}/" if around else ""
    taken = f"; {', '.join(said)}" if said else ""
    line = f"classes: the folders {first_few(names[level])}{where}{taken} (--names or --labels-file says others)"
    return (line,) if where or taken else ()


def said_by_labels(labels: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[int | None, dict[str, str]]]]:
    """The same as of `said_by_folders`, by the label of each clip, as a cell of a table; "" where it has none."""
    if not any(labels):
        return (), [(None, {}) for _ in labels]
    known = facts({f"{number:09}": {"label": label} for number, label in enumerate(labels)})
    return known.class_names, [(clip.label, dict(clip.splits)) for clip in known.clips.values()]


def cells_of(files: Sequence[ClipFile], classes: Sequence[str]) -> dict[str, dict[str, str]]:
    """The class and the split of each clip as cells of a table, for formats whose clips a labels file completes."""
    columns = dict.fromkeys(split for file in files for split in file.splits if split != MADE)
    table = {file.name: {split: file.splits.get(split, "") for split in columns} for file in files}
    if classes:
        for file in files:
            table[file.name]["label"] = "" if file.label is None else classes[file.label]
    return table


def some_below(folder: Path, endings: Sequence[str], is_one: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether one of the first files in a folder that have one of these endings is of a format."""
    return any(map(is_one, islice(files_ending(folder, endings), LOOKED_AT)))


def reason_of(
    path: Path, endings: Sequence[str], is_one: Callable[[Path], bool], of_file: str, of_folder: str
) -> str | None:
    """Why a path is of a format, for its `detect`: `of_file` of a file that is one, `of_folder` of a folder with such.

    None for other paths. is_one: whether a file with one of these endings is of the format.
    """
    if path.is_file():
        return of_file if path.name.lower().endswith(tuple(endings)) and is_one(path) else None
    return of_folder if some_below(path, endings, is_one) else None


def first_readable(files: Sequence[ClipFile], read: Callable[[Path], T]) -> T:
    """The content of the first file that can be read. Raises FormatError with the first reason where none can."""
    error: Exception | None = None
    for file in files:
        try:
            return read(file.path)
        except (ValueError, OSError) as fault:
            error = error or fault
    raise FormatError(getattr(error, "kind", "unreadable"), str(fault_of(error or ValueError("there are no files"))))


def clips_of(files: Iterable[N], clip: Callable[[N], Item]) -> Iterator[Item]:
    """The clip of each file, or of anything else that has the name of its clip; or its fault."""
    for file in files:
        try:
            item = clip(file)
        except (ValueError, OSError) as error:
            item = _fault(error, file)
        yield _in_folders(file, item)


def all_clips_of(files: Sequence[ClipFile], clips: Callable[[ClipFile], Iterable[Item]]) -> Iterator[Item]:
    """The clips of each file, where a file may have several, or the fault at which its reading ends."""
    for file in files:
        try:
            for item in clips(file):
                yield _in_folders(file, item)
        except (ValueError, OSError) as error:
            yield _in_folders(file, _fault(error, file))


def _fault(error: Exception, file: Named) -> Fault:
    """The fault of a file. Raises what is missing for all files, such as a package or the models of an estimator."""
    if getattr(error, "kind", "") == "missing":
        raise error
    return fault_of(error, file.name)


def text_of(file: Path) -> str:
    """The text of a file. Raises ValueError for one that is too large to be a clip."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}")
    return file.read_text(encoding="utf-8-sig", errors="replace")
