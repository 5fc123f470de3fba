"""Whole recipes.

`pipeline0_*` of transforms.npz: what MMAction2 0.x feeds its ST-GCN, axes C T V M there. `pipeline1_*` of
transforms1.npz: what MMAction2 1.x tests its ST-GCN on, the first 2 of 10 clips, axes clips M T V C.
"""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kinegraph.data import normalize
from kinegraph.data.augment import Augmentation, rotation_3d
from kinegraph.data.features import streams
from kinegraph.data.preprocessing import Preprocessing, Sampling, prepare_clip
from kinegraph.data.sampling import loop_indices, resample, uniform_test_indices
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests.data.test_normalize import prenormalize3d
from tests.golden import golden

TRANSFORMS, TRANSFORMS1, NTU_FILES = golden("transforms.npz"), golden("transforms1.npz"), golden("ntu.npz")
NTU, COCO = load_layout("ntu25"), load_layout("coco17")
STREAMS = {"j": "joint", "b": "bone", "jm": "joint_motion", "bm": "bone_motion"}
SAMPLINGS = get_args(Sampling)


def published(array):
    """C T V M -> M T V C"""
    return array.transpose(3, 1, 2, 0)


@pytest.mark.parametrize("i", range(3))
def test_mmaction0_3d_pipeline(i):
    clip = SkeletonClip(TRANSFORMS[f"pipeline0_3d/{i}/in"], NTU)
    (seen,) = prepare_clip(clip, Preprocessing(sampling="loop", frames=300))
    np.testing.assert_allclose(seen, published(TRANSFORMS[f"pipeline0_3d/{i}/out"]), atol=1e-5)


@pytest.mark.parametrize("i", range(3))
def test_mmaction0_2d_pipeline(i):
    clip = SkeletonClip(TRANSFORMS[f"pipeline0_2d/{i}/in"], COCO, score=TRANSFORMS[f"pipeline0_2d/{i}/score"])
    (seen,) = prepare_clip(clip, Preprocessing(normalize="image_published", sampling="loop", frames=300))
    np.testing.assert_allclose(seen, published(TRANSFORMS[f"pipeline0_2d/{i}/out"]), atol=1e-5)


@pytest.mark.parametrize("i", range(8))
def test_raw_bodies_become_what_the_tensorflow_pipeline_trains_on(i):
    frames = int(NTU_FILES["total_frames"][i])
    clip = SkeletonClip(published(NTU_FILES["energy_selected"][i])[:, :frames], NTU)
    (seen,) = prepare_clip(clip, Preprocessing(normalize="ntu_published", sampling="fill", frames=300))
    expected = published(NTU_FILES["normalised_300"][i])
    np.testing.assert_allclose(seen[:, : expected.shape[1]], expected, atol=1e-5)


@pytest.mark.parametrize("key", STREAMS)
@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize("space", ["3d", "2d"])
def test_mmaction1_test_pipeline(space, i, key):
    case = f"pipeline1_{space}/{i}"
    layout, normalised = ("ntu25_star", "first_frame") if space == "3d" else ("coco17_tree", "image")
    clip = SkeletonClip(
        TRANSFORMS1[f"{case}/in"], load_layout(layout), score=TRANSFORMS1.get(f"{case}/score"), image_size=(1920, 1080)
    )
    how = Preprocessing(normalize=normalised, streams=(STREAMS[key],), sampling="uniform", frames=100, test_clips=10)
    seen = prepare_clip(clip, how)
    assert len(seen) == 10
    np.testing.assert_allclose(seen[:2], TRANSFORMS1[f"{case}/{key}"], atol=1e-5)


