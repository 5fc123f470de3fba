"""Kinetics-skeleton files and folders of OpenPose's frames, made up in the published forms."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats.openpose_files import Detections, best_of_each_frame, tracked
from kinegraph.data.read import read
from kinegraph.data.read import recordings as any_recordings
from kinegraph.inference.inputs import read_inputs
from tests import made_up

recordings = partial(any_recordings, format="openpose")


def body(x: float, y: float = 0.5, score: float = 0.9, joints: int = 18) -> np.ndarray:
    """A person of the height 0.4 as x, y, score, all joints seen."""
    pose = np.full((joints, 3), score, np.float32)
    pose[:, 0] = x + 0.02 * np.arange(joints) % 0.1
    pose[:, 1] = y + np.linspace(-0.2, 0.2, joints)
    return pose


# ---- who is who ------------------------------------------------------------------------------------------------------


def test_people_are_followed_whatever_their_order():
    left, right = ([body(x + 0.01 * t, score=s) for t in range(20)] for x, s in ((0.1, 0.8), (0.6, 0.7)))
    rng = np.random.default_rng(0)
    frames = [np.stack([(left, right)[i][t] for i in rng.permutation(2)]) for t in range(20)]
    frames[7] = right[7][None]  # the left one is hidden for a frame
    found = tracked(Detections(frames), people=2)
    expected = np.stack([left, right])
    expected[0, 7] = 0
    np.testing.assert_array_equal(found.keypoint, expected[..., :2])
    np.testing.assert_array_equal(found.score, expected[..., 2])


def test_the_best_over_the_clip_stay_and_a_ghost_goes():
    frames = [np.stack([body(0.1, score=0.5), body(0.6, score=0.6)]) for _ in range(10)]
    frames[3] = np.concatenate([frames[3], body(0.4, y=0.9, score=0.99)[None]])
    two, one, all_ = (tracked(Detections(frames), people) for people in (2, 1, 5))
    np.testing.assert_allclose(two.score[:, :, 0], [[0.6] * 10, [0.5] * 10])
    assert (len(one.keypoint), len(two.keypoint), len(all_.keypoint)) == (1, 2, 3)
    assert (one.left_out, two.left_out, all_.left_out) == (11, 1, 0)


def test_one_who_leaves_is_continued_by_one_who_comes():
    frames = [body(0.1)[None] for _ in range(5)] + [np.zeros((0, 18, 3), np.float32)] * 20 + [body(0.8)[None]] * 5
    keypoint = tracked(Detections(frames), people=2).keypoint
    assert len(keypoint) == 1
    assert (keypoint.any((0, 2, 3)) == [True] * 5 + [False] * 20 + [True] * 5).all()


def published_reader(frames: list[np.ndarray]) -> np.ndarray:
    """What feeder_kinetics.py of yysijie/st-gcn does to the people of a clip, in its axes: C, T, V, M."""
    data = np.zeros((3, len(frames), 18, 5))
    for t, poses in enumerate(frames):
        for m, pose in enumerate(poses[:5]):
            data[:, t, :, m] = pose.T
    order = (-data[2].sum(axis=1)).argsort(axis=1, kind="stable")
    for t, people in enumerate(order):
        data[:, t] = data[:, t][:, :, people]
    return data[..., :2]


def test_the_best_of_each_frame_are_those_of_the_published_reader():
    rng = np.random.default_rng(1)
    frames = [rng.random((rng.integers(0, 8), 18, 3), dtype=np.float32) for _ in range(30)]
    found = best_of_each_frame(Detections(frames), people=2)
    expected = published_reader(frames).transpose(3, 1, 2, 0)  # M, T, V, C
    np.testing.assert_allclose(found.keypoint, expected[..., :2], rtol=1e-6)
    np.testing.assert_allclose(found.score, expected[..., 2], rtol=1e-6)
    assert found.left_out == sum(max(len(poses) - 2, 0) for poses in frames)


# ---- Kinetics-skeleton -----------------------------------------------------------------------------------------------


def kinetics_clip(label: str, index: int, frames: dict[int, list[np.ndarray]]) -> dict:
    data = [
        {
            "frame_index": number,
            "skeleton": [{"pose": one[:, :2].ravel().tolist(), "score": one[:, 2].tolist()} for one in people],
        }
        for number, people in frames.items()
    ]
    return {"data": data, "label": label, "label_index": index}


@pytest.fixture
def kinetics(tmp_path):
    """Two training clips, one without skeleton and one that is listed but not there; one validation clip."""
    half_seen = body(0.3)
    half_seen[4] = 0.25, 0.25, 0
    clips = {
        "train": {
            "a": kinetics_clip("yoga", 2, {1: [body(0.2)], 2: [], 4: [half_seen, body(0.7, score=0.95)]}),
            "b": kinetics_clip("abseiling", 0, {1: [body(0.2)]}),
            "empty": kinetics_clip("yoga", 2, {}),
        },
        "val": {"c": kinetics_clip("zumba", 3, {0: [body(0.5)]})},
    }
    for part, of_part in clips.items():
        folder = tmp_path / "kinetics" / f"kinetics_{part}"
        folder.mkdir(parents=True)
        listing = {"gone": {"has_skeleton": True, "label": "yoga", "label_index": 2}} if part == "train" else {}
        for name, clip in of_part.items():
            (folder / f"{name}.json").write_text(json.dumps(clip))
            about = {key: clip[key] for key in ("label", "label_index")}
            listing[name] = about | {"has_skeleton": name != "empty"}
        folder.with_name(f"kinetics_{part}_label.json").write_text(json.dumps(listing))
    return tmp_path / "kinetics"


def test_kinetics_skeleton(kinetics):
    found = recordings(kinetics)
    clips = {clip.name: clip for clip in found.clips}
    assert found.class_names == ("abseiling", "class 1", "yoga", "zumba")
    assert {name: (clip.label, clip.splits["split"]) for name, clip in clips.items()} == {
        "a": (2, "train"),
        "b": (0, "train"),
        "c": (3, "val"),
    }
    assert (found.layout.name, found.units, clips["a"].fps, clips["a"].image_size) == (
        "openpose18",
        "px",
        30,
        (340, 256),
    )
    assert clips["a"].keypoint.shape == (2, 4, 18, 2)  # frames 1 to 4
    assert not clips["a"].keypoint[:, 1:3].any()  # nobody, and no frame
    first = clips["a"].keypoint[0, 0]
    np.testing.assert_allclose(first, body(0.2)[:, :2] * (340, 256), rtol=1e-5)
    half_seen = next(one for one in clips["a"].keypoint[:, 3] if not one[4].any())  # a score of 0: not seen
    np.testing.assert_allclose(half_seen[5], body(0.3)[5, :2] * (340, 256), rtol=1e-5)
    record = "; ".join(found.skipped())
    assert "1 of kinetics_train that are listed but not there: gone" in record
    assert "1 of kinetics_train without skeleton by the label file: empty" in record


def test_kinetics_clips_alone_tell_their_labels(kinetics):
    for file in kinetics.glob("*_label.json"):
        file.unlink()
    found = recordings(kinetics)
    assert sorted((clip.name, clip.label) for clip in found.clips) == [("a", 2), ("b", 0), ("c", 3)]
    assert "1 without any person: empty" in "; ".join(found.skipped())


def test_prepare_kinetics(kinetics, tmp_path):
    out = tmp_path / "out"
    assert main(["prepare", "openpose", str(kinetics), str(out), "--bodies", "score", "--people", "1"]) == 0
    dataset = open_dataset(out, check_values=True)
    assert (dataset.people.tolist(), dataset.parts("split")) == ([1, 1, 1], ("train", "val"))


def test_everybody_is_a_clip_of_his_or_her_own(tmp_path, capsys):
    """Five people, one comes later: two bodies are kept by default, and a line says it; --per-person keeps all."""
    crowd = [body(x) for x in (0.1, 0.3, 0.5, 0.7)]
    write_frames(tmp_path / "raw" / "wave" / "a", {t: crowd[:: (-1) ** t] + [body(0.9)] * (t > 3) for t in range(8)})
    assert main(["prepare", str(tmp_path / "raw"), str(tmp_path / "two")]) == 0
    assert "people beyond 2 bodies a clip, seen 20 times in 1 clip (wave/a); --people keeps" in capsys.readouterr().out
    assert main(["prepare", str(tmp_path / "raw"), str(tmp_path / "each"), "--per-person"]) == 0
    each = open_dataset(tmp_path / "each")
    assert each.names == [f"wave/a#{i}" for i in range(1, 6)]
    assert (each.people.tolist(), sorted(each.frames.tolist()), each.label.tolist()) == (
        [1] * 5,
        [4, 8, 8, 8, 8],
        [0] * 5,
    )
    assert sorted({round(float(clip.keypoint[0, 0, 0, 0]), 3) for clip in each}) == [0.1, 0.3, 0.5, 0.7, 0.9]
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,label,subject\nwave/a#1,sit,3\nwave/a#4,run,4\n")
    out = str(tmp_path / "labelled")
    assert main(["prepare", str(tmp_path / "raw"), out, "--per-person", "--labels-file", str(labels)]) == 0
    dataset = open_dataset(out)
    assert (dataset.names, dataset.class_names) == (["wave/a#1", "wave/a#4"], ("run", "sit"))
    assert (dataset.label.tolist(), dataset.attributes["subject"].tolist()) == ([1, 0], [3, 4])
    assert "skipped: 3 persons that labels.csv does not list: wave/a#2, wave/a#3, wave" in capsys.readouterr().out
    asked = [next(read_inputs([tmp_path / "raw"], everybody=all_)[0].clips).people for all_ in (False, True)]
    assert asked == [2, 5]  # of which predict --per-person and draw take the second


# ---- folders of frames -----------------------------------------------------------------------------------------------


def write_frames(folder: Path, frames: dict[int, list[np.ndarray]], prefix: str = "video_") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, people in frames.items():
        listed = [{"person_id": [-1], "pose_keypoints_2d": one.ravel().tolist()} for one in people]
        content = {"version": 1.3, "people": listed}
        (folder / f"{prefix}{number:012d}_keypoints.json").write_text(json.dumps(content))


@pytest.mark.parametrize(("joints", "layout"), [(18, "openpose18"), (25, "openpose25")])
def test_frames_of_classes(tmp_path, joints, layout):
    pose = body(0.4, joints=joints) * (1000, 1000, 1)
    pose[3] = 0
    write_frames(tmp_path / "wave" / "one", {5: [pose], 6: [], 8: [pose + (1, 1, 0)]})
    write_frames(tmp_path / "walk" / "two", {0: [pose]})
    found = recordings(tmp_path, image_size="1920x1080", fps=25)
    clips = {clip.name: clip for clip in found.clips}
    assert found.layout.name == layout
    assert found.class_names == ("walk", "wave")
    one = clips["wave/one"]
    assert (one.label, one.image_size, one.fps, one.keypoint.shape) == (1, (1920, 1080), 25, (1, 4, joints, 2))
    np.testing.assert_allclose(one.keypoint[0, 0], pose[:, :2], rtol=1e-5)
    np.testing.assert_allclose(one.score[0, 3], (pose + (1, 1, 0))[:, 2], rtol=1e-5)
    assert not one.keypoint[0, 1:3].any()
    assert set(one.splits) == {"holdout"}


def test_frames_with_parts_or_a_table_of_labels(tmp_path):
    for part, action, clip in (("train", "wave", "a"), ("train", "walk", "b"), ("val", "walk", "c")):
        write_frames(tmp_path / "raw" / part / action / clip, {0: [body(0.5)]})
    clips = {clip.name: clip for clip in recordings(tmp_path / "raw").clips}
    assert {name: (clip.label, clip.splits) for name, clip in clips.items()} == {
        "train/wave/a": (1, {"split": "train"}),
        "train/walk/b": (0, {"split": "train"}),
        "val/walk/c": (0, {"split": "val"}),
    }
    labels = tmp_path / "labels.csv"
    labels.write_text("clip,label,subject,split\na,clap,7,train\nc,sit,8,test\n")
    found = recordings(tmp_path / "raw", labels_file=labels)
    listed = {clip.name: (found.class_names[clip.label], clip.attributes, clip.splits["split"]) for clip in found.clips}
    assert listed == {"train/wave/a": ("clap", {"subject": 7}, "train"), "val/walk/c": ("sit", {"subject": 8}, "test")}
    assert found.skipped() == ["1 clip that labels.csv does not list: train/walk/b"]


def test_several_clips_in_one_folder(tmp_path):
    write_frames(tmp_path, {0: [body(0.5)], 1: [body(0.5)]}, prefix="left_")
    write_frames(tmp_path, {0: [body(0.5)]}, prefix="right_")
    clips = list(recordings(tmp_path).clips)
    assert [(clip.name, clip.frames, clip.label) for clip in clips] == [("left", 2, None), ("right", 1, None)]


def test_the_ids_of_openposes_tracking_are_believed(tmp_path):
    """Two people who change places at once: without ids each would be taken for the other."""
    places = [body(0.2).ravel().tolist(), body(0.8).ravel().tolist()]
    for t, ids in enumerate(([3, 8], [3, 8], [8, 3], [8, 3])):
        people = [{"person_id": [who], "pose_keypoints_2d": pose} for who, pose in zip(ids, places, strict=True)]
        (tmp_path / f"{t}_keypoints.json").write_text(json.dumps({"people": people}))
    (clip,) = read(tmp_path)
    np.testing.assert_allclose(clip.keypoint[:, :, 0, 0], [[0.2, 0.2, 0.8, 0.8], [0.8, 0.8, 0.2, 0.2]], rtol=1e-6)


def test_one_file_is_read_like_its_folder(kinetics, tmp_path):
    alone = recordings(kinetics / "kinetics_train" / "a.json", format=None)
    (clip,), clips = alone.clips, {clip.name: clip for clip in recordings(kinetics).clips}
    np.testing.assert_array_equal(clip.keypoint, clips["a"].keypoint)
    assert (clip.label, alone.class_names[2], clip.image_size) == (2, "yoga", (340, 256))
    write_frames(tmp_path / "raw", {7: [body(0.5, joints=25)]})
    (clip,), (other,) = recordings(next((tmp_path / "raw").iterdir()), format=None).clips, read(tmp_path / "raw")
    np.testing.assert_array_equal(clip.keypoint, other.keypoint)
    assert (clip.name, clip.layout.name) == ("video", "openpose25")


def test_clips_of_kinetics_form_need_no_label(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"data": kinetics_clip("", 0, {1: [body(0.5)]})["data"]}))
    (clip,) = read(tmp_path / "a.json")
    assert clip.label is None


def test_hands_and_face_are_read_or_said_to_be_left_out(tmp_path, capsys):
    hands = {f"hand_{side}_keypoints_2d": [place, 0.5, 0.9] * 21 for side, place in (("left", 0.8), ("right", 0.2))}
    one = {"pose_keypoints_2d": body(0.5, joints=25).ravel().tolist(), "face_keypoints_2d": [0.5, 0.1, 0.7] * 70}
    (tmp_path / "raw").mkdir()
    for number, people in enumerate(([one | hands], [one | hands | {"hand_left_keypoints_2d": []}])):
        (tmp_path / "raw" / f"{number}_keypoints.json").write_text(json.dumps({"people": people}))
    assert main(["prepare", str(tmp_path / "raw"), str(tmp_path / "body")]) == 0
    assert "hands and face, which OpenPose wrote too; --parts hands face reads them" in capsys.readouterr().out
    assert main(["prepare", str(tmp_path / "raw"), str(tmp_path / "all"), "--parts", "body", "hands", "face"]) == 0
    dataset = open_dataset(tmp_path / "all")
    layout, clip = dataset.layout, dataset[0]
    assert clip.keypoint.shape == (1, 2, 25 + 42 + 70, 2)
    tip = [layout.joints.index(f"{side}_hand_index_finger_tip") for side in ("left", "right")]
    assert clip.keypoint[0, 0, tip, 0].tolist() == pytest.approx([0.8, 0.2])
    assert not clip.keypoint[0, 1, tip[0]].any()  # not seen there
    assert layout.mirrored()[tip[0]] == tip[1]
    assert (
        layout.joints[layout.mirrored()[layout.joints.index("face_36")]] == "face_45"
    )  # the outer corners of the eyes
    (tmp_path / "raw" / "0_keypoints.json").write_text(json.dumps({"people": [one]}))
    with pytest.raises(ValueError, match="has no hands: its first person has the body and face"):
        recordings(tmp_path / "raw", parts=["hands"])


def test_other_json_is_not_taken_for_frames_of_openpose(tmp_path):
    (tmp_path / "person_keypoints.json").write_text('{"files": [], "owner": "me"}')
    with pytest.raises(ValueError, match="is not recognised"):
        recordings(tmp_path, format=None)
    write_frames(tmp_path / "clip", {0: [body(0.5)]})
    found = recordings(tmp_path, format=None)
    assert [clip.name for clip in found.clips] == ["clip"]
    assert found.skipped() == ["1 file without a frame number before '_keypoints.json': person_keypoints.json"]


# ---- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not readable JSON"),
        ("[]", "no list 'people'"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "keypoints that are not x, y, score"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, "a"]}]}', "keypoints that are not x, y, score"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, NaN]}]}', "not finite"),
        (json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 45}]}), "15 joints, expected OpenPose's 18 or 25"),
        ('{"people": []}', "none of the 1 clips .* shows a person"),
    ],
)
def test_broken_frames_are_named(tmp_path, text, message):
    folder = tmp_path / "raw" / "wave" / "a"
    folder.mkdir(parents=True)
    (folder / "v_000_keypoints.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        list(recordings(tmp_path / "raw").clips)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broken", [None, 40])
def test_clips_do_not_depend_on_the_number_of_processes(tmp_path, broken):
    for i in range(70):
        write_frames(tmp_path / "raw" / "wave" / f"{i:02}", {t: [body(0.3 + 0.001 * i + 0.01 * t)] for t in range(3)})
    if broken is not None:
        next((tmp_path / "raw" / "wave" / f"{broken:02}").iterdir()).write_text("{")
        with pytest.raises(ValueError, match=r"wave/40/.+ is not readable JSON"):
            list(recordings(tmp_path / "raw", workers=2).clips)
    alone, shared = (recordings(tmp_path / "raw", workers=n, on_fault="skip") for n in (1, 2))
    for one, other in zip(alone.clips, shared.clips, strict=True):
        assert (one.name, one.splits) == (other.name, other.splits)
        np.testing.assert_array_equal(one.keypoint, other.keypoint)
    assert alone.skipped() == shared.skipped()
    assert len(alone.skipped()) == (broken is not None)


def test_broken_clips_can_be_skipped(tmp_path):
    write_frames(tmp_path / "walk" / "b", {0: [body(0.5)]})
    write_frames(tmp_path / "wave" / "c", {0: [body(0.5, joints=25)]})
    with pytest.raises(ValueError, match=r"wave/c' has a person of 25 joints, the first had 18"):
        list(recordings(tmp_path).clips)
    found = recordings(tmp_path, on_fault="skip")
    assert [clip.name for clip in found.clips] == ["walk/b"]
    assert found.skipped()[0].startswith("broken: clip 'wave/c'")


def test_other_wrong_input(kinetics, tmp_path, capsys):
    with pytest.raises(ValueError, match="no folder"):
        recordings(tmp_path / "nothing")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match=r"neither kinetics_train/ .* nor folders"):
        recordings(tmp_path / "bare")
    with pytest.raises(ValueError, match="image size '1920' is not width x height"):
        recordings(kinetics, image_size="1920")
    with pytest.raises(ValueError, match="column 'split'; --val-share is for clips without one"):
        recordings(kinetics, val_share=0.3)
    assert main(["prepare", "openpose", str(kinetics), str(tmp_path / "out"), "--bodies", "energy"]) == 2
    assert "'energy' is not for openpose, expected tracked or score" in capsys.readouterr().err
    labels = kinetics / "kinetics_val_label.json"
    labels.write_text(labels.read_text().replace("zumba", "yoga").replace("3", "2.5"))
    with pytest.raises(ValueError, match=r"clip 'c' has label 'yoga' and label_index 2.5"):
        recordings(kinetics)


def frame(x: float) -> dict:
    pose = np.random.default_rng(0).uniform(100, 200, (18, 3)) + [x, 0, 0]
    return {"people": [{"pose_keypoints_2d": pose.ravel().tolist()}]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("{clip}_00000000000{t}_keypoints.json", frame(0)),  # several clips in a folder, and one in another
        ("{clip}.json", [frame(0), frame(1)]),  # a file of many frames
        ("{clip}.json", {"0.jpg": frame(0), "1.jpg": frame(1)}),
        ("{clip}.json", {"data": [
            {"frame_index": t, "skeleton": [{"pose": [0.5, 0.5] * 18, "score": [0.9] * 18}]} for t in (1, 2)
        ]}),
    ],
)  # fmt: skip
def test_class_folders_give_labels_to_all_forms_of_files(tmp_path, name, content):
    for place, clips in (("bow", ("clip1", "clip2")), ("wave", ("clip1",))):
        (tmp_path / place).mkdir()
        for clip in clips:
            for t in range(2):
                (tmp_path / place / name.format(clip=clip, t=t)).write_text(json.dumps(content))
    found = recordings(tmp_path)
    assert [(clip.name, clip.label, clip.frames) for clip in found.clips] == [
        ("bow/clip1", 0, 2), ("bow/clip2", 0, 2), ("wave/clip1", 1, 2),
    ]  # fmt: skip
    assert found.class_names == ("bow", "wave")


def test_fractions_of_the_picture_become_pixels(tmp_path):
    pose = np.column_stack([made_up.body("openpose18", 2) * 0.3 + 0.5, np.full(18, 0.9)])
    (tmp_path / "a_0_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": pose.ravel().tolist()}]}))
    (clip,) = recordings(tmp_path, image_size="1000x500").clips
    np.testing.assert_allclose(clip.keypoint[0, 0], pose[:, :2] * [1000, 500], rtol=1e-5)


def test_people_in_space_alone_are_said(tmp_path):
    (tmp_path / "a_0_keypoints.json").write_text('{"people": [{"pose_keypoints_2d": [], "pose_keypoints_3d": [1, 2]}]}')
    with pytest.raises(ValueError, match="shows a person, it has pose_keypoints_3d alone"):
        recordings(tmp_path)


def test_kinetics_in_folders_of_parts_and_classes(tmp_path):
    for place in ("train/bow", "train/wave", "val/wave"):
        (tmp_path / place).mkdir(parents=True)
        content = kinetics_clip("", 0, {0: [body(0.5)], 1: [body(0.6)]})
        (tmp_path / place / "a.json").write_text(json.dumps({"data": content["data"]}))
    found = recordings(tmp_path)
    assert [(it.name, found.class_names[it.label], it.splits["split"]) for it in found.clips] == [
        ("train/bow/a", "bow", "train"), ("train/wave/a", "wave", "train"), ("val/wave/a", "wave", "val"),
    ]  # fmt: skip
