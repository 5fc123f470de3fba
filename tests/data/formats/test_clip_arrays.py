"""Several clips in one .npz, pickle or .npy of objects: an array each, or all of a part with their labels."""

import json
import pickle

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

REST = body("ntu25", 3)
CLIPS = np.stack([[REST + [0.01 * t, 0, 0.02 * i] for t in range(6)] for i in range(4)]).astype(np.float32)
LABELS = np.array([2, 0, 1, 2])
TWO = np.stack([CLIPS, np.zeros_like(CLIPS)], 1)  # (N, M, T, V, C), the second person is absent

FORMS = {
    "frames, joints": (CLIPS, LABELS),
    "people first": (TWO, LABELS),
    "channels first": (TWO.transpose(0, 4, 2, 3, 1), LABELS),
    "rows as of CTR-GCN": (TWO.transpose(0, 2, 1, 3, 4).reshape(4, 6, 150), np.eye(3)[LABELS]),
    "padded": (np.concatenate([CLIPS, np.zeros((4, 3, 25, 3), np.float32)], 1), LABELS.astype(float)),
}


@pytest.mark.parametrize("form", FORMS)
def test_clips_and_labels_of_parts(tmp_path, form):
    data, labels = FORMS[form]
    path = tmp_path / "NTU_xsub.npz"
    np.savez(path, x_train=data[:3], y_train=labels[:3], x_test=data[3:], y_test=labels[3:])
    found = recordings(path)
    clips = list(found.clips)
    assert [(clip.name, clip.label, dict(clip.splits)) for clip in clips] == [
        ("NTU_xsub-train-0", 2, {"xsub": "train"}),
        ("NTU_xsub-train-1", 0, {"xsub": "train"}),
        ("NTU_xsub-train-2", 1, {"xsub": "train"}),
        ("NTU_xsub-test-0", 2, {"xsub": "test"}),
    ]
    for clip, expected in zip(clips, CLIPS, strict=True):
        np.testing.assert_array_equal(clip.keypoint, expected[None])
    assert (found.layout.name, found.class_names) == ("ntu25", ("class 0", "class 1", "class 2"))
    assert "x_train and y_train: 3 clips and their classes" in found.assumed


def test_names_as_labels_and_no_parts(tmp_path):
    np.savez(tmp_path / "own.npz", X=CLIPS, y=["wave", "bow", "wave", "jump"])
    found = recordings(tmp_path / "own.npz")
    assert [clip.label for clip in found.clips] == [2, 0, 2, 1]
    assert found.class_names == ("bow", "jump", "wave")


def test_an_array_for_each_clip(tmp_path):
    np.savez(tmp_path / "own.npz", walk01=CLIPS[0], jump01=CLIPS[1][:4], notes=np.arange(3))
    found = recordings(tmp_path / "own.npz")
    assert [(clip.name, clip.keypoint.shape) for clip in found.clips] == [
        ("walk01", (1, 6, 25, 3)),
        ("jump01", (1, 4, 25, 3)),
    ]
    assert found.skipped() == ["arrays that are no clips: notes"]


@pytest.mark.parametrize("labels", [[0, 1, 2, -1], [0.5, 1, 2, 0], [[1, 1], [0, 1], [1, 0], [0, 1]]])
def test_labels_that_are_none(tmp_path, labels):
    np.savez(tmp_path / "own.npz", x=CLIPS, y=labels)
    with pytest.raises(ValueError, match=r"own\.npz holds y .*, expected a class from 0 on for each of 4 clips"):
        recordings(tmp_path / "own.npz")


def test_one_recording_with_its_facts_stays_one(tmp_path):
    boxes = np.zeros((6, 2, 4), np.float32)
    two = np.stack([CLIPS[0], 2 - CLIPS[1]], 1)[..., :2] * 100 + 300
    np.savez(tmp_path / "own.npz", keypoints=two, bboxes=boxes, fps=25.0, image_size=[1280, 720])
    found = recordings(tmp_path / "own.npz", layout="ntu25")
    (clip,) = found.clips
    assert (found.format, clip.keypoint.shape) == ("poses", (2, 6, 25, 2))
    assert (clip.fps, clip.image_size) == (25.0, (1280, 720))


