"""Arrays of one clip each: axes, layouts, joints at the origin, folders, and what is refused."""

import json
import pickle

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

# Frame 0 of clausM2/human_pose, o_jacob.npy (VideoPose3D, y downward), in millimetres.
H36M = np.float32(
    [
        [0, 0, 0], [-66, -18, 91], [-284, 259, 106], [-195, 677, 242], [66, 18, -91], [-156, 298, -91], [-41, 695, 66],
        [-152, -82, -127], [-350, -165, -275], [-470, -223, -309], [-420, -310, -293], [-257, -84, -334],
        [-158, 168, -291], [-131, 420, -235], [-386, -104, -154], [-360, 150, -61], [-367, 395, -64],
    ]
)  # fmt: skip
FRAMES = np.stack([H36M + 10 * i for i in range(5)]) / 1000
RELATIVE = np.stack([H36M] * 5) / 1000
FAR = np.float32([2, 0, 5])


@pytest.fixture
def save(tmp_path):
    def write(array, name="walk.npy", **arrays):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".npz"):
            np.savez(tmp_path / name, **arrays)
        else:
            np.save(tmp_path / name, array)
        return tmp_path / name

    return write


def test_one_person(save):
    found = recordings(save(FRAMES.astype(np.float64)))
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.layout.name, clip.fps) == ("poses", "m", "walk", "h36m17", None)
    np.testing.assert_allclose(clip.keypoint[0, 1:], FRAMES[1:])
    assert "-y is upward (--up -y turns the clips)" in found.assumed


def test_a_vertical_that_is_given_is_not_assumed(save):
    found = recordings(save(FRAMES + FAR), up="-y")
    assert not any("upward" in line for line in found.assumed)
    (clip,) = found.clips
    assert clip.keypoint[0, 0, 10, 1] > clip.keypoint[0, 0, 3, 1]  # the head above the foot


@pytest.mark.parametrize("frames_first", [True, False])
def test_people_are_in_rows_of_either_axis(save, frames_first):
    two = np.stack([FRAMES + FAR, FRAMES - FAR])
    (clip,) = read(save(two.swapaxes(0, 1) if frames_first else two))
    np.testing.assert_allclose(clip.keypoint, two)


@pytest.mark.parametrize("shape", ["single", "axis of pictures", "multi", "x first"])
def test_movenet_has_y_before_x(save, shape):
    x, y = np.float32([(0.50, 0.20), (0.51, 0.18), (0.49, 0.18), (0.53, 0.19), (0.47, 0.19), (0.57, 0.32), (0.43, 0.32),
                       (0.60, 0.45), (0.40, 0.45), (0.61, 0.56), (0.39, 0.56), (0.54, 0.56), (0.46, 0.56), (0.55, 0.73),
                       (0.45, 0.73), (0.55, 0.90), (0.45, 0.90)]).T  # fmt: skip
    rest = np.stack([x, y], -1)
    walk = np.stack([rest + [0.01 * t, 0] for t in range(8)])
    scored = np.concatenate([walk if shape == "x first" else walk[..., ::-1], np.full((8, 17, 1), 0.7)], -1)
    array = scored[:, None, None] if shape == "axis of pictures" else scored[:, None]
    if shape == "multi":
        array = np.full((8, 6, 56), 0.1)  # five people who are nobody
        array[:, 2, :51], array[:, 2, 55] = scored.reshape(8, 51), 0.9
    found = recordings(save(array.astype(np.float32)), image_size="100x100")
    (clip,) = found.clips
    assert clip.layout.name == "coco17"
    np.testing.assert_allclose(clip.keypoint, 100 * walk[None], rtol=1e-5)
    np.testing.assert_allclose(clip.score, 0.7, rtol=1e-5)
    assert any("y stands before x" in line for line in found.assumed) == (shape != "x first")


