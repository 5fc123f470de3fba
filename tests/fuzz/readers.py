"""The readers that are fuzzed: how bytes become the file or folder that each of them reads.

The first byte of an input chooses the form in which the rest is put into a file. Beside the bytes as they are, formats
with checksums or compression have a form that adds these, so that mutations get past them.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import save

from kinegraph.commands.arguments import read_config
from kinegraph.commands.complaints import check_yaml
from kinegraph.commands.train import train
from kinegraph.data.sources import annotations, arrays, ntu, ntu_scan, ntu_text, openpose, padded, table, tfrecord
from kinegraph.data.sources.annotations_write import write_annotations
from kinegraph.data.sources.ntu_text import Bodies
from kinegraph.data.sources.recordings import Recordings
from kinegraph.data.sources.tfrecord_wire import serialize_example, serialize_tensor, write_record
from kinegraph.data.store import open_dataset
from kinegraph.inference.inputs import read_inputs
from kinegraph.inference.result_files import read_result
from kinegraph.models.published import load_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import HEADER, load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up

Form = Callable[[Path, bytes], object]  # puts the bytes into a file of a folder and reads it


@dataclass(frozen=True)
class Reader:
    """forms: chosen by an input's first byte. seeds: inputs of each form that are read without complaint, or nearly."""

    forms: Sequence[Form]
    seeds: Callable[[], Sequence[Sequence[bytes]]]

    def inputs(self) -> list[bytes]:
        return [bytes([48 + form]) + seed for form, seeds in enumerate(self.seeds()) for seed in seeds]

    def read(self, folder: Path, data: bytes) -> None:
        form = self.forms[data[0] % 48 % len(self.forms)] if data else self.forms[0]
        form(folder, data[1:])


def _drain(found: Recordings) -> None:
    for clip in found.clips:
        assert clip.keypoint.dtype.kind == "f", clip.keypoint.dtype
    found.left_out()


def _file(name: str, read: Callable[[Path], object]) -> Form:
    def form(folder: Path, data: bytes) -> None:
        (folder / name).write_bytes(data)
        read(folder / name)

    return form


# ---- NTU RGB+D's text ------------------------------------------------------------------------------------------------

SAMPLE = "S001C001P001R001A001.skeleton"


def _ntu(folder: Path, data: bytes) -> None:
    found = [read(data) for read in (ntu_text._fast, ntu_scan.fast)]
    (folder / SAMPLE).write_bytes(data)
    bodies = ntu_text._careful(data) if any(found) else None
    for one in filter(None, found):  # what the quick readers take, the careful one takes, and it is the same
        assert _same(one, bodies), "two readers of NTU's text differ"
    for policy in ntu.POLICIES:
        _drain(ntu.recordings(folder / SAMPLE, bodies=policy, classes=60, keep_missing=True, workers=1))


def _same(one: Bodies, other: Bodies) -> bool:
    told = (one.frames, one.ids, one.frame.tolist()) == (other.frames, other.ids, other.frame.tolist())
    return told and np.array_equal(one.joints, other.joints)


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


