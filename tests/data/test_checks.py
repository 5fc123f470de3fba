"""What is known of clips, and which faults are found in them, without any file."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.checks import Expected, findings, upward
from kinegraph.data.clip_summary import guess_axes, summarize, third_is_score, units_of
from kinegraph.data.reading.faults import Fault
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout
from tests.data import faulty
from tests.made_up import body

CLIPS = faulty.recordings()
NTU = Expected(load_layout("ntu25"), 60, "m")


def found(clip: faulty.Clip, **changes) -> SkeletonClip:
    attributes, splits = {"subject": clip.subject}, {"xsub": clip.part}
    made = SkeletonClip(clip.keypoint.copy(), NTU.layout, clip.name, clip.label, attributes=attributes, splits=splits)
    return replace(made, **changes)


def kinds(clips, expected=NTU, severity="problem") -> dict[str, tuple[str, ...]]:
    facts = [summarize(clip, expected.layout) for clip in clips]
    return {one.kind: one.clips for one in findings(facts, expected) if one.severity == severity}


def pictures(count=6, seed=0) -> list[SkeletonClip]:
    """People of COCO's 17 joints in pictures of 640x480, y down, with scores."""
    rng = np.random.default_rng(seed)
    rest = rng.uniform(-40, 40, (17, 2))
    rest[:, 1] = np.linspace(-150, 150, 17)  # nose first, ankles last
    clips = []
    for i in range(count):
        place = [320, 240] + np.cumsum(rng.normal(0, 1, (1, 12, 1, 2)), axis=1)
        keypoint = (rest + place + rng.normal(0, 1, (1, 12, 17, 2))).astype(np.float32)
        score = rng.uniform(0.2, 1, keypoint.shape[:3])
        about = {"image_size": (640, 480), "splits": {"split": "train"}}
        clips.append(SkeletonClip(keypoint, load_layout("coco17"), f"clip{i}", i % 2, score, **about))
    return clips


def test_clean_recordings():
    assert kinds(map(found, CLIPS)) == {}
    facts = [summarize(found(clip), NTU.layout) for clip in CLIPS]
    assert {(one.shape[2:], units_of(one), one.present) for one in facts} == {((25, 3), "m", n) for n in (1, 2)}
    assert upward(facts) == "y up"
    assert np.median([one.size for one in facts]) == pytest.approx(1.6, abs=0.05)  # from head to foot, as made
    assert kinds(pictures(), Expected(flat_units="px")) == {}


@settings(max_examples=40)
@given(index=st.integers(0, len(CLIPS) - 1), real=st.sampled_from(["MTVC", "CTVM", "MVTC", "MTCV"]))
def test_the_order_of_the_axes_is_seen(index, real):
    turned = CLIPS[index].keypoint.transpose(["MTVC".index(axis) for axis in real])
    assert guess_axes(turned) == real


def test_joints_and_as_many_frames_are_told_apart():
    frames = np.arange(25) % CLIPS[0].keypoint.shape[1]
    square = CLIPS[0].keypoint[:, np.sort(frames)]
    assert square.shape[1:3] == (25, 25)
    assert guess_axes(square) == "MTVC"
    assert guess_axes(square.swapaxes(1, 2)) == "MVTC"


def test_zeros_and_unknown_shapes_keep_the_usual_axes():
    for shape in ((3, 20, 25, 2), (3, 20, 37, 3), (1, 20, 25, 7)):
        assert guess_axes(np.zeros(shape)) == "MTVC"
    own = np.repeat(CLIPS[0].keypoint, 2, axis=2)[:, np.arange(18) % 15, :37]
    assert guess_axes(own) == "MTVC"  # 18 frames of 37 joints, no layout has these, are not 18 joints
    assert guess_axes(np.ones((1, 20, 37, 3))) == "MTVC"


@pytest.mark.parametrize(("factor", "units"), [(1, "m"), (100, "cm"), (1000, "mm"), (1e-4, None)])
def test_units_of_bodies_in_space(factor, units):
    clip = summarize(found(CLIPS[0], keypoint=CLIPS[0].keypoint * factor))
    assert units_of(clip) == units
    severity = "note" if units is None else "problem"
    scaled = [found(clip, keypoint=clip.keypoint * factor) for clip in CLIPS]
    assert ("units" in kinds(scaled, severity=severity)) == (units != "m")


def test_units_of_bodies_in_pictures():
    clips = pictures()
    small = [replace(clip, keypoint=clip.keypoint / [320, 240] - 1) for clip in clips]
    assert units_of(summarize(clips[0])) == "px"
    assert units_of(summarize(small[0])) == "[-1, 1]"
    assert "units" in kinds(small, Expected(flat_units="px"))
    mixed = [*clips[:5], small[5]]
    assert kinds(mixed, Expected(flat_units="px"))["units"] == ("clip5",)
    assert third_is_score(
        summarize(replace(clips[0], keypoint=np.concatenate([clips[0].keypoint, clips[0].score[..., None]], 3)))
    )
    assert not third_is_score(summarize(found(CLIPS[0])))
    space = np.concatenate([clips[0].keypoint / 300, clips[0].score[..., None]], 3)  # metres, z from 0 to 1
    assert units_of(summarize(replace(clips[0], keypoint=space, score=None))) == "m"