def test_f_phab_has_an_order_of_its_own(save, tmp_path):
    """skeleton.txt: a number of the frame, then the wrist, five knuckles, and three joints of each finger, in mm."""
    fingers = [[(20 * (f - 2), 80 + 25 * j + 3 * f, 400 + 4 * j) for j in range(4)] for f in range(5)]
    hand = np.array([(0, 0, 400), *(it[0] for it in fingers), *(at for it in fingers for at in it[1:])], float)
    walk = np.stack([hand + [t, 0, 0] for t in range(9)])
    place = tmp_path / "Subject_1" / "pour" / "1" / "skeleton.txt"
    place.parent.mkdir(parents=True)
    np.savetxt(place, np.column_stack([np.arange(9), walk.reshape(9, -1)]), "%.4f")
    (clip,) = read(tmp_path / "Subject_1")
    assert (clip.layout.name, clip.layout.joints[5:8]) == ("bighand21", ("pinky_mcp", "thumb_pip", "thumb_dip"))
    np.testing.assert_allclose(clip.keypoint[0], walk / 1000, rtol=1e-4)


@pytest.mark.parametrize("kind", ["quaternions", "rotation matrices"])
def test_turns_are_no_places(save, kind):
    """Four numbers of length 1 were x, y, z and a score."""
    angle = np.linspace(0, 1, 20 * 24).reshape(20, 24)
    quaternions = np.stack([np.cos(angle), np.sin(angle), 0 * angle, 0 * angle], -1)
    turned = np.zeros((20, 24, 3, 3))
    turned[..., 0, 0] = 1
    turned[..., 1:, 1:] = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(
        20, 24, 2, 2
    )
    with pytest.raises(ValueError, match=f"holds {kind}, no positions of joints"):
        list(read(save(quaternions if kind == "quaternions" else turned)))


def test_the_joint_that_others_are_relative_to_is_seen(save):
    (clip,) = read(save(RELATIVE))
    assert clip.keypoint.any(3).all()
    assert np.abs(clip.keypoint[:, :, 0]).max() < 1e-5
    away = RELATIVE + FAR
    away[:, 0] = 0
    (clip,) = read(save(away))
    assert not clip.keypoint[:, :, 0].any()


def test_numbers_beside_x_and_y(save):
    rng = np.random.default_rng(0)
    score = rng.uniform(0.5, 1, (*FRAMES.shape[:2], 1)).astype(np.float32)
    pixels = (FRAMES[..., :2] + 2) * 300
    (flat,) = read(save(np.concatenate([pixels, score], 2)), layout="h36m17")
    np.testing.assert_allclose(flat.keypoint[0], pixels, rtol=1e-6)
    np.testing.assert_array_equal(flat.score[0], score[..., 0])
    (deep,) = read(save(np.concatenate([FRAMES + FAR, score], 2)))
    np.testing.assert_allclose(deep.keypoint[0], FRAMES + FAR)
    np.testing.assert_array_equal(deep.score[0], score[..., 0])


def test_nan_is_not_seen(save):
    gaps = FRAMES + FAR
    gaps[2, 5, 1] = np.nan
    (clip,) = read(save(gaps))
    assert not clip.keypoint[0, 2, 5].any()
    assert clip.keypoint.any(3).sum() == 5 * 17 - 1


def test_a_folder_of_arrays(save, tmp_path):
    save(FRAMES, "walk/01.npy")
    save(None, "run/01.npz", joints=FRAMES + 1, time=np.arange(5))
    assert recognise(tmp_path)[0].NAME == "poses"
    run, walk = read(tmp_path)
    assert [(clip.name, clip.label) for clip in (run, walk)] == [("run/01", 0), ("walk/01", 1)]
    np.testing.assert_allclose(run.keypoint[0], FRAMES + 1)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((5, 17, 3), np.float32), "without any person"),
        (FRAMES[:, :1].repeat(40, 1) + FAR, "40 joints in 3D are of no layout that is known here; name it by --layout"),
        (np.full((5, 17, 4), 3.0), "has four numbers a joint, whose last is no score from 0 to 1"),
        (
            FRAMES + np.arange(180).reshape(60, 1, 1, 3) ** 2,
            "would hold 60 people; save each clip in a file of its own",
        ),
        (np.array([[["a", "b"]] * 2]), "holds <U1 (1, 2, 2), expected numbers (frames, joints, 2 to 4 coordinates)"),
        (np.full((2, 17, 3), np.inf), "holds NaN or infinity"),
    ],
)
def test_what_cannot_be_read_is_named(save, array, reason):
    path = save(array)
    with pytest.raises(ValueError) as caught:
        list(read(path))
    assert reason in str(caught.value)
    assert "walk" in str(caught.value)


