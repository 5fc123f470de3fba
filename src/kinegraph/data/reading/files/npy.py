"""Arrays of numpy (.npy), whose numbers stay on disk until they are taken."""

from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np


def mapped(path: Path) -> np.ndarray:
    """The array of a .npy, whose numbers are read when they are taken. Raises ValueError for a broken file."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (EOFError, ValueError, ArithmeticError, SyntaxError, TypeError, RecursionError, TokenError, BadZipFile):
        array = None
    if not isinstance(array, np.ndarray):  # np.load reads .npz too
        raise ValueError(f"{path} is not a whole .npy file of numbers{_of_objects(path)}")
    return array


def _of_objects(path: Path) -> str:
    """What to do with a .npy of Python objects; "" for any other."""
    with path.open("rb") as file:
        head = file.read(128)
    way = ", it holds Python objects; save each array in it by numpy.save in a file of its own"
    return way if head.startswith(b"\x93NUMPY") and b"'|O'" in head else ""
