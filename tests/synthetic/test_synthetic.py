"""Synthetic recordings: a body that moves as asked, and files that say what the sensor saw."""

import json
import shutil
from collections import Counter
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.data.formats.ntu import MARKER, TRAIN_SUBJECTS_60, is_synthetic, name_numbers
from kinegraph.data.formats.ntu_text import parse_bodies
from kinegraph.data.read import read
from kinegraph.data.reading.clips.published_names import missing_skeletons
from kinegraph.skeleton.layout import load_layout
from kinegraph.synthetic.actions import ACTIONS, perform
from kinegraph.synthetic.human import JOINT, joints_of, random_body
from kinegraph.synthetic.moves import random_style
from kinegraph.synthetic.recordings import MOST, ClipName, plan_names, recording, write_recordings
from kinegraph.synthetic.sensor import as_skeleton_file, from_camera
from tests.golden import FOLDER as GOLDEN

LAYOUT = load_layout("ntu25")
SEEDS = st.integers(0, 10_000)


def act(action: int, seed: int) -> list[np.ndarray]:
    """Joints (T 25 3) in the room of the people of one performance, before any sensor."""
    rng = np.random.default_rng(seed)
    bodies, styles = [random_body(rng), random_body(rng)], [random_style(rng), random_style(rng)]
    motions = perform(action, bodies, styles, rng)
    return [joints_of(body, motion) for body, motion in zip(bodies, motions, strict=False)]


def heights(joints: np.ndarray, *names: str) -> np.ndarray:
    return joints[:, [JOINT[name] for name in names], 1]


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    ends = np.array(LAYOUT.bones)
    return np.linalg.norm(joints[:, ends[:, 0]] - joints[:, ends[:, 1]], axis=2)


def test_bones_keep_their_length_and_differ_between_people():
    @settings(max_examples=30)
    @given(st.sampled_from(sorted(ACTIONS)), SEEDS)
    def keep(action, seed):
        for joints in act(action, seed):
            assert np.isfinite(joints).all()
            lengths = bone_lengths(joints)
            np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)
            assert (lengths[0] > 0.02).all()
            assert (lengths[0] < 0.6).all()

    keep()
    bodies = np.stack([bone_lengths(act(23, seed)[0])[0] for seed in range(12)])
    assert (bodies.std(axis=0) / bodies.mean(axis=0) > 0.02).all()


