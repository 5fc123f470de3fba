"""`kinegraph inspect`: faults planted in files of every format are found, clean files have none."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.data import faulty

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared") / "data"
GOLDEN = Path(__file__).parents[1] / "golden"
UNNAMED = (faulty.annotations, faulty.lists, faulty.padded, faulty.not_transposed, faulty.tfrecord, faulty.table_csv)


def inspect(path, capsys, *options) -> tuple[int, dict]:
    code = main(["inspect", str(path), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def written(tmp_path, write, fault=None) -> tuple[Path, list[faulty.Clip]]:
    clips = faulty.recordings()
    if fault:
        fault(clips)
    return write(tmp_path, clips), clips


FORMATS = (
    faulty.dataset, faulty.npz, faulty.annotations, faulty.lists, faulty.padded, faulty.tfrecord, faulty.table_csv,
    faulty.table_json, faulty.skeleton,
)  # fmt: skip


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_a_clean_file_has_no_problem(tmp_path, capsys, write):
    path, clips = written(tmp_path, write)
    code, told = inspect(path, capsys, *(("--class-names", "ntu60") if write in UNNAMED else ()))
    assert code == 0, told["findings"]
    assert told["ok"]
    assert {finding["kind"] for finding in told["findings"]} <= {"absent_classes", "joint_order", "no_part"}
    facts = told["facts"]
    assert (facts["clips"], facts["joints"], facts["channels"], facts["layout_guess"]) == (32, 25, 3, "ntu25")
    assert (facts["units_guess"], facts["upward"], facts["subjects"]) == ("m", "y up", 8)
    assert facts["frames"]["longest"] == max(clip.keypoint.shape[1] for clip in clips)
    assert facts["classes"]["clips"] == {str(action): 8 for action in range(4)}
    if write is not faulty.skeleton:  # whose splits are made by prepare
        (parts,) = facts["splits"].values()
        assert parts == {"train": 16, "val": 16}


# Which faults a format can hold, and what they are called there.
ARRAYS = (faulty.dataset, faulty.npz, faulty.annotations, faulty.lists, faulty.padded, faulty.tfrecord)
TABLES = (faulty.table_csv, faulty.table_json)
PLAIN = (faulty.annotations, faulty.lists, faulty.padded, faulty.tfrecord)  # name no joints
RAGGED = (faulty.annotations, faulty.lists, faulty.table_json)
PLANTED = [
    *((write, faulty.nan, "not_finite") for write in ARRAYS),
    *((write, faulty.infinity, "not_finite") for write in TABLES),  # there nan means not seen
    (faulty.skeleton, faulty.nan, "broken"),
    *((write, faulty.label_60, "label") for write in (*ARRAYS, *TABLES)),
    (faulty.skeleton, faulty.label_60, "broken"),
    *((write, faulty.empty, "empty") for write in (*ARRAYS, *TABLES, faulty.skeleton)),
    *((write, faulty.duplicate_name, "duplicate_name") for write in (*ARRAYS, *TABLES, faulty.skeleton)),
    *((write, faulty.duplicate_content, "duplicate_content") for write in (*ARRAYS, *TABLES)),
    *((write, faulty.shared_subject, "shared_subjects") for write in (*ARRAYS, *TABLES)),
    *((write, faulty.joints_24, "joints") for write in RAGGED),
    (faulty.skeleton, faulty.joints_24, "broken"),
    *((write, faulty.all_24, "joints") for write in (faulty.dataset, faulty.npz, faulty.table_json)),
    *((write, faulty.all_24, "layout") for write in PLAIN),
    *((write, faulty.swapped, "swapped_axes") for write in RAGGED),
    *((write, faulty.joints_last, "swapped_axes") for write in (faulty.dataset, faulty.npz)),
    (faulty.not_transposed, None, "swapped_axes"),
    *(
        (write, faulty.millimetres, "units")
        for write in (faulty.dataset, faulty.padded, faulty.tfrecord, faulty.skeleton)
    ),
]


@pytest.mark.parametrize(
    ("write", "fault", "kind"), PLANTED, ids=[f"{w.__name__}-{f.__name__ if f else ''}" for w, f, _ in PLANTED]
)
def test_a_planted_fault_is_found(tmp_path, capsys, write, fault, kind):
    path, clips = written(tmp_path, write, fault)
    code, told = inspect(path, capsys, *(("--class-names", "ntu60") if write in UNNAMED else ()))
    found = [finding for finding in told["findings"] if finding["severity"] == "problem" and finding["kind"] == kind]
    assert code == 1
    assert found, told["findings"]
    named = {name for finding in found for name in finding["clips"]}
    if fault in (faulty.nan, faulty.infinity, faulty.label_60, faulty.empty, faulty.joints_24, faulty.swapped):
        odd = clips[faulty.ODD].name
        assert named == ({f"{odd[:-3]}121"} if write is faulty.skeleton and fault is faulty.label_60 else {odd})
    if fault is faulty.duplicate_name:
        assert named == {clips[3].name}
    if fault is faulty.duplicate_content:
        assert named == {clips[3].name, clips[-1].name}


def test_all_faults_are_found_at_once(tmp_path, capsys):
    def every(clips):
        faulty.nan(clips)
        clips[2] = faulty.replace(clips[2], label=60)
        clips[4].keypoint[:] = 0
        clips[6] = faulty.replace(clips[6], keypoint=clips[6].keypoint[:, :, :24])
        clips[8] = faulty.replace(clips[8], name="")
        clips[12] = faulty.replace(clips[12], keypoint=clips[12].keypoint * 1000)

    path, clips = written(tmp_path, faulty.annotations, every)
    code, told = inspect(path, capsys, "--class-names", "ntu60")
    kinds = {finding["kind"]: finding["clips"] for finding in told["findings"] if finding["severity"] == "problem"}
    assert code == 1
    assert kinds.pop("no_name") == []
    names = {"not_finite": 9, "label": 2, "empty": 4, "joints": 6, "units": 12}
    assert {kind: kinds[kind] for kind in names} == {kind: [clips[i].name] for kind, i in names.items()}
    assert main(["inspect", str(path), "--class-names", "ntu60"]) == 1
    shown = capsys.readouterr().out
    assert clips[9].name in shown
    assert "label 60, the 60 classes are 0 to 59" in shown
    assert "problems" in shown


def test_stated_frames_are_compared(tmp_path, capsys):
    items = faulty._annotations(faulty.recordings())
    items[5]["total_frames"] += 3
    (tmp_path / "a_train.pkl").write_bytes(pickle.dumps(items))
    code, told = inspect(tmp_path / "a_train.pkl", capsys)
    assert (code, told["findings"][0]["kind"]) == (1, "stated_frames")
    assert told["findings"][0]["clips"] == [items[5]["frame_dir"]]


def test_a_clip_in_two_parts_of_a_split(tmp_path, capsys):
    clips = faulty.recordings()
    path = faulty.annotations(tmp_path, clips)
    content = pickle.loads(path.read_bytes())
    content["split"]["xsub_val"].append(clips[0].name)
    path.write_bytes(pickle.dumps(content))
    code, told = inspect(path, capsys)
    assert (code, told["findings"][0]["kind"], told["findings"][0]["clips"]) == (1, "two_parts", [clips[0].name])


class Malicious:
    def __reduce__(self):
        return os.system, ("echo planted",)


@pytest.mark.parametrize("name", ["ntu60.pkl", "train_label.pkl", "checkpoint.pth"])
def test_a_malicious_pickle_is_named_and_not_run(tmp_path, capfd, name):
    if name == "checkpoint.pth":
        torch.save({"state_dict": Malicious()}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(Malicious()))
    code, told = inspect(tmp_path / name, capfd)
    assert code == 1
    assert "system" in told["findings"][0]["message"]
    assert "planted" not in capfd.readouterr().out


def test_checkpoints(tmp_path, capsys):
    layout = load_layout("ntu25")
    torch.manual_seed(0)
    model = STGCN(torch.from_numpy(adjacency(layout)).float(), 3, 4, widths=[8, 8])
    path = tmp_path / "best.safetensors"
    names = ["sit", "stand", "walk", "wave"]
    save_weights(path, model, layout=layout, class_names=names, preprocessing={"frames": 20})
    code, told = inspect(path, capsys)
    facts = told["facts"]
    assert (code, facts["network"], facts["joints"], facts["channels"], facts["classes"]) == (0, "STGCN", 25, 3, 4)
    assert facts["parameters"] == sum(weight.numel() for weight in model.parameters())
    assert (facts["layout"], facts["class_names"], facts["preprocessing"]["frames"]) == ("ntu25", names, 20)
    with torch.no_grad():
        model.head.bias[1] = float("nan")
    save_weights(path, model, layout=layout, class_names=names, preprocessing={})
    code, told = inspect(path, capsys)
    assert (code, told["findings"][0]["kind"]) == (1, "not_finite")
    assert "head.bias" in told["findings"][0]["message"]
    path.write_bytes(path.read_bytes()[:-40])
    assert inspect(path, capsys)[0] == 1


def test_classes_are_told_by_their_names(tmp_path, capsys):
    path, _ = written(tmp_path, faulty.skeleton)
    assert main(["inspect", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "4 of 60, 8 clips each: drink water; eat meal/snack; brushing teeth; brushing hair" in told
    assert "56 of 60 classes have no clip: drop, pickup" in told


def test_a_run_and_what_it_and_its_test_leave(tmp_path, capsys):
    data = made_up.dataset(tmp_path / "data")
    config = made_up.config(tmp_path / "mine.yaml", data.path, epochs=1)
    run, out = tmp_path / "my run", tmp_path / "test" / "result.pkl"
    assert main(["train", str(config), "--work-dir", str(run)]) == 0
    weights = run / "checkpoints" / "last.safetensors"
    assert main(["test", str(config), str(weights), "--out", str(out)]) == 0
    capsys.readouterr()
    code, told = inspect(run, capsys)
    facts = told["facts"]
    assert (code, told["findings"], facts["epochs"], facts["network"]) == (0, [], "1 of 1", "STGCN")
    assert str(weights) in facts["weights"]
    assert "top1" in facts["best"]
    code, told = inspect(run / "checkpoints" / "last.ckpt", capsys)
    assert (code, told["facts"]["epoch"], told["findings"][0]["kind"]) == (0, 1, "not_weights")
    assert str(weights) in told["findings"][0]["message"]
    for path in (out, out.with_suffix(".json")):
        code, told = inspect(path, capsys)
        facts = told["facts"]
        assert (code, told["findings"], facts["clips"], facts["classes"]) == (0, [], 9, 3)
    right = data.label[data.indices("xsub", "val")] == np.argmax(pickle.loads(out.read_bytes()), axis=1)
    for path, rows, what in (("predictions", 9, "predictions"), ("per_class", 3, "accuracy by class")):
        code, told = inspect(out.with_name(f"{path}.csv"), capsys)
        assert (code, told["findings"], told["facts"]["rows"]) == (0, [], rows)
        assert what in told["facts"]["what"]
        assert told["facts"].get("top1") in (None, f"{right.mean():.4f}")
    assert inspect(out.with_name("confusion_matrix.csv"), capsys)[1]["facts"]["classes"] == 3
    assert inspect(out.parent, capsys)[0] == 0
    shutil.copytree(out.parent, run / "test")  # a test in a run does not make it one
    facts = inspect(run, capsys)[1]["facts"]
    assert facts["what"] == "run folder of `kinegraph train`"
    assert facts["tests"].startswith(f"{Path('test', 'result.pkl')} (xsub / val): top1 {right.mean():.4g}")
    config = run / "config.yaml"
    log = (run / "log.jsonl").read_text()
    config.write_text(config.read_text().replace("epochs: 1", "epochs: auto"))
    assert inspect(run, capsys)[1]["facts"]["epochs"] == "1"
    (run / "log.jsonl").write_text(log.replace('"clips": ', '"epochs": 1, "clips": ', 1))  # what `auto` was
    assert inspect(run, capsys)[1]["facts"]["epochs"] == "1 of 1"
    config.write_text(config.read_text().replace("epochs: auto", "epochs: 5"))
    with (run / "log.jsonl").open("a") as file:
        file.write('{"mode": "train", "epoch": 2, "loss": NaN}\n')
    code, told = inspect(run, capsys)
    assert (code, [finding["kind"] for finding in told["findings"]]) == (1, ["not_finite", "unfinished"])


def test_a_folder_of_datasets_and_runs_names_one(tmp_path, capsys):
    made_up.dataset(tmp_path / "all" / "mine")
    assert main(["inspect", str(tmp_path / "all")]) == 2
    assert f"holds datasets or runs; give one of them, such as {tmp_path / 'all' / 'mine'}" in (capsys.readouterr().err)
    assert inspect(tmp_path / "all" / "mine" / "clips.csv", capsys)[1]["facts"]["what"] == "dataset folder"


@pytest.mark.parametrize("kind", ["Positions", "Angles"])
def test_one_half_of_a_ui_prmd_recording_is_enough(capsys, kind):
    folder = GOLDEN / "ui_prmd" / "Segmented Movements" / "Kinect" / kind
    for path in (folder, folder / f"m08_s02_e01_{kind.lower()}.txt"):
        code, told = inspect(path, capsys)
        assert (code, told["facts"]["clips"], told["facts"]["joints"]) == (0, 1, 22)


def test_joints_that_were_not_seen_need_a_min_score(tmp_path, capsys):
    layout, rng = load_layout("openpose18"), np.random.default_rng(0)
    clips = []
    for i in range(6):
        keypoint = (rng.uniform(100, 400, (1, 10, 18, 2)) + i).astype(np.float32)
        score = np.full((1, 10, 18), 0.8, np.float32)
        keypoint[:, :, 4], score[:, :, 4] = 0, 0
        clips.append(SkeletonClip(keypoint, layout, f"clip{i}", i % 2, score, image_size=(640, 480)))
    write_dataset(tmp_path / "flat", clips, layout=layout, class_names=["a", "b"], units="px", source="made up")
    code, told = inspect(tmp_path / "flat", capsys)
    (found,) = [finding for finding in told["findings"] if finding["kind"] == "unseen"]
    assert (code, found["severity"]) == (0, "note")
    assert "5.6% of the joints" in found["message"]
    assert "--preprocessing.min-score 0" in found["message"]


def test_a_large_folder_is_looked_at_in_part(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("kinegraph.commands.inspect.SAMPLE", 7)
    path, _ = written(tmp_path, faulty.skeleton, faulty.nan)
    code, told = inspect(path, capsys)
    assert (code, told["facts"]["looked_at"], told["facts"]["clips"]) == (0, 7, 32)
    assert told["facts"]["subjects"] == 8  # names are looked at in any case
    assert inspect(path, capsys, "--all")[0] == 1
    main(["inspect", str(path)])
    assert "32, 7 of them looked at" in capsys.readouterr().out


@pytest.mark.parametrize(
    "write", [write for write in FORMATS if write is not faulty.skeleton], ids=lambda it: it.__name__
)
def test_facts_do_not_depend_on_the_sample(tmp_path, capsys, monkeypatch, write):
    """A format either reads all clips or gives the names and labels of the others: no part or class is lost."""
    monkeypatch.setattr("kinegraph.commands.inspect.SAMPLE", 5)
    path, _ = written(tmp_path, write)
    options = ("--class-names", "ntu60") if write in UNNAMED else ()
    some, every = (inspect(path, capsys, *options, *more) for more in ((), ("--all",)))
    for key in ("clips", "classes", "splits"):
        assert some[1]["facts"][key] == every[1]["facts"][key]
    assert some[1]["facts"]["looked_at"] in (5, 32)
    assert {one["kind"] for one in some[1]["findings"]} <= {one["kind"] for one in every[1]["findings"]}


def test_what_is_not_recognised(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "odd.pkl").write_bytes(pickle.dumps({"a": 1}))
    assert main(["inspect", str(tmp_path / "odd.pkl")]) == 1
    assert "odd.pkl holds a dict with a, expected annotations and split" in capsys.readouterr().out
    for path in (tmp_path / "notes.txt", tmp_path, tmp_path / "nowhere"):
        assert main(["inspect", str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert path.name in error


@pytest.mark.parametrize(
    ("path", "clips", "layout"),
    [
        (SHARED / "ui_prmd_kinect.npz", 2000, "kinect22"),
        (SHARED / "hdm05_11.npz", 287, "hdm31"),
        (SHARED / "ui_prmd_raw", 24, "kinect22"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_real_recordings_have_no_problem(capsys, path, clips, layout):
    if not path.exists():
        pytest.skip("the recordings are not beside the checkout")
    code, told = inspect(path, capsys)
    facts = told["facts"]
    assert code == 0, told["findings"]
    assert (facts["clips"], facts["layout"], facts["units_guess"], facts["upward"]) == (clips, layout, "m", "y up")
    assert np.isclose(facts["body_size"], 1.5, atol=0.2)


def test_openpose_folders(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rest = np.stack([rng.uniform(280, 360, 18), np.linspace(60, 400, 18), np.full(18, 0.9)], axis=1)
    for action in ("sit", "stand"):
        for clip in range(3):
            folder = tmp_path / action / f"{action}{clip}"
            folder.mkdir(parents=True)
            for frame in range(8):
                pose = (rest + rng.normal(0, [4, 4, 0.01], (18, 3)) + [frame + clip, 0, 0]).ravel().tolist()
                text = json.dumps({"people": [{"pose_keypoints_2d": pose}]})
                (folder / f"{action}{clip}_{frame:012}_keypoints.json").write_text(text)
    code, told = inspect(tmp_path, capsys)
    assert code == 0, told["findings"]
    facts = told["facts"]
    assert (facts["clips"], facts["layout"], facts["units_guess"]) == (6, "openpose18", "px")
    broken = tmp_path / "sit" / "sit1" / "sit1_000000000003_keypoints.json"
    broken.write_text('{"people": [')
    code, told = inspect(tmp_path, capsys)
    assert code == 1
    assert any(broken.name in finding["message"] for finding in told["findings"])


def test_2d_annotations_of_pyskl(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rest = [900, 500] + 400 * made_up.body("coco17", 2)
    items = []
    for i in range(8):
        keypoint = (rest + rng.normal(0, 1, (1, 10, 17, 2)) + i).astype(np.float16)
        items.append({
            "frame_dir": f"clip{i}", "label": i % 2, "img_shape": (1080, 1920), "original_shape": (1080, 1920),
            "total_frames": 10, "keypoint": keypoint, "keypoint_score": np.ones(keypoint.shape[:3], np.float16),
        })  # fmt: skip
    split = {"train1": [f"clip{i}" for i in range(6)], "test1": ["clip6", "clip7"]}
    path = tmp_path / "gym.pkl"
    path.write_bytes(pickle.dumps({"split": split, "annotations": items}))
    code, told = inspect(path, capsys)
    assert code == 0, told["findings"]
    assert (told["facts"]["layout_guess"], told["facts"]["splits"]) == ("coco17", {"split1": {"train": 6, "test": 2}})
    for item in items:
        item["keypoint"] = (item["keypoint"] / [960, 540] - 1).astype(np.float16)
    path.write_bytes(pickle.dumps({"split": split, "annotations": items}))
    code, told = inspect(path, capsys)
    assert code == 0
    assert "neither pixels nor fractions of a picture: kept as they are" in told["facts"]["assumed"][1]


def test_label_pickles(tmp_path, capsys):
    path = tmp_path / "train_label.pkl"
    path.write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 60])))
    assert inspect(path, capsys)[0] == 0
    code, told = inspect(path, capsys, "--class-names", "ntu60")
    assert (code, told["findings"][0]["kind"], told["findings"][0]["clips"]) == (1, "label", ["c"])


def test_labels_by_names_and_by_a_file(tmp_path, capsys):
    """Whatever gives labels to `prepare` does so here, and clips without any say the ways."""
    for i, name in enumerate(["wave_S01", "sit_S02"]):
        (tmp_path / "clips").mkdir(exist_ok=True)
        np.save(tmp_path / "clips" / f"{name}.npy", made_up.body("ntu25") + 0.01 * np.arange(6 + i)[:, None, None])
    (tmp_path / "labels.csv").write_text("clip,label\nwave_S01,b\nsit_S02,a\n")
    _, said = inspect(tmp_path / "clips", capsys)
    line = next(it["message"] for it in said["findings"] if it["kind"] == "unlabelled")
    assert main(["prepare", str(tmp_path / "clips"), str(tmp_path / "out")]) == 0
    assert line in capsys.readouterr().out
    assert "--labels COLUMN, --labels-file FILE (one row per clip) or --names FORM gives them" in line
    for options, names in (
        (["--names", "{label}_{subject}"], {"0": "sit", "1": "wave"}),
        (["--labels-file", str(tmp_path / "labels.csv")], {"0": "a", "1": "b"}),
    ):
        assert inspect(tmp_path / "clips", capsys, *options)[1]["facts"]["classes"]["names"] == names
