"""Files and folders that appear whole or not at all: a killed run leaves the old one or the new one, never a half.

The unfinished file of a killed run lies hidden beside its place, as .NAME.partial-HOST-PROCESS-...; the next run that
writes there removes it.
"""

import errno
import os
import platform
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SHOWN = 40  # letters of a name that the hidden one begins with: a file system takes 255 bytes, of which one may have 4


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it is moved to `path` at the end, or removed on an error.

    A link is replaced by the file: what it leads to is not written.
    """
    unfinished = _place_beside(path)
    try:
        with _naming(path, unfinished):
            yield unfinished
            _to_disk(unfinished)  # else the name can reach it before the content
            os.replace(unfinished, path)
    finally:
        with suppress(OSError):  # it may not be there; and the fault is reported already
            unfinished.unlink()


@contextmanager
def _naming(path: Path, unfinished: Path) -> Iterator[None]:
    """An error of the system names what was asked for, not the hidden place beside it."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            error.filename = str(error.filename).replace(str(unfinished), str(path))
        elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # writing does not say where
            error.filename = str(path)
        raise


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file at once."""
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def atomic_folder(path: Path, replaceable: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """A folder beside `path` that is renamed to it at the end, or removed on an error.

    replaceable: raises where a folder that is there may not be replaced; without it, none may but an empty one. A
    folder that appeared meanwhile is not lost: ValueError is raised.
    """
    path = path.resolve()  # through a link: to the disk where the folder is
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = _place_beside(path)
    try:
        with _naming(path, folder):
            folder.mkdir()
            yield folder
            _put_in_place(folder, path, replaceable)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, path: Path, replaceable: Callable[[Path], None] | None) -> None:
    try:
        if not path.exists() or os.name == "posix":  # where an empty folder is replaced, and no other
            os.rename(folder, path)
            return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
    if replaceable is None:
        raise ValueError(f"{path} appeared while it was being written; choose another place")
    replaceable(path)
    for file in filter(Path.is_file, folder.rglob("*")):  # the old ones are deleted next
        _to_disk(file)
    if _exchange(folder, path):
        try:
            replaceable(folder)  # what was there in that moment
        except ValueError:
            _exchange(folder, path)
            raise
        return
    old = folder.with_name(f".{path.name[:SHOWN]}.replaced-{secrets.token_hex(4)}")
    os.rename(path, old)
    try:
        os.rename(folder, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old)


def _to_disk(file: Path) -> None:
    """Wait until the content is where a power cut leaves it."""
    with file.open("rb+") as content:
        os.fsync(content.fileno())


def _exchange(path: Path, other: Path) -> bool:
    """Swap two folders in one step, so that both exist at any moment. False where the system cannot."""
    import ctypes  # seldom needed

    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    from_here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(from_here, os.fsencode(path), from_here, os.fsencode(other), swap) == 0


def _place_beside(path: Path) -> Path:
    """A new name beside `path` that says who writes there. Those of killed processes of this machine are removed."""
    start = f".{path.name[:SHOWN]}.partial-{zlib.crc32(platform.node().encode()):08x}-"
    with suppress(OSError):  # no folder, or one that may not be changed: writing will say so
        for left in [file for file in path.parent.iterdir() if file.name.startswith(start)]:
            if not _is_running(left.name.removeprefix(start).partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
    return path.with_name(f"{start}{os.getpid()}-{secrets.token_hex(4)}")


def _is_running(process: str) -> bool:
    """Whether there is a process of that number. True also where asking is not permitted."""
    if os.name != "posix" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
