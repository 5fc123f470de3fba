"""MediaPipe's landmarks as people save them: JSON in several shapes, wide and long tables."""

import csv
import json
import pickle

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.data.reading.tables.table_forms import left_out, wide_joints
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

NAMES = load_layout("blazepose33").joints


def landmarks(frames: int = 3, depth: bool = True) -> np.ndarray:
    """x, y in fractions, z from the hip, visibility, (T, 33, 4)."""
    rest = body("blazepose33", 2)
    rest = 0.2 + 0.6 * (rest - rest.min(0)) / np.ptp(rest, axis=0)
    z = 0.1 * np.random.default_rng(0).normal(size=33)
    z -= z[[23, 24]].mean()
    moving = [np.column_stack([rest + 0.01 * t, z * depth, np.full(33, 0.9)]) for t in range(frames)]
    return np.stack(moving).round(6)


def points(frame: np.ndarray) -> list[dict]:
    return [dict(zip(("x", "y", "z", "visibility"), map(float, row), strict=True)) for row in frame]


FORMS = {
    "one frame": lambda it: points(it[0]),
    "frames": lambda it: [points(frame) for frame in it],
    "objects": lambda it: [{"frame": t, "pose_landmarks": points(frame)} for t, frame in enumerate(it)],
    "around": lambda it: {"fps": 30, "frames": [{"landmarks": points(frame)} for frame in it]},
    "tasks": lambda it: [{"landmarks": [points(frame)]} for frame in it],
    "by name": lambda it: [dict(zip(NAMES, points(frame), strict=True)) for frame in it],
    "with names": lambda it: [[p | {"name": n} for n, p in zip(NAMES, points(frame), strict=True)] for frame in it],
    "by number": lambda it: [{str(i): point for i, point in enumerate(points(frame))} for frame in it],
    "any order": lambda it: [[{"id": i} | p for i, p in enumerate(points(frame))][::-1] for frame in it],
    "rows": lambda it: [{"landmarks": frame.tolist()} for frame in it],
    "frames by number": lambda it: {f"frame_{t}": points(frame) for t, frame in enumerate(it)},
    "frames in any order": lambda it: [{"frame": t, "landmarks": points(it[t])} for t in (2, 0, 1)],
    "enumeration": lambda it: [
        {f"PoseLandmark.{n.upper()}": p for n, p in zip(NAMES, points(f), strict=True)} for f in it
    ],
    "nobody": lambda it: [points(it[0]), [], points(it[2])],
}


@pytest.mark.parametrize("form", FORMS)
def test_json_of_every_form(tmp_path, form):
    path, expected = tmp_path / "walk.json", landmarks()
    path.write_text(json.dumps(FORMS[form](expected)))
    found = recordings(path, image_size="200x100")
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.name) == ("mediapipe", "px", "blazepose33", "walk")
    frames = [0] if form == "one frame" else [0, 2] if form == "nobody" else [0, 1, 2]
    for t in frames:
        np.testing.assert_allclose(clip.keypoint[0, t], expected[t, :, :2] * [200, 100], rtol=1e-5)
        np.testing.assert_allclose(clip.score[0, t], 0.9, rtol=1e-6)
    if form == "nobody":
        assert not clip.keypoint[0, 1].any()


def test_facts_around_the_frames(tmp_path):
    frames = [points(frame) for frame in landmarks(8)]
    (tmp_path / "a.json").write_text(
        json.dumps({"meta": {"fps": 25, "width": 200, "height": 100}, "landmarks": frames})
    )
    (clip,) = read(tmp_path / "a.json")
    assert (clip.people, clip.frames, clip.fps, clip.image_size) == (1, 8, 25.0, (200, 100))
    np.testing.assert_allclose(clip.keypoint[0], landmarks(8)[..., :2] * [200, 100], rtol=1e-5)


def test_frames_and_joints_that_are_left_out_were_not_seen(tmp_path):
    some = [{"frame": t, "landmarks": [{"id": i} | p for i, p in enumerate(points(landmarks()[0]))][11:]}
            for t in (10, 11, 12, 14)]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(some))
    (clip,) = read(tmp_path / "a.json")
    assert (clip.layout.name, clip.score[0].any(1).tolist()) == ("blazepose33", [True] * 3 + [False, True])
    assert not clip.keypoint[0, :, :11].any()
    np.testing.assert_allclose(clip.keypoint[0, 4, 11:], landmarks()[0, 11:, :2], rtol=1e-5)