@settings(max_examples=40)
@given(
    st.integers(1, 90),
    st.sampled_from(["none", "first_frame", "first_frame_centre", "facing"]),
    st.sampled_from(["loop", "uniform"]),
    st.sampled_from([("joint",), ("bone",), ("joint_motion",), ("bone_motion", "joint")]),
)
def test_leaving_out_frames_early_changes_nothing(frames, normalised, sampling, wanted):
    """The order of the published recipes: everything is computed for the whole clip, then frames are taken."""
    clip = walker(2, frames)
    clip.keypoint[0, 1::7] = 0
    how = Preprocessing(normalize=normalised, streams=wanted, sampling=sampling, frames=20)
    whole = {
        "none": lambda joints: joints.astype(np.float32),
        "first_frame": prenormalize3d,
        "first_frame_centre": lambda joints: normalize.centre_first_frame(
            normalize.drop_empty_frames(joints), NTU.spine[1]
        ),
        "facing": lambda joints: normalize.face_front(normalize.centre_first_frame(joints, NTU.spine[0]), NTU),
    }[normalised](clip.keypoint)
    whole = np.concatenate(streams(whole, NTU, wanted), axis=-1)
    chosen = {"loop": loop_indices(whole.shape[1], 20), "uniform": uniform_test_indices(whole.shape[1], 20, 1)[0]}
    np.testing.assert_allclose(prepare_clip(clip, how)[0], whole[:, chosen[sampling]], atol=1e-5)


