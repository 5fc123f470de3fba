"""The text of a raw NTU RGB+D `.skeleton` file: bytes -> bodies.

A file is the number of frames; for each frame the number of bodies; for each body a line of 10 values that starts with
the body's id, the number of joints, and 12 values a joint, of which x y z come first (metres, Kinect camera frame).

Three readers give the same answer. `_careful` goes line by line, takes all that is right and names what is wrong.
`_fast` works on all bytes at once with numpy and takes regular files only; what it is not sure of goes to `_careful`.
The third, in `ntu_scan`, is for many files.
"""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

JOINTS = 25
BODY_VALUES = 10
JOINT_VALUES = 12
BODY_LINES = JOINTS + 2
LONGEST_ID = 40
FARTHEST = 1e6  # metres; the camera sees 8


@dataclass(frozen=True, eq=False)
class Bodies:
    """Every body of every frame, in the order of the file.

    frames: how many frames the file has, with and without bodies. frame: the frame each body is in.
    ids: what the camera calls each body; above 2^53, so never a float. joints: metres, Kinect camera frame.
    """

    frames: int
    frame: Int[np.ndarray, " body"]
    ids: tuple[int, ...]
    joints: Float[np.ndarray, "body 25 3"]


def parse_bodies(data: bytes) -> Bodies:
    """Read the content of a `.skeleton` file. Raises ValueError 'line 31: ...' with what is wrong there."""
    return _fast(data) or _careful(data)


# ---- careful: line by line -------------------------------------------------------------------------------------------

NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
WORD = re.compile(rb"[^ \t\r\n]*")
NOT_FINITE = re.compile(rb"[-+]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def is_number(written: bytes) -> bool:
    return bool(NUMBER.fullmatch(written) or NOT_FINITE.fullmatch(written))


def _careful(data: bytes) -> Bodies:
    if not data.strip():
        raise ValueError("line 1: the file is empty")
    lines = data.rstrip().split(b"\n")
    frames = _count(lines, 0, "frames")
    frame, ids, joints = [], [], []
    at = 1
    for f in range(frames):
        bodies = _count(lines, at, f"bodies in frame {f + 1} of {frames}")
        at += 1
        for body in range(bodies):
            where = f"body {body + 1} of {bodies} in frame {f + 1} of {frames}"
            values = _values(lines, at, BODY_VALUES, f"the line of {where}")
            if not values[0].isdigit() or len(values[0]) > LONGEST_ID:
                raise ValueError(f"line {at + 1}: {_show(values[0])} is not the id of a body, a whole number")
            if (found := _count(lines, at + 1, f"joints of {where}")) != JOINTS:
                raise ValueError(f"line {at + 2}: {where} has {found} joints, expected {JOINTS}")
            ids.append(int(values[0]))
            frame.append(f)
            joints.append([_joint(lines, at + 2 + j, f"joint {j + 1} of {where}") for j in range(JOINTS)])
            at += BODY_LINES
    if at < len(lines):
        raise ValueError(f"line {at + 1}: the file goes on after the last of its {frames} frames")
    return Bodies(frames, np.array(frame, int), tuple(ids), np.array(joints, float).reshape(-1, JOINTS, 3))


def _values(lines: list[bytes], at: int, expected: int, what: str) -> list[bytes]:
    if at >= len(lines):
        raise ValueError(f"line {at + 1}: the file ends here, expected {what}")
    values = lines[at].split()
    for value in values:
        if not is_number(value):
            raise ValueError(f"line {at + 1}: {_show(value)} is not a number, in {what}")
    if len(values) != expected:
        raise ValueError(f"line {at + 1}: {len(values)} values, expected {expected}, in {what}")
    return values


def _count(lines: list[bytes], at: int, what: str) -> int:
    (value,) = _values(lines, at, 1, f"the number of {what}")
    if not value.isdigit() or len(value) > LONGEST_ID:
        raise ValueError(f"line {at + 1}: {_show(value)} is not the number of {what}")
    return int(value)


def _joint(lines: list[bytes], at: int, what: str) -> list[float]:
    """x, y and z. The other nine values have to be numbers, but the camera may have found no finite ones."""
    xyz = [float(value) for value in _values(lines, at, JOINT_VALUES, what)[:3]]
    for value in xyz:
        if not abs(value) <= FARTHEST:
            raise ValueError(f"line {at + 1}: {value} is not a coordinate in metres, in {what}")
    return xyz


def _show(value: bytes) -> str:
    text = value.decode("latin-1")
    return ascii(text if len(text) <= 40 else text[:37] + "...")


# ---- fast: all bytes at once -----------------------------------------------------------------------------------------
#
# Looking at every byte costs little (numpy compares 32 or 64 at a time), making positions of them costs much. So the
# form of all numbers is checked byte by byte, and only where something begins becomes a position.

PIECE = 1 << 16  # bytes looked at together, few enough to stay in a core's cache
POWER_OF_TEN = 10 ** np.arange(16)
USUAL_WHOLE, USUAL_DECIMALS = 4, 11  # digits before and after the point, together below 2^53
LAST = np.array([(1 << 64) - (1 << 8 * (8 - n)) for n in range(9)], np.uint64)  # the last n of 8 bytes


@dataclass(frozen=True, eq=False)
class _Lines:
    """How many numbers each line has, where its first four begin and where the first three have their points, else 0.

    Of a shorter line, the later places mean nothing.
    """

    text: bytes
    numbers: Int[np.ndarray, " line"]
    begin: Int[np.ndarray, "line 4"]
    point: Int[np.ndarray, "line 3"]


def _fast(data: bytes) -> Bodies | None:
    """The bodies of a regular file; None where the file is not regular, or wrong."""
    text, with_letters = _without_letters(data if data.endswith(b"\n") else data + b"\n")
    lines = _lines(text) if len(text) >= 8 else None  # eight bytes are read at once
    if lines is None or (found := _walk(lines)) is None:
        return None
    frames, frame, ids, body_line = found
    joint_line = (body_line[:, None] + np.arange(2, BODY_LINES)).ravel()
    if (lines.numbers[joint_line] != JOINT_VALUES).any():
        return None
    begin = lines.begin[joint_line]
    values = _decimals(text, begin[:, :3].ravel(), lines.point[joint_line].ravel(), begin[:, 1:].ravel())
    for place, value in with_letters.items():
        values[begin[:, :3].ravel() == place] = value
    if not (np.abs(values) <= FARTHEST).all():
        return None
    return Bodies(frames, frame, ids, values.reshape(-1, JOINTS, 3))


def _without_letters(text: bytes) -> tuple[bytes, dict[int, float]]:
    """Numbers such as 5e-05 or -inf are few: their values by place, and the text with 0.0... in their places.

    The point stays so that no such number is read as a count or an id.
    """
    letter = np.frombuffer(text, np.uint8) > ord("9")
    if not letter.any():
        return text, {}
    edited, values, end = bytearray(text), {}, 0
    for at in np.flatnonzero(letter).tolist():
        if at < end:
            continue
        start = max(text.rfind(b" ", 0, at), text.rfind(b"\n", 0, at)) + 1
        end = WORD.match(text, at).end()
        if not is_number(text[start:end]):
            return text, {}  # the letter stays where it is, and is found to be none of a number
        edited[start:end] = b"0.".ljust(end - start, b"0")
        values[start] = float(text[start:end])
    return bytes(edited), values


def _lines(text: bytes) -> _Lines | None:
    """Find the numbers; None if anything is no plain decimal number."""
    found, start = [], 0
    while start < len(text):
        stop = (text.find(b"\n", start + PIECE) + 1) or len(text)
        if (lines := _lines_of_piece(np.frombuffer(text, np.uint8, stop - start, start))) is None:
            return None
        numbers, begin, point = lines
        begin += start
        point += np.sign(point) * start
        found.append((numbers, begin, point))
        start = stop
    return _Lines(text, *map(np.concatenate, zip(*found, strict=True)))


def _lines_of_piece(
    byte: UInt8[np.ndarray, " byte"],
) -> tuple[Int[np.ndarray, " line"], Int[np.ndarray, "line 4"], Int[np.ndarray, "line 3"]] | None:
    """Numbers, begin and point of `_Lines` in some whole lines."""
    if (mark := _marks(byte)) is None:
        return None
    what = byte[mark]
    is_point = what == ord(".")
    if (is_point[1:] & is_point[:-1]).any():  # two in one number
        return None
    end = np.flatnonzero(what == ord("\n"))
    points = np.cumsum(is_point)[end]
    at = np.concatenate([[0], end[:-1] + 1])  # of the first, second ... number of each line
    numbers = end - at - np.diff(points, prepend=0)
    begin, point = np.empty((len(end), 4), np.int64), np.empty((len(end), 3), np.int64)
    begin[:, 0] = mark[at]
    for i in range(3):
        pointed = is_point.take(at + 1, mode="clip")
        point[:, i] = mark.take(at + 1, mode="clip") * pointed
        at += 1 + pointed
        begin[:, i + 1] = mark.take(at, mode="clip")
    return numbers, begin, point


def _marks(byte: UInt8[np.ndarray, " byte"]) -> Int[np.ndarray, " mark"] | None:
    """Where numbers begin, their points, and line ends. None unless all is [sign] digits [. digits] between blanks."""
    newline, point = byte == ord("\n"), byte == ord(".")
    blank = byte == ord(" ")
    blank |= newline
    blank |= byte == ord("\r")
    sign = byte == ord("-")
    sign |= byte == ord("+")
    begins = ~blank
    begins[1:] &= blank[:-1]
    no_digit = byte < ord("0")
    other = no_digit ^ blank
    bad = byte > ord("9")
    bad |= other ^ ((sign & begins) | (point > begins))  # a > b of booleans: a and not b
    bad[:-1] |= other[:-1] & no_digit[1:]
    return None if bad.any() else np.flatnonzero(begins | point | newline)


def _walk(lines: _Lines) -> tuple[int, Int[np.ndarray, " body"], tuple[int, ...], Int[np.ndarray, " body"]] | None:
    """Step from count to count: number of frames; frame, id and line of each body. None if out of step."""
    text, numbers, begin = lines.text, lines.numbers, lines.begin[:, 0]

    def count(line: int) -> int:
        return _whole(text, int(begin[line])) if line < len(numbers) and numbers[line] == 1 else -1

    frame, body_line = [], []
    at = 1
    for f in range(frames := count(0)):
        bodies = count(at)
        if bodies < 0 or at + bodies * BODY_LINES >= len(numbers):
            return None
        frame += [f] * bodies
        body_line += range(at + 1, at + bodies * BODY_LINES, BODY_LINES)
        at += 1 + bodies * BODY_LINES
    if frames < 0 or numbers[at:].any():
        return None
    body_line = np.array(body_line, int)
    ids = tuple(_whole(text, place) for place in begin[body_line].tolist())
    joints = begin[body_line + 1]
    byte = np.frombuffer(text, np.uint8)
    written = [byte.take(joints + i, mode="clip") for i in range(3)]
    counted = (written[0] == ord("2")) & (written[1] == ord("5")) & (written[2] <= ord(" "))  # JOINTS
    counted &= numbers[body_line + 1] == 1
    if -1 in ids or not counted.all() or (numbers[body_line] != BODY_VALUES).any():
        return None
    return frames, np.array(frame, int), ids, body_line


def _whole(text: bytes, begin: int) -> int:
    """The whole number there; -1 for one that has a sign or a point, or is absurdly long."""
    (written,) = text[begin : begin + LONGEST_ID + 1].split(maxsplit=1)[:1] or [b""]
    return int(written) if written.isdigit() and len(written) <= LONGEST_ID else -1


def _decimals(
    text: bytes, begin: Int[np.ndarray, " n"], point: Int[np.ndarray, " n"], following: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The numbers at `begin`, rounded as `float` rounds them. point: 0 if there is none; following: the next number.

    Such a number is an integer below 2^53 divided by a power of ten below 10^22: both are exact as doubles, so the one
    division rounds correctly (Clinger 1990, "How to read floating point numbers accurately"). Long ones go to `float`.
    """
    byte = np.frombuffer(text, np.uint8)
    end = following - 1
    while (blank := byte[end - 1] <= ord(" ")).any():
        end -= blank
    point = np.where(point, point, end)
    sign = byte[begin]
    whole = point - begin - (sign < ord("0"))  # how many digits
    decimals = np.maximum(end - point - 1, 0)
    unusual = np.flatnonzero((whole > USUAL_WHOLE) | (decimals > USUAL_DECIMALS))
    whole[unusual] = decimals[unusual] = 1
    scale = POWER_OF_TEN[decimals]
    value = _last_digits(text, end, np.minimum(decimals, 8))
    value += (byte[point - 1] - np.uint8(ord("0"))) * scale
    for place in range(8, decimals.max(initial=0)):  # what is left of longer ones, digit by digit
        long = np.flatnonzero(decimals > place)
        value[long] += _digit(byte[end[long] - 1 - place]) * POWER_OF_TEN[place]
    for place in range(1, whole.max(initial=0)):
        long = np.flatnonzero(whole > place)
        value[long] += _digit(byte[point[long] - 1 - place]) * POWER_OF_TEN[place] * scale[long]
    values = value / scale
    np.negative(values, out=values, where=sign == ord("-"))
    for i in unusual:
        values[i] = float(text[begin[i] : end[i]])
    return values


def _digit(byte: UInt8[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    return byte.astype(np.int64) - ord("0")  # numpy 1 would multiply bytes


def _last_digits(text: bytes, end: Int[np.ndarray, " n"], length: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The integers written in the `length` (at most 8) digits that end at `end`, each in one word of 8 bytes."""
    windows = np.ndarray(len(text) - 7, "V8", buffer=text, strides=1)
    word = windows[end - 8].view("<u8")
    word ^= 0x3030303030303030  # the digits 0 to 9
    word &= LAST[length]
    # Neighbouring digits are joined to pairs, pairs to fours, fours to eights.
    word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FF
    word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFF
    word = (word * 10000 + (word >> 32)) & 0x00000000FFFFFFFF
    return word.view(np.int64)
