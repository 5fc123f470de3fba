"""The fuzzed readers of recordings: NTU RGB+D's text, pickles and arrays, TFRecord, tables, OpenPose."""

import io
import json
import pickle
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from kinegraph.data.formats import ntu, ntu_scan, ntu_text
from kinegraph.data.formats.ntu_text import Bodies
from kinegraph.data.read import recordings
from kinegraph.data.reading.files.tfrecord_wire import serialize_example, serialize_tensor, write_record
from kinegraph.skeleton.layout import load_layout
from tests.fuzz.reader import Reader, as_file, drain, made

# ---- NTU RGB+D's text ------------------------------------------------------------------------------------------------

SAMPLE = "S001C001P001R001A001.skeleton"


def _ntu(folder: Path, data: bytes) -> None:
    found = [read(data) for read in (ntu_text._fast, ntu_scan.fast)]
    (folder / SAMPLE).write_bytes(data)
    bodies = ntu_text._careful(data) if any(found) else None
    for one in filter(None, found):  # what the quick readers take, the careful one takes, and it is the same
        assert _same(one, bodies), "two readers of NTU's text differ"
    for policy in ntu.POLICIES:
        drain(recordings(folder / SAMPLE, "ntu", bodies=policy, classes=60, keep_missing=True, workers=1))


def _same(one: Bodies, other: Bodies) -> bool:
    same = (one.frames, one.ids, one.frame.tolist()) == (other.frames, other.ids, other.frame.tolist())
    return same and np.array_equal(one.joints, other.joints)


def _ntu_seeds() -> list[bytes]:
    joint = "0.{0} 1.5 -2.25 0 0 0 0 0 0 0 0 2\n"
    body = "7205759{0} 0 1 1 0 0 0 0.1 -0.2 2\n25\n"
    bodies = ["".join([body.format(i), *(joint.format(f"{i}{j}") for j in range(25))]) for i in range(2)]
    many = "".join(f"2\n{bodies[0]}{bodies[1]}" for _ in range(3))
    return [
        f"2\n1\n{bodies[0]}0\n".encode(),
        f"3\n{many}".encode(),
        f"1\n1\n{bodies[0]}".replace("1.5", "1e-05").encode(),
    ]


# ---- pickles and arrays ----------------------------------------------------------------------------------------------


def _annotation_seeds() -> list[list[bytes]]:
    keypoint = np.arange(2 * 3 * 17 * 2, dtype=np.float16).reshape(2, 3, 17, 2)
    one = {"frame_dir": "a", "label": 0, "img_shape": (480, 640), "total_frames": 3, "keypoint": keypoint}
    one |= {"keypoint_score": np.ones((2, 3, 17), np.float16), "original_shape": (480, 640)}
    content = {"split": {"xsub_train": ["a"], "xsub_val": ["b"]}, "annotations": [one, one | {"frame_dir": "b"}]}
    listed = [{"frame_dir": "a", "label": 1, "keypoint": keypoint, "total_frames": 3}]
    own = [made()["a.pkl"]]
    return [[pickle.dumps(content, 2), pickle.dumps(listed, 4), pickle.dumps(content, 0)] + own, _kinetics_seeds()]


def _kinetics_seeds() -> list[bytes]:
    return [pickle.dumps({"a": {"keypoint": np.ones((5, 17, 3), np.float16)}}, 4)]


def _kpfile(folder: Path, data: bytes) -> None:
    (folder / "k.pkl").write_bytes(data)
    item = {"frame_dir": "a", "label": 0, "img_shape": (9, 9), "original_shape": (9, 9), "total_frames": 3}
    item |= {"raw_file": "k.pkl", "frame_inds": np.array([0, 0, 1, 2, 2]), "box_score": np.ones(5)}
    (folder / "a.pkl").write_bytes(pickle.dumps([item]))
    drain(recordings(folder / "a.pkl", "annotations"))


def _padded(folder: Path, array: bytes, labels: bytes) -> None:
    (folder / "train_data_joint.npy").write_bytes(array)
    (folder / "train_label.pkl").write_bytes(labels)
    drain(recordings(folder / "train_data_joint.npy", "npy"))


@cache
def _plain_array() -> bytes:
    return _npy(np.ones((2, 3, 2, 25, 2), np.float32))


@cache
def _plain_labels() -> bytes:
    return pickle.dumps((["a", "b"], [0, 1]), 2)


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def _padded_seeds() -> list[list[bytes]]:
    babel = (["s1", "s2"], ([3, 4], ["q", "q"], [0, 1], ["x", "y"]))
    labels = [_plain_labels(), pickle.dumps(babel, 2), pickle.dumps((("a", "b"), np.array([0, 1])), 4)]
    return [[_plain_array(), _npy(np.asfortranarray(np.ones((2, 2, 2, 18, 1), np.float16)))], labels]


NPZ = {
    "keypoint": np.ones((4, 3, 3), np.float32),
    "length": np.array([2, 2]),
    "joint_names": np.array(["hip", "left foot", "right foot"]),
    "parents": np.array([-1, 0, 0]),
    "label": np.array([0, 1]),
    "class_names": np.array(["a", "b"]),
    "subject": np.array([1, 2]),
    "fps": np.array(30.0),
}