@settings(max_examples=50)
@given(
    st.sampled_from(SAMPLINGS),
    st.integers(1, 80),
    st.integers(1, 60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_sampling_never_leaves_the_clip(sampling, recorded, frames, crop, warp, seed):
    """Frame t says t + 1 everywhere, so a frame that is not of the clip would show."""
    keypoint = np.broadcast_to(np.arange(1.0, recorded + 1)[None, :, None, None], (1, recorded, 25, 3))
    clip = SkeletonClip(keypoint, NTU)
    how = Preprocessing(people=1, sampling=sampling, frames=frames, augment=Augmentation(crop=crop, time_warp=warp))
    for rng in (None, np.random.default_rng(seed)):
        seen = prepare_clip(clip, how, rng)[0, 0, :, 0, 0]
        padded = sampling in ("pad", "window")
        assert ((seen >= 1 - 1e-4) & (seen <= recorded + 1e-4) | padded & (seen == 0)).all()
        if padded and not (rng and crop):
            assert (seen != 0).sum() == min(frames, recorded)


def nearly_opposite(body):
    """Whether a published turn is nearly half a turn: about which axis, rounding decides."""
    spine, across = (body[end] - body[start] for start, end in (NTU.spine, NTU.shoulders))
    across = normalize.shortest_rotation(spine, (0, 0, 1)) @ across
    return spine[2] < -0.98 * np.linalg.norm(spine) or across[0] < -0.98 * np.linalg.norm(across)


@settings(max_examples=40)
@given(st.sampled_from(["first_frame", "ntu_published", "facing"]), st.booleans(), st.integers(0, 10**6))
def test_how_the_camera_stood_does_not_matter(normalised, square, seed):
    """Normalising undoes a rigid motion of the whole recording; "facing" one that keeps the vertical.

    The published turns do so only where the first body's shoulders are square to its spine: otherwise the second turn
    tilts the spine again, and by how much it rolls about the shoulders (x) depends on where the camera stood.
    """
    rng = np.random.default_rng(seed)
    clip = walker(2, 12)
    clip.keypoint[1, 4:] = 0
    if square:
        clip.keypoint[0, 0, list(NTU.spine)] = [[0.1, -0.5, 3], [0.1, 0.1, 3]]
        clip.keypoint[0, 0, list(NTU.shoulders)] = [[-0.2, 0.5, 3.1], [0.3, 0.5, 2.9]]
    turn, step = rotation_3d(rng.uniform(-3, 3, 3) * ([0, 1, 0] if normalised == "facing" else 1)), rng.normal(size=3)
    there = clip.keypoint.any(-1, keepdims=True)
    elsewhere = SkeletonClip((clip.keypoint @ turn.T + step) * there, NTU)
    assume(not any(nearly_opposite(recording.keypoint[0, 0]) for recording in (clip, elsewhere)))
    how = Preprocessing(normalize=normalised, sampling="uniform", frames=8, streams=("joint", "bone_motion"))
    one, other = (prepare_clip(recording, how).reshape(-1, 3) for recording in (clip, elsewhere))
    if square or normalised == "facing":
        np.testing.assert_allclose(other, one, atol=2e-4)
    np.testing.assert_allclose(other[:, 0], one[:, 0], atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(other, axis=1), np.linalg.norm(one, axis=1), atol=2e-4)


def test_the_person_who_is_there_most_comes_first_and_may_be_the_only_one():
    clip = walker(3, 10)
    clip.keypoint[0, 3:] = 0
    how = Preprocessing(people=1, normalize="first_frame", sampling="loop", frames=10)
    (seen,) = prepare_clip(clip, how)
    np.testing.assert_allclose(seen, prenormalize3d(clip.keypoint[1:2]), atol=1e-6)


def pictured(people=1):
    pixels = np.random.default_rng(3).uniform(50, 400, (people, 9, 17, 2))
    score = np.tile(np.linspace(0, 1, 17), (people, 9, 1))
    return SkeletonClip(pixels, COCO, "p", score=score, image_size=(640, 480))


def test_absent_people_are_zero_after_scaling_by_the_image_unless_published_otherwise():
    (seen,) = prepare_clip(pictured(), Preprocessing(normalize="image", frames=9))
    expected = (pictured().keypoint - [320, 240]) / [320, 240]
    np.testing.assert_allclose(seen[0, ..., :2], expected[0], atol=1e-6)
    assert not seen[1].any()
    views = prepare_clip(pictured(), Preprocessing(normalize="image_published", frames=9, test_mirror=True))
    np.testing.assert_array_equal(views[:, 1], -0.5)


def test_unsure_joints_are_at_the_origin():
    (seen,) = prepare_clip(pictured(), Preprocessing(people=1, normalize="image", min_score=0.25, frames=9))
    (plain,) = prepare_clip(pictured(), Preprocessing(people=1, normalize="image", frames=9))
    assert not seen[:, :, :5, :2].any()  # scores 0 to 0.25
    np.testing.assert_array_equal(seen[:, :, 5:], plain[:, :, 5:])
    np.testing.assert_array_equal(seen[..., 2], plain[..., 2])


@pytest.mark.parametrize("normalised", ["first_frame", "ntu_published", "facing"])
@pytest.mark.parametrize("sampling", ["uniform", "fill", "resample"])
def test_scores_of_3d_joints_stay(normalised, sampling):
    clip = walker(2, 40)
    score = np.broadcast_to(np.linspace(0.1, 1, 25), (2, 40, 25))
    how = Preprocessing(normalize=normalised, sampling=sampling, frames=16)
    (seen,) = prepare_clip(replace(clip, score=score), how)
    np.testing.assert_allclose(seen[..., 3], score[:, :16], atol=1e-6)
    np.testing.assert_array_equal(seen[..., :3], prepare_clip(clip, how)[0])


def test_networks_may_see_more_frames_at_test_time():
    how = Preprocessing(people=1, sampling="window", frames=6, test_frames=20)
    clip = walker(frames=12)
    (seen,) = prepare_clip(clip, how)
    np.testing.assert_array_equal(seen[:, :12], clip.keypoint.astype(np.float32))
    assert seen.shape[1] == 20
    assert not seen[:, 12:].any()
    assert prepare_clip(clip, how, np.random.default_rng(0)).shape == (1, 1, 6, 25, 3)


def walker(people=1, frames=20, layout=NTU):
    return SkeletonClip(np.random.default_rng(frames).normal(size=(people, frames, len(layout), 3)), layout, name="w")


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("people", [1, 2, 3])
def test_every_clip_gets_the_same_shape(sampling, people):
    how = Preprocessing(people=2, sampling=sampling, frames=32, streams=("joint", "bone", "joint_motion"))
    clip = walker(people)
    test_views = prepare_clip(clip, how)
    train_view = prepare_clip(clip, how, np.random.default_rng(0))
    assert test_views.shape == train_view.shape == (1, 2, 32, 25, how.channels(3, scored=False))
    if people == 1:
        assert not test_views[:, 1].any()


def test_training_views_depend_on_the_generator_alone():
    how = Preprocessing(
        sampling="resample", frames=16, augment=Augmentation(rotation=(0.1, 0.2, 0.3), crop=0.5, mirror=0.5)
    )
    one, same, other = (prepare_clip(walker(), how, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_test_views_are_clips_times_mirror():
    how = Preprocessing(sampling="uniform", frames=16, test_clips=4, test_mirror=True)
    assert len(prepare_clip(walker(frames=90), how)) == 8


def test_weights_saved_before_an_option_existed_can_be_read():
    saved = {"people": 1, "normalize": "facing", "streams": ["bone"], "sampling": "uniform", "frames": 64,
             "test_clips": 2, "test_mirror": False, "augment": {"rotation": [0.1, 0.0, 0.0], "crop": 0.5}}  # fmt: skip
    read = Preprocessing.from_dict(saved)
    assert (read.min_score, read.test_frames, read.augment.time_warp, read.augment.crop) == (None, None, 0.0, 0.5)
    assert Preprocessing.from_dict({}) == Preprocessing()


def test_survives_json():
    how = Preprocessing(streams=("bone",), sampling="resample", augment=Augmentation(rotation=(0.1, 0, 0.2), scale=0.1))
    assert Preprocessing.from_dict(json.loads(json.dumps(how.to_dict()))) == how


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Preprocessing(frames=0), "preprocessing.frames is 0"),
        (lambda: Preprocessing(streams=()), "preprocessing.streams is empty"),
        (lambda: Preprocessing(test_clips=10), "needs sampling 'uniform', found 'loop'"),
        (lambda: Preprocessing.from_dict({"streams": ["joint"], "colour": 1}), "'colour'"),
        (lambda: Preprocessing.from_dict({"augment": {"noize": 1}}), "preprocessing.augment 'noize'"),
        (lambda: Preprocessing(min_score=float("nan")), "preprocessing.min_score is nan"),
        (lambda: Preprocessing(test_frames=0), "preprocessing.test_frames is 0"),
        (lambda: Preprocessing(test_crop=0.95), "test_crop needs sampling 'stretch', found 'loop'"),
        (lambda: Preprocessing(sampling="stretch", test_crop=2), "test_crop is 2, expected more than 0"),
        (lambda: Preprocessing.from_dict({"test_crop": "1"}), "preprocessing.test_crop is '1', expected a number"),
        (lambda: prepare_clip(walker(), Preprocessing(normalize="image")), "clip 'w' has no image size"),
        (lambda: prepare_clip(walker(), Preprocessing(min_score=0.1)), "clip 'w' has no scores"),
        (lambda: prepare_clip(pictured(), Preprocessing(normalize="facing")), "clip 'p' has no z, which normalize"),
        (
            lambda: prepare_clip(walker(layout=COCO), Preprocessing(normalize="first_frame")),
            "'coco17' does not name its spine",
        ),
    ],
)
def test_impossible_wishes_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_min_score_of_image_published_is_compared_with_the_recorded_score():
    """Normalising moves scores by a half; 0.3 is above a least score of 0.1, whatever becomes of it."""
    layout = load_layout("coco17")
    score = np.full((1, 4, 17), 0.3, np.float32)
    score[0, :, 2] = 0.05
    clip = SkeletonClip(np.full((1, 4, 17, 2), 500, np.float32), layout, score=score)
    (view,) = prepare_clip(clip, Preprocessing(people=1, normalize="image_published", min_score=0.1, frames=4))
    assert (view[0, :, 2, :2] == 0).all()
    assert (np.delete(view, 2, axis=2)[..., :2] != 0).all()


def test_a_long_clip_is_resampled_from_the_frames_that_are_needed():
    layout = load_layout("ntu25")
    clip = SkeletonClip(np.random.default_rng(0).normal(0, 1, (2, 500, 25, 3)).astype(np.float32), layout)
    how = Preprocessing(normalize="facing", sampling="resample", frames=16, test_mirror=True, streams=("bone_motion",))
    views = prepare_clip(clip, how)
    placed = normalize.face_front(normalize.centre_first_frame(clip.keypoint, layout.spine[0]), layout)
    expected = resample(streams(placed, layout, ("bone_motion",))[0], 16)
    np.testing.assert_allclose(views[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"normalize": "foo"}, {"sampling": "foo"}, {"up": "w"}, {"streams": ("joint", "foo")}]
)
def test_unknown_words_are_named(wrong):
    with pytest.raises(ValueError, match=rf"preprocessing.{next(iter(wrong))} is '(foo|w)', expected one of "):
        Preprocessing(**wrong)