def test_landmarks_beside_the_pose_are_said(tmp_path):
    frame = {"pose_landmarks": points(landmarks()[0]), "face_landmarks": points(landmarks()[0])}
    (tmp_path / "a.json").write_text(json.dumps([frame, frame]))
    found = recordings(tmp_path / "a.json")
    assert [clip.layout.name for clip in found.clips] == ["blazepose33"]
    assert found.skipped() == ["face_landmarks, beside the pose"]


def test_files_of_single_frames_are_a_clip(tmp_path):
    for t, frame in enumerate(landmarks(12)):
        (tmp_path / f"frame_{t}.json").write_text(json.dumps(points(frame)))
    (clip,) = read(tmp_path)
    np.testing.assert_allclose(clip.keypoint[0], landmarks(12)[..., :2], rtol=1e-5)


def test_folders_name_classes_and_parts(tmp_path):
    for place in ("train/bow/a", "train/wave/b", "val/wave/c"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{place}.json").write_text(json.dumps([points(frame) for frame in landmarks()]))
    found = recordings(tmp_path, image_size="640x480")
    about = {clip.name: (found.class_names[clip.label], clip.splits["split"]) for clip in found.clips}
    wanted = {"train/bow/a": ("bow", "train"), "train/wave/b": ("wave", "train"), "val/wave/c": ("wave", "val")}
    assert (about, found.class_names) == (wanted, ("bow", "wave"))


def test_the_folder_of_frames_is_a_clip_and_the_one_around_it_a_class(tmp_path):
    for place in ("bow/one/f_1", "bow/one/f_2", "wave/two/f_1"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{place}.json").write_text(json.dumps(points(landmarks()[0])))
    found = recordings(tmp_path)
    assert [(found.class_names[clip.label], clip.frames) for clip in found.clips] == [("bow", 2), ("wave", 1)]
    inside = recordings(tmp_path / "bow")
    assert (inside.class_names, [clip.label for clip in inside.clips]) == ((), [None])


def test_world_landmarks_are_metres(tmp_path):
    rest = body("blazepose33")
    rest -= rest[[23, 24]].mean(0)
    (tmp_path / "a.json").write_text(json.dumps({"pose_world_landmarks": points(np.column_stack([rest, np.ones(33)]))}))
    found = recordings(tmp_path / "a.json")
    assert (found.units, next(found.clips).keypoint.shape) == ("m", (1, 1, 33, 3))


# ---- hands -----------------------------------------------------------------------------------------------------------


def hands() -> dict[str, np.ndarray]:
    """A left and a right hand in fractions, (21, 4)."""
    rest = body("hand21", 2)
    rest = 0.1 * (rest - rest.min(0)) / np.ptp(rest, axis=0)
    return {side: np.column_stack([rest + [place, 0.4], np.zeros(21), np.ones(21)]).round(6)
            for side, place in (("left", 0.2), ("right", 0.6))}  # fmt: skip


TASKS = {
    "tasks": lambda sides, hand: {
        "handedness": [[{"index": 0, "score": 0.9, "category_name": side.title()}] for side in sides],
        "hand_landmarks": hand,
    },
    "legacy": lambda sides, hand: {
        "multi_handedness": [{"classification": [{"index": 1, "label": side.title()}]} for side in sides],
        "multi_hand_landmarks": [{"landmark": it} for it in hand],
    },
    "browser": lambda sides, hand: {
        "handednesses": [[{"categoryName": side.title()}] for side in sides], "landmarks": hand,
    },
    "own": lambda sides, hand: {
        "hands": [{"handedness": side.title(), "landmarks": it} for side, it in zip(sides, hand, strict=True)]
    },
    "named": lambda sides, hand: {f"{side}_hand": it for side, it in zip(sides, hand, strict=True)},
}  # fmt: skip


@pytest.mark.parametrize("form", TASKS)
def test_hands_are_people_by_their_side(tmp_path, form):
    order = [("left", "right"), ("right", "left"), ("right",)]  # the file lists them as they were seen
    frames = [TASKS[form](sides, [points(hands()[side]) for side in sides]) for sides in order]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    found = recordings(tmp_path / "a.json", image_size="100x100")
    (clip,) = found.clips
    assert (clip.layout.name, clip.people) == ("hand21", 2)
    assert "people are the left and the right hand" in found.source
    for row, side in enumerate(("left", "right")):
        np.testing.assert_allclose(clip.keypoint[row, 1], 100 * hands()[side][:, :2], rtol=1e-5)
    assert not clip.keypoint[0, 2].any()


def test_holistic_hands_stand_behind_the_body(tmp_path):
    frames = [{"pose_landmarks": points(frame), "left_hand_landmarks": points(hands()["left"]),
               "right_hand_landmarks": points(hands()["right"]) if t else None, "face_landmarks": points(frame)}
              for t, frame in enumerate(landmarks())]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(frames))
    found = recordings(tmp_path / "a.json", image_size="100x100", parts=["body", "hands"])
    (clip,) = found.clips
    assert len(clip.layout) == 75
    assert (clip.layout.joints[33], clip.layout.joints[74]) == ("left_hand_wrist", "right_hand_pinky_tip")
    np.testing.assert_allclose(clip.keypoint[0, :, :33], 100 * landmarks()[..., :2], rtol=1e-5)
    np.testing.assert_allclose(clip.keypoint[0, 0, 33:54], 100 * hands()["left"][:, :2], rtol=1e-5)
    np.testing.assert_allclose(clip.keypoint[0, 1, 54:], 100 * hands()["right"][:, :2], rtol=1e-5)
    assert not clip.keypoint[0, 0, 54:].any()
    assert found.skipped() == ["face_landmarks, beside the pose"]


@pytest.mark.parametrize(("part", "reason"), [("face", "no layout here"), ("hands", "has no hands beside its bodies")])
def test_parts_that_are_not_there(tmp_path, part, reason):
    (tmp_path / "a.json").write_text(json.dumps([{"pose_landmarks": points(landmarks()[0])}]))
    with pytest.raises(ValueError, match=reason):
        recordings(tmp_path / "a.json", parts=[part])


# ---- tables ----------------------------------------------------------------------------------------------------------

HEADERS = {
    "x_0": lambda axis, i: f"{axis}_{i}",
    "x0": lambda axis, i: f"{axis}{i}",
    "x1": lambda axis, i: f"{axis}{i + 1}",
    "nose_x": lambda axis, i: f"{NAMES[i]}_{axis}",
    "nose.x": lambda axis, i: f"{NAMES[i].upper()}.{axis}",
    "0_x": lambda axis, i: f"{i}_{axis}",
    "landmark_0_x": lambda axis, i: f"landmark_{i}_{axis}",
    "x_nose": lambda axis, i: f"{axis}_{NAMES[i]}",
}


def wide(path, form: str, *, first: dict[str, list] | None = None) -> None:
    """One row per frame, with columns in front."""
    first = first or {}
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        axes = ("x", "y", "z", "visibility")
        rows.writerow([*first, *(HEADERS[form](axis, i) for i in range(33) for axis in axes)])
        for t, frame in enumerate(landmarks(6)):
            rows.writerow([*(cells[t] for cells in first.values()), *frame.ravel().tolist()])


@pytest.mark.parametrize("form", HEADERS)
def test_wide_tables_of_every_form(tmp_path, form):
    wide(tmp_path / "walk.csv", form)
    found = recordings(tmp_path / "walk.csv")
    (clip,) = found.clips
    assert (clip.layout.name, clip.name, clip.frames) == ("blazepose33", "walk", 6)
    np.testing.assert_allclose(clip.keypoint[0], landmarks(6)[..., :2], rtol=1e-5)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)


