"""The files in a folder of recordings, at any depth, also behind links."""

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

MOST_FOLDERS = 1_000_000


def walk(folder: Path, onerror: Callable[[OSError], None] | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Every folder in a folder with the names of the files and folders in it, in order.

    Links to folders are followed, but not to a folder that the link lies in: they would lead in circles.
    """
    for count, (at, folders, names) in enumerate(os.walk(folder, onerror=onerror, followlinks=True)):
        if count == MOST_FOLDERS:
            raise ValueError(f"{folder} has more than {MOST_FOLDERS:,} folders in it; do its links lead in circles?")
        place = Path(at)
        if links := [name for name in folders if os.path.islink(os.path.join(at, name))]:
            around = {parent.resolve() for parent in (place.absolute(), *place.absolute().parents)}
            links = [name for name in links if (place / name).resolve() in around]
        folders[:] = sorted(set(folders) - set(links))
        yield place, sorted(folders + names)


def files_below(folder: Path, pattern: str) -> Iterator[Path]:
    """What is in a folder, at any depth, and has a name of a pattern such as "*.trc"."""
    for place, names in walk(folder):
        yield from (place / name for name in names if fnmatchcase(name, pattern))


def files_ending(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """The files in a folder, at any depth, whose names have one of these endings, such as ".bvh", also in capitals."""
    for place, names in walk(folder):
        found = [place / name for name in names if name.lower().endswith(tuple(endings))]
        yield from (file for file in found if file.is_file())