def test_weights_and_configs_of_earlier_versions_keep_their_words():
    read = Preprocessing.from_dict({"augment": {"limbs": 0.5, "blend": 0.25, "warp": 0.1}})
    assert (read.augment.bone_lengths, read.augment.mixup, read.augment.time_warp) == (0.5, 0.25, 0.1)
    assert Preprocessing.from_dict(read.to_dict()) == read


def test_resample_has_no_body_between_somebody_and_nobody():
    """In the middle of the clip nobody is seen: what the network sees there is as large as the body."""
    clip = pictured()
    clip.keypoint[:] = clip.keypoint[:, :1]
    still = prepare_clip(clip, Preprocessing(people=1, normalize="image", sampling="resample", frames=20))
    clip.keypoint[:, 3:6] = clip.score[:, 3:6] = 0
    seen = prepare_clip(clip, Preprocessing(people=1, normalize="image", sampling="resample", frames=20))
    np.testing.assert_allclose(seen, still, atol=1e-6)


@pytest.mark.parametrize("normalised", ["none", "first_frame", "ntu_published"])
@pytest.mark.parametrize("sampling", ["loop", "fill", "window", "uniform", "sorted", "resample", "stretch"])
def test_moments_say_which_frames_there_are(sampling, normalised):
    """A joint that moves evenly says when a frame was; so does the channel of moments, behind all streams."""
    keypoint = np.random.default_rng(0).normal(size=(1, 30, 25, 3)).astype(np.float32)
    keypoint[0, :, 3, 0] = np.arange(30)
    keypoint[0, :, 20, :] = 0
    clip = SkeletonClip(keypoint, load_layout("ntu25"), "c")
    steps = Preprocessing(people=2, normalize=normalised, sampling=sampling, frames=20, streams=("joint", "bone"))
    plain, timed = (prepare_clip(clip, it) for it in (steps, replace(steps, moments=True)))
    assert timed.shape[-1] == steps.channels(3, False) + 1 == replace(steps, moments=True).channels(3, False)
    np.testing.assert_array_equal(timed[..., :-1], plain)
    assert not timed[:, 1].any()  # nobody
    moments = timed[:, 0, :, :, -1]
    assert (moments == moments[..., :1]).all()
    if normalised == "none":
        np.testing.assert_allclose(moments[..., 0], 2 * plain[:, 0, :, 3, 0] / 30 - 1, atol=1e-5)
    if sampling != "fill":  # which repeats frames where they are filled
        same = prepare_clip(clip, replace(steps, moments=True, normalize="none"))
        np.testing.assert_array_equal(moments, same[:, 0, :, :, -1])


