"""Whole recipes. `pipeline0_*` of transforms.npz: what MMAction2 0.x feeds its ST-GCN, axes C T V M there."""

import json

import numpy as np
import pytest

from kinegraph.data.augment import Augmentation
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests.golden import golden

TRANSFORMS, NTU_FILES = golden("transforms.npz"), golden("ntu.npz")
NTU, COCO = load_layout("ntu25"), load_layout("coco17")


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


def walker(people=1, frames=20, layout=NTU):
    return SkeletonClip(np.random.default_rng(frames).normal(size=(people, frames, len(layout), 3)), layout, name="w")


@pytest.mark.parametrize("sampling", ["loop", "fill", "uniform", "resample"])
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
        (lambda: prepare_clip(walker(), Preprocessing(normalize="image")), "clip 'w' has no image size"),
        (
            lambda: prepare_clip(walker(layout=COCO), Preprocessing(normalize="first_frame")),
            "'coco17' does not name its spine",
        ),
    ],
)
def test_impossible_wishes_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
