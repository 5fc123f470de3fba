"""The text of a raw NTU RGB+D file in one pass over its bytes, for numba to compile.

Importing this imports numba, which takes a second, and the first call of all compiles for some seconds: it pays from
about a thousand files on. Without numba the functions are what is written here, right but slow.
"""

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats import ntu_text
from kinegraph.data.formats.ntu_text import BODY_LINES, BODY_VALUES, FARTHEST, JOINT_VALUES, JOINTS, Bodies

try:
    from numba import njit
except ImportError:
    njit = None

NO_PLACE = -1
BODY_BYTES = JOINTS * 2 * JOINT_VALUES  # at least
ODD_NUMBERS = 1000  # of a file, such as 5e-05
EXACT_DIGITS = 15
POWER_OF_TEN = 10.0 ** np.arange(EXACT_DIGITS + 1)
BLANK, RETURN, NEWLINE, PLUS, MINUS, POINT, ZERO, NINE = b" \r\n+-.09"


def parse_bodies(data: bytes) -> Bodies:
    """What `ntu_text.parse_bodies` does, which also takes the files that are not quite regular."""
    return fast(data) or ntu_text.parse_bodies(data)


def fast(data: bytes) -> Bodies | None:
    """The bodies of a regular file; None where the file is not regular, or wrong."""
    text = data if data.endswith(b"\n") else data + b"\n"
    most = len(text) // BODY_BYTES
    frame, name = np.empty(most, np.int64), np.empty((most, 2), np.int64)
    joints, irregular = np.empty((most, JOINTS, 3)), np.empty((ODD_NUMBERS, 3), np.int64)
    frames, bodies, irregulars = _scan(text, frame, name, joints, irregular)
    if frames < 0:
        return None
    joints = joints[:bodies]
    for begin, end, place in irregular[:irregulars].tolist():
        written = text[begin:end]
        if not ntu_text.is_number(written):
            return None
        if place != NO_PLACE:
            joints.reshape(-1)[place] = float(written)
    if not (np.abs(joints) <= FARTHEST).all():
        return None
    return Bodies(frames, frame[:bodies], tuple(int(text[i:j]) for i, j in name[:bodies].tolist()), joints)


def _compiled(function):
    if njit is None:
        return function
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # no place to keep it
        return njit(function)


@_compiled
def _skip_blanks(text: bytes, at: int) -> int:
    while text[at] == BLANK or text[at] == RETURN:
        at += 1
    return at


@_compiled
def _skip_digits(text: bytes, at: int) -> int:
    while ZERO <= text[at] <= NINE:
        at += 1
    return at


@_compiled
def _decimal(text: bytes, at: int) -> tuple[float, int]:
    """The plain number at `at` and the place behind it; NO_PLACE for any other, and for one that may round wrongly.

    See `ntu_text._decimals` for why one division rounds rightly.
    """
    negative = text[at] == MINUS
    first = at + 1 if negative or text[at] == PLUS else at
    whole = 0
    end = first
    while ZERO <= text[end] <= NINE:
        whole = whole * 10 + (text[end] - ZERO)
        end += 1
    digits, decimals = end - first, 0
    if text[end] == POINT:
        first = end = end + 1
        while ZERO <= text[end] <= NINE:
            whole = whole * 10 + (text[end] - ZERO)
            end += 1
        decimals = end - first
        if decimals == 0:
            return 0.0, NO_PLACE
    ended = text[end] == BLANK or text[end] == RETURN or text[end] == NEWLINE
    if digits == 0 or digits + decimals > EXACT_DIGITS or not ended:
        return 0.0, NO_PLACE
    value = whole / POWER_OF_TEN[decimals]
    return (-value if negative else value), end


@_compiled
def _count(text: bytes, at: int) -> tuple[int, int]:
    """The whole number that is alone in the line at `at`, -1 for anything else, and the last byte of the line."""
    at = _skip_blanks(text, at)
    end = _skip_digits(text, at)
    if end == at or end - at > EXACT_DIGITS:
        return -1, at
    value = 0
    for i in range(at, end):
        value = value * 10 + (text[i] - ZERO)
    end = _skip_blanks(text, end)
    return (value if text[end] == NEWLINE else -1), end


@_compiled
def _scan(
    text: bytes,
    frame: Int[np.ndarray, " body"],
    name: Int[np.ndarray, "body 2"],
    joints: Float[np.ndarray, "body 25 3"],
    irregular: Int[np.ndarray, "number 3"],
) -> tuple[int, int, int]:
    """Fill in each body's frame, where its id is written, and its joints.

    irregular: begin and end of numbers that are not plain decimals, and the place in `joints` where they belong.
    Returns the numbers of frames (-1: the file is not regular), of bodies and of such numbers.
    """
    broken = -1, 0, 0
    last = len(text) - 1  # a newline, so that nothing runs past the end
    body = irregulars = 0
    frames, at = _count(text, 0)
    for f in range(frames):
        bodies, at = _count(text, min(at + 1, last))
        if bodies < 0 or bodies > len(frame) - body:
            return broken
        for _ in range(bodies):
            frame[body] = f
            for line in range(BODY_LINES):
                if line == 1:
                    found, at = _count(text, min(at + 1, last))
                    if found != JOINTS:
                        return broken
                    continue
                at = min(at + 1, last)
                for i in range(BODY_VALUES if line == 0 else JOINT_VALUES):
                    at = _skip_blanks(text, at)
                    value, end = _decimal(text, at)
                    if line == 0 and i == 0:
                        end = _skip_digits(text, at)
                        if end == at or text[end] != BLANK or end - at > ntu_text.LONGEST_ID:
                            return broken
                        name[body, 0], name[body, 1] = at, end
                    elif end == NO_PLACE:
                        end = at
                        while text[end] > BLANK:
                            end += 1
                        if end == at or irregulars == len(irregular):
                            return broken
                        irregular[irregulars, 0], irregular[irregulars, 1], irregular[irregulars, 2] = at, end, NO_PLACE
                        if line > 1 and i < 3:
                            irregular[irregulars, 2] = (body * JOINTS + line - 2) * 3 + i
                        irregulars += 1
                    elif line > 1 and i < 3:
                        joints[body, line - 2, i] = value
                    at = end
                at = _skip_blanks(text, at)
                if text[at] != NEWLINE:
                    return broken
            body += 1
    while at < last and (text[at] == NEWLINE or text[at] == BLANK or text[at] == RETURN):
        at += 1
    return (frames, body, irregulars) if at == last else broken
