"""Settings chosen from recordings whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from kinegraph.data.augment import Augmentation, mirror
from kinegraph.data.auto import adapt, epochs_for, labels_of_mirrored, mirrored_by_look, mirrored_by_name
from kinegraph.data.dataset import write_dataset
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("kinect22")
Y_UP = np.eye(3)
MIRRORING = Preprocessing(people=1, normalize="facing", test_mirror=True, augment=Augmentation(mirror=0.5))


def standing(rng):
    """A body with arms hanging, in metres, y up, shoulders along x."""
    height = {
        "head_tip": 1.7, "head": 1.6, "neck": 1.5, "chest": 1.4, "collar": 1.4, "upper_arm": 1.4, "forearm": 1.1,
        "hand": 0.9, "spine": 1.2, "waist": 1.0, "upper_leg": 0.95, "lower_leg": 0.5, "foot": 0.1, "toes": 0.0,
    }  # fmt: skip
    side = {"l_": -0.2, "r_": 0.2}
    parts = [joint.removeprefix("l_").removeprefix("r_") for joint in LAYOUT.joints]
    body = np.array(
        [[side.get(joint[:2], 0.0), height[part], 0.0] for joint, part in zip(LAYOUT.joints, parts, strict=True)]
    )
    return body + rng.normal(0, 0.01, body.shape)


def raising(hand, rng, frames=12):
    """A clip in which one hand goes up."""
    body = np.repeat(standing(rng)[None], frames, 0)
    body[:, LAYOUT.joints.index(hand), 1] += np.linspace(0, 1, frames) * rng.uniform(0.7, 0.9)
    return body[None].astype(np.float32)


def written(path, hands, names, turn=Y_UP, per_class=12, subjects=3):
    rng = np.random.default_rng(0)
    clips = [
        SkeletonClip(
            (raising(hand, rng) @ turn.T).astype(np.float32), LAYOUT, f"{label}-{i}", label=label,
            attributes={"subject": i % subjects}, splits={"xsub": "train"},
        )
        for label, hand in enumerate(hands)
        for i in range(per_class)
    ]  # fmt: skip
    return write_dataset(path, clips, layout=LAYOUT, class_names=names, units="m", source="made up")


def test_without_depth_or_shoulders_nobody_is_turned(tmp_path):
    flat = SkeletonClip(standing(np.random.default_rng(0))[None, None, :, :2].astype(np.float32), LAYOUT, "a", label=0)
    folder = write_dataset(tmp_path / "flat", [flat], layout=LAYOUT, class_names=["a"], units="px", source="made up")
    assert adapt(MIRRORING, folder, np.arange(1), ["normalize"])[0].normalize == "sized"


def test_where_no_clip_shows_the_shoulders_nobody_is_turned(tmp_path):
    body = standing(np.random.default_rng(0))[None, None].astype(np.float32)
    body[..., LAYOUT.shoulders[0], :] = 0
    clips = [SkeletonClip(body, LAYOUT, "a", label=0)]
    folder = write_dataset(tmp_path / "one", clips, layout=LAYOUT, class_names=["a"], units="m", source="made up")
    how, said = adapt(MIRRORING, folder, np.arange(1), ["normalize"])
    assert (how.normalize, said) == ("sized", ["normalize sized: no clip shows both shoulders"])


@pytest.mark.parametrize(
    ("axes", "up"), [(Y_UP, "y"), (np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), "z"), (np.diag([-1, -1, 1]), "-y")]
)
def test_up_is_where_the_shoulders_are(tmp_path, axes, up):
    folder = written(tmp_path / "clips", ["l_hand"], ["raise"], turn=axes)
    assert adapt(MIRRORING, folder, np.arange(len(folder)), ["normalize"])[0].up == up


@pytest.mark.parametrize("subjects", [1, 3])
def test_hands_that_are_told_apart_by_their_side_alone_forbid_the_mirror(tmp_path, subjects):
    folder = written(tmp_path / "clips", ["l_hand", "r_hand"], ["a01", "a02"], subjects=subjects)
    how, said = adapt(MIRRORING, folder, np.arange(len(folder)), ["mirror"])
    assert how.augment.mirror == 0
    assert not how.test_mirror
    assert "'a01' look like 'a02'" in said[0]


def test_clips_without_labels_are_not_compared(tmp_path):
    folder = written(tmp_path / "clips", ["l_hand", "r_hand"], ["a01", "a02"])
    about = {"layout": LAYOUT, "class_names": folder.class_names, "units": "m", "source": "made up"}
    some = write_dataset(tmp_path / "some", [replace(it, label=it.label or None) for it in folder], **about)
    assert adapt(MIRRORING, some, np.arange(len(some)), ["mirror"])[1][0].startswith("mirrored clips: no class looks")
    none = write_dataset(tmp_path / "none", [replace(it, label=None) for it in folder], **about)
    how, said = adapt(MIRRORING, none, np.arange(len(none)), ["mirror"])
    assert how == MIRRORING
    assert said[0].startswith("mirrored clips: no clip has a label")


def test_mirrored_clips_that_keep_their_class_are_named():
    names = ["raise left", "raise right"]
    (line,) = labels_of_mirrored(MIRRORING, names)
    assert line.startswith("mirrored clips of 'raise left' keep their class, though by name 'raise right' is its")
    assert not labels_of_mirrored(MIRRORING, ["bow", "raise right"])
    assert not labels_of_mirrored(Preprocessing(), names)


def test_movements_of_one_side_that_have_no_twin_allow_it(tmp_path):
    folder = written(tmp_path / "clips", ["l_hand", "r_foot"], ["a01", "a02"])
    assert adapt(MIRRORING, folder, np.arange(len(folder)), ["mirror"])[0] == MIRRORING


def test_classes_hard_to_tell_apart_are_no_twins():
    rng = np.random.default_rng(1)
    clips = rng.normal(size=(60, 4, 1, 22, 3)).astype(np.float32)
    mirrored = np.stack([mirror(clip, LAYOUT) for clip in clips])
    flat = clips.reshape(60, -1), mirrored.reshape(60, -1)
    assert mirrored_by_look(*flat, rng.integers(0, 2, 60), np.arange(60), np.arange(2)) is None


def test_mirrored_clips_of_left_train_right(tmp_path):
    folder = written(tmp_path / "clips", ["l_hand", "r_hand"], ["raise left", "raise right"])
    how, said = adapt(MIRRORING, folder, np.arange(len(folder)), ["mirror"])
    assert said == ["mirrored clips of 'raise left' train 'raise right' and the other way round"]
    assert (how.augment.mirror, how.augment.mirror_labels, how.test_mirror) == (0.5, True, False)
    mirrored = replace(how, augment=Augmentation(mirror=1.0, mirror_labels=True, mixup=1.0))
    left, right = LAYOUT.joints.index("l_hand"), LAYOUT.joints.index("r_hand")
    clips = ClipDataset(folder, np.arange(len(folder)), mirrored, seed=0)
    for position in range(len(folder)):
        views, label, *_ = clips[0, position]
        risen = np.ptp(views[0, 0, :, [left, right], 1], axis=1)
        assert (label, label) == (1 - folder.label[position], risen.argmax())


@pytest.mark.parametrize(
    ("names", "twins"),
    [
        (["swipe left", "swipe right"], True),
        (["right arm swipe to the left", "right arm swipe to the right"], True),
        (["draw circle clockwise", "draw circle counterclockwise"], True),
        (["Draw circle (clockwise)", "Draw circle (counter-clockwise)"], True),
        (["jogLeftCircle", "kickLFront", "sneak2StepsLStart"], False),
        (["lie down", "ride"], False),
    ],
)
def test_names_of_twins(names, twins):
    assert bool(mirrored_by_name(names)) == twins


def test_people_and_epochs(tmp_path):
    folder = written(tmp_path / "clips", ["l_hand"], ["raise"])
    how, _ = adapt(replace(MIRRORING, people=5), folder, np.arange(len(folder)), ["people"])
    assert how.people == 1
    assert [epochs_for(n, 16, 2500) for n in (1000, 200, 10, 100_000)] == [40, 192, 300, 1]