def test_an_npz_of_several_such_arrays_is_no_clip(save):
    path = save(None, "walk.npz", left=FRAMES, right=FRAMES)
    with pytest.raises(ValueError, match="holds left, right, expected one array"):
        list(read(path, "poses"))


def test_scores_beside_the_coordinates(tmp_path):
    """As rtmlib's users save them: (frames, people, joints, 2) and scores (frames, people, joints)."""
    pixels = (FRAMES[:, None, :, :2] + 2) * 300 + [[[0, 0]], [[900, 0]]]
    scores = np.random.default_rng(0).uniform(0.3, 1, pixels.shape[:3])
    np.savez(tmp_path / "a.npz", keypoints=pixels, scores=scores)
    (clip,) = read(tmp_path / "a.npz", layout="h36m17")
    np.testing.assert_allclose(clip.keypoint, pixels.swapaxes(0, 1), rtol=1e-6)
    np.testing.assert_allclose(clip.score, scores.swapaxes(0, 1), rtol=1e-6)
    np.savez(tmp_path / "b.npz", keypoints=pixels[:, 0], scores=scores[:, 0])
    (clip,) = read(tmp_path / "b.npz", layout="h36m17")
    np.testing.assert_allclose(clip.score[0], scores[:, 0], rtol=1e-6)


def test_nested_lists_of_json(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(FRAMES.round(4).tolist()))
    found = recordings(tmp_path / "a.json")
    (clip,) = found.clips
    assert (found.format, clip.layout.name) == ("poses", "h36m17")
    np.testing.assert_allclose(clip.keypoint[0, 1:], FRAMES[1:].round(4), rtol=1e-6)
    (tmp_path / "b.json").write_text("[[[1, 2, 3], [4, 5]]]")
    with pytest.raises(ValueError, match=r"b\.json is no nested list of frames, joints and 2 to 4 coordinates"):
        list(read(tmp_path / "b.json"))


@pytest.mark.parametrize("label", ["wave", np.array(["wave"]), np.array("wave", dtype=object)], ids=str)
def test_single_values_of_an_npz_say_something_of_the_clip(save, label):
    found = recordings(save(None, "a.npz", keypoints=FRAMES, label=label, subject=3, fps=25, times=np.arange(5)))
    (clip,) = found.clips
    assert (found.class_names, clip.label, clip.attributes, clip.fps) == (("wave",), 0, {"subject": 3}, 25)
    assert "times (5,)" in " ".join(found.skipped())


def test_labels_in_the_files_of_a_folder(save, tmp_path):
    for name, label in (("a", "wave"), ("b", "bow"), ("c", "wave")):
        save(None, f"clips/{name}.npz", keypoints=FRAMES + ord(name), label=label, subject=name)
    found = recordings(tmp_path / "clips")
    assert [(it.name, found.class_names[it.label], it.attributes["subject"]) for it in found.clips] == [
        ("a", "wave", "a"), ("b", "bow", "b"), ("c", "wave", "c"),
    ]  # fmt: skip


def test_names_in_an_npz_say_the_order_of_joints(save):
    names = load_layout("h36m17").joints
    turned = np.arange(17)[::-1]
    scores = np.linspace(0.1, 0.9, 17) * np.ones((5, 1))
    arrays = {"joints": FRAMES[:, turned] + FAR, "scores": scores, "joint_names": [names[i] for i in turned]}
    (clip,) = read(save(None, "a.npz", **arrays))
    np.testing.assert_allclose(clip.keypoint[0], FRAMES + FAR, rtol=1e-6)
    np.testing.assert_allclose(clip.score[0, 0], scores[0, turned], rtol=1e-6)


def test_joints_first_is_refused_with_the_way(save):
    frames = np.stack([H36M + 10 * i for i in range(20)]) / 1000
    with pytest.raises(ValueError, match=r"\(17, 20, 3\) looks like \(joints, frames, coordinates\).*transpose"):
        list(read(save(frames.swapaxes(0, 1))))


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.txt", " "), ("a.csv", ";")])
def test_rows_of_numbers_as_text(tmp_path, name, separator):
    np.savetxt(tmp_path / name, (FRAMES + FAR).reshape(5, -1), delimiter=separator)
    found = recordings(tmp_path / name)
    (clip,) = found.clips
    assert (found.format, clip.layout.name) == ("poses", "h36m17")
    np.testing.assert_allclose(clip.keypoint[0], FRAMES + FAR, rtol=1e-6)


