"""Joint layouts: which joints there are, which bones connect them, and what is left and right.

A layout is data, a YAML file of names; graphs, bone vectors, mirroring, alignment and drawing all come from it.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from kinegraph.messages import CONTROL, did_you_mean, quoted
from kinegraph.safe_io import read_yaml


@dataclass(frozen=True)
class JointLayout:
    """Names and structure of the joints of one body. Numbers are places in `joints`.

    bones: (child, parent) pairs, the parent on the side of the centre (published COCO and NTU-24 lists turn a few
        round); cycles are allowed (published COCO list).
    centre: the joint that partitions measure distance to.
    mirror: (left, right) pairs; joints not named are on the midline.
    parents: joint -> the joint its bone vector starts from, itself at the root. A tree, also where bones have cycles;
        if left out, the way to the centre. Published bone vectors (JointToBone) need not follow bones or end there.
    spine: (lower, upper) joint whose direction is "up" for body alignment; shoulders: (left, right).
    unstated: which of mirror, spine and shoulders somebody's own layout does not mention; see `anatomy.complete`.
    Raises ValueError naming the joint where this is no skeleton: one that bones do not connect to the centre, parents
    in a circle, a bone without its mirror image ...
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
    unstated: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_indices(self)
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

    def to_dict(self) -> dict[str, Any]:
        """The layout as plain names, the same form as its YAML file."""
        names = self.joints
        named: dict[str, Any] = {
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
    def from_dict(cls, spec: Mapping[str, Any]) -> "JointLayout":
        """Build a layout from names (a parsed YAML file). Raises ValueError naming what is unknown or missing."""
        return _from_names(spec)

    @classmethod
    def own(cls, spec: Any) -> "JointLayout":
        """The same for somebody's own layout, which may leave unsaid what names and bones say.

        A bone without a mirror image is an error there. In a layout that a program made it is not: a tree that hangs on
        one shoulder has such bones, and its joints still change places in a mirror.
        """
        layout = _from_names(spec)
        if uneven := uneven_bone(layout):
            raise ValueError(uneven)
        return replace(layout, unstated=frozenset(key for key in INFERRED if key not in spec))


@cache
def layout_names() -> tuple[str, ...]:
    """Names of the built-in layouts."""
    folder = resources.files("kinegraph.skeleton") / "layouts"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_layout(name: str | Path | JointLayout) -> JointLayout:
    """A built-in layout by name, such as "ntu25" or "coco17", or your own from a YAML file (docs/own_data.md).

    A layout is given back as it is. Raises ValueError when there is no such layout, with the names there are, or the
    file describes no proper skeleton.
    """
    if isinstance(name, JointLayout):
        return name
    if not isinstance(name, str | Path):
        raise ValueError(f"the layout is {quoted(name)}, expected the name of one, such as ntu25, or a YAML file")
    if str(name) in layout_names():
        return _built_in(str(name))
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        hint = did_you_mean(name, layout_names()) or "; or give the path of a .yaml file"
        raise ValueError(f"no layout {quoted(name)}; built in are {', '.join(layout_names())}{hint}")
    if not path.is_file():
        raise ValueError(f"no layout file {path}")
    spec = _completed(read_yaml(path), path.stem)
    try:
        return JointLayout.own(spec)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _completed(spec: Any, name: str) -> Any:
    """What a file says of a layout. It may leave out a name, and the centre, which is the joint with most bones."""
    if not isinstance(spec, Mapping):
        return spec
    bones = spec["bones"] if _is_list(spec.get("bones")) else ()
    ends = Counter(str(end) for bone in bones if _is_list(bone) for end in bone)
    return {"name": name, **({"centre": max(ends, key=ends.__getitem__)} if ends else {}), **spec}


@cache
def _built_in(name: str) -> JointLayout:
    text = (resources.files("kinegraph.skeleton") / "layouts" / f"{name}.yaml").read_text(encoding="utf-8")
    return _from_names(yaml.safe_load(text))


MOST_JOINTS, LONGEST_NAME = 1000, 100
INFERRED = ("mirror", "spine", "shoulders")
ONE_JOINT = "the layout has 1 joint, expected at least 2 and a bone between them"
FIELDS = ("name", "source", "joints", "bones", "centre", "mirror", "parents", "spine", "shoulders")


def _from_names(spec: Any) -> JointLayout:
    if not isinstance(spec, Mapping):
        raise ValueError(f"a layout is a mapping with {', '.join(FIELDS)}; found {type(spec).__name__}")
    if unknown := [key for key in spec if key not in FIELDS]:
        hint = did_you_mean(unknown[0], FIELDS) or f"; the fields are {', '.join(FIELDS)}"
        raise ValueError(f"unknown layout field {quoted(unknown[0])}{hint}")
    if _is_list(spec.get("joints")) and len(spec["joints"]) == 1:
        raise ValueError(ONE_JOINT)
    if missing := [key for key in ("name", "joints", "bones", "centre") if spec.get(key) in (None, "", [])]:
        raise ValueError(f"the layout lacks '{missing[0]}'")
    joints = _joint_names(spec["joints"])
    index = {joint: i for i, joint in enumerate(joints)}

    def joint_index(key: str, joint: object) -> int:
        if not isinstance(joint, str) or joint not in index:
            raise ValueError(f"'{key}' names an unknown joint {quoted(joint)}{did_you_mean(joint, joints)}")
        return index[joint]

    def pair(key: str, value: object) -> tuple[int, int]:
        if not _is_list(value) or len(value) != 2:
            raise ValueError(f"'{key}' holds {quoted(value)}, expected two joint names")
        return joint_index(key, value[0]), joint_index(key, value[1])

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        value = spec.get(key) or ()
        if not _is_list(value):
            raise ValueError(f"'{key}' is {quoted(value)}, expected a list of pairs of joint names")
        return tuple(pair(key, two) for two in value)

    parents = spec.get("parents") or {}
    if not isinstance(parents, Mapping):
        raise ValueError(f"'parents' is a {type(parents).__name__}, expected a mapping from each joint to its parent")
    for joint in parents:
        joint_index("parents", joint)
    if parents and (lacking := [joint for joint in joints if joint not in parents]):
        raise ValueError(f"'parents' lacks joint '{lacking[0]}'; name every joint, the root as its own parent")
    return JointLayout(
        name=_line("name", str(spec["name"])),
        joints=joints,
        bones=pairs("bones"),
        centre=joint_index("centre", spec["centre"]),
        mirror=pairs("mirror"),
        parents=tuple(joint_index("parents", parents[joint]) for joint in joints) if parents else (),
        spine=pair("spine", spec["spine"]) if spec.get("spine") else None,
        shoulders=pair("shoulders", spec["shoulders"]) if spec.get("shoulders") else None,
        source=str(spec.get("source") or ""),
    )


def _joint_names(names: object) -> tuple[str, ...]:
    if not _is_list(names):
        raise ValueError(f"'joints' is {quoted(names)}, expected a list of names")
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"'joints' holds {quoted(wrong[0])}, expected names; put it in quotes if it is one")
    if len(names) > MOST_JOINTS:
        raise ValueError(f"'joints' holds {len(names):,} names, expected at most {MOST_JOINTS:,}")
    return tuple(_line("joints", name) for name in names)


