"""Frames as JSON lines: our own form, OpenPose's and MediaPipe's, one by one and as a file."""

import json
from pathlib import Path

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.data.formats.json_frame import Frame, Head, frame_line, head_line, parsed_line
from kinegraph.data.formats.json_lines import read
from kinegraph.data.read import recordings
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

BODY = body("ntu25")


def lines(path: Path, *content: object) -> Path:
    path.write_text("".join(f"{json.dumps(it)}\n" for it in content), encoding="utf-8")
    return path


def person(offset: float, **more: object) -> dict:
    return {"keypoint": (BODY + offset).tolist()} | more


def walk(path: Path) -> Path:
    """Two people over five frames, the second one away in frame 2 and listed first in frame 3; frame 4 is lost."""
    frames = [[person(0, id="a"), person(5, id="b")], [person(0.1, id="a"), person(5.1, id="b")]]
    frames += [[person(0.2, id="a")], [person(5.3, id="b"), person(0.3, id="a")]]
    numbered = [{"frame": t, "people": people} for t, people in enumerate(frames)]
    return lines(path, {"layout": "ntu25", "fps": 25}, *numbered, {"frame": 5, "people": [person(0.5, id="a")]})


def test_people_of_a_file_are_followed_by_their_ids(tmp_path):
    (clip,) = kg.read(walk(tmp_path / "walk.jsonl"))
    assert clip.keypoint.shape == (2, 6, 25, 3)
    assert (clip.fps, clip.layout.name, clip.score) == (25.0, "ntu25", None)
    steps = [0, 0.1, 0.2, 0.3, None, 0.5]
    for frame, step in enumerate(steps):
        np.testing.assert_allclose(clip.keypoint[0, frame], 0 if step is None else BODY + step, atol=1e-6)
    np.testing.assert_array_equal(clip.keypoint[1].any((1, 2)), [True, True, False, True, False, False])


def test_without_ids_people_are_followed_by_their_places(tmp_path):
    frames = [{"people": [person(0.01 * t), person(5)][:: (-1) ** t]} for t in range(8)]
    (clip,) = kg.read(lines(tmp_path / "w.ndjson", {"layout": "ntu25"}, *frames))
    assert clip.keypoint.shape == (2, 8, 25, 3)
    assert np.ptp(clip.keypoint, axis=1).max() < 0.1


@pytest.mark.parametrize("people", ["people", "persons", "poses", "detections"])
def test_a_first_frame_that_says_facts_is_a_frame(tmp_path, people):
    joints = [[10.0 * j, 20.0, 0.9] for j in range(17)]
    frames = [{people: [{"keypoints": joints}]} if people != "people" else {people: [person(0)]} for _ in range(3)]
    (clip,) = kg.read(lines(tmp_path / "a.jsonl", {"fps": 30} | frames[0], *frames[1:]))
    assert (clip.frames, clip.fps) == (3, 30)


def test_a_layout_that_does_not_say_its_sides(tmp_path):
    """The sides follow from the names of the joints, as with every format."""
    joints = "joints: [neck, left_hand, right_hand]\nbones: [[left_hand, neck], [right_hand, neck]]\n"
    (tmp_path / "three.yaml").write_text(f"name: three\n{joints}centre: neck\n")
    frames = [{"people": [{"keypoint": [[0, 0], [-1, 2], [1, 2 + t]]}]} for t in range(1, 4)]
    (clip,) = kg.read(lines(tmp_path / "a.jsonl", *frames), layout=str(tmp_path / "three.yaml"))
    assert clip.layout.mirror == ((1, 2),)


def test_a_frame_is_written_as_it_is_read():
    score = np.linspace(0.1, 1, 50, dtype=np.float32).reshape(2, 25).round(4)
    keypoint = np.stack([BODY, BODY + 1]).astype(np.float32)
    keypoint[1, 3] = 0
    found = parsed_line(frame_line(Frame(keypoint, score, (1, "b"), 7)), "line")
    np.testing.assert_allclose(found.keypoint, keypoint, rtol=1e-6)
    np.testing.assert_array_equal(found.score, score)
    assert (found.ids, found.number) == ((1, "b"), 7)
    head = Head(load_layout("coco17"), 29.97, (1920, 1080))
    assert parsed_line(head_line(head), "line") == head


def test_openpose():
    pose = [[float(j), 2.0 * j, 0.5] for j in range(18)]
    pose[3][2] = 0.0  # not seen
    flat = [it for joint in pose for it in joint]
    frame = parsed_line(json.dumps({"version": 1.3, "people": [{"person_id": [4], "pose_keypoints_2d": flat}]}), "line")
    assert (frame.layout, frame.ids, frame.keypoint.shape) == ("openpose18", (4,), (1, 18, 2))
    assert frame.keypoint[0, 5].tolist() == [5, 10]
    assert not frame.keypoint[0, 3].any()
    assert not len(parsed_line('{"people": []}', "line").keypoint)


