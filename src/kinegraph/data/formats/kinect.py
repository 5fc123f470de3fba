"""Bodies of depth cameras (Kinect v1, v2, Azure, ZED, Nuitrack, Orbbec) as programs log them in JSON or XML.

    {"frames": [{"bodies": [{"body_id": 1, "joint_positions": [[x, y, z], ...]}]}, ...], "joint_names": [...]}
    [{"bodies": [{"trackingId": 7, "tracked": true, "joints": [{"cameraX": x, "cameraY": y, "cameraZ": z,
                  "jointType": 0, "trackingState": 2}, ...]}]}, ...]
    [{"TrackingId": 7, "Joints": {"SpineBase": {"Position": {"X": x, "Y": y, "Z": z}, "TrackingState": 2}, ...}}, ...]
    {"1671": {"timestamp": ..., "body_list": [{"id": 0, "keypoint": [[x, y, z], ...], "keypoint_confidence": []}]}}
    [{"Skeletons": [{"ID": 1, "Joints": [{"Type": "head", "Real": {"X": x, ...}, "Confidence": 0.75}, ...]}]}, ...]
    <Skeleton><Joints><Joint><ID>HipCenter</ID><Position><X>..</X>..</Position><TrackingState>Tracked</..>..

These are the offline processor of Azure Kinect, kinect2 of Node, the SDK's Body as C# writes it, ZED's JSON, Nuitrack's
and G3D; objects of other names around them do not matter. Joints go by their names or by the SDK's order: 20 are Kinect
v1, 25 v2, 32 Azure, 19 Orbbec's Astra, 18 and 34 ZED's BODY_18 and BODY_34, whose heels, the last two, are left out.
Other names, such as Nuitrack's, make a layout. Tracked is the score 1, inferred 0.5; a joint that is not tracked is
unseen. Ids are people.
A file is a clip; files of one frame each, numbered in a folder (Skeleton 12.xml), are one clip together. Units and
vertical follow from the bodies: v1 and v2 are in metres, y upward, Azure in millimetres, y downward.
Sources: Kinect for Windows SDK 1.8 and 2.0; Azure Kinect Body Tracking SDK; Orbbec Astra SDK; Bloom et al. 2012, G3D;
Stereolabs' samples of body tracking; Nuitrack API.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, first_readable, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.clips.tree_file import Tree, members, read_tree
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.joints.named_joints import layout_named
from kinegraph.messages import one_line, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "kinect", "bodies of depth cameras: Kinect, ZED, Nuitrack, Orbbec (JSON, XML)"
SUFFIXES = (".json", ".jsonl", ".xml")
LAYOUTS = {20: "kinect20", 25: "ntu25", 32: "kinect32", 18: "openpose18", 34: "kinect32"}
OTHERS = 0.2  # share of names that no Kinect has, from which on they are joints of another camera
# The joints of Orbbec's Astra SDK, in its order.
ASTRA = ("Head", "ShoulderSpine", "LeftShoulder", "LeftElbow", "LeftHand", "RightShoulder", "RightElbow", "RightHand",
         "MidSpine", "BaseSpine", "LeftHip", "LeftKnee", "LeftFoot", "RightHip", "RightKnee", "RightFoot", "LeftWrist",
         "RightWrist", "Neck")  # fmt: skip
HEELS = ("32", "33")  # of ZED's BODY_34, whose other joints are those of Azure in its order
FPS = 30.0
HEAD = 1 << 14
LARGEST_NUMBER = 1e9
MOST_PEOPLE = 100
NANO = 10**17  # a time that is larger counts nanoseconds
STATES = {"tracked": 1.0, "inferred": 0.5, "nottracked": 0.0, "2": 1.0, "1": 0.5, "0": 0.0, "3": 1.0,
          "lowconfidence": 0.5}  # fmt: skip
JOINTS = ("joints", "keypoint", "jointpositions")
BODIES = ("bodies", "skeletons", "body", "skeleton", "users", "trackedbodies", "people")
NAMES = ("jointtype", "type", "name", "jointname", "jointid", "id", "index")
IDS = ("trackingid", "bodyid", "id", "bodyindex", "userid")
NUMBERED = re.compile(r"\D*?[ _-]*(\d+)")
MARKS = re.compile(
    rb"(?i)\btracking_?state\b|\bworld_?position\b|\"body_list\"|\"real\"\s*:\s*\{|\bcamera_?X\b|\bjoint_?positions\b|\bjoint_?type\b"
    rb"|\"(hip_?center|spine_?base|spine_?navel)\"\s*:\s*[{\[]|>(hip_?center|spine_?base|spine_?navel)<"
)


@dataclass(frozen=True, eq=False)
class Body:
    """A person in a frame. joints: x, y, z and score by the names in the file, or by numbers in the SDK's order."""

    person: str
    joints: Mapping[str, tuple[float, float, float, float]]


