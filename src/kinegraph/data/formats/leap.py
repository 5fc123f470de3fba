"""Hands of a Leap Motion controller as JSON, of one frame, a list of frames, or one frame per line.

    {"hands": [{"id": 5, "type": "left", "palmPosition": [x, y, z], "wrist": [...]}],
     "pointables": [{"handId": 5, "type": 0, "mcpPosition": [...], "pipPosition": [...], "dipPosition": [...],
                     "btipPosition": [...]}, ...]}                                       the protocol of LeapJS
    {"hands": [{"type": "left", "palm": {"position": {"x": x, ...}},
                "digits": [{"bones": [{"prev_joint": {...}, "next_joint": {...}}, ...]}, ...]}]}    as of LeapC

Joints are those of layout hand22: wrist, palm, and of each finger the knuckle, two joints and the tip; the carpal ends
of the metacarpals are left out. Left and right hand are two bodies, in this order. Millimetres become metres, y upward.
Sources: Leap Motion, WebSocket protocol v6 (LeapJS); Ultraleap, LeapC API.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.clips.tree_file import Tree, members, read_tree
from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "leap", "hands of Leap Motion (JSON)"
SUFFIXES = (".json", ".jsonl")
LAYOUT, JOINTS = "hand22", 22
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
ENDS = (("mcpposition",), ("pipposition",), ("dipposition",), ("btipposition", "tipposition"))
HEAD = 1 << 14
METRES = 0.001
LARGEST_NUMBER = 1e9
WORDS = (b'"palmPosition"', b'"palm_position"', b'"pointables"', b'"digits"')
SIDES = ("left", "right")


def detect(path: Path) -> str | None:
    """A JSON file with hands and pointables or digits in its start, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has hands of Leap Motion", "holds files with hands of Leap Motion")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    return b'"hands"' in head and any(word in head for word in WORDS)


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; sub-folders name classes."""
    files, classes = clip_files(path, SUFFIXES, _is_one)
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=classes,
        units="m",
        source=f"Leap Motion, {path.resolve().name}",
    )


def _clip(file: ClipFile) -> Item:
    frames = _frames(read_tree(file.path))
    if not frames:
        raise FormatError("unreadable", f"{file.path} holds no frame with hands")
    hands = [list(_hands(file.path, members(frame))) for frame in frames]
    sides = dict.fromkeys(side for frame in hands for side, _ in frame)
    names = [side for side in SIDES if side in sides] + [side for side in sides if side not in SIDES]
    keypoint = np.zeros((len(names), len(frames), JOINTS, 3), np.float32)
    for number, frame in enumerate(hands):
        for side, joints in frame:
            keypoint[names.index(side), number] = joints
    return SkeletonClip(
        keypoint=keypoint,
        layout=load_layout(LAYOUT),
        name=file.name,
        label=file.label,
        fps=_rate(frames),
        splits=file.splits,
    )


def _frames(tree: Tree) -> list[Tree]:
    if isinstance(tree, list):
        return [frame for frame in tree if "hands" in members(frame)]
    about = members(tree)
    if "hands" in about:
        return [tree]
    return next((found for value in about.values() if isinstance(value, list) and (found := _frames(value))), [])


def _rate(frames: Sequence[Tree]) -> float | None:
    """The frame rate that the middle frame states, or their times in microseconds."""
    said = members(frames[len(frames) // 2]).get("currentframerate", members(frames[len(frames) // 2]).get("framerate"))
    if isinstance(said, int | float) and 1 <= said < 1000:
        return round(float(said), 1)
    times = [members(frame).get("timestamp") for frame in frames[:1000]]
    steps = np.diff([time for time in times if isinstance(time, int) and abs(time) < 1 << 60])
    step = float(np.median(steps)) if len(steps) else 0.0
    return round(1e6 / step, 1) if 1e3 < step < 1e6 else None


# ---- hands -----------------------------------------------------------------------------------------------------------


def _hands(file: Path, frame: Mapping[str, Any]) -> Iterator[tuple[str, Float[np.ndarray, "22 3"]]]:
    """The hands of a frame in metres, with their side or id."""
    listed = frame["hands"] if isinstance(frame["hands"], list) else []
    for number, tree in enumerate(listed):
        hand = members(tree)
        side = str(hand.get("type", hand.get("handtype", hand.get("id", number)))).lower()
        side = {"0": "left", "1": "right"}.get(side, side) if "digits" in hand else side
        palm = members(hand.get("palm")).get("position", hand.get("palmposition"))
        joints = np.zeros((JOINTS, 3))
        joints[0], joints[1] = _place(file, hand.get("wrist", _wrist(hand))), _place(file, palm)
        for finger, ends in _fingers(frame, hand):
            joints[2 + 4 * finger : 6 + 4 * finger] = [_place(file, end) for end in ends]
        yield side, joints * METRES


def _wrist(hand: Mapping[str, Any]) -> Tree:
    arm = members(hand.get("arm"))
    return hand.get("wristposition", arm.get("nextjoint", arm.get("wristposition")))


def _fingers(frame: Mapping[str, Any], hand: Mapping[str, Any]) -> Iterator[tuple[int, list[Tree]]]:
    """The number of each finger and the places of its knuckle, joints and tip."""
    if isinstance(digits := hand.get("digits", hand.get("fingers")), list):
        for number, digit in enumerate(digits[: len(FINGERS)]):
            bones = members(digit).get("bones")
            ends = [members(bone).get("nextjoint") for bone in bones] if isinstance(bones, list) else []
            if len(ends) == 4:
                yield number, ends
    for tree in frame["pointables"] if isinstance(frame.get("pointables"), list) else ():
        finger = members(tree)
        number = finger.get("type")
        if finger.get("handid") == hand.get("id") and isinstance(number, int) and 0 <= number < len(FINGERS):
            yield number, [next((finger[key] for key in keys if key in finger), None) for keys in ENDS]


def _place(file: Path, tree: Tree) -> list[float]:
    """x, y, z; zeros where nothing stands there. Raises ValueError for anything but three numbers."""
    if tree is None:
        return [0.0, 0.0, 0.0]
    about = members(tree)
    cells = tree if isinstance(tree, list) else []
    if about:
        cells = [about.get(axis) for axis in "xyz"]
    numbers = [float(cell) for cell in cells if isinstance(cell, int | float) and abs(cell) < LARGEST_NUMBER]
    if len(cells) != 3 or len(numbers) != 3:
        raise ValueError(f"{file} has the place {quoted(tree)}, expected three numbers")
    return numbers
