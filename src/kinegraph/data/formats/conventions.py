"""What files of plain arrays leave unsaid: the layout, from the numbers of joints and channels, and class names."""

from collections.abc import Iterable, Sequence
from importlib import resources
from numbers import Integral
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats import ntu
from kinegraph.skeleton.layout import JointLayout, load_layout

LAYOUTS = {
    (17, 2): "coco17",
    (18, 2): "openpose18",
    (21, 2): "hand21",
    (21, 3): "hand21",
    (22, 3): "kinect22",
    (24, 3): "ntu24",
    (25, 2): "openpose25",
    (25, 3): "ntu25",
    (26, 2): "halpe26",
    (31, 3): "hdm31",
    (33, 2): "blazepose33",
    (33, 3): "blazepose33",
}
MOST_CLASSES = 10_000
FLAT_LAYOUTS = ("coco17", "openpose18")  # that published files hold in 2D only, with the score third
FLAT = (17, 18)  # their joints


def layout_for(joints: int, channels: int, given: str | None = None) -> JointLayout:
    """The given layout, checked against the number of joints, or the one that published files of this shape have."""
    if given is None:
        if (joints, channels) not in LAYOUTS:
            raise ValueError(f"{joints} joints in {channels}D are of no layout that is known here; name it by --layout")
        return load_layout(LAYOUTS[joints, channels])
    layout = load_layout(given)
    if len(layout) != joints:
        fitting = LAYOUTS.get((joints, channels))
        hint = f": did you mean '{fitting}'?" if fitting else ""
        raise ValueError(f"layout '{layout.name}' has {len(layout)} joints, the clips have {joints}{hint}")
    return layout


def is_flat(layout: JointLayout) -> bool:
    """Whether published files have the joints of this layout in 2D only, with the score third."""
    return any(layout.joints == load_layout(name).joints for name in FLAT_LAYOUTS)


def third_is_score(keypoints: Iterable[Float[np.ndarray, "... V C"]], layout: str | None = None) -> bool:
    """Whether the third channel is a confidence and no coordinate, beyond doubt.

    It is where the joints are of a layout that comes in 2D only (COCO's 17, OpenPose's 18) and every third value lies
    in [0, 1], not all of them 0. layout: name or file of the layout, where it was given.
    """
    if layout is not None and not is_flat(load_layout(layout)):
        return False
    seen = False
    for keypoint in keypoints:
        if keypoint.shape[-1] != 3 or keypoint.shape[-2] not in FLAT:
            return False
        third = keypoint[..., 2]
        if not ((third >= 0) & (third <= 1)).all():
            return False
        seen = seen or bool((third > 0).any())
    return seen


def split_score(keypoint: Float[np.ndarray, "... V 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and scores of (x, y, score)."""
    return keypoint[..., :2], keypoint[..., 2]


# ---- names of classes ------------------------------------------------------------------------------------------------


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
        return ntu.class_names(60 if count <= 60 else 120)
    return tuple(f"class {i}" for i in range(count))


def is_name(value: object) -> bool:
    """Whether something in a file can be the name of a clip: a line of text, or a number."""
    return isinstance(value, Integral) or (isinstance(value, str) and value.splitlines() == [value])


def is_ntu(names: Sequence[str], labels: Sequence[int] | None = None) -> bool:
    """Whether all names are of the form S001C002P003R002A013 and, where labels are given, A013 means label 12."""
    actions = [int(found[5]) if (found := ntu.FILE_NAME.fullmatch(name)) else 0 for name in names]
    if not actions or not all(0 < action <= 120 for action in actions):
        return False
    if labels is not None and len(labels) != len(names):
        return False
    return labels is None or all(action - 1 == label for action, label in zip(actions, labels, strict=True))


def babel_class_names(classes: int) -> tuple[str, ...]:
    """BABEL's 60 or 120 most frequent actions, in its order."""
    text = (resources.files("kinegraph.data.formats") / "babel_facts" / "class_names.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines()[:classes])


def _named(given: str) -> tuple[str, ...]:
    if given in BUILT_IN:
        names_of, classes = BUILT_IN[given]
        return names_of(classes)
    path = Path(given)
    if not path.is_file():
        raise ValueError(f"there is no file {given} of class names; or give one of {', '.join(BUILT_IN)}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file of class names, one a line") from None
    return tuple(line.strip() for line in lines if line.strip())


BUILT_IN = {
    "ntu60": (ntu.class_names, 60),
    "ntu120": (ntu.class_names, 120),
    "babel60": (babel_class_names, 60),
    "babel120": (babel_class_names, 120),
}