@settings(max_examples=40)
@given(st.sampled_from(sorted(ACTIONS)), SEEDS)
def test_nobody_leaves_the_floor_or_bends_the_wrong_way(action, seed):
    for joints in act(action, seed):
        assert joints[:, :, 1].min() >= 0.019
        for side in ("left", "right"):
            hip, knee, ankle = (joints[:, JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
            shoulder, elbow, wrist = (joints[:, JOINT[f"{side}_{name}"]] for name in ("shoulder", "elbow", "wrist"))
            for first, middle, last in ((hip, knee, ankle), (shoulder, elbow, wrist)):
                a, b = middle - first, last - middle
                cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
                assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 151
        if action not in (26, 27, 22):  # all but the jumps keep a foot down, nearly so in a fall
            assert heights(joints, "left_foot", "right_foot").min(axis=1).max() < (0.25 if action == 43 else 0.12)


@settings(max_examples=25)
@given(SEEDS)
def test_known_motions_do_what_their_name_says(seed):
    hips = {action: heights(act(action, seed)[0], "spine_base")[:, 0] for action in (8, 9, 27, 43)}
    tall = hips[8][0]
    assert hips[8][-1] < 0.7 * tall
    assert hips[9][0] < 0.7 * hips[9][-1]
    assert hips[43][-1] < 0.4 * hips[43][0]
    assert hips[27].max() > hips[27][0] + 0.05
    assert abs(hips[27][-1] - hips[27][0]) < 0.05

    waving = act(23, seed)[0]
    raised = heights(waving, "left_hand", "right_hand") > heights(waving, "left_shoulder", "right_shoulder")
    assert raised.any(axis=1).mean() > 0.25
    picking = act(6, seed)[0]
    assert heights(picking, "left_hand", "right_hand").min() < 0.45 * heights(picking, "head").max()

    for action, closer in ((59, True), (60, False)):
        first, second = (person[:, JOINT["spine_base"]] for person in act(action, seed))
        apart = np.linalg.norm(first - second, axis=1)
        assert (apart[-1] < apart[0] - 0.5) == closer
        assert (apart[-1] > apart[0] + 0.5) != closer
    shaking = [person[:, JOINT["right_hand"]] for person in act(58, seed)]
    assert np.linalg.norm(shaking[0] - shaking[1], axis=1).min() < 0.25


def test_camera_sees_a_person_who_faces_it_from_the_front():
    # Replication 1 faces camera 2 and replication 2 camera 3: there the right shoulder lies at larger x, as deep as the
    # left, and the person is a few metres away with the head up.
    for replication, camera in ((1, 2), (2, 3)):
        across, depth = [], []
        for subject in range(1, 11):
            clip, _ = recording(ClipName(1, camera, subject, replication, 23), 0)
            joints = max(clip.tracks, key=lambda track: len(track.frames)).joints.mean(axis=0)
            across.append(joints[JOINT["right_shoulder"]] - joints[JOINT["left_shoulder"]])
            depth.append(joints[JOINT["spine_mid"], 2])
            assert joints[JOINT["head"], 1] > joints[JOINT["left_foot"], 1] + 1
        across = np.mean(across, axis=0)
        assert across[0] > 0.25
        assert abs(across[2]) < 0.1
        assert 2 < np.min(depth) < np.max(depth) < 4.5
    # Each camera turns and moves the room, no more: lengths stay.
    room = act(24, 0)[0]
    np.testing.assert_allclose(bone_lengths(from_camera(room, 17, 3)), bone_lengths(room), atol=1e-9)


def test_text_reads_back_to_what_the_sensor_saw():
    for number, action in enumerate([1, 43, 50, 55, 58, 59, 60, 10, 26]):
        clip, rng = recording(ClipName(number + 1, 1, number + 1, 1, action), seed=3)
        text = as_skeleton_file(clip, rng)
        bodies = parse_bodies(text)
        assert text.count(b"\r\n") == text.count(b"\n")
        assert bodies.frames == clip.length
        for track in clip.tracks:
            rows = np.flatnonzero(np.array(bodies.ids) == track.body_id)
            assert np.array_equal(np.array(bodies.frame)[rows], track.frames)
            np.testing.assert_allclose(bodies.joints[rows], track.joints, rtol=2e-6, atol=1e-6)
        assert len(bodies.ids) == sum(len(track.frames) for track in clip.tracks)


def test_sensor_faults_all_occur():
    faults = Counter()
    for name in plan_names(300):
        clip, _ = recording(name, 0)
        people = ACTIONS[name.action].people
        counts = np.bincount(np.concatenate([t.frames for t in clip.tracks]), minlength=clip.length)
        faults["dropped"] += (counts == 0).any()
        faults["too many"] += counts.max() > people
        faults["swapped"] += clip.reversed_order.any()
        faults["late"] += people == 2 and counts[0] == 1
        faults["unsure"] += any((track.state == 1).any() for track in clip.tracks)
    assert min(faults[what] for what in ("dropped", "too many", "swapped", "late", "unsure")) >= 3, faults
    assert faults["dropped"] + faults["too many"] < 90, faults  # most clips are clean


@pytest.mark.parametrize("clips", [50, 240, 600])
def test_small_plans_are_balanced(clips):
    names = [name_numbers(str(name)) for name in plan_names(clips)]
    assert len({str(name) for name in plan_names(clips)}) == clips
    count = {key: Counter(name[key] for name in names) for key in names[0]}
    assert max(count["action"].values()) - min(count["action"].values()) <= 1
    assert set(count["camera"]) == {1, 2, 3}
    assert min(count["camera"].values()) > clips / 4
    assert len(count["subject"]) >= 30
    train = Counter(name["action"] for name in names if name["subject"] in TRAIN_SUBJECTS_60)
    for action, total in count["action"].items():  # both sides of xsub in every class
        assert total // 2 - 1 <= train[action] <= total // 2 + 1
    assert min(count["replication"].values()) > clips / 3


def test_the_largest_plan_has_only_valid_different_names():
    names = plan_names(MOST)
    assert len(set(map(str, names))) == MOST
    assert not missing_skeletons().intersection(map(str, names))
    assert {name.setup for name in names} == set(range(1, 18))
    assert {name.subject for name in names} == set(range(1, 41))
    assert {name.replication for name in names} == {1, 2}
    assert len(ACTIONS) >= 12
    assert sum(action.people == 2 for action in ACTIONS.values()) >= 2
    assert names[:600] == plan_names(600)


def test_same_seed_same_bytes_for_any_number_of_processes(tmp_path):
    counts = []
    for name, seed, workers in (("one", 5, 1), ("two", 5, 2), ("other", 6, 1)):
        done = write_recordings(tmp_path / name, clips=50, seed=seed, workers=workers, on_written=counts.append)
        assert (done.clips, len(done.actions)) == (50, len(ACTIONS))
    one, two, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two", "other")
    )
    assert sum(counts) == 150
    assert one == two
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "two"]  # nothing half written is left