def detect(path: Path) -> str | None:
    """A JSON or XML file whose start has joints of a Kinect, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has joints of a Kinect", "holds files with joints of a Kinect")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    joints = re.search(rb"(?i)[\"<]joint|\"body_list\"", head) is not None
    return joints and MARKS.search(head) is not None


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; sub-folders name classes.

    layout: name or YAML file of the joints; by default that of the Kinect with so many. Raises ValueError where no file
    can be read.
    """
    files, classes = clip_files(path, SUFFIXES, _is_one)
    clips = _grouped(files) if path.is_dir() else [(file, [file.path]) for file in files]
    paths = {file.name: of_clip for file, of_clip in clips}
    first = first_readable(files, _some_body)
    of = load_layout(layout) if layout else _layout(first)
    return Recordings(
        clips=clips_of([file for file, _ in clips], lambda file: _clip(file, paths[file.name], of)),
        count=len(clips),
        layout=of,
        class_names=classes,
        units="m",
        source=f"Kinect, {path.resolve().name}",
        guessed=frozenset(("units", "up")),
        assumed=(f"{FPS:g} frames a second where no times in microseconds are there, as a Kinect records (--fps)",),
    )


def _grouped(files: Sequence[ClipFile]) -> list[tuple[ClipFile, list[Path]]]:
    """The files of each clip: each for itself, or all of a folder where they are numbered and hold one frame each."""
    folders: dict[Path, list[ClipFile]] = {}
    for file in files:
        folders.setdefault(file.path.parent, []).append(file)
    found: list[tuple[ClipFile, list[Path]]] = []
    for folder, inside in folders.items():
        if not _are_frames([file.path for file in inside]):
            found += [(file, [file.path]) for file in inside]
            continue
        first = inside[0]
        name = first.name.rpartition("/")[0] or folder.name
        paths = sorted((file.path for file in inside), key=_number)
        found.append((ClipFile(folder, name, first.label, first.splits), paths))
    return found


def _are_frames(files: Sequence[Path]) -> bool:
    if len(files) < 2 or not all(NUMBERED.fullmatch(file.stem) for file in files):
        return False
    try:
        return len(frames_of(read_tree(files[0]))) <= 1
    except ValueError:
        return False


def _number(file: Path) -> int:
    match = NUMBERED.fullmatch(file.stem)
    return int(match[1]) if match else -1


def _some_body(file: Path) -> Body:
    """The body with most joints in the first frames of a file. Raises ValueError for a file without any."""
    bodies = [body for frame in frames_of(read_tree(file)) for body in bodies_of(frame)]
    if not bodies:
        raise ValueError(f"{file} has no frame in which a body is tracked")
    return max(bodies, key=lambda body: len(body.joints))


def _layout(body: Body) -> JointLayout:
    """The joints of the camera that has so many, or those of the names. Raises FormatError for another number."""
    names = [*body.joints]
    count = max(map(int, names)) + 1 if names and all(map(str.isdecimal, names)) else len(names)  # NaN: not seen
    names = list(ASTRA) if count == len(ASTRA) and all(map(str.isdecimal, names)) else names
    known = LAYOUTS.get(count)
    places = {_plain(joint) for joint in load_layout(known).joints} if known else set()
    other = [name for name in names if not name.isdecimal() and _plain(name) not in places]
    made = layout_named(names, None, f"own{len(names)}") if len(other) > OTHERS * len(names) else None
    if made is not None:
        return made
    if known is None:
        message = f"bodies have {count} joints, expected 18, 19, 20, 25, 32 or 34; name the joints by --layout"
        raise FormatError("joints", message)
    return load_layout(known)