def test_some_of_the_names_are_a_layout_too(tmp_path):
    frame = landmarks()[0]
    cells = [f"{x},{y}" for x, y in frame[11:23, :2]]
    header = ",".join(f"{name}_x,{name}_y" for name in NAMES[11:23])
    (tmp_path / "a.csv").write_text("\n".join([header, ",".join(cells), ",".join(cells)]))
    (clip,) = read(tmp_path / "a.csv")
    assert clip.layout.name == "blazepose33"
    np.testing.assert_allclose(clip.keypoint[0, 1, 11:23], frame[11:23, :2], rtol=1e-5)
    assert not clip.keypoint[..., 23:, :].any()


def test_stretches_of_one_label_are_clips(tmp_path):
    wide(tmp_path / "a.csv", "x_0", first={"frame": list(range(6)), "label": list("aabbaa"), "time": [0.1] * 6})
    found = recordings(tmp_path / "a.csv")
    clips = list(found.clips)
    assert [(clip.name, clip.frames, found.class_names[clip.label]) for clip in clips] == [
        ("a", 2, "a"), ("a-2", 2, "b"), ("a-3", 2, "a"),
    ]  # fmt: skip
    assert any("time" in line for line in found.skipped())


def test_long_tables_with_breaks(tmp_path):
    lines = ["iter,id,x,y"]
    for part in range(2):
        for t in range(3):
            lines += [f"{t},{i},{x:.4f},{y:.4f}" for i, (x, y) in enumerate(landmarks()[t, :, :2] * 300 + part)]
        lines += ["break,,,"] * (part == 0)
    (tmp_path / "rowing.csv").write_text("\n".join(lines))
    one, two = read(tmp_path / "rowing.csv")
    assert (one.name, two.name, one.frames, two.frames) == ("rowing", "rowing-2", 3, 3)
    np.testing.assert_allclose(two.keypoint[0], landmarks()[..., :2] * 300 + 1, atol=1e-3)