def test_width_and_height_swapped():
    tall = [replace(clip, keypoint=clip.keypoint + [0, 500], image_size=(1280, 480)) for clip in pictures()]
    facts = [summarize(clip) for clip in tall]
    (note,) = [one for one in findings(facts, Expected(flat_units="px")) if one.kind == "image_size"]
    assert note.message.endswith("are width and height swapped?")


def test_upside_down_is_noted():
    turned = [found(clip, keypoint=clip.keypoint * np.float32([1, -1, 1])) for clip in CLIPS]
    assert "upward" in kinds(turned, severity="note")
    assert "upward" not in kinds(map(found, CLIPS), severity="note")


def test_clips_of_one_frame_and_clips_in_which_nobody_moves():
    one = found(CLIPS[0], keypoint=CLIPS[0].keypoint[:, :1])
    still = found(CLIPS[1], keypoint=np.repeat(CLIPS[1].keypoint[:, :1], 9, axis=1))
    none = found(CLIPS[2], keypoint=CLIPS[2].keypoint[:, :0])
    clips = [one, still, none, *map(found, CLIPS[3:])]
    notes = kinds(clips, severity="note")
    assert (notes["one_frame"], notes["still"]) == ((CLIPS[0].name,), (CLIPS[1].name,))
    assert kinds(clips)["empty"] == (CLIPS[2].name,)


def test_a_first_person_who_is_in_no_frame_is_noted():
    """As of --bodies rows, where a network of one person would see nobody."""
    body = CLIPS[0].keypoint[:1]
    clip = found(CLIPS[0], keypoint=np.concatenate([np.zeros_like(body), body]))
    assert kinds([clip, *map(found, CLIPS[1:])], severity="note")["second"] == (CLIPS[0].name,)
    assert "second" not in kinds(map(found, CLIPS), severity="note")


def test_a_subject_on_both_sides_matters_where_the_split_is_by_subject():
    few = [found(clip) for clip in CLIPS]
    few[0] = replace(few[0], splits={"own": "val"})
    few[1:] = [replace(clip, splits={"own": clip.splits["xsub"]}) for clip in few[1:]]
    assert kinds(few)["shared_subjects"] == tuple(clip.name for clip in CLIPS if clip.subject == CLIPS[0].subject)
    every = [replace(clip, splits={"own": "train" if i % 2 else "val"}) for i, clip in enumerate(few)]
    assert "shared_subjects" not in kinds(every)
    assert "shared_subjects" in kinds(every, severity="note")
    by_camera = [replace(clip, splits={"xview": clip.splits["own"]}) for clip in every]
    assert "shared_subjects" not in {**kinds(by_camera), **kinds(by_camera, severity="note")}


def test_a_class_that_train_lacks():
    clips = [found(clip) for clip in CLIPS if clip.part == "val" or clip.label != 2]
    assert kinds(clips)["class_not_in_train"] == tuple(c.name for c in CLIPS if c.part == "val" and c.label == 2)


def test_a_recording_under_several_labels_is_noted():
    clips = [found(clip) for clip in CLIPS]
    clips.append(replace(clips[0], name=f"{clips[0].name}-2", label=1))
    assert kinds(clips, severity="note")["two_labels"] == (clips[0].name, clips[-1].name)


def test_faults_of_one_kind_are_one_finding():
    faults = [Fault(f"line {i}: no number", f"clip{i}", "row") for i in range(3)]
    (one,) = [it for it in findings([summarize(fault) for fault in faults], Expected()) if it.kind == "row"]
    assert (one.severity, one.clips) == ("problem", ("clip0", "clip1", "clip2"))
    assert one.message == "line 0: no number; 2 more like it"


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.sampled_from([2, 3]), st.floats(allow_nan=False))
def test_no_shape_or_value_stops_the_checks(shape, channels, value):
    names = tuple(f"j{i}" for i in range(max(shape[2], 2)))
    joints = JointLayout("few", names, tuple((i, 0) for i in range(1, len(names))), centre=0)
    keypoint = np.full((*shape[:2], len(joints), channels), value)
    facts = summarize(SkeletonClip(keypoint, joints, "any", score=np.zeros(keypoint.shape[:3])))
    findings([facts, facts], Expected(), complete=True)
    assert facts.shape is not None


@pytest.mark.parametrize("step", [0.0, 0.5, 1.0])
def test_rounding_swaps_no_axes(step):
    """Three people in space whose bones keep their lengths, but for rounding."""
    moved = 300 * body("coco17") + step * np.arange(8)[:, None, None]
    assert guess_axes(np.stack([moved + 700.3 * i for i in range(3)])) == "MTVC"