def _clip(file: ClipFile, paths: Sequence[Path], layout: JointLayout) -> Item:
    trees = [frame for path in paths for frame in frames_of(read_tree(path))]
    frames = [bodies_of(frame) for frame in trees]
    people = {
        person: row for row, person in enumerate(dict.fromkeys(body.person for frame in frames for body in frame))
    }
    if not people:
        return nobody(file.name)
    if len(people) > MOST_PEOPLE:
        raise FormatError("people", f"{file.path} has {len(people):,} ids of bodies, expected at most {MOST_PEOPLE}")
    rows = np.zeros((len(people), len(frames), len(layout), 4), np.float32)
    place = {_plain(joint): i for i, joint in enumerate(layout.joints)}
    for number, bodies in enumerate(frames):
        for body in bodies:
            for joint, values in body.joints.items():
                if joint in HEELS and len(layout) == int(HEELS[0]):
                    continue
                rows[people[body.person], number, _joint(file.path, joint, place, len(layout))] = values
    seen = (rows[..., 3:] > 0) & rows[..., :3].any(-1, keepdims=True)
    return SkeletonClip(
        keypoint=np.where(seen, rows[..., :3], 0),
        layout=layout,
        name=file.name,
        label=file.label,
        score=np.where(seen[..., 0], rows[..., 3], 0),
        fps=_rate(trees) or FPS,
        splits=file.splits,
    )


def _rate(frames: Sequence[Tree]) -> float | None:
    """Frames a second by the times that Azure Kinect writes, in microseconds, or ZED, in nanoseconds since 1970."""
    times = [members(frame) for frame in frames[:1000]]
    micro = [time["timestampusec"] for time in times if isinstance(time.get("timestampusec"), int)]
    nano = [
        time["timestamp"] / 1000
        for time in times
        if isinstance(time.get("timestamp"), int) and time["timestamp"] > NANO
    ]
    steps = np.diff([time for time in micro or nano if abs(time) < 1 << 60])
    step = float(np.median(steps)) if len(steps) else 0.0
    return round(1e6 / step, 1) if 1e2 < step < 1e7 else None


def _joint(file: Path, name: str, place: Mapping[str, int], joints: int) -> int:
    """The place of a joint in the layout, by its name or number."""
    if (found := place.get(_plain(name))) is not None:
        return found
    if name.isdecimal() and int(name) < joints:
        return int(name)
    raise FormatError("joints", f"{file} has the joint {quoted(name)}, which is none of the {joints} of the layout")


def _plain(name: str) -> str:
    """A name of a joint in one spelling: ShoulderLeft and K4ABT_JOINT_SHOULDER_LEFT are leftshoulder."""
    word = re.sub(r"[\W_]+", "", re.sub(r"(?i)^(jointtype|k4abt_joint)[._]", "", name)).lower()
    side = next((side for side in ("left", "right") if side in word), "")
    return side + word.replace(side, "", 1) if side else word


# ---- frames and bodies -----------------------------------------------------------------------------------------------


def frames_of(tree: Tree) -> list[Tree]:
    """The frames of a file: the first list whose members hold bodies. Without such a list the file is one frame."""
    if isinstance(tree, list):
        return tree
    if isinstance(tree, Mapping) and len(tree) > 1 and all(name.isdecimal() for name in map(str, tree)):
        return list(tree.values())
    for name, value in members(tree).items():
        if name in (*BODIES, *JOINTS):
            break
        if isinstance(value, list) and any(_holds_bodies(item) for item in value[:50]):
            return value
        if isinstance(value, Mapping) and not _is_body(value) and _holds_bodies(value):
            return frames_of(value)
    return [tree] if _holds_bodies(tree) else []


def _holds_bodies(tree: Tree, depth: int = 0) -> bool:
    if depth > 6:
        return False
    if _is_body(tree):
        return True
    if not isinstance(tree, Mapping | list):
        return False
    items = list(tree.values() if isinstance(tree, Mapping) else tree)
    return any(_holds_bodies(item, depth + 1) for item in items[:50])


def _is_body(tree: Tree) -> bool:
    return any(name in JOINTS and isinstance(value, list | Mapping) for name, value in members(tree).items())


def bodies_of(frame: Tree) -> list[Body]:
    """The bodies in a frame that are tracked."""
    return list(_bodies(frame, 0))


