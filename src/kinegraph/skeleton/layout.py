"""Joint layouts: which joints there are, which bones connect them, and what is left and right.

A layout is data, a YAML file of names; graphs, bone vectors, mirroring, alignment and drawing all come from it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

import yaml


@dataclass(frozen=True)
class JointLayout:
    """Names and structure of the joints of one body.

    bones: (child, parent) pairs, the child being farther from the centre; cycles are allowed (published COCO graph).
    centre: the joint that partitions measure distance to.
    mirror: (left, right) pairs; joints not named are on the midline.
    parents: joint -> the joint its bone vector starts from, itself at the root. A tree, also where bones have cycles.
    spine: (lower, upper) joint whose direction is "up" for body alignment; shoulders: (left, right).
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    centre: int
    mirror: tuple[tuple[int, int], ...] = ()
    parents: tuple[int, ...] = ()
    spine: tuple[int, int] | None = None
    shoulders: tuple[int, int] | None = None
    source: str = ""

    def __post_init__(self):
        if not self.parents:
            object.__setattr__(self, "parents", _parents_toward(self.centre, self.joints, self.bones))
        _check(self)

    def __len__(self) -> int:
        return len(self.joints)

    def mirrored(self) -> tuple[int, ...]:
        """The joint that takes each joint's place when left and right are exchanged."""
        order = list(range(len(self.joints)))
        for left, right in self.mirror:
            order[left], order[right] = right, left
        return tuple(order)

    def to_dict(self) -> dict:
        """The layout as plain names, the same form as its YAML file."""
        names = self.joints
        named = {
            "name": self.name,
            "source": self.source,
            "joints": list(names),
            "bones": [[names[i], names[j]] for i, j in self.bones],
            "centre": names[self.centre],
            "mirror": [[names[i], names[j]] for i, j in self.mirror],
            "parents": {names[i]: names[j] for i, j in enumerate(self.parents)},
        }
        for key in ("spine", "shoulders"):
            if (pair := getattr(self, key)) is not None:
                named[key] = [names[i] for i in pair]
        return named

    @classmethod
    def from_dict(cls, spec: Mapping) -> "JointLayout":
        """Build a layout from names (a parsed YAML file). Raises ValueError naming what is unknown or missing."""
        return _from_names(spec)