def test_motion_between_chosen_frames():
    """Joint 0 stands at 10 t: a step is ten times the frames between two chosen ones, also between choices.

    So it is in PYSKL: its UniformSampleFrames lines all choices of a test up, PoseDecode takes those frames, GenSkeFeat
    the steps between them with zero in the last one, and only then FormatGCNInput cuts choices apart. Source:
    pyskl/datasets/pipelines, sampling.py and pose_related.py; the order is that of ProtoGCN's configs/k400/jm.py.
    """
    keypoint = np.zeros((1, 7, 17, 2), np.float32)
    keypoint[0, :, 0, 0] = 10 * np.arange(7)
    clip = SkeletonClip(keypoint, COCO, "c")
    steps = Preprocessing(
        people=1, streams=("joint", "joint_motion"), sampling="uniform", frames=3, test_clips=2, motion_between="chosen"
    )
    seen = prepare_clip(clip, steps)[:, 0, :, 0]  # (2, 3, C)
    place, step = seen[..., 0].ravel(), seen[..., 2].ravel()
    np.testing.assert_array_equal(place, 10 * uniform_test_indices(7, 3, 2).ravel())
    np.testing.assert_array_equal(step, [*np.diff(place), 0])
    assert len(set(step)) > 2
    recorded = prepare_clip(clip, replace(steps, motion_between="recorded"))[:, 0, :, 0]
    np.testing.assert_array_equal(recorded[..., 2], np.where(recorded[..., 0] == 60, 0, 10))
    (trained,) = prepare_clip(clip, replace(steps, moments=True), np.random.default_rng(0))[:, 0, :, 0]
    np.testing.assert_array_equal(trained[:, 2], [*np.diff(trained[:, 0]), 0])
    np.testing.assert_allclose(trained[:, 4], trained[:, 0] * 2 / 70 - 1, atol=1e-6)
    with pytest.raises(ValueError, match="motion_between 'chosen' needs sampling 'uniform', found 'loop'"):
        Preprocessing(sampling="loop", motion_between="chosen")


