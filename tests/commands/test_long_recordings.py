"""Long recordings in their published forms, made up: `prepare`, `train`, `test` and `predict` one after another."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from kinegraph.skeleton.segment import Segment

RECIPE = {
    "task": "frames",
    "model": {"class_path": "kinegraph.models.stgcn.STGCN", "init_args": {"widths": [4], "strides": [1]}},
    "preprocessing": {"people": 1, "normalize": "none", "sampling": "window", "frames": 16},
    "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
    "epochs": 1,
    "batch_size": 4,
}


def body(frames, joints, seed):
    """Joints (T, V, 3) in metres about a person of usual size."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.8, 0.8, (1, joints, 3)) + rng.normal(0, 0.02, (frames, joints, 3))


def pku_mmd(folder):
    """Two people in one row of numbers per frame, the second away; labels are class, start, end, confidence."""
    (folder / "PKU_Skeleton_Renew").mkdir(parents=True)
    (folder / "Train_Label_PKU_final").mkdir()
    for number in range(4):
        people = np.concatenate([body(80, 25, number), np.zeros((80, 25, 3))], 1).reshape(80, -1)
        name = f"000{number // 2 + 2}-{'LM'[number % 2]}.txt"  # by the published split xview, the left camera is val
        np.savetxt(folder / "PKU_Skeleton_Renew" / name, people, "%.6f")
        (folder / "Train_Label_PKU_final" / name).write_text("1,5,25,2\n16,40,70,1\n")
    return [folder, "--segments", folder / "Train_Label_PKU_final"]


def babel(folder):
    """Annotations in seconds beside the joints of each sequence of AMASS."""
    about = {}
    for number in range(4):
        path = folder / "joints" / "KIT" / "KIT" / str(number) / "Walk01_poses.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, joints=body(80, 73, number).astype(np.float32), fps=30.0)
        spans = [(0.2, 1.0, ["walk"]), (1.0, 2.0, ["turn", "walk"])]
        labels = [{"seg_id": str(i), "start_t": a, "end_t": b, "act_cat": c} for i, (a, b, c) in enumerate(spans)]
        feat = str(path.relative_to(folder / "joints"))
        about[str(number)] = {"babel_sid": number, "feat_p": feat, "dur": 80 / 30, "seq_ann": None,
                              "frame_ann": {"anntr_id": 1, "labels": labels}}  # fmt: skip
    (folder / "train.json").write_text(json.dumps({key: about[key] for key in "012"}))
    (folder / "val.json").write_text(json.dumps({"3": about["3"]}))
    return [folder, "--segments", folder]


@pytest.mark.parametrize(
    ("written", "split", "expected"),
    [
        (pku_mmd, "xview", [("5", "25", "bow"), ("40", "70", "hugging another person")]),
        (babel, "split", [("6", "30", "walk"), ("30", "60", "turn"), ("30", "60", "walk")]),
    ],
)
def test_published_recordings_are_trained_and_answered(tmp_path, capsys, written, split, expected):
    def run(*words):
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err

    where, *segments = written(tmp_path / "raw")
    run("prepare", where, tmp_path / "long", *segments)
    rows = list(csv.reader((tmp_path / "long" / "segments.csv").read_text().splitlines()))[1:]
    names = json.loads((tmp_path / "long" / "dataset.json").read_text())["class_names"]
    said = [(start, end, names[int(label)] if label.isdigit() else label) for _, start, end, label, *_ in rows]
    assert sorted(said) == sorted(expected * 4)
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(RECIPE | {"split": split, "dataset": str(tmp_path / "long")}))
    run("train", tmp_path / "r.yaml", "--work-dir", tmp_path / "run", "--no-validate", "--no-report")
    weights = tmp_path / "run" / "checkpoints" / "last.safetensors"
    run("test", tmp_path / "r.yaml", weights, "--out", tmp_path / "test")
    assert "frame_accuracy" in json.loads((tmp_path / "test" / "figures.json").read_text())["figures"]
    run("predict", weights, tmp_path / "long", "--least", "3s", "--out", tmp_path / "short.csv")  # 80 frames are less
    assert len(list(csv.DictReader((tmp_path / "short.csv").read_text().splitlines()))) == 4
    run("predict", weights, tmp_path / "long", "--out", tmp_path / "said.csv")
    answers = list(csv.DictReader((tmp_path / "said.csv").read_text().splitlines()))
    assert {row["class"] for row in answers} <= {*names}
    assert sum(int(row["end_frame"]) - int(row["first_frame"]) for row in answers) >= 4 * 80