@cache
def layout_names() -> tuple[str, ...]:
    """Names of the built-in layouts."""
    folder = resources.files("kinegraph.skeleton") / "layouts"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_layout(name: str | Path) -> JointLayout:
    """A built-in layout by name, or your own from a YAML file.

    Raises ValueError when there is no such layout or the file describes no proper skeleton.
    """
    if str(name) in layout_names():
        return _built_in(str(name))
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        close = get_close_matches(str(name), layout_names(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else "or give the path of a .yaml file"
        raise ValueError(f"no layout '{name}'; built in are {', '.join(layout_names())}; {hint}")
    if not path.is_file():
        raise ValueError(f"no layout file {path}")
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from None
    try:
        return _from_names(spec)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@cache
def _built_in(name: str) -> JointLayout:
    text = (resources.files("kinegraph.skeleton") / "layouts" / f"{name}.yaml").read_text(encoding="utf-8")
    return _from_names(yaml.safe_load(text))


FIELDS = ("name", "source", "joints", "bones", "centre", "mirror", "parents", "spine", "shoulders")


def _from_names(spec: Mapping) -> JointLayout:
    if not isinstance(spec, Mapping):
        raise ValueError(f"a layout is a mapping with {', '.join(FIELDS)}; found {type(spec).__name__}")
    if unknown := sorted(set(spec) - set(FIELDS)):
        raise ValueError(f"unknown layout field '{unknown[0]}'; the fields are {', '.join(FIELDS)}")
    if missing := [key for key in ("name", "joints", "bones", "centre") if not spec.get(key)]:
        raise ValueError(f"the layout lacks '{missing[0]}'")
    joints = tuple(spec["joints"]) if isinstance(spec["joints"], Sequence) else ()
    if not all(isinstance(joint, str) for joint in joints) or isinstance(spec["joints"], str):
        raise ValueError("'joints' must be a list of names")
    if repeated := sorted({joint for joint in joints if joints.count(joint) > 1}):
        raise ValueError(f"joint '{repeated[0]}' is named twice")
    index = {joint: i for i, joint in enumerate(joints)}

    def joint_index(joint) -> int:
        if joint not in index:
            close = get_close_matches(str(joint), joints, n=1)
            raise ValueError(f"unknown joint '{joint}'" + (f"; did you mean '{close[0]}'?" if close else ""))
        return index[joint]

    def pair(key, value) -> tuple[int, int]:
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            raise ValueError(f"'{key}' holds {value!r}, expected two joint names")
        return joint_index(value[0]), joint_index(value[1])

    parents = spec.get("parents") or {}
    if parents and set(parents) != set(joints):
        odd = sorted(set(parents) ^ set(joints))[0]
        raise ValueError(f"'parents' must name every joint once; check '{odd}'")
    return JointLayout(
        name=str(spec["name"]),
        joints=joints,
        bones=tuple(pair("bones", bone) for bone in spec["bones"]),
        centre=joint_index(spec["centre"]),
        mirror=tuple(pair("mirror", sides) for sides in spec.get("mirror") or ()),
        parents=tuple(joint_index(parents[joint]) for joint in joints) if parents else (),
        spine=pair("spine", spec["spine"]) if spec.get("spine") else None,
        shoulders=pair("shoulders", spec["shoulders"]) if spec.get("shoulders") else None,
        source=str(spec.get("source") or ""),
    )


def _parents_toward(centre: int, joints: Sequence[str], bones: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The neighbour of each joint that is one bone nearer to the centre; the centre is its own."""
    neighbours: list[list[int]] = [[] for _ in joints]
    for i, j in bones:
        neighbours[i].append(j)
        neighbours[j].append(i)
    parents = {centre: centre}
    queue = deque([centre])
    while queue:
        joint = queue.popleft()
        for other in neighbours[joint]:
            if other not in parents:
                parents[other] = joint
                queue.append(other)
    if lost := [joints[i] for i in range(len(joints)) if i not in parents]:
        raise ValueError(f"joint '{lost[0]}' is not connected to the centre '{joints[centre]}' by bones")
    return tuple(parents[i] for i in range(len(joints)))


def _check(layout: JointLayout) -> None:
    joints, bones = layout.joints, layout.bones
    _parents_toward(layout.centre, joints, bones)  # raises if the bones do not connect every joint
    if loops := [joints[i] for i, j in bones if i == j]:
        raise ValueError(f"joint '{loops[0]}' has a bone to itself")
    if len({frozenset(bone) for bone in bones}) < len(bones):
        raise ValueError("a bone is listed twice")
    _check_mirror(layout)
    for joint, parent in enumerate(layout.parents):
        seen = {joint}
        while parent != layout.parents[parent]:
            if parent in seen:
                raise ValueError(f"the parents of joint '{joints[joint]}' run in a circle")
            seen.add(parent)
            parent = layout.parents[parent]


def _check_mirror(layout: JointLayout) -> None:
    """Exchanging left and right must map joints one to one and bones onto bones."""
    joints = layout.joints
    sided = [joint for sides in layout.mirror for joint in sides]
    if len(set(sided)) < len(sided):
        twice = next(joint for joint in sided if sided.count(joint) > 1)
        raise ValueError(f"joint '{joints[twice]}' is in more than one mirror pair, or is its own mirror image")
    other = layout.mirrored()
    bones = {frozenset(bone) for bone in layout.bones}
    for i, j in layout.bones:
        if layout.mirror and frozenset((other[i], other[j])) not in bones:
            raise ValueError(
                f"bone '{joints[i]}' - '{joints[j]}' has no mirror image: "
                f"there is no bone '{joints[other[i]]}' - '{joints[other[j]]}'"
            )
