"""Conventions of published files: the layouts that so many joints may have, and names of classes."""

from collections.abc import Collection, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.clips.published_names import NTU_NAME, babel_class_names, ntu_class_names
from kinegraph.data.reading.files.text import lines_of
from kinegraph.messages import composed
from kinegraph.skeleton.layout import JointLayout, load_layout

# Layouts that published files of plain arrays have, by the number of their joints; the most frequent one first.
LAYOUTS = {
    13: ("penn13",),
    15: ("openni15", "jhmdb15"),
    17: ("coco17", "h36m17"),
    18: ("openpose18",),
    19: ("panoptic19",),
    20: ("kinect20", "msr20"),
    21: ("hand21", "kit21", "bighand21"),
    22: ("smpl22", "kinect22", "hand22"),
    24: ("smpl24", "ntu24"),
    25: ("ntu25", "openpose25"),
    26: ("halpe26",),
    31: ("hdm31",),
    32: ("kinect32",),
    33: ("blazepose33",),
    133: ("wholebody133",),
    136: ("halpe136",),
}
SCORES = (  # names of arrays with a score for each joint, beside those of their places
    "score", "scores", "keypoint_score", "keypoint_scores", "keypoints_score", "keypoints_scores", "joint_score",
    "joint_scores", "confidence", "confidences", "conf", "keypoint_confidence", "keypoints_confidence", "visibility",
    "visibilities", "probability", "probabilities", "prob", "probs", "likelihood", "likelihoods",
)  # fmt: skip
MOST_CLASSES = 10_000
OF_A_LAYOUT = "a .yaml file with joints: [hip, knee ...] and bones: [[hip, knee] ...]"  # what a layout file needs
PERCENT = 50.0  # the best of scores in percent is larger
PUBLISHED = (18, 25)  # joints of the padded arrays and shards that data sets are published as
RARE = ("ntu24",)  # to be named by the user: files that lost one of NTU's 25 joints look like it
FLAT_LAYOUTS = ("coco17", "openpose18")  # that published files hold in 2D only, with the score third
FLAT = (17, 18)  # their joints


def candidates(joints: int) -> list[JointLayout]:
    """The layouts that so many joints may have."""
    return [holistic()] if joints == len(holistic()) else [load_layout(name) for name in LAYOUTS.get(joints, ())]


def layout_for(joints: int, given: str | None = None) -> JointLayout:
    """The given layout, checked against the number of joints, or a provisional one until the clips decide."""
    if given is None:
        return next(iter(candidates(joints)), None) or numbered(joints)
    layout = load_layout(given)
    if len(layout) != joints:
        fitting = " or ".join(f"'{name}'" for name in LAYOUTS.get(joints, ()))
        hint = f": did you mean {fitting}?" if fitting else ""
        raise ValueError(f"layout '{layout.name}' has {len(layout)} joints, the clips have {joints}{hint}")
    return layout


def numbered(joints: int) -> JointLayout:
    """A layout of which only the number of joints is known."""
    return JointLayout(f"{joints} joints", tuple(map(str, range(joints))), tuple((i, 0) for i in range(1, joints)), 0)


def is_flat(layout: JointLayout) -> bool:
    """Whether published files have the joints of this layout in 2D only, with the score third."""
    return any(layout.joints == load_layout(name).joints for name in FLAT_LAYOUTS)


# ---- names of classes ------------------------------------------------------------------------------------------------


def as_shares(score: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Scores from 0 to 1; those in percent up to 100, which `placeholders.with_shares` divides and says."""
    return np.clip(np.nan_to_num(score), 0, 100 if np.max(score, initial=0) > PERCENT else 1)


def names_of_classes(given: str | None, labels: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    """Class names: those given, else NTU RGB+D's where clip names and labels are NTU RGB+D's, else "class 0" and so on.

    given: ntu60, ntu120, babel60, babel120, or a text file with one name a line.
    """
    count = max(labels, default=-1) + 1
    if given is not None:
        return _named(given)
    if count > MOST_CLASSES:
        raise ValueError(f"the labels go up to {count - 1}, expected the numbers of at most {MOST_CLASSES} classes")
    if labels and is_ntu(names, labels):
        return ntu_class_names(60 if count <= 60 else 120)
    return tuple(f"class {i}" for i in range(count))


def first_number(labels: Collection[int], names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The number of the first class, 0 or 1, of labels that are numbers, and a line where no label is 0.

    Numbers of classes, as in A001, often count from 1. Where the last number is the number of names, they certainly do.
    """
    if not labels or min(labels) < 1 or max(labels) > len(names):
        return 0, ()
    if max(labels) == len(names):
        return 1, (f"labels are numbers up to {len(names)} for as many names: they count from 1",)
    first = min(labels)
    return 0, (
        f"labels count from 0, so {first} is '{names[first]}', though no clip has 0; where they count from 1, the file "
        "of --class-names needs a first line such as none",
    )


def is_name(value: object) -> bool:
    """Whether something in a file can be the name of a clip: a line of text, or a number."""
    return isinstance(value, Integral) or (isinstance(value, str) and value.splitlines() == [value])


def is_ntu(names: Sequence[str], labels: Sequence[int] | None = None) -> bool:
    """Whether all names are of the form S001C002P003R002A013 and, where labels are given, A013 means label 12."""
    actions = [int(found[5]) if (found := NTU_NAME.fullmatch(name)) else 0 for name in names]
    if not actions or not all(0 < action <= 120 for action in actions):
        return False
    if labels is not None and len(labels) != len(names):
        return False
    return labels is None or all(action - 1 == label for action, label in zip(actions, labels, strict=True))


def _named(given: str) -> tuple[str, ...]:
    if given in BUILT_IN:
        names_of, classes = BUILT_IN[given]
        return names_of(classes)
    path = Path(given)
    if not path.is_file():
        raise ValueError(f"there is no file {given} of class names; or give one of {', '.join(BUILT_IN)}")
    lines = lines_of(path, "--class-names takes a text file with the name of one class per line")
    return tuple(composed(line.strip()) for line in lines if line.strip())


BUILT_IN = {
    "ntu60": (ntu_class_names, 60),
    "ntu120": (ntu_class_names, 120),
    "babel60": (babel_class_names, 60),
    "babel120": (babel_class_names, 120),
}
