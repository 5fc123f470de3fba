"""Files that people name or that lie in a stranger's folder: whoever reads or writes one asks here whether that works.

A pipe waits for a writer, and /dev/zero has no end.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path


def user_cache() -> Path | None:
    """The folder of what can be made again: $KINEGRAPH_CACHE, or `kinegraph` where the system keeps such things.

    None for a user without a home folder, as in some containers.
    """
    if own := os.environ.get("KINEGRAPH_CACHE"):
        return Path(own)
    place = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if place.startswith("~") else Path(place) / "kinegraph"


def place_beside(path: Path) -> Path:
    """The folder that a file or folder lies in, or the user's cache where nothing may be written there."""
    if os.access(path.parent, os.W_OK):
        return path.parent
    if (cache := user_cache()) is None:
        raise ValueError(f"nothing can be written beside {path}, and no home folder is known: set KINEGRAPH_CACHE")
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def check_is_file(path: Path) -> None:
    """Raises ValueError for a device, a pipe or a folder; a path where nothing is stays for `open` to name."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a {'folder' if path.is_dir() else 'device or a pipe'}, expected a file")


def read_text(path: Path, most: int) -> str:
    """The text of a file, at most so many letters of it; bytes that are none become a question mark."""
    check_is_file(path)
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(most)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_new_file(path: Path, suffixes: Sequence[str], *, overwrite: bool = True, what: str = "--out") -> None:
    """Raises ValueError for a file that cannot be written, before anything is computed. what: its name in messages."""
    if path.suffix not in suffixes:
        raise ValueError(f"{what} is '{path}', expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; choose another name or give --overwrite")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}")
