"""The text of a raw NTU RGB+D `.skeleton` file: bytes -> bodies.

A file is the number of frames; for each frame the number of bodies; for each body a line of 10 values that starts with
the body's id, the number of joints, and 12 values a joint, of which x y z come first (metres, Kinect camera frame).

Two readers give the same answer. `_fast` works on all bytes at once with numpy and takes regular files only; whatever
it is not sure of goes to `_careful`, which reads line by line, takes everything that is right and names what is wrong.
"""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

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
NOT_FINITE = re.compile(rb"[-+]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


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
        if not NUMBER.fullmatch(value) and not NOT_FINITE.fullmatch(value):
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

SEPARATOR, POINT, SIGN, ODD = range(4)
KIND = np.full(256, ODD, np.uint8)
KIND[list(b" \t\r\n")] = SEPARATOR
KIND[list(b".")] = POINT
KIND[list(b"+-")] = SIGN


def _grammar() -> Bool[np.ndarray, " 32"]:
    """Which non-digit may follow which, with (4) or without (0) digits between: blanks and [sign] digits [. digits]."""
    allowed = np.zeros(32, bool)
    for before, digits, after in (
        (SEPARATOR, 0, SEPARATOR), (SEPARATOR, 0, SIGN), (SEPARATOR, 4, SEPARATOR), (SEPARATOR, 4, POINT),
        (SIGN, 4, POINT), (SIGN, 4, SEPARATOR), (POINT, 4, SEPARATOR),
    ):  # fmt: skip
        allowed[before * 8 + digits + after] = True
    return allowed


ALLOWED = _grammar()
POWER_OF_TEN = 10 ** np.arange(17)
PAD = 16  # blanks in front, so that 16 bytes can be taken before the end of any number


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Where the numbers of a text are. mark: places of all bytes that are no digits; kind: what they are."""

    text: bytes
    mark: Int[np.ndarray, " mark"]
    kind: UInt8[np.ndarray, " mark"]
    before: Int[np.ndarray, " token"]  # index into mark of the separator in front of each number
    line: Int[np.ndarray, " line"]  # index into before of the first number of each line, and of the end


def _fast(data: bytes) -> Bodies | None:
    """The bodies of a regular file; None where the file is not regular, or wrong."""
    text, with_exponent = _without_exponents(b" " * PAD + data + b"\n")
    tokens = _tokens(text)
    if tokens is None or (found := _walk(tokens)) is None:
        return None
    frames, frame, body_line = found
    joint_line = body_line[:, None] + np.arange(2, BODY_LINES)
    first = tokens.line[joint_line]
    if (tokens.line[joint_line + 1] - first != JOINT_VALUES).any():
        return None
    xyz = (first[:, :, None] + np.arange(3)).ravel()
    values = _decimals(tokens, xyz)
    start = tokens.mark[tokens.before[xyz]] + 1
    for i, place in zip(np.searchsorted(start, list(with_exponent)), with_exponent, strict=True):
        if i < len(start) and start[i] == place:
            values[i] = with_exponent[place]
    if not (np.abs(values) <= FARTHEST).all():
        return None
    ids = _whole_numbers(tokens, tokens.line[body_line])
    return None if -1 in ids else Bodies(frames, frame, tuple(ids), values.reshape(-1, JOINTS, 3))


def _without_exponents(text: bytes) -> tuple[bytes, dict[int, float]]:
    """Numbers such as 5e-05 are few: their values by place, and the text with 0.0... in their places.

    The point stays so that no such number is taken for a count or an id.
    """
    values = {}
    edited = None
    for letter in (b"e", b"E"):
        e = text.find(letter)
        while e >= 0:
            start = max(text.rfind(b" ", 0, e), text.rfind(b"\n", 0, e)) + 1
            number = NUMBER.match(text, start)
            if number is None or number.end() <= e or text[number.end()] not in b" \r\n":
                return text, {}  # the letter stays where it is, and is found to be none of a number
            edited = edited or bytearray(text)
            edited[start : number.end()] = b"0.".ljust(number.end() - start, b"0")
            values[start] = float(number.group())
            e = text.find(letter, number.end())
    return bytes(edited or text), values


def _tokens(text: bytes) -> _Tokens | None:
    """Find the numbers; None if anything is no plain decimal number."""
    byte = np.frombuffer(text, np.uint8)
    mark = np.flatnonzero(byte - np.uint8(ord("0")) > 9)
    kind = KIND[byte[mark]]
    pair = kind[:-1] * np.uint8(8) + kind[1:]
    pair += (np.diff(mark) > 1) * np.uint8(4)
    if not ALLOWED[pair].all():
        return None
    before = np.flatnonzero((kind[:-1] == SEPARATOR) & (pair != SEPARATOR * 8 + SEPARATOR))
    newline = np.flatnonzero(byte == ord("\n"))
    line = np.searchsorted(mark[before], newline)
    return _Tokens(text, mark, kind, before, np.concatenate([[0], line]))


def _whole_numbers(tokens: _Tokens, which: Int[np.ndarray, " n"]) -> list[int]:
    """The chosen numbers; -1 for one that has a sign or a point, or is absurdly long."""
    at = tokens.before[which]
    start, end = tokens.mark[at] + 1, tokens.mark[at + 1]
    whole = (tokens.kind[at + 1] == SEPARATOR) & (end - start <= LONGEST_ID)
    spans = zip(start.tolist(), end.tolist(), whole.tolist(), strict=True)
    return [int(tokens.text[i:j]) if ok else -1 for i, j, ok in spans]


def _walk(tokens: _Tokens) -> tuple[int, Int[np.ndarray, " body"], Int[np.ndarray, " body"]] | None:
    """Step from count to count: number of frames, and frame and first line of each body. None if out of step."""
    line = tokens.line
    lines = len(line) - 1
    alone = np.flatnonzero(np.diff(line) == 1)
    count = dict(zip(alone.tolist(), _whole_numbers(tokens, line[alone]), strict=True))
    frame, body_line = [], []
    at = 1
    for f in range(frames := count.get(0, -1)):
        bodies = count.get(at, -1)
        if bodies < 0 or at + bodies * BODY_LINES >= lines:
            return None
        frame += [f] * bodies
        body_line += range(at + 1, at + bodies * BODY_LINES, BODY_LINES)
        at += 1 + bodies * BODY_LINES
    if frames < 0 or line[at] != line[-1] or any(count.get(first + 1) != JOINTS for first in body_line):
        return None
    body_line = np.array(body_line, int)
    if (line[body_line + 1] - line[body_line] != BODY_VALUES).any():
        return None
    return frames, np.array(frame, int), body_line


def _decimals(tokens: _Tokens, which: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The chosen numbers, rounded as `float` rounds them.

    A number of at most 15 characters is an integer below 2^53 divided by a power of ten below 10^22: both are exact as
    doubles, so the one division rounds correctly (Clinger 1990, "How to read floating point numbers accurately").
    """
    mark, kind = tokens.mark, tokens.kind
    at = tokens.before[which]
    signed = kind[at + 1] == SIGN
    stop = at + 1 + signed  # mark that ends the whole part
    pointed = kind[stop] == POINT
    end = mark[stop + pointed]
    start = mark[at] + 1 + signed
    decimals = np.minimum(np.where(pointed, end - mark[stop] - 1, 0), 15)
    unshifted = _digits_before(tokens.text, end, end - start)  # the point counts as a digit 0
    whole = unshifted // POWER_OF_TEN[decimals + 1] * pointed
    values = (unshifted - 9 * whole * POWER_OF_TEN[decimals]) / POWER_OF_TEN[decimals].astype(np.float64)
    minus = np.frombuffer(tokens.text, np.uint8)[mark[at] + 1] == ord("-")
    np.negative(values, out=values, where=minus)
    for i in np.flatnonzero(end - start > 15):
        values[i] = float(tokens.text[mark[at[i]] + 1 : end[i]])
    return values


def _digits_before(text: bytes, end: Int[np.ndarray, " n"], length: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The integer written in the `length` (at most 16) bytes that end at `end`; a byte that is no digit counts as 0."""
    windows = np.ndarray(len(text) - 15, "V16", buffer=text, strides=1)
    digit = windows[end - 16].view(np.uint8).reshape(-1, 16) - np.uint8(ord("0"))
    digit *= (digit <= 9) & (np.arange(16, dtype=np.uint8) >= 16 - length[:, None])
    # Neighbouring digits are joined to pairs, pairs to fours and fours to eights, all in one word of 8 bytes.
    word = digit.view("<u8")
    word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FF
    word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFF
    word = (word * 10000 + (word >> 32)) & 0x00000000FFFFFFFF
    return (word[:, 0] * 100_000_000 + word[:, 1]).astype(np.int64)
