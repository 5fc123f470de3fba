"""Files that leave out layout, units, axes or the meaning of the third number: what is decided, said or refused."""

import csv
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import read, recordings
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.joints.axes import frames_come_first
from kinegraph.data.reading.steps.unstated import decided
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

BODIES = ("coco17", "h36m17", "kinect20", "msr20", "smpl22", "smpl24", "ntu25", "hdm31", "blazepose33")


def moving(layout: str, channels: int = 3, frames: int = 8, size: float = 1.0, people: int = 1) -> np.ndarray:
    """Bodies that turn a little and drift, (M, T, V, C)."""
    rng = np.random.default_rng(frames)
    rest = body(layout, channels)
    drift = np.cumsum(rng.normal(0, 0.02, (people, frames, 1, channels)), axis=1) + 3 * np.arange(people).reshape(
        -1, 1, 1, 1
    )
    return (size * (rest + drift + rng.normal(0, 0.005, (people, frames, *rest.shape)))).astype(np.float32)


def pickled(path, keypoint, clips: int = 3, **more):
    items = [{"frame_dir": f"c{i}", "label": i, "keypoint": keypoint} | more for i in range(clips)]
    path.write_bytes(pickle.dumps({"split": {}, "annotations": items}))
    return path


# ---- layout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", BODIES)
def test_bodies_tell_their_layout(tmp_path, layout):
    found = recordings(pickled(tmp_path / "a.pkl", moving(layout)))
    clip = next(found.clips)
    assert (found.layout.name, clip.layout.name, clip.keypoint.shape[3]) == (layout, layout, 3)
    assert f"layout '{layout}', which fits the proportions" in found.assumed[0]


@pytest.mark.parametrize(
    ("layout", "candidates"), [("ntu25", "ntu25 or openpose25"), ("smpl22", "smpl22, kinect22 or hand22")]
)
def test_joints_in_an_order_of_their_own_are_refused_by_every_command(tmp_path, capsys, layout, candidates):
    order = np.random.default_rng(1).permutation(len(load_layout(layout)))
    path = pickled(tmp_path / "a.pkl", moving(layout)[:, :, order])
    for words in (["prepare", path, tmp_path / "out"], ["inspect", path], ["draw", path, tmp_path / "x.png"]):
        assert main([*map(str, words)]) != 0
        printed = "".join(capsys.readouterr())
        assert (
            f"do not look like those of {candidates}, the layouts known here: their bones would be too long; name the"
            in printed
        )
    assert not (tmp_path / "out").exists()
    assert next(read(path, layout=layout)).layout.name == layout


def test_the_layout_of_the_network_where_bodies_can_have_it(tmp_path):
    ntu, own = load_layout("ntu25"), replace(load_layout("coco17"), name="mine", joints=tuple("abcdefghijklmnopq"))
    turned = body("ntu25")[::-1].copy()
    for layout, bodies, expected in (
        (ntu, moving("ntu25"), ntu),  # alone they could be openpose25's
        (own, moving("coco17"), own),
        (load_layout("coco17"), moving("coco17"), load_layout("h36m17")),  # clearly another one
    ):
        found = recordings(pickled(tmp_path / "a.pkl", bodies), expected=expected)
        assert next(found.clips).layout == layout
        assert ("that of the network" in found.assumed[0]) == (layout == expected)
    with pytest.raises(ValueError, match="the layouts known here: their bones would be too long"):
        recordings(pickled(tmp_path / "a.pkl", np.tile(turned, (1, 8, 1, 1)).astype(np.float32)), expected=ntu)


def test_joints_that_are_seldom_seen_do_not_hide_the_layout(tmp_path):
    keypoint = moving("h36m17", frames=60)
    keypoint[np.random.default_rng(0).random(keypoint.shape[:3]) < 0.3] = 0
    assert recordings(pickled(tmp_path / "a.pkl", keypoint)).layout.name == "h36m17"


# ---- score or z ------------------------------------------------------------------------------------------------------


def with_third(layout: str, size: float, place: float, third: np.ndarray) -> np.ndarray:
    plane = place + moving(layout, 2, size=size)
    return np.concatenate([plane, np.broadcast_to(third, plane.shape[:3])[..., None]], axis=3).astype(np.float32)


@pytest.mark.parametrize("layout", ["coco17", "ntu25", "halpe26", "blazepose33"])
def test_a_score_beside_pixels(tmp_path, layout):
    sure = np.random.default_rng(0).uniform(0, 1, (1, 8, len(load_layout(layout))))
    clip = next(read(pickled(tmp_path / "a.pkl", with_third(layout, 300, 500, sure), img_shape=(1080, 1920))))
    assert clip.keypoint.shape[3] == 2
    np.testing.assert_allclose(clip.score, sure, atol=1e-6)


def test_a_small_depth_is_no_score(tmp_path):
    """Human3.6M's joints about the size of 1, with z from 0 to 1, named or found by the bones."""
    keypoint = moving("h36m17")
    keypoint[..., 2] -= keypoint[..., 2].min()
    keypoint /= keypoint[..., 2].max()
    path = pickled(tmp_path / "a.pkl", keypoint)
    for options in ({}, {"layout": "h36m17"}):
        clip = next(read(path, **options))
        assert (clip.layout.name, clip.score) == ("h36m17", None)
        np.testing.assert_array_equal(clip.keypoint, keypoint)