def test_what_is_wide():
    assert [joint.name for joint in wide_joints(["t", "a_x", "a_y", "b_x", "b_y", "c_x", "c_y"])] == ["a", "b", "c"]
    assert wide_joints(["clip", "frame", "joint", "x", "y", "z"]) == []
    assert wide_joints(["a_x", "a_y", "b_x", "b_y"]) == []
    assert left_out(["time", "frame", "label", *(f"{axis}{i}" for i in range(4) for axis in "xy")]) == ["time"]


def test_people_of_a_frame_with_scores_beside_them(tmp_path):
    """As people save what rtmlib gives: lists of people, of joints and of their scores."""
    joints = np.random.default_rng(0).uniform(100, 900, (3, 1, 17, 2)).round(2)
    frames = [{"frame": t, "keypoints": it.tolist(), "scores": [[0.25] * 17]} for t, it in enumerate(joints)]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    (clip,) = read(tmp_path / "a.json", layout="coco17")
    np.testing.assert_allclose(clip.keypoint[0], joints[:, 0], rtol=1e-6)
    assert set(clip.score.ravel().tolist()) == {0.25}


def test_pixels_with_a_z_that_counts_from_the_hips(tmp_path):
    """As ML Kit gives: neither metres nor millimetres."""
    points = np.random.default_rng(0).uniform(200, 900, (4, 33, 2)).round(2)
    bodies = [[{"x": x, "y": y, "z": 0.1 * i} for i, (x, y) in enumerate(it)] for it in points.tolist()]
    (tmp_path / "a.json").write_text(json.dumps([{"landmarks": body} for body in bodies]))
    found = recordings(tmp_path / "a.json", layout="blazepose33")
    (clip,) = found.clips
    assert found.units == "px"
    assert any("x and y are pixels, z counts from the hips" in line for line in found.assumed)
    np.testing.assert_allclose(clip.keypoint[0], points, rtol=1e-6)


def test_turns_of_smpl_are_no_places(tmp_path):
    """WHAM's pose (T, 72) has as many numbers as 24 joints."""
    turns = {0: {"pose": np.ones((5, 72)), "betas": np.zeros((5, 10)), "trans": np.zeros((5, 3))}}
    (tmp_path / "wham_output.pkl").write_bytes(pickle.dumps(turns))
    with pytest.raises(ValueError, match="a pickle with parameters of SMPL, not places; save its joints as an array"):
        recordings(tmp_path / "wham_output.pkl")


