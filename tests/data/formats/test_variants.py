"""Further forms of files that people have: many frames of OpenPose in one file, ultralytics' JSON, rows of numbers."""

import json
import pickle

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

PLACES = np.stack([body("coco17", 2) * 200 + 400 + [t, 0] for t in range(6)]).astype(np.float32)


def openpose_frame(t: int, joints: int = 18) -> dict:
    values = np.dstack([np.arange(joints) + 10 + t, np.arange(joints) * 5 + 10, np.full(joints, 0.5)])
    return {"people": [{"pose_keypoints_2d": values.ravel().tolist()}]}


@pytest.mark.parametrize("content", [list, lambda frames: {f"video_{t}.jpg": it for t, it in enumerate(frames)}])
def test_many_frames_of_openpose_in_one_file(tmp_path, content):
    frames = [openpose_frame(t) for t in range(4)]
    frames[2]["people"] = []
    (tmp_path / "a.json").write_text(json.dumps(content(frames)))
    (clip,) = read(tmp_path / "a.json")
    assert (clip.layout.name, clip.keypoint.shape) == ("openpose18", (1, 4, 18, 2))
    assert clip.keypoint[0, :, 3].tolist() == [[13, 25], [14, 25], [0, 0], [16, 25]]


def test_alphapose_in_openpose_form(tmp_path):
    frames = {
        f"{t}.jpg": {
            "version": "AlphaPose v0.3",
            "bodies": [{"joints": openpose_frame(t)["people"][0]["pose_keypoints_2d"]}],
        }
        for t in range(3)
    }
    (tmp_path / "a.json").write_text(json.dumps(frames))
    (clip,) = read(tmp_path / "a.json")
    assert clip.keypoint[0, 2, 3].tolist() == [15, 25]


def test_numbered_files_of_openpose_with_other_names(tmp_path):
    for t in (0, 2):
        (tmp_path / f"cam_{t:04d}.json").write_text(json.dumps(openpose_frame(t, 25)))
    (clip,) = read(tmp_path)
    assert clip.keypoint.shape == (1, 3, 25, 2)
    assert not clip.keypoint[0, 1].any()


def person(t: int, places=PLACES, **further) -> dict:
    x, y = places[t].T.tolist()
    box = {"x1": 1.0, "y1": 1.0, "x2": 2.0, "y2": 2.0}
    joints = {"x": x, "y": y, "visible": [0.5] * 17}
    return {"name": "person", "class": 0, "confidence": 0.9, "box": box, "keypoints": joints} | further


@pytest.mark.parametrize(
    "content",
    [
        [[person(t)] for t in range(6)],
        {f"a_{t}.jpg": [person(t)] for t in range(6)},
        {"frames": [{"frame": t, "detections": [person(t)]} for t in range(6)]},
    ],
)
def test_frames_of_ultralytics(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = recordings(tmp_path / "a.json")
    (clip,) = found.clips
    assert (found.format, clip.layout.name) == ("yolo", "coco17")
    np.testing.assert_allclose(clip.keypoint[0], PLACES, rtol=1e-6)
    assert (clip.score == 0.5).all()


def test_tracks_of_ultralytics_in_a_file_a_picture(tmp_path):
    for t in range(6):
        people = [person(t, track_id=1), person(t, PLACES + 300, track_id=2)]
        (tmp_path / f"a_{t}.json").write_text(json.dumps(people[:: 1 if t % 2 else -1]))
    (clip,) = read(tmp_path)
    order = np.argsort(clip.keypoint[:, 0, 0, 0])
    np.testing.assert_allclose(clip.keypoint[order], np.stack([PLACES, PLACES + 300]), rtol=1e-6)


def test_a_row_of_numbers_a_frame(tmp_path):
    np.save(tmp_path / "a.npy", PLACES.reshape(6, 34))
    found = recordings(tmp_path / "a.npy")
    (clip,) = found.clips
    np.testing.assert_array_equal(clip.keypoint[0], PLACES)
    assert any("rows of numbers are read as the joints of a frame" in line for line in found.assumed)


def test_rows_of_another_number_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((6, 41)))
    with pytest.raises(ValueError, match=r"a\.npy holds float64 \(6, 41\), expected floats"):
        read(tmp_path / "a.npy")


# ---- JSON that people save by hand -----------------------------------------------------------------------------------

NAMES = load_layout("coco17").joints
SEEN = np.where(np.arange(17) % 5 == 0, 0.5, 0.9)


