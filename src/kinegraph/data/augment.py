"""Random variations of a training clip. Each draws from the generator it is given; joints at zero stay at zero."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from kinegraph.messages import quoted
from kinegraph.skeleton.anatomy import other_side
from kinegraph.skeleton.geometry import seen
from kinegraph.skeleton.layout import JointLayout

ANTI = ("counterclockwise", "counter-clockwise", "counter clockwise", "anticlockwise", "anti-clockwise")


@dataclass(frozen=True)
class Augmentation:
    """How far training clips are varied; every value 0 means not at all.

    Args:
        rotation: largest angle about the x, y and z axis in radians; 2D clips turn by the last, about the origin of
            their coordinates after normalising (with "image" the middle of the picture).
        scale: each axis is stretched by a factor between 1 - scale and 1 + scale.
        shear: each axis leans toward each other by up to this much.
        mirror: probability of exchanging left and right (x is negated and mirror joints change places).
        mirror_labels: a mirrored clip of a class has the class that is called so in a mirror, "punch left" for "punch
            right" (`mirrored_classes`). A clip that it is mixed with is mirrored with it.
        joint_flip: probability of left and right joints changing places, without x being negated (ProtoGCN).
        part_drop: probability of an arm or leg being missing (zero) in the whole clip, of everybody (ProtoGCN).
        crop: shortest share of the clip that frames are taken from; 0 or 1 takes them from all of it.
        time_warp: one half of a clip runs faster than the other, at the ends of the clip by up to this share.
        noise: standard deviation of noise added to every coordinate, in the unit after normalisation.
        joint_dropout: probability for each joint of each person to be missing (zero) in the whole clip.
        frame_dropout: probability for each frame to be missing (zero), for everybody.
        bone_lengths: probability of moving with the bone lengths of another training clip's person.
        mixup: probability of being mixed with another training clip of the same class, by up to one half.

    Raises ValueError naming a value that is out of range.
    """

    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 0.0
    shear: float = 0.0
    mirror: float = 0.0
    mirror_labels: bool = False
    joint_flip: float = 0.0
    part_drop: float = 0.0
    crop: float = 0.0
    noise: float = 0.0
    time_warp: float = 0.0
    joint_dropout: float = 0.0
    frame_dropout: float = 0.0
    bone_lengths: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.type is float):
            top = np.inf if name in ("shear", "noise") else 1.0
            if not 0 <= getattr(self, name) <= top or np.isinf(getattr(self, name)):
                expected = f"between 0 and {top:g}" if top == 1 else "a finite number from 0 on"
                raise ValueError(f"augment.{name} is {getattr(self, name)}, expected {expected}")
        if not np.isfinite(self.rotation).all():
            raise ValueError(f"augment.rotation is {list(self.rotation)}, expected three finite angles")

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Augmentation":
        """From plain data of any origin. Raises ValueError for an unknown field, and for a value of another kind."""
        values: dict[str, Any] = {RENAMED.get(name, name): value for name, value in saved.items()}
        check_fields(cls, "augment.", values)
        if not isinstance(turns := values.get("rotation", (0, 0, 0)), list | tuple) or len(turns) != 3:
            raise ValueError(f"preprocessing.augment.rotation is {quoted(turns)}, expected three numbers")
        for place, turn in enumerate(turns):
            check_kind(f"augment.rotation[{place}]", turn, float)
        values["rotation"] = tuple(turns)
        return cls(**values)


NONE = Augmentation()
RENAMED = {"warp": "time_warp", "limbs": "bone_lengths", "blend": "mixup"}  # fields of earlier versions
KINDS: dict[type[Any], tuple[Any, str]] = {
    bool: (bool, "true or false"), int: (int, "a whole number"), float: (int | float, "a number"),
}  # fmt: skip
LEAST, MOST = 0.5, 2.0  # a bone that is seldom seen from the side looks too short in 2D; do not stretch it to rags


def check_fields(kind: type[Any], group: str, values: Mapping[str, Any]) -> None:
    """Raises ValueError for a name that is no field of a data class, and a value that is not of its field's kind.

    group: in front of the names in messages. A weights file may say anything.
    """
    known = {field.name: field.type for field in fields(kind)}
    if wrong := sorted(values.keys() - known):
        where = f"preprocessing.{group}".removesuffix(".")
        raise ValueError(f"the weights ask for {where} '{wrong[0]}', which this Kinegraph does not know")
    for name, value in values.items():
        for plain in KINDS:
            if known[name] == plain or (known[name] == plain | None and value is not None):
                check_kind(group + name, value, plain)


def check_kind(name: str, value: object, kind: type[Any]) -> None:
    """Raises ValueError for a value of a preprocessing that is no bool, int or float."""
    taken, words = KINDS[kind]
    if not isinstance(value, taken) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(f"preprocessing.{name} is {quoted(value)}, expected {words}")


def augment(
    joints: Float[np.ndarray, "M T V C"],
    layout: JointLayout,
    amounts: Augmentation,
    dimensions: int,
    rng: np.random.Generator,
    width: float = 0.0,
) -> Float[np.ndarray, "M T V C"]:
    """One random variation of a normalised clip. The first `dimensions` channels are coordinates; a score stays.

    width: of the picture, where coordinates are its pixels: see `mirror`.
    `bone_lengths` and `mixup` need other clips: `loading.ClipDataset` applies them.
    """
    if amounts == NONE:
        return joints
    varied = joints.copy()
    place = varied[..., :dimensions]
    if any(amounts.rotation) or amounts.scale or amounts.shear:
        linear = random_linear(amounts, dimensions, rng).astype(place.dtype)
        place[:] = (place.reshape(-1, dimensions) @ linear.T).reshape(place.shape)
    if amounts.noise:
        place += rng.standard_normal(place.shape, np.float32) * (amounts.noise * seen(place)[..., None])
    if amounts.mirror and rng.random() < amounts.mirror:
        varied = mirror(varied, layout, width)
    if amounts.joint_flip and rng.random() < amounts.joint_flip:
        varied = varied.take(layout.mirrored(), axis=2)
    if amounts.part_drop and rng.random() < amounts.part_drop:
        parts = limbs(layout)
        varied[:, :, parts[rng.integers(len(parts))]] = 0
    people, frames, joint_count, _ = varied.shape
    if amounts.joint_dropout:
        lost = rng.random((people, joint_count)) < amounts.joint_dropout
        person, joint = lost.nonzero()
        varied[person, :, joint] = 0
    if amounts.frame_dropout:
        varied[:, rng.random(frames) < amounts.frame_dropout] = 0
    return varied


def mirror(
    joints: Float[np.ndarray, "M T V C"], layout: JointLayout, width: float = 0.0
) -> Float[np.ndarray, "M T V C"]:
    """The clip seen in a mirror across the plane x = 0; what was the left hand is the right one.

    width: of a picture that is turned round in itself; joints at x = 0 were not seen in it, and stay there.
    """
    mirrored = joints.take(layout.mirrored(), axis=2)
    x = mirrored[..., 0]
    mirrored[..., 0] = np.where(x != 0, width - x, x) if width else -x
    return mirrored


def limbs(layout: JointLayout) -> list[list[int]]:
    """The branches of the body that begin where left and right do: arms and legs, with hands and feet.

    Raises ValueError for a layout that does not name left and right.
    """
    sided = {joint for joint, other in enumerate(layout.mirrored()) if joint != other}
    branches: dict[int, list[int]] = {}
    for joint in sorted(sided):
        start = joint
        while (parent := layout.parents[start]) in sided and parent != start:
            start = parent
        branches.setdefault(start, []).append(joint)
    if not branches:
        raise ValueError(f"layout '{layout.name}' names no left and right joints, which augment.part_drop needs")
    return list(branches.values())


def random_linear(amounts: Augmentation, dimensions: int, rng: np.random.Generator) -> Float[np.ndarray, "D D"]:
    """A random rotation, then stretch, then shear, each with mean zero effect."""
    angles = rng.uniform(-1, 1, 3) * amounts.rotation
    turn = rotation_3d(angles) if dimensions == 3 else rotation_3d([0, 0, angles[2]])[:2, :2]
    stretch = np.diag(1 + rng.uniform(-amounts.scale, amounts.scale, dimensions))
    lean = rng.uniform(-amounts.shear, amounts.shear, (dimensions, dimensions))
    np.fill_diagonal(lean, 1)
    return lean @ stretch @ turn


def rotation_3d(angles: Sequence[float] | Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Turn about x, then y, then z, angles in radians, counter-clockwise seen from the axis' tip."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def random_crop(amounts: Augmentation, rng: np.random.Generator) -> tuple[float, float]:
    """The share [start, stop] of the clip to keep, from 0 to 1."""
    if amounts.crop in (0, 1):
        return 0.0, 1.0
    kept = rng.uniform(amounts.crop, 1)
    start = rng.uniform(0, 1 - kept)
    return start, start + kept


def random_bend(amounts: Augmentation, rng: np.random.Generator) -> float:
    """How the clip's speed changes, see `sampling.bent`."""
    return rng.uniform(-amounts.time_warp, amounts.time_warp) if amounts.time_warp else 0.0