def test_where_no_class_is_there_the_likeliest_is_said(tmp_path, capsys):
    """Yes or no for each class, and no for all: the answer is the likeliest class, and that it is below 50 %."""
    layout = load_layout("coco17")
    network = STGCN(adjacency(layout, "spatial"), 2, 2, widths=[4])
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.tensor([-2.0, -1.0])  # 12 and 27 %
    about = {"layout": layout, "class_names": ("sit", "wave")}
    steps = Preprocessing(people=1, normalize="none", sampling="window", frames=16).to_dict()
    training = {"training": {"task": "frames", "several": True}}
    save_weights(tmp_path / "w.safetensors", network, **about, preprocessing=steps, extra=training)
    poses = np.random.default_rng(0).uniform(100, 200, (40, 17, 2)).round(2)
    with open(tmp_path / "x.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([f"{joint}_{axis}" for joint in layout.joints for axis in "xy"])
        lines.writerows(poses.reshape(40, -1))
    words = ["predict", tmp_path / "w.safetensors", tmp_path / "x.csv", "--layout", "coco17", "--units", "px"]
    words += ["--fps", "25", "--image-size", "640x480"]
    assert main([*map(str, words)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "wave" in line]
    assert "26.9%  no class reaches 50%, this is the likeliest" in row
    assert main([*map(str, words), "--out", str(tmp_path / "said.json")]) == 0
    (answer,) = json.loads((tmp_path / "said.json").read_text())
    assert (answer["first_frame"], answer["end_frame"], answer["known"]) == (0, 40, False)
    assert answer["top"] == [{"class": "wave", "probability": pytest.approx(0.268941)}]  # of sit it says nothing
    assert main([*map(str, words), "--out", str(tmp_path / "said.csv")]) == 0
    assert capsys.readouterr().out.endswith(f"1 answer in {tmp_path / 'said.csv'}\n")
    (line,) = csv.DictReader((tmp_path / "said.csv").open())
    assert (line["class"], line["class_2"], line["probability_2"]) == ("wave", "", "")
    for more in (["--window", "1s"], []):
        verb, fixed = ("predict", words[1:]) if more else ("stream", words[1:])
        assert main([verb, *map(str, fixed), *more]) == 2
        assert "these weights say yes or no of each class in every frame" in capsys.readouterr().err
    recording = next(iter(kg.read(tmp_path / "x.csv", layout="coco17", units="px", fps=25, image_size="640x480")))
    with pytest.raises(ValueError, match="has 40 frames, and these weights answer for every frame of windows of 16"):
        kg.predict(tmp_path / "w.safetensors", recording)


def test_a_network_of_clips_that_resamples_is_asked_about_windows_of_their_usual_length(tmp_path, capsys):
    """As configs/small_data.yaml: 12 frames out of each window of 20; then nobody is there for longer than a window."""
    layout, steps = load_layout("ntu25"), Preprocessing(people=1, normalize="sized", sampling="resample", frames=12)
    torch.manual_seed(0)
    network = STGCN(adjacency(layout, "spatial"), 3, 3, widths=[4]).eval()
    torch.nn.init.normal_(network.head.weight, 0.0, 3.0)
    about = {"layout": layout, "class_names": ("sit", "wave", "none"), "preprocessing": steps.to_dict()}
    save_weights(tmp_path / "w.safetensors", network, **about, extra={"training": {"frames": [10, 20, 30]}})
    place = np.concatenate([body(30, 25, 0), np.zeros((50, 25, 3))])[None].astype(np.float32)
    clip = kg.SkeletonClip(place, layout, "r", fps=30.0, segments=(Segment(0, 20, 1),), splits={"xsub": "val"})
    facts = {"layout": layout, "class_names": about["class_names"], "units": "m", "source": "made up", "none": 2}
    write_dataset(tmp_path / "long", [clip], **facts)
    words = [tmp_path / "long", tmp_path / "w.safetensors", "--split", "xsub", "--out", tmp_path / "t"]
    assert main(["test", *map(str, words)]) == 0, capsys.readouterr().err
    assert "windows of 20 frames" in capsys.readouterr().err
    with np.load(tmp_path / "t" / "probabilities.npz") as kept:
        found = kept["probabilities"]
    expected = kg.predict(tmp_path / "w.safetensors", place[:, :20], compare=False).probabilities
    np.testing.assert_allclose(found[:5], np.tile(expected, (5, 1)), atol=1e-5)  # the first window alone
    assert (found[50:] == [0, 0, 1]).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
