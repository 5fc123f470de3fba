"""Bodies of Kinect v1, v2 and Azure as JSON and XML: joints, states, people, frames, and what is refused."""

import json

import numpy as np
import pytest

from kinegraph.data.formats import kinect, recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

ARMS = [f"{part}{side}" for side in ("Left", "Right") for part in ("Shoulder", "Elbow", "Wrist", "Hand")]
LEGS = [f"{part}{side}" for side in ("Left", "Right") for part in ("Hip", "Knee", "Ankle", "Foot")]
V1 = ["HipCenter", "Spine", "ShoulderCenter", "Head", *ARMS, *LEGS]
HANDS = ["SpineShoulder", "HandTipLeft", "ThumbLeft", "HandTipRight", "ThumbRight"]
V2 = ["SpineBase", "SpineMid", "Neck", "Head", *ARMS, *LEGS, *HANDS]
# One frame of IntelliRehabDS, the joints of Kinect v2 in metres.
STANDING = np.array(
    [
        [0.141, -0.016, 2.643], [0.144, 0.311, 2.623], [0.146, 0.627, 2.589], [0.153, 0.774, 2.579],
        [-0.028, 0.509, 2.602], [-0.081, 0.267, 2.63], [-0.104, 0.029, 2.609], [-0.096, -0.019, 2.603],
        [0.317, 0.487, 2.554], [0.363, 0.241, 2.567], [0.386, 0.005, 2.556], [0.382, -0.057, 2.546],
        [0.062, -0.014, 2.611], [0.011, -0.314, 2.683], [-0.014, -0.609, 2.713], [-0.036, -0.676, 2.622],
        [0.215, -0.018, 2.598], [0.278, -0.342, 2.653], [0.313, -0.617, 2.701], [0.338, -0.671, 2.607],
        [0.146, 0.549, 2.6], [-0.085, -0.096, 2.614], [-0.064, 0.011, 2.573], [0.385, -0.126, 2.531],
        [0.343, -0.064, 2.546],
    ]
)  # fmt: skip
WALK = STANDING + 0.01 * np.arange(3)[:, None, None]


def csharp(joints, person=7):
    named = {
        name: {"JointType": i, "Position": dict(zip("XYZ", place, strict=True)), "TrackingState": 2}
        for i, (name, place) in enumerate(zip(V2, joints.tolist(), strict=True))
    }
    return {"TrackingId": person, "IsTracked": True, "Joints": named}


def node(joints, person=7):
    listed = [
        {"jointType": i, "cameraX": x, "cameraY": y, "cameraZ": z, "trackingState": 2}
        for i, (x, y, z) in enumerate(joints.tolist())
    ]
    return {"bodyIndex": 0, "tracked": True, "trackingId": person, "joints": listed}


FRAMES = [
    {"timestamp": i, "bodies": [node(joints), {"bodyIndex": 1, "tracked": False}]} for i, joints in enumerate(WALK)
]
FORMS = {
    "node": json.dumps(FRAMES),
    "node in an object": json.dumps({"meta": {"fps": 30}, "frames": FRAMES}),
    "C#": json.dumps([csharp(joints) for joints in WALK]),
    "C# in frames": json.dumps({"Frames": [{"Bodies": [None, csharp(joints)]} for joints in WALK]}),
    "lines": "\n".join(json.dumps({"Bodies": [csharp(joints)]}) for joints in WALK),
    "x, y, z": json.dumps([{"joints": [{"name": n, "x": x, "y": y, "z": z, "jointType": n} for n, (x, y, z) in
                                       zip(V2, joints.tolist(), strict=True)]} for joints in WALK]),
}  # fmt: skip


def test_zed_and_nuitrack(tmp_path):
    """ZED's BODY_34 is Azure's order and two heels; NaN is not seen. Nuitrack names joints of its own, in mm."""
    azure = np.random.default_rng(0).uniform(-0.8, 0.8, (34, 3)).round(3) + [0, 0, 3]
    body = {"id": 3, "tracking_state": "OK", "keypoint": azure.tolist(), "keypoint_confidence": [50.0] * 34}
    body["keypoint"][5] = [float("nan")] * 3
    frames = {str(1600 + t): {"timestamp": 1600 * 10**15 + t * 66_666_667, "body_list": [body]} for t in range(3)}
    (tmp_path / "zed.json").write_text(json.dumps(frames))
    (clip,) = read(tmp_path / "zed.json", up="y", units="m")
    assert (clip.layout.name, clip.fps, clip.keypoint.shape) == ("kinect32", 15, (1, 3, 32, 3))
    np.testing.assert_allclose(clip.keypoint[0, 2, [0, 31]], azure[[0, 31]], rtol=1e-6)
    assert clip.score[0, 0, :6].tolist() == [0.5] * 5 + [0]

    names = ["head", "neck", "torso", "waist", "left_collar", "left_shoulder", "left_elbow", "right_collar"]
    joints = [{"Type": name, "Confidence": 0.75, "Real": dict(zip("XYZ", place, strict=True))}
              for name, place in zip(names, (azure[:8] * 1000).tolist(), strict=True)]  # fmt: skip
    (tmp_path / "nui.json").write_text(json.dumps([{"Skeletons": [{"ID": 1, "Joints": joints}]}] * 3))
    (clip,) = read(tmp_path / "nui.json", up="y", units="mm")
    assert clip.layout.joints == tuple(names)
    np.testing.assert_allclose(clip.keypoint[0, 0], azure[:8], rtol=1e-5)
    assert set(clip.score.ravel().tolist()) == {0.75}


