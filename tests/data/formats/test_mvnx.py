"""Xsens MVN's XML: segments as joints, calibration poses left out, several subjects, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

SEGMENTS = [
    "Pelvis", "L5", "L3", "T12", "T8", "Neck", "Head", "RightShoulder", "RightUpperArm", "RightForeArm", "RightHand",
    "LeftShoulder", "LeftUpperArm", "LeftForeArm", "LeftHand", "RightUpperLeg", "RightLowerLeg", "RightFoot",
    "RightToe", "LeftUpperLeg", "LeftLowerLeg", "LeftFoot", "LeftToe",
]  # fmt: skip
PLACES = np.random.default_rng(0).uniform(0, 1.8, (3, 23, 3)).round(4)


def frame(kind, places):
    numbers = " ".join(f"{value:g}" for value in places.ravel())
    return f'<frame type="{kind}"><position>{numbers}</position><jointAngle>1 2 3</jointAngle></frame>'


def mvnx(subjects=("Anna",), before=""):
    """A recording of 3 frames in which each further subject stands 1 m beside the one before."""
    segments = "".join(f'<segment label="{name}"><points/></segment>' for name in SEGMENTS)
    found = [f'<?xml version="1.0"?>{before}<mvnx version="4"><mvn version="2021.2"/>']
    for number, subject in enumerate(subjects):
        frames = [frame(kind, np.full((23, 3), 9.0)) for kind in ("identity", "tpose", "tpose-isb")]
        frames += [frame("normal", places + [number, 0, 0]) for places in PLACES]
        about = f'<subject label="{subject}" frameRate="60"><segments>{segments}</segments>'
        found.append(f"{about}<frames>{''.join(frames)}</frames></subject>")
    return "\n".join([*found, "</mvnx>"])


def test_segments_are_joints(tmp_path):
    found = recordings(written(tmp_path / "walk.mvnx", mvnx()), up="y")
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("mvnx", "m", "xsens23", 60)
    np.testing.assert_allclose(clip.keypoint[0], PLACES, rtol=1e-6)
    assert clip.layout.joints[9] == "right_forearm"


def test_subjects_are_people(tmp_path):
    (clip,) = read(written(tmp_path / "two.mvnx", mvnx(("Anna", "Ben"))), up="y")
    np.testing.assert_allclose(clip.keypoint, np.stack([PLACES, PLACES + [1, 0, 0]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (mvnx().replace("position", "velocity"), "has frames without positions of segments; export it from MVN with"),
        (mvnx(before='<!DOCTYPE a [<!ENTITY b "c">]>'), "has a DOCTYPE, which is not read"),
        (mvnx()[:2500], "is not readable XML"),
        (mvnx().replace(f"{PLACES[1, 0, 0]:g} ", "", 1), "frame 2 has 68 numbers of positions, expected 3 for each of"),
        (mvnx().replace(f"{PLACES[1, 0, 0]:g} ", "x ", 1), "frame 2: could not convert string to float"),
        (mvnx().replace('frameRate="60"', 'frameRate="0"'), "frameRate is '0', expected frames a second"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / "walk.mvnx", text)))
