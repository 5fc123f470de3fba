"""BABEL's annotations and joints of AMASS, made up, with answers worked out by hand."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats import babel
from kinegraph.data.read import recordings as any_recordings

# A joint's x is its number, y the frame it was recorded in, z 1.
SMPLH = [0, 3, 12, 15, 16, 18, 20, 22, 17, 19, 21, 37, 1, 4, 7, 10, 2, 5, 8, 11, 9, 63, 64, 68, 69]


recordings = partial(any_recordings, format="babel")


def joints(frames: int, count: int = 73) -> np.ndarray:
    place = np.ones((frames, count, 3))
    place[..., 0], place[..., 1] = np.arange(count), np.arange(frames)[:, None]
    return place


def label(name: str, *actions: str, span: tuple[float, float] | None = None) -> dict:
    times = {} if span is None else {"start_t": span[0], "end_t": span[1]}
    return {"raw_label": name, "proc_label": name, "seg_id": name, "act_cat": list(actions) or None, **times}


def by(annotator: str, *labels: dict) -> dict:
    return {"babel_lid": "lid", "anntr_id": annotator, "mul_act": len(labels) > 1, "labels": list(labels)}


def sequence(number: int, seconds: float, path: str, **annotations: object) -> dict[str, dict]:
    about = {"babel_sid": number, "url": f"https://x/{number:06}.mp4", "feat_p": path, "dur": seconds}
    return {str(number): about | annotations}


@pytest.fixture
def raw(tmp_path):
    """A folder of two train sequences, one val sequence, and extra annotations of one of them."""
    whole = by("ann1", label("all", "walk"))
    walking = by(
        "ann2",
        label("a", "walk", span=(0, 6.5)),  # 195 frames: chunks of 150 and 45
        label("b", "turn", "rolls on ground", "zombie", span=(6.5, 8)),  # the first is class 3, the others are none
        label("c", "stand", "crouch", span=(7, 7.5)),  # classes 1 and 65
        label("d", span=(8, 9)),  # no action
        label("e", "kick", span=(8.01, 8.07)),  # frames 240 and 241 begin at 8.0 and 8.033: the second is in it
        label("f", "jump", span=(8.51, 8.54)),  # frame 255 begins at 8.5, before it: no frame
        label("g", "run", span=(9.5, 30)),  # the sequence ends at 10 s
    )
    val = sequence(
        2, 4, "BioMotionLab_NTroje/rub001/0001_poses.npz", seq_ann=by("ann3", label("v", "sit")), frame_ann=None
    )
    train = sequence(1, 10, "KIT/KIT/4/Walk01_poses.npz", seq_ann=whole, frame_ann=walking)
    train |= sequence(3, 2, "ACCAD/s1/run_poses.npz", seq_ann=by("ann1", label("w", "run", "walk")), frame_ann=None)
    extra = sequence(
        1,
        10,
        "KIT/KIT/4/Walk01_poses.npz",
        seq_anns=[by("ann4", label("whole", "walk"))],
        frame_anns=[by("ann5", label("x", "walk", span=(0, 1))), by("ann6", label("y", "stand", span=(1, 2)))],
    )
    extra |= sequence(3, 2, "ACCAD/s1/run_poses.npz", seq_anns=[by("ann7", label("z", "jog"))], frame_anns=None)
    for name, content in {"train": train, "val": val, "extra_train": extra, "extra_val": {}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    save(tmp_path, "KIT/4/Walk01_poses.npz", joint_pos=joints(1200).reshape(1200, -1), mocap_framerate=np.array(120.0))
    save(tmp_path, "BMLrub/rub001/0001_poses.npz", joints=joints(400).astype(np.float32), fps=100)
    save(tmp_path, "ACCAD/s1/run_poses.npz", joints=joints(60))
    (tmp_path / "featp_2_fps.json").write_text(json.dumps({"ACCAD/s1/run_poses.npz": 30.0}))
    return tmp_path


def save(raw: Path, name: str, **arrays: object) -> None:
    (raw / "joints" / name).parent.mkdir(parents=True, exist_ok=True)
    np.savez(raw / "joints" / name, **arrays)


def test_segments_become_chunks_with_their_actions(raw):
    found = recordings(raw)
    clips = list(found.clips)
    got = [(clip.name, found.class_names[clip.label], clip.frames, clip.splits["split"]) for clip in clips]
    assert got == [
        ("a_1_0_ann2", "walk", 150, "train"),
        ("a_1_1_ann2", "walk", 45, "train"),
        ("b_1_0_ann2", "turn", 45, "train"),
        ("c_1_0_ann2", "stand", 15, "train"),
        ("e_1_0_ann2", "kick", 2, "train"),
        ("g_1_0_ann2", "run", 15, "train"),
        ("w_3_0_ann1", "run", 60, "train"),
        ("w_3_0_ann1-2", "walk", 60, "train"),
        ("v_2_0_ann3", "sit", 120, "val"),
    ]
    assert found.count >= len(clips)
    assert clips[1].attributes == {
        "segment": "a",
        "sequence": 1,
        "chunk": 1,
        "annotator": "ann2",
        "amass": "KIT/KIT/4/Walk01_poses.npz",
    }


def test_frames_and_joints_are_those_of_the_recording(raw):
    clips = {clip.name: clip for clip in recordings(raw).clips}
    second = clips["a_1_1_ann2"].keypoint
    np.testing.assert_array_equal(second[0, :, 0, 1], 4 * np.arange(150, 195))  # of 120 frames/s
    np.testing.assert_array_equal(second[0, 3, :, 0], SMPLH)
    rest = clips["v_2_0_ann3"].keypoint[0, :, 0, 1]  # of 100 frames/s
    np.testing.assert_array_equal(rest[:7], [0, 3, 6, 10, 13, 16, 20])
    np.testing.assert_array_equal(rest[30:32], [100, 103])
    assert all(clip.fps == 30 and clip.layout.name == "ntu25" for clip in clips.values())


def test_what_is_left_out_is_counted(raw):
    found = recordings(raw)
    list(found.clips)
    assert found.skipped() == [
        "3 clips of actions that are not among the 60",
        "1 chunks shorter than a frame, without their action",
    ]
    found = recordings(raw, classes=120)
    labels = [clip.label for clip in found.clips if clip.name.startswith("c_")]
    assert labels == [found.class_names.index("stand"), found.class_names.index("crouch")]
    assert len(found.class_names) == 120


def test_extra_annotations_are_of_the_kind_of_the_sequence(raw):
    names = [clip.name for clip in recordings(raw, extra=True).clips]
    assert names[9:] == ["x_1_0_ann5", "y_1_0_ann6", "z_3_0_ann7"]


@pytest.mark.parametrize(
    ("frames", "fps", "taken"),
    [
        (9, 30, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (9, 60.0, [0, 2, 4, 6, 8]),
        (9, 120.0, [0, 4, 8]),
        (7, 50.0, [0, 1, 3, 5, 6]),
        (8, 59.0, [0, 1, 3, 5, 7]),
    ],
)
def test_known_frames_of_30_a_second(frames, fps, taken):
    assert babel.at_30_fps(frames, fps).tolist() == taken


@given(st.integers(1, 2000), st.integers(30, 250))
def test_30_frames_a_second_stay_in_the_recording_and_in_order(frames, fps):
    taken = babel.at_30_fps(frames, fps)
    assert (np.diff(taken) > 0).all()
    assert 0 <= taken[0] <= taken[-1] < frames
    assert (taken // fps == 0).sum() == min(30, len(taken))
    assert abs(len(taken) - 30 * frames / fps) <= 1


def test_prepare_makes_a_dataset_with_the_published_splits(raw, capsys):
    assert main(["prepare", "babel", str(raw), str(raw / "out"), "--classes", "120", "--extra"]) == 0
    dataset = open_dataset(raw / "out", check_values=True)
    assert (len(dataset), dataset.parts("split"), dataset.units) == (13, ("train", "val"), "m")
    assert "skipped: 2 clips of actions that are not among the 120" in capsys.readouterr().out


def test_missing_and_broken_joints_stop_or_are_listed(raw):
    (raw / "joints/ACCAD/s1/run_poses.npz").unlink()
    with pytest.raises(
        ValueError, match=r"there is no .*joints/ACCAD/s1/run_poses.npz, the joints of sequence 3 \(train\)"
    ):
        list(recordings(raw).clips)
    found = recordings(raw, on_fault="skip")
    assert len(list(found.clips)) == 7
    assert any(line.startswith("broken: there is no") for line in found.skipped())


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"joints": joints(9, 52)}, r"float64 \(9, 52, 3\), expected floats \(T, 73, 3\) of SMPL-H"),
        ({"poses": joints(9)}, "has no array 'joints'"),
        ({"joints": joints(9), "fps": 0}, "the frame rate is 0"),
        ({"joints": joints(9), "fps": np.array([30.0, 30.0])}, "the frame rate is"),
        ({"joints": np.array([{}])}, "holds Python objects"),
    ],
)
def test_joints_that_are_no_smplh_are_told(raw, arrays, reason):
    save(raw, "KIT/4/Walk01_poses.npz", **{"fps": 30, **arrays})
    with pytest.raises(ValueError, match=rf"Walk01_poses.npz.*{reason}"):
        list(recordings(raw).clips)
    save(raw, "KIT/4/Walk01_poses.npz", joints=joints(9))
    with pytest.raises(ValueError, match=r"no 'fps' or 'mocap_framerate', and featp_2_fps.json does not name"):
        list(recordings(raw).clips)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dur": None}, "NoneType"),
        ({"dur": float("inf")}, "a time is inf"),
        ({"frame_ann": {"anntr_id": 1}}, "there is no 'labels'"),
        ({"frame_ann": by("x", label("y", "walk"))}, "there is no 'start_t'"),
        ({"babel_sid": "one"}, "invalid literal"),
    ],
)
def test_annotations_that_are_not_babels_are_told(raw, change, reason):
    content = json.loads((raw / "train.json").read_text())
    content["1"] |= change
    (raw / "train.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"train.json: sequence 1 is not as BABEL writes it: .*{reason}"):
        recordings(raw)


def test_paths_that_leave_the_folder_are_no_paths_of_amass(raw):
    content = json.loads((raw / "train.json").read_text())
    content["1"]["feat_p"] = "../../outside/x.npz"
    (raw / "train.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"sequence 1: '../../outside/x.npz' is no path of AMASS"):
        list(recordings(raw).clips)