def test_somebody_who_comes_and_goes_swaps_no_axes(save):
    """24 frames are as many as the joints of a layout; the second person jumps in and out."""
    frames = np.stack([H36M + 10 * i for i in range(24)]) / 1000
    second = np.where(np.arange(24)[:, None, None] % 6 == 0, frames + FAR, 0)
    (clip,) = read(save(np.stack([frames, second], 1)))
    assert clip.keypoint.shape == (2, 24, 17, 3)


def test_rows_that_begin_with_the_number_of_the_frame(tmp_path):
    """As FPHA's hands and tables of gait have them; 52 numbers could be 26 joints with two, too."""
    rows = np.concatenate([np.arange(5)[:, None], (FRAMES + FAR).reshape(5, 51)], 1)
    np.savetxt(tmp_path / "a.txt", rows, fmt="%.5f")
    found = recordings(tmp_path / "a.txt")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], FRAMES + FAR, atol=1e-5)
    assert "the first number of a row counts the frames" in found.assumed


def test_a_number_of_joints_that_no_layout_has_is_said(save):
    with pytest.raises(ValueError, match="543 joints in 3D are of no layout that is known here"):
        recordings(save(np.random.default_rng(0).uniform(size=(6, 543, 3)).astype(np.float32)))


def test_a_json_of_one_name_is_an_array(tmp_path):
    """As Fit3D's joints3d_25."""
    (tmp_path / "squat.json").write_text(json.dumps({"joints3d_25": FRAMES.tolist()}))
    (clip,) = recordings(tmp_path / "squat.json", layout="coco17", units="m", up="y").clips
    np.testing.assert_allclose(clip.keypoint[0], FRAMES, rtol=1e-6)


def test_states_of_a_kinect_are_scores(save):
    states = np.resize([0, 1, 2], FRAMES.shape[:2])
    (clip,) = recordings(save(np.concatenate([FRAMES, states[..., None]], 2)), layout="coco17", units="m", up="y").clips
    assert clip.score[0, 0, :3].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("ending", [".pkl", ".pt"])
def test_folders_of_pickles_and_tensors_are_clips_of_classes(tmp_path, ending):
    torch = pytest.importorskip("torch")
    for number, name in enumerate(("walk/a", "walk/b", "run/a")):
        (path := (tmp_path / name).with_suffix(ending)).parent.mkdir(exist_ok=True)
        array = FRAMES + number
        torch.save(torch.tensor(array), path) if ending == ".pt" else path.write_bytes(pickle.dumps(array))
    found = recordings(tmp_path, layout="coco17", units="m", up="y")
    clips = {clip.name: (found.class_names[clip.label], clip.keypoint[0, 0, 0]) for clip in found.clips}
    assert {name: label for name, (label, _) in clips.items()} == {"run/a": "run", "walk/a": "walk", "walk/b": "walk"}
    np.testing.assert_allclose(clips["walk/b"][1], FRAMES[0, 0] + 1, rtol=1e-6)


@pytest.mark.parametrize("ending", [".txt", ".csv"])
def test_text_with_a_row_a_joint_needs_the_layout(tmp_path, ending):
    """As TST's falls and UWA3D are: nothing says where a frame ends."""
    separator = "," if ending == ".csv" else " "
    text = "".join(separator.join(f"{it:.4f}" for it in joint) + "\n" for frame in FRAMES for joint in frame)
    (path := (tmp_path / "walk").with_suffix(ending)).write_text(text)
    with pytest.raises(ValueError, match="has rows of 3 numbers, a joint each; name the joints by --layout"):
        recordings(path)
    (clip,) = recordings(path, layout="coco17", units="m", up="y").clips
    np.testing.assert_allclose(clip.keypoint[0], FRAMES, atol=1e-4)
    path.write_text(text[: text.rindex("\n", 0, -1) + 1])
    with pytest.raises(ValueError, match=r"rows, expected 17 for each frame; is it cut\?"):
        recordings(path, layout="coco17")