def _npz(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


def _npz_member(folder: Path, data: bytes) -> None:
    """One array of a good file replaced; which, says the first byte."""
    names = list(NPZ)
    members = {f"{name}.npy": _npy(array) for name, array in NPZ.items()}
    name = names[data[0] % len(names)] if data else names[0]
    (folder / "a.npz").write_bytes(_npz(members | {f"{name}.npy": data[1:]}))
    drain(recordings(folder / "a.npz", "npz"))


def _npz_seeds() -> list[list[bytes]]:
    members = {f"{name}.npy": _npy(array) for name, array in NPZ.items()}
    each = [bytes([i]) + members[f"{name}.npy"] for i, name in enumerate(NPZ)]
    return [[_npz(members)], each]


# ---- TFRecord --------------------------------------------------------------------------------------------------------


def _record(data: bytes) -> bytes:
    content = io.BytesIO()
    write_record(content, data)
    return content.getvalue()


def _tfrecord(folder: Path, data: bytes) -> None:
    (folder / "train-0.tfrecord").write_bytes(data)
    drain(recordings(folder, "tfrecord"))


def _tensor(folder: Path, data: bytes) -> None:
    _tfrecord(folder, _record(serialize_example({"features": data, "label": 3})))


def _tfrecord_seeds() -> list[list[bytes]]:
    tensor = serialize_tensor(np.ones((3, 2, 25, 2), np.float32))
    example = serialize_example({"features": tensor, "label": 3, "name": b"a", "frames": 2, "people": 1})
    return [[_record(example), _record(example) * 2], [example], [tensor]]


# ---- tables, JSON ----------------------------------------------------------------------------------------------------


def _csv_seeds() -> list[list[bytes]]:
    rows = [f"{clip},{frame},{joint},{joint}.5,1e-2" for clip in "ab" for frame in (0, 1) for joint in range(17)]
    wide = [f"{row};7;0.5;walk;train;30;640;480;3".replace(",", ";") for row in rows]
    header = "clip;frame;joint;x;y;person;score;label;split;fps;width;height;subject"
    labels = "clip,label,split,subject\na,wave,train,1\nb,walk,val,2\n"
    return [
        ["\n".join(["clip,frame,joint,x,y", *rows]).encode(), "\n".join([header, *wide]).encode()],
        [labels.encode(), b'clip\tlabel\na\t0\n"b"\t1\n'],
    ]


def _labels_file(folder: Path, data: bytes) -> None:
    (folder / "labels.csv").write_bytes(data)
    (folder / "a.csv").write_bytes(_csv_seeds()[0][0])
    drain(recordings(folder / "a.csv", "table", labels_file=folder / "labels.csv"))


def _json_seeds() -> list[list[bytes]]:
    clip = {
        "name": "a",
        "label": "wave",
        "keypoint": [[[[1, 2.5]] * 17] * 2],
        "score": [[[0.5] * 17] * 2],
        "subject": 1,
    }
    whole = {"layout": "coco17", "units": "px", "fps": 30, "image_size": [640, 480], "class_names": ["wave", "walk"]}
    layout = load_layout("hand21").to_dict()
    own = {"layout": layout, "clips": [{"name": "b", "keypoint": [[[1, None, 3]] * 21]}]}
    return [[json.dumps(it).encode() for it in (whole | {"clips": [clip, clip | {"name": "b", "split": "val"}]}, own)]]


def _openpose_frames(folder: Path, data: bytes) -> None:
    (folder / "wave" / "a").mkdir(parents=True)
    for number, content in ((0, _openpose_seeds()[0][0]), (1, data)):
        (folder / "wave" / "a" / f"a_{number:012}_keypoints.json").write_bytes(content)
    drain(recordings(folder, "openpose", workers=1))


def _kinetics(folder: Path, data: bytes) -> None:
    (folder / "k_train").mkdir()
    (folder / "k_train" / "a.json").write_bytes(data)
    drain(recordings(folder, "openpose", workers=1))


def _kinetics_labels(folder: Path, data: bytes) -> None:
    (folder / "k_train_label.json").write_bytes(data)
    _kinetics(folder, _openpose_seeds()[1][0])


def _openpose_seeds() -> list[list[bytes]]:
    person = {"pose_keypoints_2d": [1.5, 2.5, 0.5] * 18}
    skeleton = {"pose": [0.25, 0.5] * 18, "score": [0.5] * 18}
    frames = [{"frame_index": i, "skeleton": [skeleton] * (i % 3)} for i in range(1, 4)]
    labels = {"a": {"has_skeleton": True, "label": "yoga", "label_index": 1}}
    contents = [{"people": [person, person]}], [{"data": frames, "label": "yoga", "label_index": 1}], [labels]
    return [[json.dumps(it).encode() for it in each] for each in contents]


RECORDINGS = {
    "NTU text": Reader([_ntu], lambda: [_ntu_seeds()]),
    "annotation pickles": Reader(
        [as_file("a.pkl", lambda path: drain(recordings(path, "annotations"))), _kpfile], _annotation_seeds
    ),
    "npy and label pickles": Reader(
        [
            lambda folder, data: _padded(folder, data, _plain_labels()),
            lambda folder, data: _padded(folder, _plain_array(), data),
        ],
        _padded_seeds,
    ),
    "npz": Reader([as_file("a.npz", lambda path: drain(recordings(path, "npz"))), _npz_member], _npz_seeds),
    "TFRecord": Reader([_tfrecord, lambda folder, data: _tfrecord(folder, _record(data)), _tensor], _tfrecord_seeds),
    "CSV tables": Reader([as_file("a.csv", lambda path: drain(recordings(path, "table"))), _labels_file], _csv_seeds),
    "JSON tables": Reader([as_file("a.json", lambda path: drain(recordings(path, "table")))], _json_seeds),
    "OpenPose JSON": Reader([_openpose_frames, _kinetics, _kinetics_labels], _openpose_seeds),
}
