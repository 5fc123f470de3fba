"""Leap Motion's hands: the forms of LeapJS and LeapC, sides, frames, and what is refused."""

import json

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import saving

HANDS = np.random.default_rng(0).uniform(-80, 80, (3, 2, 22, 3)) + [0, 200, 0]  # frames, left and right, mm


def leapjs(hands, ids=(5, 9)):
    listed, pointables = [], []
    for side, number, joints in zip(("left", "right"), ids, hands.tolist(), strict=True):
        listed.append({"id": number, "type": side, "wrist": joints[0], "palmPosition": joints[1], "confidence": 1})
        for finger in range(5):
            keys = ("mcpPosition", "pipPosition", "dipPosition", "btipPosition")
            ends = dict(zip(keys, joints[2 + 4 * finger : 6 + 4 * finger], strict=True))
            pointables.append({"handId": number, "type": finger, "carpPosition": [1, 2, 3], **ends})
    return {"currentFrameRate": 110.4, "timestamp": 1, "hands": listed, "pointables": pointables}


def leapc(hands):
    def xyz(place):
        return dict(zip("xyz", place, strict=True))

    listed = []
    for side, joints in zip(("left", "right"), hands.tolist(), strict=True):
        digits = [
            {"bones": [{"prev_joint": xyz([0, 0, 0]), "next_joint": xyz(end)} for end in joints[2 + 4 * i : 6 + 4 * i]]}
            for i in range(5)
        ]
        arm = {"prev_joint": xyz([0, 0, 0]), "next_joint": xyz(joints[0])}
        listed.append({"type": side, "palm": {"position": xyz(joints[1])}, "digits": digits, "arm": arm})
    return {"framerate": 90.0, "hands": listed}


FORMS = {
    "leapjs": json.dumps({"metadata": {}, "frames": [leapjs(hands) for hands in HANDS]}),
    "leapjs, lines": "\n".join(json.dumps(leapjs(hands)) for hands in HANDS),
    "leapc": json.dumps([leapc(hands) for hands in HANDS]),
}


save = saving(usual_name="wave.json")


@pytest.mark.parametrize("form", FORMS)
def test_two_hands(save, form):
    found = recordings(save(FORMS[form]))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name) == ("leap", "m", "hand22")
    assert (clip.keypoint.shape, clip.fps) == ((2, 3, 22, 3), 90 if form == "leapc" else 110.4)
    np.testing.assert_allclose(clip.keypoint, HANDS.swapaxes(0, 1) / 1000, atol=1e-6)


def test_a_hand_that_comes_later_keeps_its_row(save):
    frames = [leapjs(hands) for hands in HANDS]
    frames[0]["hands"] = frames[0]["hands"][1:]
    frames[2] = leapjs(HANDS[2], ids=(77, 78))  # found again, with other numbers
    (clip,) = read(save(json.dumps(frames)))
    assert not clip.keypoint[0, 0].any()
    np.testing.assert_allclose(clip.keypoint[:, 1:], HANDS[1:].swapaxes(0, 1) / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FORMS["leapjs"][:-9], "is not readable JSON"),
        (json.dumps({"frames": [{"pointables": []}], "x": '"hands"'}), "holds no frame with hands"),
        (json.dumps({"hands": [{"type": "left", "palmPosition": [1, 2]}]}), r"has the place \[1, 2\], expected three"),
        (json.dumps({"hands": [], "pointables": []}), "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(text), "leap"))