# ---- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "size"), [("m", 1.0), ("cm", 100.0), ("mm", 1000.0)])
def test_units_in_space_become_metres(tmp_path, unit, size):
    found = recordings(pickled(tmp_path / "a.pkl", moving("ntu25", size=size)))
    assert found.units == "m"
    np.testing.assert_allclose(next(found.clips).keypoint, moving("ntu25"), rtol=1e-5, atol=1e-5)
    assert any(f": {unit} (--units)" in line for line in found.assumed) == (unit != "m")


@pytest.mark.parametrize(("unit", "metres"), [("in", 0.0254), ("ft", 0.3048)])
def test_inches_and_feet_are_named(tmp_path, unit, metres):
    """TotalCapture's joints are in inches; an adult of 70 inches could be a child of 70 cm."""
    path = pickled(tmp_path / "a.pkl", moving("ntu25", size=1 / metres))
    (clip, *_) = read(path, units=unit)
    np.testing.assert_allclose(clip.keypoint, moving("ntu25"), rtol=1e-5, atol=1e-5)
    if unit == "in":
        assert "cm, or inches of adults (--units)" in "".join(recordings(path).assumed)


def test_bodies_of_no_human_size_need_units(tmp_path):
    path = pickled(tmp_path / "a.pkl", moving("ntu25", size=15.0))
    with pytest.raises(ValueError, match=r"in no usual unit; give --units, one of m, cm, mm, in, ft, normalised"):
        recordings(path)
    assert recordings(path, units="normalised").units == "normalised"


def fractions(channels: int = 2) -> np.ndarray:
    keypoint = moving("blazepose33", channels)
    low, high = keypoint.min((0, 1, 2)), keypoint.max((0, 1, 2))
    keypoint = 0.1 + 0.8 * (keypoint - low) / (high - low)
    if channels == 3:
        keypoint[..., 2] -= keypoint[..., 2].mean()
    return keypoint.astype(np.float32)


@pytest.mark.parametrize("channels", [2, 3])
def test_fractions_of_a_picture_become_pixels(tmp_path, channels):
    path = pickled(tmp_path / "a.pkl", fractions(channels))
    unsized = recordings(path)
    assert (unsized.units, "of unknown size: kept as they are; --image-size" in unsized.assumed[1]) == (
        "normalised",
        True,
    )
    np.testing.assert_array_equal(next(unsized.clips).keypoint, fractions(channels)[..., :2])
    with pytest.raises(ValueError, match="its size is not known; give --image-size, such as 1920x1080"):
        recordings(path, units="image")
    found = recordings(path, image_size="640x480")
    clip = next(found.clips)
    assert (found.units, clip.image_size) == ("px", (640, 480))
    np.testing.assert_allclose(clip.keypoint, fractions(channels)[..., :2] * [640, 480], rtol=1e-5)


