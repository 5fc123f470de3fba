"""Files that people name or that lie in a stranger's folder: whoever reads one asks here whether it is a file.

A pipe waits for a writer, and /dev/zero has no end.
"""

from pathlib import Path


def check_is_file(path: Path) -> None:
    """Raises ValueError for a device, a pipe or a folder; a path where nothing is stays for `open` to name."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a {'folder' if path.is_dir() else 'device or a pipe'}, expected a file")


def read_text(path: Path, most: int) -> str:
    """The text of a file, at most so many letters of it; bytes that are none become a question mark."""
    check_is_file(path)
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(most)