@cache
def _made() -> dict[str, bytes]:
    """Small files of every format that we write ourselves."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        dataset = made_up.dataset(folder / "set", 3)
        write_annotations(folder / "a.pkl", dataset)
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _annotation_seeds() -> list[list[bytes]]:
    keypoint = np.arange(2 * 3 * 17 * 2, dtype=np.float16).reshape(2, 3, 17, 2)
    one = {"frame_dir": "a", "label": 0, "img_shape": (480, 640), "total_frames": 3, "keypoint": keypoint}
    one |= {"keypoint_score": np.ones((2, 3, 17), np.float16), "original_shape": (480, 640)}
    content = {"split": {"xsub_train": ["a"], "xsub_val": ["b"]}, "annotations": [one, one | {"frame_dir": "b"}]}
    listed = [{"frame_dir": "a", "label": 1, "keypoint": keypoint, "total_frames": 3}]
    own = [_made()["a.pkl"]]
    return [[pickle.dumps(content, 2), pickle.dumps(listed, 4), pickle.dumps(content, 0)] + own, _kinetics_seeds()]


def _kinetics_seeds() -> list[bytes]:
    return [pickle.dumps({"a": {"keypoint": np.ones((5, 17, 3), np.float16)}}, 4)]


def _kpfile(folder: Path, data: bytes) -> None:
    (folder / "k.pkl").write_bytes(data)
    item = {"frame_dir": "a", "label": 0, "img_shape": (9, 9), "original_shape": (9, 9), "total_frames": 3}
    item |= {"raw_file": "k.pkl", "frame_inds": np.array([0, 0, 1, 2, 2]), "box_score": np.ones(5)}
    (folder / "a.pkl").write_bytes(pickle.dumps([item]))
    _drain(annotations.recordings(folder / "a.pkl"))


def _padded(folder: Path, array: bytes, labels: bytes) -> None:
    (folder / "train_data_joint.npy").write_bytes(array)
    (folder / "train_label.pkl").write_bytes(labels)
    _drain(padded.recordings(folder / "train_data_joint.npy"))


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
    _drain(arrays.recordings(folder / "a.npz"))


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
    _drain(tfrecord.recordings(folder))


def _tensor(folder: Path, data: bytes) -> None:
    _tfrecord(folder, _record(serialize_example({"features": data, "label": 3})))


def _tfrecord_seeds() -> list[list[bytes]]:
    tensor = serialize_tensor(np.ones((3, 2, 25, 2), np.float32))
    example = serialize_example({"features": tensor, "label": 3, "name": b"a", "frames": 2, "people": 1})
    return [[_record(example), _record(example) * 2], [example], [tensor]]


# ---- tables, JSON, YAML ----------------------------------------------------------------------------------------------


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
    _drain(table.recordings(folder / "a.csv", labels_file=folder / "labels.csv"))


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
    _drain(openpose.recordings(folder, workers=1))


def _kinetics(folder: Path, data: bytes) -> None:
    (folder / "k_train").mkdir()
    (folder / "k_train" / "a.json").write_bytes(data)
    _drain(openpose.recordings(folder, workers=1))


def _kinetics_labels(folder: Path, data: bytes) -> None:
    (folder / "k_train_label.json").write_bytes(data)
    _kinetics(folder, _openpose_seeds()[1][0])


def _openpose_seeds() -> list[list[bytes]]:
    person = {"pose_keypoints_2d": [1.5, 2.5, 0.5] * 18}
    skeleton = {"pose": [0.25, 0.5] * 18, "score": [0.5] * 18}
    frames = [{"frame_index": i, "skeleton": [skeleton] * (i % 3)} for i in range(1, 4)]
    labels = {"a": {"has_skeleton": True, "label": "yoga", "label_index": 1}}
    told = [{"people": [person, person]}], [{"data": frames, "label": "yoga", "label_index": 1}], [labels]
    return [[json.dumps(it).encode() for it in each] for each in told]


def _config(path: Path) -> None:
    check_yaml(path)
    try:
        read_config(train, path)
    except ValueError as error:  # an option is the place: it may stand on the command line too
        raise ValueError(f"{path}: {error}") from error


def _yaml_seeds() -> list[list[bytes]]:
    folder = Path(__file__).parents[2]
    layouts = [folder / "src/kinegraph/skeleton/layouts" / f"{name}.yaml" for name in ("coco17", "hand21")]
    configs = [folder / "configs/small_data.yaml", folder / "configs/demo_synthetic.yaml"]
    own = b"dataset: x\n" + made_up.CONFIG.encode()
    anchors = b"&a [*a]\n", b"a: &x [1, 2]\nb: [*x, *x]\n<<: {c: 2001-12-14}\n"
    return [
        [file.read_bytes() for file in layouts] + [anchors[0]],
        [file.read_bytes() for file in configs] + [own, anchors[1]],
    ]


# ---- our own files ---------------------------------------------------------------------------------------------------


def _dataset_file(name: str) -> Form:
    def form(folder: Path, data: bytes) -> None:
        for file in ("keypoint.npy", "clips.csv", "dataset.json"):
            (folder / file).write_bytes(data if file == name else _made()[f"set/{file}"])
        _drain(read_inputs([folder])[0])
        open_dataset(folder, check_values=True)

    return form


@cache
def _network() -> STGCN:
    return STGCN(torch.from_numpy(adjacency(load_layout("coco17"), "spatial")).float(), 2, 3, widths=[4, 4])


@cache
def _weights() -> bytes:
    with TemporaryDirectory() as name:
        path = Path(name) / "w.safetensors"
        told = {"layout": load_layout("coco17"), "class_names": ["a", "b", "c"], "preprocessing": {}}
        save_weights(path, _network(), **told)
        return path.read_bytes()


def _weights_header(folder: Path, data: bytes) -> None:
    """The text in the header of a good file replaced."""
    text = data.decode("utf-8", "replace")
    (folder / "w.safetensors").write_bytes(save(_network().state_dict(), metadata={HEADER: text}))
    load_weights(folder / "w.safetensors")


def _weights_seeds() -> list[list[bytes]]:
    size = int.from_bytes(_weights()[:8], "little")
    header = json.loads(_weights()[8 : 8 + size])["__metadata__"][HEADER]
    return [[_weights()], [header.encode()]]


def _zipped_state(folder: Path, data: bytes) -> None:
    """The pickle in a good .pth replaced."""
    _write_zip(folder / "w.pth", {"archive/data.pkl": data})
    load_published(folder / "w.pth")


def _write_zip(path: Path, replaced: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(_states()[0])) as good, zipfile.ZipFile(path, "w") as file:
        for name in good.namelist():
            file.writestr(name, replaced.get(name, good.read(name)))


@cache
def _states() -> list[bytes]:
    state, made = {"st_gcn_networks.0.gcn.conv.weight": torch.ones(3, 2), "A": torch.ones(2)}, []
    for new in (True, False):
        content = io.BytesIO()
        torch.save(state, content, _use_new_zipfile_serialization=new)
        made.append(content.getvalue())
    return made


def _state_seeds() -> list[list[bytes]]:
    with zipfile.ZipFile(io.BytesIO(_states()[0])) as file:
        return [_states(), [file.read("archive/data.pkl")]]


def _result_seeds() -> list[list[bytes]]:
    scores = [np.array([0.25, 0.75], np.float32)] * 2
    dicts = [{"pred_score": torch.tensor([0.25, 0.75]), "gt_label": torch.tensor([1])}] * 2
    found = [pickle.dumps(scores, 3), pickle.dumps(dicts, 2), pickle.dumps(np.ones((2, 3)), 4)]
    return [found, [b"clip,prediction\na,1\nb,1\n"]]


def _predictions(folder: Path, data: bytes) -> None:
    (folder / "predictions.csv").write_bytes(data)
    (folder / "result.pkl").write_bytes(_result_seeds()[0][0])
    read_result(folder / "result.pkl")


READERS = {
    "NTU text": Reader([_ntu], lambda: [_ntu_seeds()]),
    "annotation pickles": Reader(
        [_file("a.pkl", lambda path: _drain(annotations.recordings(path))), _kpfile], _annotation_seeds
    ),
    "npy and label pickles": Reader(
        [
            lambda folder, data: _padded(folder, data, _plain_labels()),
            lambda folder, data: _padded(folder, _plain_array(), data),
        ],
        _padded_seeds,
    ),
    "npz": Reader([_file("a.npz", lambda path: _drain(arrays.recordings(path))), _npz_member], _npz_seeds),
    "TFRecord": Reader([_tfrecord, lambda folder, data: _tfrecord(folder, _record(data)), _tensor], _tfrecord_seeds),
    "CSV tables": Reader([_file("a.csv", lambda path: _drain(table.recordings(path))), _labels_file], _csv_seeds),
    "JSON tables": Reader([_file("a.json", lambda path: _drain(table.recordings(path)))], _json_seeds),
    "OpenPose JSON": Reader([_openpose_frames, _kinetics, _kinetics_labels], _openpose_seeds),
    "YAML": Reader([_file("own.yaml", load_layout), _file("config.yaml", _config)], _yaml_seeds),
    "dataset folders": Reader(
        [_dataset_file("dataset.json"), _dataset_file("clips.csv"), _dataset_file("keypoint.npy")],
        lambda: [[_made()["set/dataset.json"]], [_made()["set/clips.csv"]], [_made()["set/keypoint.npy"]]],
    ),
    "weights": Reader([_file("w.safetensors", load_weights), _weights_header], _weights_seeds),
    "pth": Reader([_file("w.pth", load_published), _zipped_state], _state_seeds),
    "results": Reader([_file("result.pkl", read_result), _predictions], _result_seeds),
}


def corpus(name: str) -> Iterator[Path]:
    """The kept inputs of a reader: each once broke something."""
    folder = Path(__file__).parent / "corpus" / name.replace(" ", "_")
    return iter(sorted(folder.glob("*"))) if folder.is_dir() else iter(())