@pytest.mark.parametrize("named", [True, False])
def test_orbbec(tmp_path, named):
    """Astra's 19 joints in mm, by name or in the SDK's order; 1 is a joint of low confidence."""
    places = 1000 * np.random.default_rng(0).uniform(-0.8, 0.8, (19, 3)).round(3) + [0, 0, 2000]
    joints = [
        {"Type": kinect.ASTRA[i] if named else i, "Status": 1 if i == 3 else 2, "DepthPosition": {"X": 1, "Y": 2}}
        | {"WorldPosition": dict(zip("XYZ", place, strict=True))}
        for i, place in enumerate(places.tolist())
    ]
    frames = [{"Bodies": [{"Id": 1, "Status": 3, "Joints": joints}]}] * 3
    (tmp_path / "astra.json").write_text(json.dumps(frames))
    (clip,) = read(tmp_path / "astra.json", up="y", units="mm")
    assert clip.layout.joints[16:] == ("LeftWrist", "RightWrist", "Neck")
    np.testing.assert_allclose(clip.keypoint[0, 2], places / 1000, rtol=1e-5)
    assert clip.score[0, 0, 2:5].tolist() == [1, 0.5, 1]


save = saving(usual_name="walk.json")


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_json(save, form):
    found = recordings(save(FORMS[form]))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("kinect", "m", "ntu25", 30)
    assert clip.keypoint.shape == (1, 3, 25, 3)
    np.testing.assert_allclose(clip.keypoint[0], WALK, atol=1e-6)
    assert any(line.startswith("y is upward") for line in found.assumed)


def test_states_are_scores_and_bodies_people(save):
    frames = [{"bodies": [node(WALK[0], 8), node(WALK[1], 9)]}, {"bodies": [node(WALK[2], 9)]}]
    frames[0]["bodies"][0]["joints"][3]["trackingState"] = 0
    frames[0]["bodies"][0]["joints"][4]["trackingState"] = 1
    (clip,) = read(save(json.dumps(frames)))
    assert clip.keypoint.shape == (2, 2, 25, 3)
    np.testing.assert_allclose(clip.keypoint[1], WALK[1:], atol=1e-6)
    assert clip.score[0, 0, 2:5].tolist() == [1, 0, 0.5]
    assert not clip.keypoint[0, 0, 3].any()
    assert not clip.keypoint[0, 1].any()


def test_azure_in_millimetres(save):
    standing = np.concatenate([STANDING, STANDING[:7] + 0.02]) * 1000 * [1, -1, 1]
    frames = [
        {"frame_id": i, "timestamp_usec": 66_666 * i, "num_bodies": 1,
         "bodies": [{"body_id": 1, "joint_positions": (standing + i).tolist()}]}
        for i in range(3)
    ]  # fmt: skip
    found = recordings(save(json.dumps({"bone_list": [["PELVIS", "SPINE_NAVEL"]], "frames": frames})))
    (clip,) = found.clips
    assert (found.units, clip.layout.name, clip.fps) == ("m", "kinect32", 15)
    np.testing.assert_allclose(clip.keypoint[0, 1], (standing + 1) / 1000, rtol=1e-5)
    assert any("mm" in line for line in found.assumed)


def xml(joints):
    cells = [
        f"<Joint><ID>{name}</ID><Position><W>1</W><X>{x}</X><Y>{y}</Y><Z>{z}</Z></Position>"
        "<TrackingState>Tracked</TrackingState></Joint>"
        for name, (x, y, z) in zip(V1, joints[:20].tolist(), strict=True)
    ]
    untracked = "<Skeleton><TrackingState>NotTracked</TrackingState><Joints></Joints></Skeleton>"
    body = f"<Skeleton><Joints>{''.join(cells)}</Joints><TrackingState>Tracked</TrackingState></Skeleton>"
    return f'<?xml version="1.0"?>\n<ArrayOfSkeleton xmlns="urn:kinect">{untracked}{body}</ArrayOfSkeleton>'


def test_g3d_a_file_a_frame(save, tmp_path):
    for take in (22, 23):
        for number, joints in zip((9, 10, 11), WALK, strict=True):
            save(xml(joints), f"punch right/KinectOutput{take}/Skeleton/Skeleton {number}.xml")
    assert recognise(tmp_path)[0].NAME == "kinect"
    clips = list((found := recordings(tmp_path)).clips)
    assert [clip.name for clip in clips] == [f"punch right/KinectOutput{take}/Skeleton" for take in (22, 23)]
    assert (found.class_names, clips[0].layout.name, clips[0].keypoint.shape) == (
        ("punch right",), "kinect20", (1, 3, 20, 3),
    )  # fmt: skip
    np.testing.assert_allclose(clips[0].keypoint[0], WALK[:, :20], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (FORMS["node"].replace("0.141", '"left"', 1), "walk.json", "could not convert string to float: 'left'"),
        (FORMS["node"].replace("0.141", "1e30", 1), "walk.json", "a number that is not finite"),
        (FORMS["node"][:-5], "walk.json", "is not readable JSON"),
        (json.dumps([node(WALK[0][:13])]), "walk.json", "bodies have 13 joints, expected 18, 19, 20, 25, 32 or 34"),
        (json.dumps([{"bodies": [], "joints": 3}]), "walk.json", "has no frame in which a body is tracked"),
        (xml(STANDING).replace("HipCenter", "HipMiddle"), "walk.xml", "has the joint 'HipMiddle'"),
        (xml(STANDING)[:-9], "walk.xml", "is not readable XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Joints>&b;</Joints>', "walk.xml", "has a DOCTYPE, which is not read"),
    ],
)
def test_what_cannot_be_read_is_named(save, text, name, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(text, name), "kinect"))