def test_mediapipe_gives_the_dimensions_that_are_wanted():
    points = [{"x": 0.1 + 0.01 * j, "y": 0.5, "z": -0.2, "visibility": 0.9} for j in range(33)]
    world = [{"x": 1.0 + j, "y": 0.5, "z": -0.2, "visibility": 0.9} for j in range(33)]
    line = json.dumps({"frame": 3, "pose_landmarks": [points], "pose_world_landmarks": [world]})
    flat, deep = (parsed_line(line, "line", dimensions) for dimensions in (2, 3))
    assert (flat.layout, flat.fractions, flat.number, flat.keypoint.shape) == ("blazepose33", True, 3, (1, 33, 2))
    assert (deep.fractions, deep.keypoint.shape, deep.keypoint[0, 2, 0]) == (False, (1, 33, 3), 3.0)
    assert flat.score[0, 0] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line is not readable JSON"),
        ("[" * 10_000, "nested too deeply"),
        ("7", r"expected ..people.: \[..keypoint.: \[\[x, y\], ...\]"),
        ({"joints": [[1, 2], [3, 4]]}, r"expected a list of landmarks with x and y; or a frame as ..people.: \["),
        ({"people": 3}, r"has 'people' 3, expected ..people.: \[..keypoint.: \[\[x, y\]"),
        ({"people": [{}]}, "a person without 'keypoint', expected ..people.:"),
        ({"people": [{"keypoint": [[1]]}]}, "expected joints as"),
        ({"people": [{"keypoint": [[1, 2], [1, "a"]]}]}, "expected joints as"),
        ({"people": [{"keypoint": [[1, 1e39]]}]}, "expected joints as"),
        ({"people": [{"keypoint": [[1, 2]]}, {"keypoint": [[1, 2], [3, 4]]}]}, "different numbers of joints"),
        ({"people": [{"keypoint": [[1, 2]], "score": [1, 2]}]}, "a number for each of 1 joints"),
        ({"people": [{"keypoint": [[1, 2]], "id": 1}, {"keypoint": [[1, 2]], "id": 1}]}, "another number or text"),
        ({"people": [{"keypoint": [[1, 2]], "id": [1]}]}, "another number or text"),
        ({"people": [], "frame": -1}, "expected a whole number from 0 on"),
        ({"people": [{"pose_keypoints_2d": [1, 2, 3]}]}, "people of .1. joints, expected OpenPose's 18 or 25"),
        ({"layout": "/etc/passwd"}, "no layout '/etc/passwd'; built in are"),
        ({"layout": {"name": 3}}, "line"),
        ({"fps": -1}, "fps is -1, expected frames a second"),
        ({"image_size": [0, 1]}, "is not width x height"),
        ("x" * (1 << 22) + "y", "expected a frame of at most"),
    ],
)
def test_lines_that_are_no_frames_are_refused(line, message):
    with pytest.raises(ValueError, match=message) as found:
        parsed_line(line if isinstance(line, str) else json.dumps(line), "line")
    assert str(found.value).startswith("line")
    assert len(str(found.value)) < 400


@pytest.mark.parametrize("unseen", ["null", "[NaN, NaN]", "[3, NaN]", "[null, 4]"])
def test_a_joint_that_was_not_seen_is_zero(unseen):
    line = '{"people": [{"keypoint": [[1, 2], UNSEEN, [5, 6]]}]}'
    frame = parsed_line(line.replace("UNSEEN", unseen), "line 1")
    assert frame.keypoint.tolist() == [[[1, 2], [0, 0], [5, 6]]]
    nobody = parsed_line(line.replace("UNSEEN", unseen).replace("[1, 2]", "null").replace("[5, 6]", "null"), "line 1")
    assert not len(nobody.keypoint)


def test_a_file_names_the_line_that_is_wrong(tmp_path):
    good = {"people": [person(0)]}
    for wrong, message in (
        ({"people": [{"keypoint": [[1, 2]]}]}, "different numbers of joints or coordinates"),
        ({"frame": 0, "people": []}, "line 2 is frame 0, the frame before is 0"),
        ({"frame": 10**9, "people": []}, "expected numbers that count up"),
        ({"fps": 3}, "belongs into the first line"),
    ):
        with pytest.raises(ValueError, match=message):
            read(lines(tmp_path / "w.jsonl", good, wrong))
    with pytest.raises(ValueError, match="no frame with a person"):
        read(lines(tmp_path / "w.jsonl", {"people": []}))


def test_a_folder_of_files_is_clips_of_classes(tmp_path):
    """Two classes; a file that breaks off is a fault, the others are read."""
    for name in ("bow", "walk"):
        (tmp_path / name).mkdir()
        for take in ("one", "two"):
            walk(tmp_path / name / f"{take}.jsonl")
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert found.class_names == ("bow", "walk")
    assert [(clip.name, clip.label) for clip in clips] == [
        ("bow/one", 0),
        ("bow/two", 0),
        ("walk/one", 1),
        ("walk/two", 1),
    ]
    (tmp_path / "bow" / "one.jsonl").write_text('{"fps": 25}\n{"people": [{')
    lines(tmp_path / "walk" / "two.jsonl", {"people": [{"keypoint": [[0, 0], [1, 1]]}]})
    left = recordings(tmp_path, on_fault="skip")
    assert [clip.name for clip in left.clips] == ["bow/two", "walk/one"]
    assert len(left.skipped()) == 2


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"persons": [{"skeleton": [[1, 2, 3]] * 20}]}, "without places of joints"),
        ({"people": [{"joints": {"head": [1, 2, 3]}}]}, "without places of joints"),
        ({"landmarks": {"head": [1, 2, 3]}}, "without places of joints"),
        ({"persons": []}, None),
        ({"people": [{"pose_landmarks": [], "bbox": [1, 2, 3, 4]}]}, None),
        ({"pose_landmarks": [[]]}, None),
    ],
)
def test_people_in_a_form_that_is_not_read_are_not_taken_for_nobody(frame, said):
    line = json.dumps(frame)
    if said is None:
        assert len(parsed_line(line, "line 1").keypoint) == 0
    else:
        with pytest.raises(ValueError, match=f"line 1 has a person {said}"):
            parsed_line(line, "line 1")
