"""Settings that follow from the recordings: how many people, which way is up, whether a mirror changes a class."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.augment import Augmentation, mirrored_classes
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up, nearest_axis, toward_shoulders
from kinegraph.skeleton.layout import JointLayout

Setting = Literal["people", "normalize", "mirror"]

CLIPS = 2000  # looked at, spread over the training part, at most
FRAMES = 8  # of each clip, for the comparison of clips with mirrored ones
TAKEN = 0.2  # share of a class's clips that a mirrored class has to take away, for mirroring to be unsafe
MOST_EPOCHS = 300


def adapt(
    preprocessing: Preprocessing, folder: SkeletonDataset, indices: Int[np.ndarray, "n"], what: Sequence[Setting]
) -> tuple[Preprocessing, list[str]]:
    """`preprocessing` with the settings in `what` chosen from the training clips `indices`, and a line on each choice.

    people: the most that a training clip has. normalize: "facing" with the vertical along which shoulders are above the
    rest of the body, on average; "sized" in 2D, and where the layout names no shoulders or no clip shows them. mirror:
    no mirrored clips, neither in training nor in a test, where they would look like another class. Where the class of a
    mirror image has its own name ("punch left", "punch right"), mirrored training clips have that label.
    """
    said = []
    looked = indices[np.linspace(0, len(indices) - 1, min(len(indices), CLIPS)).astype(int)]
    if "people" in what:
        preprocessing = replace(preprocessing, people=int(folder.people[indices].max()))
        said.append(f"people {preprocessing.people}, the most that a training clip has")
    if "normalize" in what:
        preprocessing, line = placed(preprocessing, (folder[i] for i in looked), folder.layout, folder.channels)
        said.append(line)
    if "mirror" in what and (preprocessing.augment.mirror or preprocessing.test_mirror):
        preprocessing, line = _mirrored(preprocessing, folder, looked)
        said.append(line)
    return preprocessing, said


def epochs_for(clips: int, batch_size: int, steps: int) -> int:
    """Passes over the training clips that make about so many steps, from 1 to 300."""
    return int(np.clip(round(steps / -(-clips // batch_size)), 1, MOST_EPOCHS))


# ---- up --------------------------------------------------------------------------------------------------------------


def placed(
    preprocessing: Preprocessing, clips: Iterable[SkeletonClip], layout: JointLayout, dimensions: int
) -> tuple[Preprocessing, str]:
    """Bodies turned to the front by their shoulders where clips allow it, else of one size; and a line on this."""
    up = upward(clips, layout) if dimensions == 3 and layout.shoulders else None
    if up is not None:
        said = f"normalize facing, up {up}: there shoulders are above the rest of the body"
        return replace(preprocessing, normalize="facing", up=up), said
    lacks = "there is no z to turn bodies with"
    if dimensions == 3:
        lacks = "no clip shows both shoulders" if layout.shoulders else "the layout names no shoulders"
    return replace(preprocessing, normalize="sized"), f"normalize sized: {lacks}"


def upward(clips: Iterable[SkeletonClip], layout: JointLayout) -> Up | None:
    """The signed axis, such as "y" or "-z", nearest to the mean way from the middle of the body to the shoulders.

    None where no clip shows both shoulders and another joint.
    """
    return nearest_axis(np.sum([np.zeros(3), *(toward_shoulders(clip.keypoint, layout) for clip in clips)], axis=0))


# ---- mirror ----------------------------------------------------------------------------------------------------------


def _mirrored(
    preprocessing: Preprocessing, folder: SkeletonDataset, looked: Int[np.ndarray, "n"]
) -> tuple[Preprocessing, str]:
    names, varied = folder.class_names, preprocessing.augment
    looked = looked[folder.label[looked] >= 0]  # long recordings have none
    clips = (folder[i] for i in looked)
    group = _groups(folder, looked)
    if len(looked) and (
        reason := mirror_forbidden(clips, folder.label[looked], names, folder.layout, group, preprocessing)
    ):
        return replace(preprocessing, test_mirror=False, augment=replace(varied, mirror=0.0)), (
            f"no mirrored clips: {reason}"
        )
    if pair := mirrored_by_name(names):
        varied = replace(varied, mirror_labels=True)
        return replace(preprocessing, test_mirror=False, augment=varied), (
            f"mirrored clips of '{pair[0]}' train '{pair[1]}' and the other way round"
        )
    if not len(looked):
        return (
            preprocessing,
            "mirrored clips: no clip has a label, so whether classes look like mirror images is not known",
        )
    return preprocessing, "mirrored clips: no class looks like the mirror image of another"


def _groups(folder: SkeletonDataset, looked: Int[np.ndarray, "n"]) -> np.ndarray:
    """The subject of each clip, or each clip by itself where all are of one: else none would be compared."""
    subject = folder.attributes["subject"][looked] if "subject" in folder.attributes else np.zeros(len(looked))
    return subject if len(np.unique(subject)) > 1 else np.arange(len(looked))


def mirror_forbidden(
    clips: Iterable[SkeletonClip],
    label: Int[np.ndarray, "n"],
    class_names: Sequence[str],
    layout: JointLayout,
    group: np.ndarray,
    preprocessing: Preprocessing,
) -> str:
    """Why these clips must not be mirrored, or "": two classes look like mirror images, but have other names.

    group: of each clip, such as its subject; clips of a group are not compared. preprocessing: how bodies are placed.
    """
    if not layout.mirror:
        return f"layout '{layout.name}' says nothing of left and right"
    if pair := mirrored_by_look(*_looks(clips, preprocessing), label, group, mirrored_classes(class_names)):
        one, other = (class_names[i] for i in pair)
        return f"mirrored clips of '{one}' look like '{other}' and the other way round"
    return ""


def mirrored_by_name(names: Sequence[str]) -> tuple[str, str] | None:
    """The first two classes that are mirror images by name."""
    mirrored = mirrored_classes(names)
    one = np.flatnonzero(mirrored != np.arange(len(names)))
    return (names[one[0]], names[mirrored[one[0]]]) if len(one) else None


def labels_of_mirrored(preprocessing: Preprocessing, class_names: Sequence[str]) -> list[str]:
    """A line where mirrored clips keep the label of their class though another one is its mirror image by name."""
    varied = preprocessing.augment
    if (
        varied.mirror_labels
        or not (varied.mirror or preprocessing.test_mirror)
        or not (pair := mirrored_by_name(class_names))
    ):
        return []
    return [
        f"mirrored clips of '{pair[0]}' keep their class, though by name '{pair[1]}' is its mirror image; "
        "preprocessing.augment.mirror_labels gives them that class"
    ]


def mirrored_by_look(
    seen: Float[np.ndarray, "n d"],
    mirrored: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, "n"],
    group: np.ndarray,
    mirrored_label: Int[np.ndarray, "classes"],
) -> tuple[int, int] | None:
    """Two classes whose clips, once mirrored ones are around, mostly lie nearest to those of the other class.

    A clip's nearest neighbour among clips of other groups (subjects) is found twice, without and with mirrored clips.
    Two classes are mirror images if both lose clips to the other's mirrored clips, more than they win back by their own
    mirrored clips. So two classes that are hard to tell apart anyway do not count. mirrored_label: the class of a
    mirrored clip of each class.
    """
    apart = group[:, None] != group[None, :]
    plain = np.where(apart, _distances(seen, seen), np.inf)
    turned = np.where(apart, _distances(seen, mirrored), np.inf)
    before = label[plain.argmin(1)]
    after = np.where(turned.min(1) < plain.min(1), mirrored_label[label[turned.argmin(1)]], before)
    classes = int(label.max()) + 1
    moved = np.zeros((classes, classes))
    lost, won = (before == label) & (after != label), (before != label) & (after == label)
    np.add.at(moved, (label[lost], after[lost]), 1)
    np.add.at(moved, (label[won], before[won]), -1)
    share = moved / np.maximum(np.bincount(label, minlength=classes), 1)[:, None]
    both = np.minimum(share, share.T)
    one, other = np.unravel_index(both.argmax(), both.shape)
    return (int(one), int(other)) if both[one, other] > TAKEN else None


def _looks(
    clips: Iterable[SkeletonClip], preprocessing: Preprocessing
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
    """Every clip in a few frames as the network would get it, and its mirror image."""
    preprocessing = replace(
        preprocessing,
        streams=("joint",),
        augment=Augmentation(),
        test_clips=1,
        sampling="resample",
        frames=FRAMES,
        test_frames=None,
        test_mirror=True,
    )
    views = np.stack([prepare_clip(clip, preprocessing) for clip in clips])
    plain, turned = (views[:, i].reshape(len(views), -1) for i in (0, 1))
    return plain, turned


def _distances(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Squared."""
    return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