def test_blank_lines_between_frames_say_how_many_joints_there_are(tmp_path):
    blocks = ["\n".join(" ".join(f"{it:.4f}" for it in joint) for joint in frame) for frame in FRAMES + FAR]
    (tmp_path / "a.txt").write_text("\n\n".join(blocks) + "\n")
    (clip,) = read(tmp_path / "a.txt")
    np.testing.assert_allclose(clip.keypoint[0], FRAMES + FAR, atol=1e-4)


def test_files_of_other_formats_in_the_folder_are_counted(save, tmp_path):
    save(FRAMES, "walk.npy")
    (tmp_path / "walk.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "a.bvh").write_text("HIERARCHY")
    found = recordings(tmp_path, format="poses", layout="h36m17")
    assert "files of other formats: 1 .bvh, 1 .mp4; give their folders alone to read them" in found.skipped()


@pytest.mark.parametrize("before", [[], [0, 0, 0, 0], [0, 0, 0, 0, 0.9], [0, 0, 0, 0, 0.9, -1, -1, -1]])
def test_rows_of_people_in_frames_as_trackers_write_them(tmp_path, before):
    """Person 7 is there from frame 3 on; the rows of MOT begin with frame, id and box."""
    rest = body("coco17", 2) * 200 + 400
    rows, rng = [], np.random.default_rng(0)
    for t in range(1, 9):
        for who in (2, 7) if t > 2 else (2,):
            joints = rest + [who * 50 + t, t] + rng.normal(0, 0.01, rest.shape)
            box = [*joints.min(0), *np.ptp(joints, axis=0)]
            joints = np.column_stack([joints, np.full(17, 0.5)]).ravel()
            rows.append([t, who, *box[: len(before)], *before[4:], *joints])
    (tmp_path / "gt.txt").write_text("".join(",".join(f"{it:g}" for it in row) + "\n" for row in rows))
    found = recordings(tmp_path / "gt.txt")
    (clip,) = found.clips
    assert (clip.layout.name, clip.keypoint.shape) == ("coco17", (2, 8, 17, 2))
    assert clip.score.max() == 0.5
    assert not clip.keypoint[1, :2].any()
    np.testing.assert_allclose(clip.keypoint[1, 7], rest + [358, 8], atol=0.1)
    assert any("each row is a person in a frame" in line for line in found.assumed)


def test_a_row_of_nobody_is_left_out(save):
    two = np.stack([np.zeros_like(FRAMES), FRAMES])
    (clip,) = read(save(two), layout="h36m17")
    assert clip.people == 1
    (clip,) = read(save(two), layout="h36m17", bodies="rows")
    assert clip.people == 2


def test_scores_in_percent_beside_pixels(save):
    places = np.stack([body("coco17", 2) * 500 + 400 + [t, 0] for t in range(6)])
    sure = np.random.default_rng(0).uniform(20, 99, (6, 17, 1))
    (clip,) = read(save(np.concatenate([places, sure], 2)))
    assert clip.keypoint.shape[3] == 2
    np.testing.assert_allclose(clip.score[0], sure[..., 0] / 100, rtol=1e-5)


@pytest.mark.parametrize("size", [7, 9])
def test_rotations_behind_the_places_of_joints_are_left_out(tmp_path, size):
    """As of Keraal: x, y, z and a quaternion of each joint, zero where none is known; with 9, x and y of a picture."""
    places = np.stack([body("ntu25") + [0.01 * t, 0, 2] for t in range(5)]).round(4)
    rest = np.zeros((5, 25, size - 3))
    rest[:, :20, :4] = 0.5
    rows = np.concatenate([places, rest], axis=2).reshape(5, -1)
    np.savetxt(tmp_path / "a.txt", rows, fmt="%g")
    np.save(tmp_path / "b.npy", rows)
    for name in ("a.txt", "b.npy"):
        found = recordings(tmp_path / name)
        (clip,) = found.clips
        assert clip.layout.name == "ntu25"
        assert "the four numbers behind them are its rotation" in found.assumed[0]
        np.testing.assert_allclose(clip.keypoint[0], places, atol=1e-4)
