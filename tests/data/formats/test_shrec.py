"""SHREC'17 and DHG: hands, 14 and 28 classes, the published split, the frames of a gesture, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

HAND = np.random.default_rng(0).normal(0.3, 0.05, (6, 22, 3))
ROWS = "".join(" ".join(f"{it:.7f}" for it in frame.ravel()) + "\n" for frame in HAND)


@pytest.fixture
def save(tmp_path):
    def write(text=ROWS, place="gesture_2/finger_1/subject_3/essai_4", name="skeletons_world.txt"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / name).write_text(text)
        return tmp_path / place / name

    return write


def test_hands_of_shrec(save, tmp_path):
    save()
    save(place="gesture_10/finger_2/subject_1/essai_1")
    save("1 2\n", name="skeletons_image.txt")
    (tmp_path / "train_gestures.txt").write_text("2 1 3 4 2 3 6\n")
    (tmp_path / "test_gestures.txt").write_text("10 2 1 1 10 20 6\n")
    found = recordings(tmp_path)
    tap, swipe = found.clips
    assert (found.format, found.units, tap.layout.name, len(found.class_names)) == ("shrec", "m", "hand22", 14)
    assert [found.class_names[clip.label] for clip in (tap, swipe)] == ["tap", "swipe down"]
    np.testing.assert_allclose(tap.keypoint[0], HAND, atol=1e-6)
    assert (tap.splits, swipe.splits) == ({"split": "train"}, {"split": "test"})
    assert tap.attributes == {"subject": 3, "finger": 1, "replication": 4}
    assert tap.name == "gesture_2/finger_1/subject_3/essai_4"
    names = (found := recordings(tmp_path, classes=28)).class_names
    assert [names[clip.label] for clip in found.clips] == ["tap, one finger", "swipe down, hand"]


def test_the_frames_of_a_gesture_of_dhg(save, tmp_path):
    path = save(name="skeleton_world.txt")
    (tmp_path / "informations_troncage_sequences.txt").write_text("2 1 3 4 1 4\n")
    (clip,) = read(path)
    np.testing.assert_allclose(clip.keypoint[0], HAND[1:5], atol=1e-6)
    assert clip.splits == {}


@pytest.mark.parametrize(
    ("text", "frames", "reason"),
    [
        ("1 2 3\n", "", "line 1 has 3 numbers, expected 22 x"),
        (ROWS.replace("0.", "x", 1), "", "line 1: could not convert string to float"),
        (ROWS, "2 1 3 4 9 12\n", "has 6 frames, its gesture is said to be 9 to 12"),
        (ROWS, "2 1\n", "line 1 names no clip by gesture, finger, subject and essai"),
    ],
)
def test_what_cannot_be_read_is_named(save, tmp_path, text, frames, reason):
    assert recognise(save())[0].NAME == "shrec"
    if frames:
        (tmp_path / "informations_troncage_sequences.txt").write_text(frames)
    with pytest.raises(ValueError, match=reason):
        list(read(save(text), "shrec"))


def test_two_sets_in_one_folder_have_their_own_lists(save, tmp_path):
    """The same four numbers are a clip of each; only one list says the frames, only the other the part."""
    save(place="shrec/gesture_2/finger_1/subject_3/essai_4")
    save(place="dhg/gesture_2/finger_1/subject_3/essai_4", name="skeleton_world.txt")
    (tmp_path / "shrec/test_gestures.txt").write_text("2 1 3 4 2 3 6\n")
    (tmp_path / "dhg/informations_troncage_sequences.txt").write_text("2 1 3 4 1 4\n")
    found = recordings(tmp_path)
    clips = {clip.name.split("/")[0]: (clip.frames, clip.splits) for clip in found.clips}
    assert clips == {"shrec": (6, {"split": "test"}), "dhg": (4, {})}
    assert found.source.startswith("SHREC'17")
    assert "DHG" in found.source


def test_the_labels_of_a_list_count(save, tmp_path):
    path = save()
    (tmp_path / "train_gestures.txt").write_text("2 1 3 4 5 28 6\n")
    assert [next(read(path, classes=it)).label for it in (14, 28)] == [4, 27]
    (tmp_path / "train_gestures.txt").write_text("2 1 3 4 15 28 6\n")
    with pytest.raises(ValueError, match="is listed with class 15, expected 1 to 14"):
        next(read(path))
