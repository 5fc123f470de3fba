"""Clips in a JSON, Parquet or pickle of landmarks: which frames are those of which clip, and what is said of it.

[{"video": "a", "frame": 0, "keypoints": ..., "label": "wave"}, ...]     frames or bodies that name their clip
[{"image": "a/0001.jpg", "keypoints": ...}, ...]                         or their picture
[{"name": "a", "frames": [...]}, ...]                                    one object per clip
{"a.mp4": {"0": [{"keypoints": ...}], "1": ...}, ...}                    clips by name, frames by number or in a list
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.clips.clip_columns import KNOWN, OF_CLIPS, facts, named_columns, plain_column
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.joints.detections import picture_number
from kinegraph.data.reading.joints.landmarks import FRAME_NUMBERS, FRAMES, LANDMARKS, NUMBERED, PEOPLE, WORLD, said_of
from kinegraph.data.reading.joints.named_joints import are_joints
from kinegraph.data.reading.tables.table_forms import ALIASES
from kinegraph.data.reading.tables.table_times import PICTURES
from kinegraph.safe_pickle import load_pickle

VIDEO = re.compile(r".+\.(mp4|avi|mov|mkv|webm|m4v|mpe?g|wmv)", re.IGNORECASE)
PERSON = re.compile(r"(person|people|player|track|body|skeleton|id|subject|hand)?[_\- ]?\d*", re.IGNORECASE)
CLIP = ("clip", *ALIASES["clip"])  # how a frame calls its clip
FACTS = tuple(name for name in KNOWN if name not in ("fps", "width", "height"))
VALUES_ALWAYS, VALUES_A_BYTE, DEEPEST = 1 << 16, 4, 20  # of a pickle as lists
FRAMED = (*LANDMARKS, *WORLD, *PEOPLE)  # keys of frames and bodies


def named_clips(content: object, stem: str) -> dict[str, Any]:
    """The clips of a value that names them; {} for one that holds a single clip without a name. stem: of the file."""
    if isinstance(content, Mapping):
        return _by_name(content)
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        return {}
    return _objects(content) or _records(content, stem)


def facts_in(clip: object) -> dict[str, str]:
    """What the frames of a clip say of it, or an object around them: label, subject, fps and so on, as cells.

    Only what is the same in all frames.
    """
    said = [entry for entry in (clip if isinstance(clip, list) else [clip]) if isinstance(entry, Mapping)]
    columns = named_columns([key for key in said[0] if isinstance(key, str)]) if said else {}
    cells = {name: {_cell(frame.get(key)) for frame in said} for key, name in columns.items() if name in FACTS}
    return {name: values.pop() for name, values in cells.items() if len(values) == 1 and values != {""}}


def said_of_clips(cells: Mapping[str, Mapping[str, str]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The classes, and label, splits and attributes of each clip. cells: of each clip, see `facts_in`."""
    columns = dict.fromkeys(column for cell in cells.values() for column in cell)
    known = facts({name: {column: value.get(column, "") for column in columns} for name, value in cells.items()})
    return known.class_names, [(clip.label, clip.splits, clip.attributes) for clip in known.clips.values()]


def _by_name(content: Mapping[str, Any]) -> dict[str, Any]:
    """The clips of an object that has the frames of each under the name of its video, or by number under any name."""
    names, values = list(map(str, content)), list(content.values())
    if not values or not all(isinstance(value, list | Mapping) for value in values):
        return {}
    numbered = all(
        isinstance(value, Mapping) and all(NUMBERED.fullmatch(str(key)) for key in value) for value in values
    )
    others = are_joints(names) or any(PERSON.fullmatch(name) or name in (*FRAMES, *LANDMARKS) for name in names)
    if all(map(VIDEO.fullmatch, names)) or (numbered and not others and not any(map(NUMBERED.fullmatch, names))):
        return {
            VIDEO.sub(lambda it: it[0].rpartition(".")[0], name): it for name, it in zip(names, values, strict=True)
        }
    return {}


def _objects(content: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The clips of a list of objects with the frames of a clip each, by the names that they say; {} for other lists."""
    if not all(any(isinstance(entry.get(key), list) and entry[key] for key in FRAMES) for entry in content):
        return {}
    said = [
        next((entry[key] for key in OF_CLIPS["clip"] if isinstance(entry.get(key), str)), None) for entry in content
    ]
    found = {str(name): frames for name, frames in zip(said, content, strict=True) if name is not None}
    return found if len(found) == len(content) else {}


def _records(content: Sequence[Mapping[str, Any]], stem: str) -> dict[str, list[Mapping[str, Any]]]:
    """The frames or bodies of each clip, where all of them name it or their picture; {} for others."""
    key = _clip_key(content)
    if key is None:
        return {}
    pictures = all(str(record[key]).lower().endswith(PICTURES) for record in content)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in content:
        name, number = picture_number(str(record[key])) if pictures else (str(record[key]), None)
        counted = number is None or said_of(record, FRAME_NUMBERS) is not None
        found.setdefault(name or stem, []).append(record if counted else {**record, "frame": number})
    return found if pictures or len(content) == 1 or len(found) < len(content) else {}


def _clip_key(content: Sequence[Mapping[str, Any]]) -> str | None:
    """The key by which frames or bodies name their clip; None where not all do."""
    key = next((key for key in content[0] if plain_column(str(key)) in CLIP), None) if content else None
    named = all(isinstance(entry.get(key), str | int) and any(key in entry for key in FRAMED) for entry in content)
    return key if named else None


def are_bodies(content: Sequence[object]) -> bool:
    """Whether the first objects of a list are bodies of the same frame, or name the clip that they belong to."""
    some = [entry for entry in content if isinstance(entry, Mapping)]
    if not some or len(some) < len(content):
        return False
    frames = [said_of(record, FRAME_NUMBERS) for record in some]
    again = len(frames) > 1 and frames[0] is not None and frames[0] == frames[1]
    return again or _clip_key(some) is not None


def _cell(value: object) -> str:
    return str(int(value) if isinstance(value, bool) else value).strip() if isinstance(value, str | int | float) else ""


def unpickled(file: Path) -> Any:
    """The value in a pickle as JSON would hold it: lists in place of arrays.

    Raises ValueError for a value that contains itself, or repeats a part so often that it would fill memory.
    """
    left = VALUES_ALWAYS + VALUES_A_BYTE * file.stat().st_size

    def plain(value: Any, depth: int = 0) -> Any:
        nonlocal left
        left -= value.size if isinstance(value, np.ndarray) else 1
        if left < 0 or depth > DEEPEST:
            raise FormatError("unreadable", f"{file} holds itself, or values in each other without end")
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        if isinstance(value, Mapping):
            keys = {key: key.decode("latin-1") if isinstance(key, bytes) else str(key) for key in value}
            return {keys[key]: plain(inside, depth + 1) for key, inside in value.items()}
        return [plain(entry, depth + 1) for entry in value] if isinstance(value, list | tuple) else value

    return plain(load_pickle(file))