def test_the_folder_reads_as_ntu_and_says_synthetic(tmp_path, capsys):
    raw = tmp_path / "raw"
    assert main(["synthesize", str(raw), "--clips", "60", "--actions", "8", "23", "58", "--workers", "1"]) == 0
    assert "synthetic" in capsys.readouterr().out
    clips = list(read(raw, classes=60))
    assert len(clips) == 60
    assert Counter(clip.label + 1 for clip in clips) == {8: 20, 23: 20, 58: 20}
    assert {clip.people for clip in clips if clip.label + 1 == 58} == {2}
    assert {clip.people for clip in clips if clip.label + 1 != 58} == {1}
    for split in ("xsub", "xview"):
        assert Counter(clip.splits[split] for clip in clips).keys() == {"train", "val"}
    assert "SYNTHETIC" in (raw / "README.txt").read_text()
    facts = json.loads((raw / MARKER).read_text())
    assert (facts["source"], facts["seed"], facts["clips"]) == ("synthetic", 0, 60)
    assert is_synthetic(raw)
    assert is_synthetic(tmp_path)  # readers look into subfolders too
    assert is_synthetic(next(raw.glob("*.skeleton")))
    (tmp_path / "own").mkdir()
    assert not is_synthetic(tmp_path / "own")
    shutil.copy(next(raw.glob("*.skeleton")), tmp_path / "own")  # without the marker
    assert is_synthetic(tmp_path / "own")
    assert is_synthetic(next((tmp_path / "own").iterdir()))


def test_real_recordings_are_not_taken_for_synthetic(tmp_path):
    ZipFile(GOLDEN / "ntu_raw.zip").extractall(tmp_path)
    assert not is_synthetic(tmp_path)
    assert len(list(tmp_path.rglob("*.skeleton"))) == 8


def test_what_is_said_counts_right_and_can_be_pasted(tmp_path, capsys):
    out = tmp_path / "my raw files"
    assert main(["synthesize", str(out), "--clips", "50", "--actions", "8", "--subjects", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "of 1 action by 1 subject in" in printed
    assert f"kinegraph prepare '{out}' DATASET" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clips", "49"], "49 clips asked for; give 50 to 56,880"),
        (["--clips", "56881"], "56881 clips asked for; give 50 to 56,880"),
        (["--clips", "50", "--actions", "8", "61"], "there is no action 61; the model performs 1, 6, 8"),
        (["--clips", "50", "--subjects", "41"], "there is no subject 41; they are numbered 1 to 40"),
        (["--clips", "9000", "--actions", "8", "9"], "choose more actions or subjects"),
        (["--clips", "50", "--workers", "0"], "0 workers cannot write anything"),
        (["--clips", "50", "--seed", "-1"], "seed -1 is negative"),
    ],
)
def test_wrong_wishes_are_one_line(tmp_path, capsys, options, message):
    assert main(["synthesize", str(tmp_path / "raw"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten_unasked(tmp_path):
    out = tmp_path / "raw"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds no synthetic recordings"):
            write_recordings(out, clips=50, overwrite=overwrite, workers=1)
    (out / "thesis.txt").unlink()
    write_recordings(out, clips=50, seed=1, actions=[35], workers=1)
    with pytest.raises(ValueError, match="give --overwrite"):
        write_recordings(out, clips=50, seed=2, actions=[35], workers=1)
    assert json.loads((out / MARKER).read_text())["seed"] == 1
    write_recordings(out, clips=50, seed=2, actions=[35], workers=1, overwrite=True)
    assert json.loads((out / MARKER).read_text())["seed"] == 2


def test_an_interrupted_synthesis_leaves_nothing(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_recordings(tmp_path / "raw", clips=50, workers=1, on_written=stop)
    assert not list(tmp_path.iterdir())
