"""Tables as Kinect programs, game engines and headsets log them: columns, states, hands, and what they become."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.tables.sensor_columns import state_score, usual_column
from kinegraph.skeleton.layout import load_layout
from tests.data.formats.test_kinect import STANDING, V2, WALK

XR = ["Palm", "Wrist", "ThumbMetacarpal", "ThumbProximal", "ThumbDistal", "ThumbTip"] + [
    f"{finger}{bone}"
    for finger in ("Index", "Middle", "Ring", "Little")
    for bone in ("Metacarpal", "Proximal", "Intermediate", "Distal", "Tip")
]
TURN = "0.1,0.2,0.3,0.9"


@pytest.mark.parametrize(
    ("column", "usual"),
    [
        ("HeadPosX", "Head_x"), ("Head_position_y", "Head_y"), ("Head Position Z", "Head_z"), ("Head.pos.x", "Head_x"),
        ("Head.worldPosition.x", "Head_x"), ("Head_px", "Head_x"), ("HeadX", "Head_x"), ("x_0", "x_0"),
        ("nose.y", "nose.y"), ("pos_x", "pos_x"), ("SpineBase_TrackingState", "SpineBase_state"), ("x0", "x0"),
        ("Hips.tx", "Hips_x"), ("2DX_head", "head_x"), ("3DZ_lknee", "lknee_z"),
    ],
)  # fmt: skip
def test_columns_have_one_spelling(column, usual):
    assert usual_column(column) == usual


def test_states_are_scores():
    assert [state_score(it) for it in ("Tracked", "Not Tracked", "inferred", "2", "1.0", "0.7")] == [
        "1", "0", "0.5", "1", "0.5", "0.7",
    ]  # fmt: skip


def read_one(tmp_path, text):
    (tmp_path / "walk.csv").write_text(text)
    (clip,) = (found := recordings(tmp_path / "walk.csv")).clips
    return clip, found


def test_a_kinect_a_row_a_frame(tmp_path):
    columns = [f"{joint}_{it}" for joint in V2 for it in ("X", "Y", "Z", "TrackingState")]
    states = ["NotTracked", "Inferred", *["Tracked"] * 23]
    rows = ["frame," + ",".join(columns)]
    for number, frame in enumerate(WALK.tolist()):
        cells = [f"{x},{y},{z},{state}" for (x, y, z), state in zip(frame, states, strict=True)]
        rows.append(f"{number}," + ",".join(cells))
    clip, found = read_one(tmp_path, "\n".join(rows))
    assert (clip.layout.name, found.units) == ("ntu25", "m")
    np.testing.assert_allclose(clip.keypoint[0, :, 1:], WALK[:, 1:], atol=1e-6)
    assert not clip.keypoint[0, :, 0].any()
    assert clip.score[0, 0, :3].tolist() == [0, 0.5, 1]
    assert any(line.startswith("y is upward") for line in found.assumed)


def test_a_kinect_a_row_a_joint(tmp_path):
    rows = ["Frame,BodyId,JointType,X,Y,Z,TrackingState"]
    for number, frame in enumerate(WALK.tolist()):
        rows += [f"{number},7205,{joint},{x},{y},{z},Tracked" for joint, (x, y, z) in zip(V2, frame, strict=True)]
    rows[1] = rows[1].replace("Tracked", "NotTracked")
    clip, _ = read_one(tmp_path, "\n".join(rows))
    assert (clip.layout.name, clip.keypoint.shape) == ("ntu25", (1, 3, 25, 3))
    np.testing.assert_allclose(clip.keypoint[0, 1:], WALK[1:], atol=1e-6)
    assert not clip.keypoint[0, 0, 0].any()


@pytest.mark.parametrize("names", [("Head", "LeftHand", "RightHand"), ("hmd", "left_controller", "right_controller")])
@pytest.mark.parametrize("form", ["{}Pos{}", "{}_position_{}", "{} Position {}", "{}_p{}"])
def test_head_and_hands_of_a_headset(tmp_path, names, form):
    places = WALK[:, [3, 7, 11]]
    columns = [[*(form.format(name, it) for it in "xyz"), *(f"{name}Rot{it}" for it in "XYZW")] for name in names]
    rows = ["Time," + ",".join(name for joint in columns for name in joint)]
    for number, frame in enumerate(places.tolist()):
        rows.append(f"{number / 50}," + ",".join(f"{x},{y},{z},{TURN}" for x, y, z in frame))
    clip, found = read_one(tmp_path, "\n".join(rows))
    assert (clip.layout.name, clip.fps) == ("head_hands3", 50)
    np.testing.assert_allclose(clip.keypoint[0], places, atol=1e-6)
    assert found.skipped() == [f"12 columns, without a meaning here: {names[0]}RotX, {names[0]}RotY, "
                               f"{names[0]}RotZ and 9 more"]  # fmt: skip


def test_two_hands_are_two_people(tmp_path):
    hands = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 2, 26, 3)) + STANDING[7]
    columns = [f"{side}{joint}_pos{it}" for side in ("Left", "Right") for joint in XR for it in "XYZ"]
    rows = ["frame," + ",".join(columns)]
    rows += [f"{number}," + ",".join(map(str, frame.ravel())) for number, frame in enumerate(hands)]
    clip, _ = read_one(tmp_path, "\n".join(rows))
    assert (clip.layout.name, clip.keypoint.shape) == ("hand26", (2, 2, 26, 3))
    np.testing.assert_allclose(clip.keypoint, hands.swapaxes(0, 1), atol=1e-6)


def test_one_hand_of_a_quest(tmp_path):
    bones = [f"Hand_{it}" for it in ("WristRoot", "ForearmStub", "Thumb0", "Thumb1", "Thumb2", "Thumb3", "Index1",
             "Index2", "Index3", "Middle1", "Middle2", "Middle3", "Ring1", "Ring2", "Ring3", "Pinky0", "Pinky1",
             "Pinky2", "Pinky3", "ThumbTip", "IndexTip", "MiddleTip", "RingTip", "PinkyTip")]  # fmt: skip
    places = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 24, 3))
    header = "frame," + ",".join(f"{bone}_{it}" for bone in bones for it in "xyz")
    clip, _ = read_one(tmp_path, header + "\n0," + ",".join(map(str, places.ravel())))
    assert clip.layout.name == "quest24"
    np.testing.assert_allclose(clip.keypoint[0], places, atol=1e-6)


@pytest.mark.parametrize("word", ["Joint-Rota", "gaze_direction", "linearvelocity"])
def test_turns_and_directions_beside_places_are_no_joints(tmp_path, word):
    """As of Axis Neuron: Hips-Joint-Posi-x, Hips-Joint-Rota-x."""
    names = load_layout("ntu25").joints
    header = [f"{name}-{of}-{axis}" for name in names for of in ("Joint-Posi", word) for axis in "xyz"]
    places = np.random.default_rng(0).normal(0, 0.5, (6, 25, 2, 3)).round(3)
    rows = [",".join(map(str, row)) for row in places.reshape(6, -1).tolist()]
    clip, _ = read_one(tmp_path, "\n".join([",".join(header), *rows]))
    assert clip.layout.name == "ntu25"
    np.testing.assert_allclose(clip.keypoint[0], places[:, :, 0], rtol=1e-5)


def test_numbered_parts_of_animals_are_two_of_them(tmp_path):
    """As of SimBA's tables; numbers of a spine are none."""
    parts = ["Ear_left", "Ear_right", "Nose", "Center", "Lat_left", "Lat_right", "Tail_base"]
    header = [f"{part}_{who}_{axis}" for who in (1, 2) for part in parts for axis in ("x", "y", "p")]
    rows = np.random.default_rng(0).uniform(1, 500, (5, 42)).round(2)
    rows[:, 2::3] = 0.9
    clip, _ = read_one(tmp_path, "\n".join([",".join(header), *(",".join(map(str, row)) for row in rows.tolist())]))
    assert (clip.people, clip.layout.joints) == (2, tuple(parts))
    np.testing.assert_allclose(clip.keypoint[1, :, 0], rows[:, 21:23], rtol=1e-5)
