"""The files in a folder of recordings, at any depth, also behind links.

Hidden files and folders, and those that systems and programs leave behind, are no recordings and are passed over.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

MOST_FOLDERS = 1_000_000
LEFT_BEHIND = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "__pycache__")
STARTS = (".", "~$")  # hidden; open in Excel or Word


@dataclass(frozen=True)
class Place:
    """A folder with the names in it, in order.

    files: also behind links. others: pipes and devices. broken: links without a target. fault: why the folder cannot be
    listed.
    """

    path: Path
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    fault: OSError | None = None


T = TypeVar("T")
Opened = Callable[[int, int], None]
_OPENING: ContextVar[Opened | None] = ContextVar("opening", default=None)
_LISTED: ContextVar[dict[Path, tuple[Place, ...]] | None] = ContextVar("listed", default=None)


@contextmanager
def listed_once() -> Iterator[None]:
    """Inside, a folder is listed once and not each time that somebody asks: many formats look at the same folder."""
    if _LISTED.get() is not None:
        yield
        return
    token = _LISTED.set({})
    try:
        yield
    finally:
        _LISTED.reset(token)


@contextmanager
def opening(shown: Opened) -> Iterator[None]:
    """Inside, `shown` is called with how many files of how many a reader has opened, see `one_by_one`."""
    token = _OPENING.set(shown)
    try:
        yield
    finally:
        _OPENING.reset(token)


def one_by_one(files: Sequence[T]) -> Iterator[T]:
    """The files of a reader that opens all of them before its first clip."""
    shown = _OPENING.get()
    for done, file in enumerate(files):
        if shown is not None:
            shown(done, len(files))
        yield file


def places(folder: Path) -> Iterator[Place]:
    """A folder and every folder in it.

    Links to folders are followed, but not to a folder that the link lies in: they would lead in circles.
    """
    listed = _LISTED.get()
    if listed is None:
        yield from _places(folder)
        return
    if folder not in listed:
        listed[folder] = tuple(_places(folder))
    yield from listed[folder]


def _places(folder: Path) -> Iterator[Place]:
    waiting, count = [folder], 0
    while waiting:
        if count == MOST_FOLDERS:
            raise ValueError(f"{folder} has more than {MOST_FOLDERS:,} folders in it; do its links lead in circles?")
        place = _place(waiting.pop())
        count += 1
        waiting += [place.path / name for name in reversed(place.folders)]
        yield place


def _place(folder: Path) -> Place:
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not _is_left_behind(entry.name)), key=lambda path: path.name)
    except OSError as error:
        return Place(folder, fault=error)
    kinds: dict[str, list[str]] = {"folders": [], "files": [], "others": [], "broken": []}
    around: set[Path] | None = None
    for entry in entries:
        kind = _kind(entry)
        if kind == "folders" and entry.is_symlink():
            around = around or {parent.resolve() for parent in (folder.absolute(), *folder.absolute().parents)}
            if Path(entry.path).resolve() in around:
                continue
        kinds[kind].append(entry.name)
    return Place(folder, **{kind: tuple(names) for kind, names in kinds.items()})


def _kind(entry: "os.DirEntry[str]") -> str:
    try:
        if entry.is_dir():
            return "folders"
        if entry.is_file():
            return "files"
        return "broken" if entry.is_symlink() and not os.path.exists(entry.path) else "others"
    except OSError:  # a link that leads to itself
        return "broken"


def _is_left_behind(name: str) -> bool:
    return name.startswith(STARTS) or name in LEFT_BEHIND


def unpacked(folder: Path) -> Path:
    """The innermost of folders that hold one folder and nothing else, as archives are often unpacked."""
    place = next(places(folder))
    while len(place.folders) == 1 and not place.files:
        inner = _place(place.path / place.folders[0])
        if inner.fault is not None:
            break
        place = inner
    return place.path


def files_in(folder: Path, pattern: str) -> Iterator[Path]:
    """The files in a folder itself whose names have a pattern such as "*.npy"."""
    place = next(places(folder))
    yield from (place.path / name for name in place.files if fnmatchcase(name, pattern))


def files_below(folder: Path, pattern: str) -> Iterator[Path]:
    """The files in a folder, at any depth, whose names have a pattern such as "*.trc"."""
    for place in places(folder):
        yield from (place.path / name for name in place.files if fnmatchcase(name, pattern))


def files_ending(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """The files in a folder, at any depth, whose names have one of these endings, such as ".bvh", also in capitals."""
    for place in places(folder):
        yield from (place.path / name for name in place.files if name.lower().endswith(tuple(endings)))