@pytest.mark.parametrize("recorded", [7, 64, 101])
def test_stretched_as_ctr_gcn_does(recorded):
    """The middle 95 % of the frames, resized as a row of pixels is; then bones, then steps between those frames."""
    clip = walker(2, recorded)
    how = Preprocessing(sampling="stretch", frames=64, test_crop=0.95, streams=("bone_motion", "joint"))
    cut = int((1 - 0.95) * recorded / 2)
    middle = torch.from_numpy(clip.keypoint[:, cut : recorded - cut]).permute(0, 2, 3, 1).flatten(0, 2)
    resized = torch.nn.functional.interpolate(middle[None], size=64, mode="linear", align_corners=False)[0]
    joints = resized.view(2, 25, 3, 64).permute(0, 3, 1, 2).numpy()
    bone = joints - joints[:, :, list(NTU.parents)]
    moved = np.concatenate([bone[:, 1:] - bone[:, :-1], np.zeros_like(bone[:, :1])], axis=1)
    np.testing.assert_allclose(prepare_clip(clip, how)[0], np.concatenate([moved, joints], 3), atol=1e-5)


@pytest.mark.parametrize("recorded", [50, 100, 300])
def test_crops_of_ctr_gcn_are_whole_frames_and_not_fewer_than_64(recorded):
    keypoint = np.broadcast_to(np.arange(1.0, recorded + 1)[None, :, None, None], (1, recorded, 25, 3))
    how = Preprocessing(people=1, sampling="stretch", frames=128, augment=Augmentation(crop=0.5))
    lengths, firsts = [], []
    for seed in range(200):
        seen = prepare_clip(SkeletonClip(keypoint, NTU), how, np.random.default_rng(seed))[0, 0, :, 0, 0]
        length = (seen[70] - seen[60]) / 10 * 128  # in its middle a clip is not held at an end
        lengths.append(length)
        firsts.append(seen[64] - (64.5 / 128 * length - 0.5) - 1)
        assert abs(length - round(length)) < 1e-2
        assert abs(firsts[-1] - round(firsts[-1])) < 1e-2
        assert -1e-2 < firsts[-1] < recorded - length + 1e-2
    assert min(lengths) == pytest.approx(max(min(recorded, 64), 0.5 * recorded), abs=2)
    assert (len(set(np.round(firsts))) == 1) == (recorded < 64)


@pytest.mark.parametrize("frames", [20, 52])
def test_nw_ucla_as_its_feeder_prepares_it(frames):
    """Each axis of the clip on [-1, 1], frames evenly from the first to the last, then bones, then steps."""
    clip = SkeletonClip(np.random.default_rng(0).normal(3, 1, (1, 31, 20, 3)), load_layout("kinect20"))
    how = Preprocessing(people=1, normalize="box", sampling="sorted", frames=frames, motion_between="chosen",
                        streams=("joint", "bone_motion"))  # fmt: skip
    flat = clip.keypoint.reshape(-1, 3)
    boxed = 2 * (clip.keypoint[0] - flat.min(0)) / (flat.max(0) - flat.min(0)) - 1
    joints = boxed[[int(it) for it in np.linspace(0, 30, frames)]]
    bone = joints - joints[:, list(clip.layout.parents)]
    moved = np.concatenate([np.diff(bone, axis=0), np.zeros((1, 20, 3))])
    np.testing.assert_allclose(prepare_clip(clip, how)[0, 0], np.concatenate([joints, moved], 2), atol=1e-5)
    turned = replace(how, streams=("joint",), augment=Augmentation(rotation=(1, 1, 0)))
    seen = prepare_clip(clip, turned, np.random.default_rng(0))
    assert np.abs(seen).max() == pytest.approx(1, abs=1e-5)  # turned first, then put into the box
    assert not np.allclose(seen[0, 0, 0], joints[0], atol=0.1)