def exchange_factor(own: Float[np.ndarray, "M V"], other: Float[np.ndarray, "V"]) -> Float[np.ndarray, "M V"]:
    """The factor from own bone lengths to those of the other, from 0.5 to 2; 1 where one of the two is not known."""
    known = (own > 0) & (other > 0)
    return np.where(known, np.clip(other / np.where(known, own, 1), LEAST, MOST), 1)


# ---- what a class is called when it is seen in a mirror: "punch left" becomes "punch right" --------------------------


def mirrored_classes(names: Sequence[str]) -> Int[np.ndarray, "classes"]:
    """The class of each class's mirror image: the one whose name differs in left and right, or in clockwise, alone.

    A class without such a partner is its own mirror image.
    """
    mirrored = np.arange(len(names))
    index = {name.casefold(): number for number, name in enumerate(names)}
    for name, number in index.items():
        partners = {index[other] for other in _other_names(name) if other in index} - {number}
        if mirrored[number] == number and partners:
            partner = min(partners)
            mirrored[[number, partner]] = partner, number
    return mirrored


def _other_names(name: str) -> list[str]:
    words = [name.replace(a, b) for a, b in (("left", "right"), ("right", "left"))]
    turned = [re.sub(r"(?<!counter)(?<!anti)(?<!counter.)(?<!anti.)clockwise", way, name) for way in ANTI]
    return [*other_side(name), *words, *turned]