def test_a_list_of_clips_with_frames_is_several_clips(tmp_path):
    """Each says its name and class; without names the objects are people."""
    rng = np.random.default_rng(0)
    clips = [
        {
            "video": f"v{i}",
            "class": label,
            "frames": [{"keypoints": rng.uniform(100, 500, (17, 2)).tolist()} for _ in range(3)],
        }
        for i, label in enumerate(("walk", "run"))
    ]
    (path := tmp_path / "all.json").write_text(json.dumps(clips))
    found = recordings(path, layout="coco17")
    assert {clip.name: (found.class_names[clip.label], clip.keypoint.shape) for clip in found.clips} == {
        "v0": ("walk", (1, 3, 17, 2)), "v1": ("run", (1, 3, 17, 2)),
    }  # fmt: skip


def of_include(label="loud", shift=0.0):
    """A file of INCLUDE: 25 joints of the body, and the left hand; the right one is not seen."""
    body_of, nan = landmarks()[:, :25, :2] + shift, [[float("nan")] * 21] * 3
    hand = np.random.default_rng(1).uniform(0.4, 0.6, (3, 21, 2))
    places = {"pose": body_of, "hand1": hand}
    said = {f"{part}_{axis}": place[..., i].tolist() for part, place in places.items() for i, axis in enumerate("xy")}
    return {"uid": "1", "label": label, **said, "hand2_x": nan, "hand2_y": nan, "n_frames": 3}, body_of, hand


def test_include_has_x_and_y_of_body_and_hands_apart(tmp_path):
    for part, shift in (("train", 0.0), ("val", 0.01)):
        for label in ("loud", "quiet"):
            place = tmp_path / f"include50_{part}_keypoints" / f"{label}.json"
            place.parent.mkdir(exist_ok=True)
            place.write_text(json.dumps(of_include(label, shift)[0]))
    found = recordings(tmp_path, image_size="100x100")
    clips = list(found.clips)
    assert found.class_names == ("loud", "quiet")
    assert [clip.splits["split"] for clip in clips] == ["train", "train", "val", "val"]
    np.testing.assert_allclose(clips[0].keypoint[0, :, :25], of_include()[1] * 100, rtol=1e-5)
    assert not clips[0].keypoint[0, :, 25:].any()
    way = "--parts body hands reads the hands"
    assert found.skipped() == [f"left_hand_landmarks, right_hand_landmarks, beside the pose; {way}"]
    clip = next(recordings(tmp_path, image_size="100x100", parts=["body", "hands"]).clips)
    np.testing.assert_allclose(clip.keypoint[0, :, 33:54], of_include()[2] * 100, rtol=1e-5)
    assert not clip.keypoint[0, :, 54:].any()


def test_frames_of_keraal_stand_under_numbers_such_as_1_0(tmp_path):
    expected = landmarks(depth=False)[..., :2]
    frames = {f"{t + 1}.0": dict(zip(NAMES, it.tolist(), strict=True)) for t, it in enumerate(expected)}
    (tmp_path / "a.json").write_text(json.dumps({"positions": frames}))
    (clip,) = recordings(tmp_path / "a.json", image_size="100x100").clips
    np.testing.assert_allclose(clip.keypoint[0], expected * 100, rtol=1e-5)


@pytest.mark.parametrize("camel", [True, False])
def test_people_of_google_s_video_intelligence(tmp_path, camel):
    """Two people, the second from 0.2 s on; times are texts such as 0.1s."""
    joints, expected = load_layout("coco17").joints, landmarks(4)[:, :17, :2]

    def spelt(name):
        first, *rest = name.split("_")
        return first + "".join(map(str.title, rest)) if camel else name

    def seen(t, shift):
        points = [
            {"name": name, "point": {"x": x + shift, "y": y}, "confidence": 0.8}
            for name, (x, y) in zip(joints, expected[t].tolist(), strict=True)
        ]
        return {spelt("time_offset"): f"{t / 10:g}s", "landmarks": points}

    tracks = [{spelt("timestamped_objects"): [seen(t, 0.1 * who) for t in range(2 * who, 4)]} for who in (0, 1)]
    content = {spelt("annotation_results"): [{spelt("person_detection_annotations"): [{"tracks": tracks}]}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (clip,) = recordings(tmp_path / "a.json", image_size="100x100", layout="coco17").clips
    assert (clip.fps, clip.keypoint.any((2, 3)).tolist()) == (10, [[True] * 4, [False, False, True, True]])
    np.testing.assert_allclose(clip.keypoint[1, 2:], (expected[2:] + [0.1, 0]) * 100, rtol=1e-5)