def _line(key: str, name: str) -> str:
    """A name that can stand in a line of a message, whoever wrote the file."""
    if CONTROL.search(name) or len(name) > LONGEST_NAME:
        raise ValueError(f"'{key}' holds {quoted(name)}, expected one line of at most {LONGEST_NAME} letters")
    return name


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


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
    if len(joints) == 1:
        raise ValueError(ONE_JOINT)
    if loops := [joints[i] for i, j in bones if i == j]:
        raise ValueError(f"joint '{loops[0]}' has a bone to itself")
    if len({frozenset(bone) for bone in bones}) < len(bones):
        times = Counter(map(frozenset, bones))
        twice = next(bone for bone in bones if times[frozenset(bone)] > 1)
        raise ValueError(f"the bone '{joints[twice[0]]}' - '{joints[twice[1]]}' is listed twice")
    _parents_toward(layout.centre, joints, bones)  # raises if the bones do not connect every joint
    _check_mirror(layout)
    _check_parents(layout)
    for key in ("spine", "shoulders"):
        if (pair := getattr(layout, key)) is not None and pair[0] == pair[1]:
            raise ValueError(f"'{key}' names joint '{joints[pair[0]]}' twice, expected two joints")


def _check_indices(layout: JointLayout) -> None:
    """Names are distinct and every index in the layout is one of a joint (a layout may be built from code)."""
    joints = layout.joints
    if repeated := [joint for i, joint in enumerate(joints) if joint in joints[:i]]:
        raise ValueError(f"joint '{repeated[0]}' is named twice")
    groups = {
        "bones": [joint for bone in layout.bones for joint in bone],
        "centre": [layout.centre],
        "mirror": [joint for sides in layout.mirror for joint in sides],
        "parents": layout.parents,
        "spine": layout.spine or (),
        "shoulders": layout.shoulders or (),
    }
    for key, indices in groups.items():
        if wrong := [joint for joint in indices if joint not in range(len(joints))]:
            raise ValueError(f"'{key}' names joint {wrong[0]!r}, the {len(joints)} joints are 0 to {len(joints) - 1}")


def _check_parents(layout: JointLayout) -> None:
    """Following parents leads from every joint to the one root."""
    joints, parents = layout.joints, layout.parents
    if len(parents) != len(joints):
        raise ValueError(f"'parents' has {len(parents)} entries for {len(joints)} joints")
    roots = [joint for joint, parent in enumerate(parents) if joint == parent]
    if len(roots) > 1:
        raise ValueError(f"joints '{joints[roots[0]]}' and '{joints[roots[1]]}' are both their own parent; one is root")
    for start in range(len(joints)):
        joint, seen = start, set()
        while joint != parents[joint]:
            if joint in seen:
                raise ValueError(f"the parents of joint '{joints[start]}' run in a circle")
            seen.add(joint)
            joint = parents[joint]


def _check_mirror(layout: JointLayout) -> None:
    """Exchanging left and right must map joints one to one."""
    joints = layout.joints
    sided = [joint for sides in layout.mirror for joint in sides]
    if len(set(sided)) < len(sided):
        twice = next(joint for joint in sided if sided.count(joint) > 1)
        raise ValueError(f"joint '{joints[twice]}' is in more than one mirror pair, or is its own mirror image")


def uneven_bone(layout: JointLayout) -> str:
    """The first bone that is none when left and right change places, in words; empty where there is none."""
    joints, other = layout.joints, layout.mirrored()
    bones = {frozenset(bone) for bone in layout.bones}
    for i, j in layout.bones:
        if layout.mirror and frozenset((other[i], other[j])) not in bones:
            return (
                f"bone '{joints[i]}' - '{joints[j]}' has no mirror image: "
                f"there is no bone '{joints[other[i]]}' - '{joints[other[j]]}'"
            )
    return ""