RAGGED = [CLIPS[0], CLIPS[1][:4], CLIPS[2][:5]]
PICKLES = {  # content -> names, labels and frames of the clips
    "array": (CLIPS[0], [("a", None, 6)]),
    "list": (RAGGED, [("a-0", None, 6), ("a-1", None, 4), ("a-2", None, 5)]),
    "names": ({"walk": CLIPS[0], b"jump": CLIPS[1][:4]}, [("walk", None, 6), ("jump", None, 4)]),
    "pair": ((RAGGED, ["bow", "wave", "bow"]), [("a-0", 0, 6), ("a-1", 1, 4), ("a-2", 0, 5)]),
    "data and labels": ({"data": RAGGED, "labels": [1, 0, 1]}, [("a-0", 1, 6), ("a-1", 0, 4), ("a-2", 1, 5)]),
    "one with a label": ({"skeleton": CLIPS[0], "label": "wave", "fps": 25}, [("a", 0, 6)]),
    "objects by name": (
        {f"v{i}": {"joints": it, "label": i} for i, it in enumerate(RAGGED)},
        [("v0", 0, 6), ("v1", 1, 4), ("v2", 2, 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", PICKLES)
def test_pickles_and_arrays_of_objects(tmp_path, form):
    content, expected = PICKLES[form]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    holder = np.empty((), object)
    holder[()] = content
    np.save(tmp_path / "a.npy", holder, allow_pickle=True)
    for file in ("a.pkl", "a.npy"):
        found = recordings(tmp_path / file)
        clips = list(found.clips)
        assert [(it.name, it.label, it.keypoint.shape[1]) for it in clips] == expected
        np.testing.assert_array_equal(clips[0].keypoint[0], CLIPS[0])
        assert {it.fps for it in clips} == {25 if form == "one with a label" else None}


def test_scores_in_a_pickle(tmp_path):
    pixels, scores = 500 + 300 * CLIPS[0][..., :2], np.full((6, 25), 0.5, np.float32)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints": pixels, "scores": scores}))
    (clip,) = recordings(tmp_path / "a.pkl", layout="ntu25").clips
    np.testing.assert_array_equal(clip.keypoint[0], pixels)
    np.testing.assert_array_equal(clip.score[0], scores)


def test_arrays_of_different_lengths_in_an_npz(tmp_path):
    listed = np.empty(3, object)
    listed[:] = RAGGED
    np.savez(tmp_path / "a.npz", keypoints=listed, labels=[0, 1, 0])
    assert [(it.label, it.keypoint.shape[1]) for it in recordings(tmp_path / "a.npz").clips] == [(0, 6), (1, 4), (0, 5)]


def test_arrays_of_clips_and_labels_in_files_beside_each_other(tmp_path):
    for name, array in {"X_train": CLIPS[:3], "y_train": LABELS[:3], "X_test": CLIPS[3:], "y_test": LABELS[3:]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    found = [(it.label, it.splits["split"]) for it in recordings(tmp_path).clips]
    assert found == [(2, "train"), (0, "train"), (1, "train"), (2, "test")]
    assert [it.label for it in recordings(tmp_path / "X_train.npy").clips] == [2, 0, 1]
    np.save(tmp_path / "X_train.npy", CLIPS[:3].reshape(3, 6, -1))
    np.testing.assert_array_equal(next(recordings(tmp_path).clips).keypoint[0], CLIPS[0])


def test_many_clips_are_no_people(tmp_path):
    frames = np.arange(12)[:, None, None] * np.float32([0.01, 0, 0])
    many = np.stack([REST + frames + 2.0 * i for i in range(11)]).astype(np.float32)
    np.save(tmp_path / "all.npy", many)
    found = recordings(tmp_path / "all.npy")
    assert [it.keypoint.shape for it in found.clips] == [(1, 12, 25, 3)] * 11
    assert "all: 11 clips, without an array of their labels" in " ".join(found.assumed)


def test_arrays_in_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["keypoints"], file["fps"] = CLIPS[0], 25
    with h5py.File(tmp_path / "several.h5", "w") as file:
        for i, clip in enumerate(RAGGED):
            file[f"clip{i}/skeleton"] = clip
            file[f"clip{i}"].attrs["label"] = i % 2
    (clip,) = recordings(tmp_path / "one.h5").clips
    assert (clip.name, clip.fps) == ("one", 25)
    np.testing.assert_array_equal(clip.keypoint[0], CLIPS[0])
    found = [(it.name, it.label, it.keypoint.shape[1]) for it in recordings(tmp_path / "several.h5").clips]
    assert found == [("clip0", 0, 6), ("clip1", 1, 4), ("clip2", 0, 5)]


def test_links_of_hdf5_to_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["keypoints"] = CLIPS[0]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["keypoints"] = h5py.ExternalLink("other.h5", "/keypoints")
    with pytest.raises(ValueError, match=r"a\.h5"):
        recordings(tmp_path / "a.h5")


def test_joints_come_before_the_turns_of_smpl(tmp_path):
    """HumanAct12's pickle has both, and the labels of its clips."""
    joints = [np.random.default_rng(it).normal(size=(5 + it, 24, 3)) for it in range(2)]
    content = {"poses": [np.zeros((5, 72)), np.zeros((6, 72))], "joints3D": joints, "y": [0, 3]}
    (path := tmp_path / "humanact12poses.pkl").write_bytes(pickle.dumps(content))
    clips = list(recordings(path, layout="smpl24", units="m", up="y").clips)
    assert [clip.label for clip in clips] == [0, 3]
    np.testing.assert_allclose(clips[1].keypoint[0], joints[1], rtol=1e-6)


def test_files_of_parts_are_one_data_set(tmp_path):
    """train.npz and test.npz, each with x and y."""
    for part, count in (("train", 3), ("test", 2)):
        np.savez(tmp_path / f"{part}.npz", x=CLIPS[:count], y=LABELS[:count])
    found = recordings(tmp_path)
    assert [(clip.label, clip.splits["split"]) for clip in found.clips] == [
        *((int(it), "train") for it in LABELS[:3]), *((int(it), "test") for it in LABELS[:2]),
    ]  # fmt: skip


def test_rows_of_holistic_are_body_and_hands(tmp_path):
    """(clips, frames, 1662), as scripts with MediaPipe save them; a visibility beside x, y, z is the score."""
    rows = np.zeros((2, 4, 1662))
    body = np.random.default_rng(0).uniform(0.2, 0.8, (2, 4, 33, 4))
    rows[..., :132], rows[..., 1536:] = body.reshape(2, 4, 132), 0.4
    np.save(tmp_path / "X.npy", rows)
    np.save(tmp_path / "y.npy", np.array([1, 0]))
    found = recordings(tmp_path, units="m", up="y")
    clips = list(found.clips)
    assert (len(found.layout), [clip.label for clip in clips]) == (75, [1, 0])
    assert "MediaPipe's face of 468 points, in each row, is left out" in found.assumed
    np.testing.assert_allclose(clips[1].score[0, :, :33], body[1, ..., 3], rtol=1e-6)
    np.testing.assert_allclose(clips[1].keypoint[0, :, :33], body[1, ..., :3], rtol=1e-6)


@pytest.mark.parametrize("ending", [".pkl", ".npy", ".json"])
def test_lists_under_names_are_clips_of_classes(tmp_path, ending):
    """It was a traceback."""
    clips = np.random.default_rng(0).normal(size=(3, 12, 17, 3))
    content = {"walk": [clips[0], clips[1][:11]], "run": [clips[2]]}
    path = (tmp_path / "all").with_suffix(ending)
    if ending == ".npy":
        np.save(path, content, allow_pickle=True)
    elif ending == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        path.write_text(json.dumps({name: [it.tolist() for it in listed] for name, listed in content.items()}))
    found = recordings(path, layout="coco17", units="m", up="y")
    assert {clip.name: (found.class_names[clip.label], clip.frames) for clip in found.clips} == {
        "walk-0": ("walk", 12), "walk-1": ("walk", 11), "run-0": ("run", 12),
    }  # fmt: skip


def test_a_json_of_names_is_a_clip_each(tmp_path):
    clips = np.random.default_rng(0).normal(size=(2, 12, 17, 3))
    (path := tmp_path / "all.json").write_text(json.dumps({"a": clips[0].tolist(), "b": clips[1][:5].tolist()}))
    found = list(recordings(path, layout="coco17", units="m", up="y").clips)
    assert [(clip.name, clip.frames) for clip in found] == [("a", 12), ("b", 5)]


def test_objects_in_objects_are_parts_or_clips(tmp_path):
    """{"train": {"x", "y"}, "test": ...} and {subject: {action: array}}, which were refused."""
    parts = {"train": {"x": CLIPS[:3], "y": LABELS[:3]}, "test": {"x": CLIPS[3:], "y": LABELS[3:]}}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(parts))
    clips = list(recordings(tmp_path / "a.pkl").clips)
    assert [(clip.label, clip.splits["split"]) for clip in clips] == [
        (2, "train"),
        (0, "train"),
        (1, "train"),
        (2, "test"),
    ]
    np.save(
        tmp_path / "b.npy", {"s1": {"walk": CLIPS[0], "sit": CLIPS[1]}, "s2": {"walk": CLIPS[2]}}, allow_pickle=True
    )
    clips = {clip.name: clip.keypoint[0] for clip in recordings(tmp_path / "b.npy").clips}
    assert [*clips] == ["s1/walk", "s1/sit", "s2/walk"]
    np.testing.assert_array_equal(clips["s2/walk"], CLIPS[2])


@pytest.mark.parametrize("ending", [".npz", ".mat", ".pkl", ".json"])
@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y", "Z"), ("kpt_x", "kpt_y")])
def test_x_y_and_z_that_stand_apart_are_one_array(tmp_path, ending, names):
    places = np.stack([body("coco17", len(names)) * (1 if len(names) > 2 else 200) + 3 + t for t in range(12)])
    arrays = {name: places[..., axis] for axis, name in enumerate(names)}
    file = tmp_path / f"a{ending}"
    if ending == ".npz":
        np.savez(file, **arrays, fps=25)
    elif ending == ".mat":
        pytest.importorskip("scipy.io").savemat(file, arrays | {"fps": 25})
    elif ending == ".pkl":
        file.write_bytes(pickle.dumps(arrays | {"fps": 25}))
    else:
        file.write_text(json.dumps({name: it.tolist() for name, it in arrays.items()} | {"fps": 25}))
    (clip,) = read(file, layout="coco17")
    np.testing.assert_allclose(clip.keypoint[0], places, rtol=1e-5)
    assert clip.fps == 25


@pytest.mark.parametrize("named", [("nose_x", "nose_y"), ("poseX0", "poseY0")])
@pytest.mark.parametrize("ending", [".npz", ".pkl"])
def test_columns_of_a_table_as_arrays(tmp_path, ending, named):
    """Also as of TRex; a centroid and times are no joints."""
    places = np.stack([body("coco17", 2) * 200 + 300 + t for t in range(9)])
    joints = load_layout("coco17").joints
    column = (
        (lambda i, axis: f"{joints[i]}_{axis}") if named[0] == "nose_x" else lambda i, axis: f"pose{axis.upper()}{i}"
    )
    arrays = {column(i, axis): places[:, i, a] for i in range(17) for a, axis in enumerate("xy")}
    arrays |= {"X": np.arange(9.0), "Y": np.arange(9.0), "time": np.arange(9.0)}
    file = tmp_path / f"a{ending}"
    np.savez(file, **arrays) if ending == ".npz" else file.write_bytes(pickle.dumps(arrays))
    (clip,) = read(file, layout="coco17")
    np.testing.assert_allclose(clip.keypoint[0], places, rtol=1e-5)


def frames_of_people(kind, tmp_path):
    """Two people, of whom the second is not there in each third frame; as lists of arrays (people, joints, 3)."""
    rest = np.column_stack([body("coco17", 2) * 200 + 300, np.full(17, 0.9)])
    frames = [np.stack([rest + [t, 0, 0], rest + [400 - t, 0, 0]])[: 1 + (t % 3 > 0)] for t in range(12)]
    objects = np.empty(len(frames), object)
    objects[:] = frames
    file = tmp_path / f"walk{kind.partition(' ')[0]}"
    if kind == ".npy":
        np.save(file, objects)
    elif kind == ".npz":
        np.savez(file, keypoints=objects)
    elif kind == ".pkl":
        file.write_bytes(pickle.dumps(frames))
    else:
        scores = [frame[..., 2] for frame in frames]
        file.write_bytes(pickle.dumps({"keypoints": [frame[..., :2] for frame in frames], "scores": scores}))
    return file


@pytest.mark.parametrize("kind", [".npy", ".npz", ".pkl", ".pkl of a dict"])
def test_lists_of_the_people_of_frames_are_one_clip(tmp_path, kind):
    """They were as many clips as there are frames."""
    (clip,) = read(frames_of_people(kind, tmp_path), layout="coco17")
    assert clip.keypoint.shape == (2, 12, 17, 2)
    assert clip.keypoint[:, :, 5].any(2).sum(1).tolist() == [12, 8]
    np.testing.assert_allclose(clip.score[clip.score > 0], 0.9)


def test_a_list_of_other_bodies_is_one_of_clips(tmp_path):
    places = [np.stack([body("coco17", 3, seed) + [seed, 0, 0]] * 2) for seed in range(8)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(places))
    assert len(list(read(tmp_path / "a.pkl", layout="coco17"))) == 8


def test_pairs_of_arrays_and_labels(tmp_path):
    """As a dataset of PyTorch gives them; groups are those of scikit-learn, who acts."""
    (tmp_path / "a.pkl").write_bytes(
        pickle.dumps([(clip, int(label)) for clip, label in zip(CLIPS, LABELS, strict=True)])
    )
    assert [clip.label for clip in read(tmp_path / "a.pkl")] == LABELS.tolist()
    np.savez(tmp_path / "b.npz", X=CLIPS, y=LABELS, groups=[1, 1, 2, 2])
    assert [clip.attributes["subject"] for clip in read(tmp_path / "b.npz")] == [1, 1, 2, 2]


def test_what_stands_beside_test_is_train(tmp_path):
    """SGN's files have x, valid_x and test_x."""
    np.savez(tmp_path / "a.npz", x=CLIPS, y=LABELS, test_x=CLIPS[:1], test_y=LABELS[:1])
    assert [dict(clip.splits) for clip in read(tmp_path / "a.npz")] == [{"split": "train"}] * 4 + [{"split": "test"}]
