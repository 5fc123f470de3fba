"""Tables of MediaPipe's Holistic: joints by a part of the body and a number in it, in columns or in their names."""

import re
from collections.abc import Iterator, Sequence

from kinegraph.data.reading.clips.clip_columns import plain_column
from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.files.csv_rows import Row
from kinegraph.data.reading.tables.numbered_columns import WideJoint

HOLISTIC = {"pose": holistic().joints[:33], "left_hand": holistic().joints[33:54], "right_hand": holistic().joints[54:]}
FACE = "face"
WITH_FACE, OF_BODY = 501, 33  # joints of MediaPipe's body and face
OF_HOLISTIC = re.compile(rf"({'|'.join(HOLISTIC)}|{FACE})[ _.\-]?(\d{{1,3}})", re.IGNORECASE)


def holistic_columns(named: Sequence[str]) -> tuple[int, int] | None:
    """The columns of a landmark's part and of its number in this part, as tables of Holistic have them."""
    kinds = [place for place, name in enumerate(named) if plain_column(name) == "type"]
    return (kinds[0], named.index("joint")) if kinds and {"joint", "x", "y"} <= {*named} else None


def rows_of_holistic(width: int, part: int, joint: int, lines: Iterator[Row]) -> Iterator[Row]:
    """The rows with the names of joints in place of parts of a body with numbers, and without those of a face."""
    for line, row in lines:
        kind = row[part].strip().lower() if len(row) == width else ""
        number = row[joint].strip() if kind in HOLISTIC else ""
        if number.isdecimal() and int(number) < len(HOLISTIC[kind]):
            row = [HOLISTIC[kind][int(number)] if place == joint else cell for place, cell in enumerate(row)]
        if kind != FACE:
            yield line, without(row, part) if len(row) == width else row


def without(cells: Sequence[str], place: int) -> list[str]:
    return [*cells[:place], *cells[place + 1 :]]


def name_of_part(part: str, number: int) -> str:
    """The name of a joint of MediaPipe's Holistic by its part and its number in it."""
    names = HOLISTIC.get(part, ())
    return names[number] if number < len(names) else f"{part}_{number}"


def body_of(joints: Sequence[WideJoint]) -> Sequence[WideJoint]:
    """The joints of MediaPipe's body and hands without those of its face, also where these have no names."""
    of_face = [joint.name.startswith(f"{FACE}_") for joint in joints]
    if any(of_face) and not all(of_face):
        return [joint for joint, face in zip(joints, of_face, strict=True) if not face]
    numbered = all(joint.name == str(place) for place, joint in enumerate(joints))
    return joints[:OF_BODY] if len(joints) == WITH_FACE and numbered else joints
