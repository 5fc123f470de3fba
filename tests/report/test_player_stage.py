"""Which way is up and where the eye is: the same picture of the same movement, however a recording's axes lie."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.read import read
from kinegraph.report.scene import Scene, key_frames
from kinegraph.report.stage import project, stage_of
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import UPRIGHT, upward
from kinegraph.skeleton.layout import load_layout
from tests.report import moving

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared") / "data"


def picture(clip: SkeletonClip, **more) -> np.ndarray:
    stage = stage_of(Scene(clip, **more))
    return project(stage, stage.points, 800, 600)[0]


def moved(clip: SkeletonClip, points: np.ndarray) -> SkeletonClip:
    return replace(clip, keypoint=points.astype(np.float64))


@pytest.mark.parametrize("up", UPRIGHT)
def test_every_vertical_axis_is_found_and_gives_the_same_picture(up):
    clip = moving.clip()
    turned = moved(clip, clip.keypoint @ np.array(UPRIGHT[up], float))  # so that the turn leads back
    if up[-1] != "x":  # which is not guessed
        assert np.allclose(picture(turned), picture(clip), atol=1e-3)
    assert np.allclose(picture(turned, up=up), picture(clip), atol=1e-3)


def test_somebody_who_bends_nearly_all_the_time_still_stands_on_the_floor():
    clip = moving.clip()
    names = clip.layout.joints
    over = [i for i, name in enumerate(names) if not any(leg in name for leg in ("knee", "ankle", "foot", "hip"))]
    bent = clip.keypoint.copy()
    hip = bent[:, 8:, [names.index("spine_base")]]
    bent[:, 8:, over] = hip + (bent[:, 8:, over] - hip)[..., [0, 2, 1]] * [1, 1, -1]  # the trunk level, to the front
    assert np.allclose(picture(moved(clip, bent)), picture(moved(clip, bent), up="y"))


@pytest.mark.parametrize(("file", "every"), [("hdm05_11.npz", 1), ("ui_prmd_kinect.npz", 20)])
def test_real_recordings_stand_upright_people_who_lie_and_pick_things_up_too(file, every):
    if not (path := SHARED / file).is_file():
        pytest.skip(f"no {path}")
    clips = list(read(path))[::every]
    seen = (np.where(clip.keypoint.any(-1, keepdims=True), clip.keypoint, np.nan) for clip in clips)
    assert {upward(points, clip.layout) for points, clip in zip(seen, clips, strict=True)} == {"y"}


@settings(max_examples=25)
@given(st.floats(-3.1, 3.1), st.floats(0.01, 100), st.tuples(*[st.floats(-50, 50)] * 3))
def test_a_picture_is_the_same_wherever_the_camera_stood_and_whatever_the_unit(angle, unit, shift):
    clip = moving.clip()
    cos, sin = np.cos(angle), np.sin(angle)
    round_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    points = unit * (clip.keypoint.astype(np.float64) @ round_y.T + shift)
    one, other = stage_of(Scene(moved(clip, clip.keypoint))), stage_of(Scene(moved(clip, points)))
    turn = (other.yaw - one.yaw - angle + np.pi) % (2 * np.pi) - np.pi
    assert abs(turn) < 1e-3
    if abs(angle) < 1e-3:  # the box around everybody lies along the axes: only then it is the same
        assert np.allclose(picture(moved(clip, points)), picture(clip), atol=0.1)


def test_people_are_seen_from_the_front_with_their_left_on_the_right():
    clip = moving.clip()
    places = picture(clip)[0, 0]
    x, y = places[:, 0], places[:, 1]
    left, right = (clip.layout.joints.index(name) for name in ("left_shoulder", "right_shoulder"))
    head, foot = (clip.layout.joints.index(name) for name in ("head", "left_foot"))
    assert x[left] > x[right] + 20
    assert y[foot] > y[head] + 300
    assert (places > 0).all()
    assert (x < 800).all()
    assert (y < 600).all()
    stage = stage_of(Scene(clip))
    _, far, _ = project(stage, stage.points[0, 0], 800, 600)
    assert far[foot] < far[clip.layout.joints.index("left_ankle")]  # toes point to the eye


def test_a_mirrored_recording_turns_with_its_sides():
    """Left and right exchanged in space and in name is the same person: seen from the front again."""
    clip = moving.clip()
    mirrored = clip.keypoint[:, :, clip.layout.mirrored()] * np.array([-1, 1, 1])
    assert stage_of(Scene(moved(clip, mirrored))).yaw == pytest.approx(stage_of(Scene(clip)).yaw, abs=1e-3)


def test_two_people_stand_beside_each_other():
    places = picture(moving.clip(people=2))[:, 0, :, 0]
    assert places[0].max() < places[1].min() or places[1].max() < places[0].min()


def test_the_floor_is_where_feet_are_and_lengths_are_the_same_on_all_axes():
    clip = moving.clip()
    stage = stage_of(Scene(clip))
    assert stage.floor == pytest.approx(0.02, abs=0.01)
    spots = stage.centre + 0.01 * np.eye(3)[[1, 0, 2]]
    level = replace(stage, pitch=0.0)
    middle = project(level, stage.centre, 800, 600)[0]
    up, *around = np.linalg.norm(project(level, spots, 800, 600)[0] - middle, axis=1)
    assert up == pytest.approx(np.hypot(*around), rel=0.02)  # what two level axes show together is one length


def test_images_have_y_down_and_are_shown_around_the_people():
    clip = moving.flat_clip()
    places = picture(clip)
    nose, ankle = (clip.layout.joints.index(name) for name in ("nose", "left_ankle"))
    assert (places[..., ankle, 1] > places[..., nose, 1]).all()
    stage = stage_of(Scene(clip))
    assert (stage.low >= 0).all()
    assert (stage.high <= clip.image_size).all()
    assert stage.high[1] - stage.low[1] < 1080


def test_a_layout_without_spine_is_told_by_feet_and_head():
    layout = load_layout("blazepose33")
    heights = {"ankle": 1.0, "foot": 1.05, "heel": 1.05, "knee": 0.6, "hip": 0.1}
    y = [next((high for word, high in heights.items() if word in joint), -0.7) for joint in layout.joints]
    keypoint = np.zeros((1, 4, 33, 3), np.float32) + 0.1
    keypoint[..., 1] = y
    stage = stage_of(Scene(SkeletonClip(keypoint, layout)))
    nose, ankle = (stage.points[0, 0, layout.joints.index(name), 1] for name in ("nose", "left_ankle"))
    assert nose > ankle + 1.5


def test_key_frames_are_where_the_movement_is():
    points = moving.clip(frames=200).keypoint  # nothing moves in the first half
    chosen = key_frames(points, 9)
    assert chosen[0] == 0
    assert chosen[-1] == 199
    assert (np.diff(chosen) > 0).all()
    assert (chosen >= 100).sum() >= 6


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 12))
def test_key_frames_are_frames_each_once(frames, count):
    chosen = key_frames(moving.clip(frames=frames).keypoint, count)
    assert len(chosen) == min(frames, count)
    assert len(set(chosen.tolist())) == len(chosen)
    assert 0 <= chosen.min() <= chosen.max() < frames


def test_key_frames_show_somebody():
    points = moving.clip(frames=60).keypoint.astype(float)
    points[:, :20] = np.nan  # nobody,
    points[:, 50:, 3:] = np.nan  # and at the end three joints of somebody
    chosen = key_frames(points, 8)
    assert (chosen[0], chosen[-1], len(chosen)) == (20, 49, 8)
