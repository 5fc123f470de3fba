"""Arrays of one clip with a row of numbers for each frame; as text without a header, also with one for each joint."""

import re
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from kinegraph.data.folders import files_ending
from kinegraph.data.formats.folder import detect as is_dataset
from kinegraph.data.reading.clips.clip_files import text_of
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.npy import mapped
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.data.reading.joints.axes import HAND, WITH_TURN, beside_turns, flat_shapes, with_joints
from kinegraph.data.reading.tables.track_rows import numbers_before, people_of

TEXTS = (".csv", ".txt")
ROW = re.compile(rb'\s*(?:\{\s*"[^"]{1,60}"\s*:\s*)?\[\s*\[([^\[\]{"]*)\]')  # the first in a JSON
COORDINATES = (2, 3, 4)  # numbers of a joint
HEAD = 1 << 12  # bytes
LOOKED_AT = 20  # files of a folder


def has_a_row_a_frame(file: Path) -> bool:
    """Whether a row has as many numbers as the joints of a layout, or one more that counts frames."""
    numbers = first_numbers(file, separator_in(file))
    if numbers_before(file, separator_in(file)):
        return True
    if len(numbers) == 2 * (1 + HAND) and {*numbers[:: 1 + HAND]} <= {0, 1}:  # both hands of H2O, known by name
        return False
    counted = numbers[:1] in ([0], [1]) and flat_shapes(len(numbers) - 1)
    return bool(flat_shapes(len(numbers)) or counted or has_turns(file))


def has_turns(file: Path) -> bool:
    """Whether rows have the place and the rotation of each joint, by the first that is not zero."""
    if file.suffix.lower() == ".npy":
        return beside_turns(mapped(file)) is not None
    width = len(first_numbers(file, separator := separator_in(file)))
    if file.suffix.lower() not in TEXTS or not any(width % size == 0 for size in WITH_TURN):
        return False
    with file.open("rb") as content, suppress(ValueError):
        lines = islice((line for line in content if any(digit in line for digit in b"123456789")), 1)
        rows = [[float(cell) for cell in line.decode("ascii").split(separator) if cell.strip()] for line in lines]
        return bool(rows) and len(rows[0]) == width and beside_turns(np.array(rows)) is not None
    return False


def has_a_row_a_joint(file: Path) -> bool:
    """Whether a text has so few numbers in a row, and not whole ones alone, as numbers of classes are."""
    if file.suffix.lower() not in TEXTS or not file.is_file() or is_dataset(file.parent):
        return False
    width = len(first_numbers(file, separator := separator_in(file)))
    if width not in COORDINATES:
        return False
    with file.open("rb") as content, suppress(ValueError):
        rows = [line.decode("ascii").split(separator) for line in content.readlines(HEAD)[:-1]]
        return any(len(row) == width and not float(cell).is_integer() for row in rows for cell in row if cell.strip())
    return False


def is_flat(file: Path) -> bool:
    """Whether a .npy, a JSON or a text holds frames of as many numbers as the joints of a layout have."""
    if not file.is_file() or is_dataset(file.parent):
        return False
    if file.suffix.lower() in TEXTS:
        return has_a_row_a_frame(file)
    if file.suffix.lower() == ".json":
        with file.open("rb") as content:
            row = ROW.match(content.read(HEAD * 8))
        return row is not None and bool(flat_shapes(row[1].count(b",") + 1))
    if file.suffix.lower() != ".npy":
        return False
    with suppress(ValueError):
        shape = mapped(file).shape
        return len(shape) == 2 and shape[0] > 1 and (bool(flat_shapes(shape[1])) or has_turns(file))
    return False


def are_flat(folder: Path) -> bool:
    """Whether the first arrays of a folder are such."""
    some = list(islice(files_ending(folder, (".npy", ".json", *TEXTS)), LOOKED_AT))
    return bool(some) and (all(map(is_flat, some)) or all(map(has_a_row_a_joint, some)))


def separator_in(file: Path) -> str | None:
    """What separates the numbers of a text: a comma, a semicolon, or blanks (None)."""
    with file.open("rb") as content:
        head = content.readline(1 << 16)
    return next((mark for mark in (",", ";") if mark.encode() in head), None)


def read_text(file: Path, joints: int | None) -> Float[np.ndarray, "T ..."]:
    """The rows of a text; the frames where a row is a joint. joints: number of joints, if known."""
    width = len(first_numbers(file, separator := separator_in(file)))
    if width in COORDINATES:
        return _in_frames(file, width, separator, joints)
    array = table_of_numbers(text_of(file), file, width, f"{width} as in the first row", separator)
    if before := numbers_before(file, separator):
        return people_of(array, with_joints(array[:, before:], joints)[:, 0])
    return array[:, 1:] if _counts(array[:, 0]) and flat_shapes(width - 1) else array


def _in_frames(file: Path, width: int, separator: str | None, joints: int | None) -> Float[np.ndarray, "T V C"]:
    """The frames of a text with a row for each joint. Raises FormatError where nobody says how many these are."""
    if joints is None and (joints := _rows_between_blanks(file)) is None:
        raise FormatError("layout", f"{file} has rows of {width} numbers, a joint each; name the joints by --layout")
    rows = table_of_numbers(text_of(file), file, width, f"{width} as in the first row", separator)
    if len(rows) % joints:
        raise FormatError("joints", f"{file} has {len(rows):,} rows, expected {joints} for each frame; is it cut?")
    return rows.reshape(-1, joints, width)


def _rows_between_blanks(file: Path) -> int | None:
    """How many rows stand between blank lines, where these part all frames alike; None where they do not."""
    blocks = [len(block.splitlines()) for block in re.split(r"\n\s*\n", text_of(file).strip())]
    return blocks[0] if len(blocks) > 1 and len({*blocks}) == 1 else None


def _counts(column: Float[np.ndarray, "T"]) -> bool:
    """Whether numbers count frames, as the first of each row may."""
    return len(column) > 1 and column[0] in (0, 1) and bool((np.diff(column) == 1).all())


def are_of_people(file: Path) -> bool:
    """Whether the rows of a text are people with ids."""
    return file.suffix.lower() in TEXTS and numbers_before(file, separator_in(file)) > 0


def is_counted(file: Path, array: Shaped[np.ndarray, "T ..."]) -> bool:
    """Whether the rows of a text have one number more than the joints."""
    numbers = array[0].size
    return file.suffix.lower() in TEXTS and len(first_numbers(file, separator_in(file))) == numbers + 1