def test_a_table_of_fractions_is_not_taken_for_metres(tmp_path, capsys):
    """MediaPipe's x, y, z: fractions of a picture, y downward, z counted from the hip."""
    with (tmp_path / "a.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["clip", "frame", "joint", "x", "y", "z"])
        for t, pose in enumerate(fractions(3)[0]):
            rows.writerows([["a", t, joint, *xyz.tolist()] for joint, xyz in enumerate(pose)])
    assert main(["prepare", str(tmp_path / "a.csv"), str(tmp_path / "out")]) == 0
    assert "x and y alone: the unit of z is not the picture's" in capsys.readouterr().out
    assert open_dataset(tmp_path / "out").units == "normalised"


def test_swapped_width_and_height_are_refused_until_they_are_given(tmp_path, capsys):
    path = pickled(tmp_path / "a.pkl", [1400, 600] + moving("coco17", 2, size=300), img_shape=(1920, 1000))
    for words in (["prepare", path, tmp_path / "out"], ["inspect", path], ["draw", path, tmp_path / "x.png"]):
        assert main([*map(str, words)]) != 0
        assert "width and height are swapped; give --image-size 1920x1000" in "".join(capsys.readouterr())
    assert next(read(path, image_size="1920x1000")).image_size == (1920, 1000)


# ---- axes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 2, 3])
@pytest.mark.parametrize("total", [False, True])
def test_frames_before_people(tmp_path, people, total):
    keypoint = 500 + moving("coco17", 2, size=300, people=people)
    stated = {"total_frames": 8} if total else {}
    path = pickled(tmp_path / "a.pkl", keypoint.swapaxes(0, 1), img_shape=(9999, 9999), **stated)
    found = recordings(path)
    np.testing.assert_array_equal(next(found.clips).keypoint, keypoint)
    assert "arrays are read as (frames, people, joints, coordinates)" in found.assumed[0]
    right = recordings(pickled(tmp_path / "b.pkl", keypoint, img_shape=(9999, 9999), **stated))
    np.testing.assert_array_equal(next(right.clips).keypoint, keypoint)
    assert not any("arrays are read" in line for line in right.assumed)


def test_frames_before_people_in_json(tmp_path):
    keypoint = 500 + moving("coco17", 2, size=300, people=2)
    clips = [{"name": "a", "keypoint": keypoint.swapaxes(0, 1).tolist()}]
    (tmp_path / "a.json").write_text(json.dumps({"image_size": [9999, 9999], "clips": clips}))
    np.testing.assert_allclose(next(read(tmp_path / "a.json")).keypoint, keypoint, rtol=1e-6)


def test_without_an_axis_of_people(tmp_path):
    keypoint, score = 500 + moving("coco17", 2, size=300), np.ones((8, 17), np.float32)
    found = recordings(pickled(tmp_path / "a.pkl", keypoint[0], keypoint_score=score, total_frames=8))
    clip = next(found.clips)
    np.testing.assert_array_equal(clip.keypoint, keypoint)
    assert clip.score.shape == (1, 8, 17)
    assert "read as those of one person" in found.assumed[0]


def test_a_crowd_in_one_frame_is_no_clip_of_one_person():
    crowd = moving("coco17", 2, frames=1, people=6)
    assert not frames_come_first([crowd])
    assert frames_come_first([moving("coco17", 2, frames=6).swapaxes(0, 1)])


# ---- options of every format -----------------------------------------------------------------------------------------


def test_cleaning_is_asked_for_by_options_and_recorded(tmp_path):
    keypoint = moving("ntu25", frames=12)
    whole = keypoint.copy()
    keypoint[0, 5, 3] = 0
    found = recordings(pickled(tmp_path / "a.pkl", keypoint), fill=2)
    np.testing.assert_allclose(next(found.clips).keypoint, whole, atol=0.05)
    assert found.source == "annotations of a.pkl; gaps of up to 2 frames filled"
    assert not next(read(tmp_path / "a.pkl")).keypoint[0, 5, 3].any()


def test_every_format_takes_the_common_options(tmp_path):
    """A frame rate, an image size and a vertical in place of what the file says."""
    keypoint = moving("ntu25", frames=9)
    path = pickled(tmp_path / "a.pkl", keypoint, total_frames=9, fps=15)
    clip = next(read(path, fps=20, resample_fps=10, up="-y"))
    assert (clip.fps, clip.frames) == (10, 5)
    np.testing.assert_allclose(clip.keypoint, keypoint[:, ::2] * [-1, -1, 1], atol=1e-6)
    for options, message in (
        ({"up": "w"}, "--up is 'w', expected x, y, z"),
        ({"units": "inch"}, "--units is 'inch', expected m, cm"),
        ({"resample_fps": 0}, "--resample-fps is 0, expected frames a second"),
        ({"fill": 0}, "--fill is 0, expected at least 1"),
        ({"smooth": "median"}, "--smooth is 'median', expected savgol or one-euro"),
    ):
        with pytest.raises(ValueError, match=message):
            recordings(path, **options)


def standing(order=(0, 1), sign=1):
    """A person who stands in a picture, y downward, as fractions with scores."""
    rng = np.random.default_rng(0)
    there = moving("coco17", 2, frames=8)[0] * 0 + rng.uniform(0.4, 0.6, (8, 17, 2))
    there[..., 1] = np.linspace(0.2, 0.8, 17)
    there[..., 1] = there[..., 1] if sign > 0 else 1 - there[..., 1]
    return np.concatenate([there[..., list(order)], np.full((8, 17, 1), 0.9)], -1).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (standing(), ""),
        (standing(order=(1, 0)), "heads lie beside feet: people lie, or y stands before x, as in MoveNet's arrays"),
        (standing(sign=-1), "heads are above feet with y upward, as of Apple Vision; --up y turns the clips"),
    ],
)
def test_a_picture_on_its_side_or_head_is_said(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    lines = recordings(tmp_path / "a.npy", layout="coco17").assumed
    assert [line for line in lines if "heads" in line and said in line] == [line for line in lines if "heads" in line]
    assert any("heads" in line for line in lines) == bool(said)
    assert not any("heads" in line for line in recordings(tmp_path / "a.npy", layout="coco17", up="y").assumed)


def test_z_that_is_zero_everywhere_is_none(tmp_path):
    """Pixels beside an empty z; as space, bodies would be in millimetres."""
    keypoint = np.concatenate([1000 + 500 * moving("coco17", 2), np.zeros((1, 8, 17, 1))], -1)
    found = recordings(pickled(tmp_path / "a.pkl", keypoint))
    assert found.units == "px"
    np.testing.assert_allclose(next(found.clips).keypoint, keypoint[..., :2])
    assert any("z is zero everywhere" in line for line in found.assumed)
    layout, space = load_layout("coco17"), keypoint.astype(np.float32)
    for guessed, channels in (({"units", "plane"}, 2), ({"units"}, 3)):  # motion capture in a plane is in space still
        clips = (it for it in [SkeletonClip(space, layout, "a")])
        found = Recordings(clips, 1, layout, (), "m", "", guessed=frozenset(guessed))
        assert next(decided(found).clips).keypoint.shape[3] == channels