def named(frame: np.ndarray) -> dict:
    return {name: [*map(float, place), score] for name, place, score in zip(NAMES, frame, SEEN, strict=True)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps({"fps": 25, "frames": [{"keypoints": named(it)} for it in PLACES]})),
        ("a.jsonl", ",\n".join(json.dumps({"frame": t, "joints": named(it)}) for t, it in enumerate(PLACES)) + ",\n"),
        ("b.json", "\n".join(json.dumps({"frame": t, "joints": named(it)}) for t, it in enumerate(PLACES))),
        ("a.json", json.dumps({"data": PLACES.tolist(), "score": [SEEN.tolist()] * 6, "label": "wave", "fps": 25})),
    ],
)  # fmt: skip
def test_joints_by_name_and_objects_of_one_clip(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = recordings(tmp_path / name, layout="coco17")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], PLACES, rtol=1e-5)
    np.testing.assert_allclose(clip.score[0], np.tile(SEEN, (6, 1)), rtol=1e-5)
    assert clip.fps == (25 if name == "a.json" else None)
    assert found.class_names == (("wave",) if "label" in text else ())


def test_columns_with_units(tmp_path):
    for form in ("{} {} (mm)", "{}_{}_px", "{}_{}"):
        names = [form.format(name, axis) for name in NAMES for axis in "XY"]
        rows = [",".join(map(str, frame.ravel())) for frame in PLACES]
        (tmp_path / "a.csv").write_text("\n".join([",".join(names), *rows]))
        (clip,) = read(tmp_path / "a.csv")
        np.testing.assert_allclose(clip.keypoint[0], PLACES, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "way"),
    [
        ("a.json", '{"a": {"b": [1, 2]}}\n{"a": {"b": [1, 2]}}', "it has a value on each line, expected one"),
        ("a.json", '[[{"x": 1, "y": 2}],]', "delete the comma before the bracket"),
        ("a.json", "[[[1, 2]]]".encode("utf-16"), "is in UTF-16; save it in UTF-8"),
        ("a.npy", PLACES.transpose(2, 0, 1)[..., None], r"save array.transpose\(1, 3, 2, 0\)"),
    ],
)  # fmt: skip
def test_what_to_do_about_files_of_other_forms(tmp_path, name, content, way):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=way):
        list(recordings(path).clips)


def test_a_labels_file_without_labels_says_so(tmp_path):
    np.save(tmp_path / "a.npy", PLACES)
    (tmp_path / "labels.csv").write_text("file,age\na.npy,20\n")
    found = recordings(tmp_path / "a.npy", labels_file=tmp_path / "labels.csv")
    list(found.clips)
    assert "labels: labels.csv does not say which column has them; --labels NAME does, of age" in found.skipped()
    (tmp_path / "labels.csv").write_text("file,exercise\na.npy,squat\n")
    assert recordings(tmp_path / "a.npy", labels_file=tmp_path / "labels.csv").class_names == ("squat",)


SCORES = np.linspace(0.5, 0.82, 17).round(2)


def scored_frames(path, name):
    frames = [{"frame": t, "keypoints": frame.tolist(), name: SCORES.tolist()} for t, frame in enumerate(PLACES)]
    path.with_suffix(".json").write_text(json.dumps(frames))
    return path.with_suffix(".json")


def scored_arrays(path, name):
    np.savez(path.with_suffix(".npz"), keypoints=PLACES, **{name: np.tile(SCORES, (len(PLACES), 1))})
    return path.with_suffix(".npz")


def scored_annotation(path, name):
    clip = {"keypoint": PLACES[None], name: np.tile(SCORES, (1, len(PLACES), 1)), "frame_dir": "a", "label": 0}
    path.with_suffix(".pkl").write_bytes(pickle.dumps([clip | {"total_frames": len(PLACES)}]))
    return path.with_suffix(".pkl")


def scored_table(path, name):
    joints = load_layout("coco17").joints
    rows = [f"{t},{joint},{x},{y},{s}" for t, frame in enumerate(PLACES.tolist())
            for joint, (x, y), s in zip(joints, frame, SCORES, strict=True)]  # fmt: skip
    path.with_suffix(".csv").write_text("\n".join([f"frame,joint,x,y,{name}", *rows]))
    return path.with_suffix(".csv")


@pytest.mark.parametrize("form", [scored_frames, scored_arrays, scored_annotation, scored_table])
@pytest.mark.parametrize("name", ["score", "keypoint_score", "confidence", "prob", "visibility"])
def test_scores_have_many_names_in_every_form(tmp_path, form, name):
    """None of them was dropped without a word."""
    (clip,) = read(form(tmp_path / "a", name), layout="coco17")
    np.testing.assert_allclose(clip.score[0], np.tile(SCORES, (len(PLACES), 1)), rtol=1e-6)