def _bodies(tree: Tree, depth: int) -> Iterator[Body]:
    if depth > 8:
        return
    if _is_body(tree):
        body = _body(members(tree))
        if body.joints:
            yield body
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            for body in _bodies(item, depth + 1):
                yield body if body.person else Body(f"number {number}", body.joints)
    elif isinstance(tree, Mapping):
        about = members(tree)
        for item in tree.values():
            for body in _bodies(item, depth + 1):
                yield body if body.person else Body(_person(about), body.joints)


def _body(about: Mapping[str, Any]) -> Body:
    """A body, without joints where it is not tracked."""
    person = _person(about)
    if str(about.get("tracked", about.get("istracked", True))).lower() in ("false", "0"):
        return Body(person, {})
    if str(about.get("trackingstate", "tracked")).lower() in ("nottracked", "positiononly", "0"):
        return Body(person, {})
    names = about.get("jointnames")
    joints: dict[str, tuple[float, float, float, float]] = {}
    confidence = about.get("keypointconfidence")
    for number, (name, joint) in enumerate(_named(next(about[key] for key in reversed(JOINTS) if key in about), names)):
        if (values := _values(joint)) is not None:
            sure = confidence[number] if isinstance(confidence, list) and number < len(confidence) else None
            joints[name] = (*values[:3], _share(sure)) if isinstance(sure, int | float) else values
    return Body(person, joints)


def _share(confidence: float) -> float:
    """ZED's confidence of a joint, from 0 to 100."""
    return min(max(confidence, 0), 100) / 100


def _person(about: Mapping[str, Any]) -> str:
    return next((str(about[key]) for key in IDS if isinstance(about.get(key), int | str)), "")


def _named(joints: Tree, names: Tree) -> Iterator[tuple[str, Tree]]:
    """The joints with their names; by their number where they have none."""
    if isinstance(joints, Mapping):
        inner = list(joints.values())
        if len(inner) == 1 and isinstance(inner[0], list):
            joints = inner[0]  # <Joints><Joint/><Joint/></Joints>
        else:
            yield from ((str(name), joint) for name, joint in joints.items())
            return
    for number, joint in enumerate(joints if isinstance(joints, list) else ()):
        about = members(joint)
        said = next((about[key] for key in NAMES if key in about), None)
        if said is None:
            said = names[number] if isinstance(names, list) and number < len(names) else number
        yield str(said), joint


def _values(joint: Tree) -> tuple[float, float, float, float] | None:
    """x, y, z and score of a joint; None for one without a place. Raises ValueError for a number that is none."""
    about = members(joint)
    place: Tree = joint
    for key in ("position", "real", "worldposition", "pos", "cameraspacepoint", "location", "text"):
        place = about.get(key, place)
    inner = members(place)
    keys = next((keys for keys in (("camerax", "cameray", "cameraz"), ("x", "y", "z")) if {*keys} <= {*inner}), None)
    if keys is not None:
        cells = [inner[key] for key in keys]
    elif isinstance(place, list) and len(place) >= 3:
        cells = place[:3]
    elif isinstance(place, str) and len(place.replace(",", " ").split()) >= 3:
        cells = place.replace(",", " ").split()[:3]
    else:
        return None
    try:
        x, y, z = (float(cell) for cell in cells)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a joint holds {quoted(cells)}: {one_line(error)}") from None
    if not max(abs(x), abs(y), abs(z)) < LARGEST_NUMBER:
        return None if x != x or y != y or z != z else _too_large(cells)
    return x, y, z, _score(about)


def _too_large(cells: Sequence[Tree]) -> None:
    raise ValueError(f"a joint holds {quoted(cells)}, a number that is not finite")


def _score(about: Mapping[str, Any]) -> float:
    """The score of a joint by its state; 1 where none stands there."""
    if "confidencelevel" in about:  # Azure: none, low, medium, high
        level = str(about["confidencelevel"])
        return min(int(level), 2) / 2 if level.isdecimal() else 1.0
    if isinstance(about.get("confidence"), int | float):  # Nuitrack
        return min(max(float(about["confidence"]), 0.0), 1.0)
    state = str(about.get("trackingstate", about.get("status", "tracked"))).replace("_", "").lower()
    return STATES.get(state, 1.0)
