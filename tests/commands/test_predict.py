"""`kinegraph predict` on files of every format: the same clips get the same answers, and wrong input one line."""

import csv
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.commands.predict import predict as predict_verb
from kinegraph.commands.signature import parameters_of
from kinegraph.data.dataset import write_dataset
from kinegraph.data.formats import recognise
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.data.read import read
from kinegraph.models.published import save_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_model, save_weights, save_weights_again
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import JointLayout, load_layout
from tests import made_up
from tests.data import faulty

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared") / "data"
HOW = Preprocessing(normalize="none", sampling="resample", frames=8)


def weights(path, layout="ntu25", names=faulty.CLASSES):
    """Untrained, but with norms and a head that tell clips of `faulty` apart."""
    torch.manual_seed(5)
    network = STGCN(adjacency(layout), 3, len(names), widths=[8], norm_momentum=1.0)
    torch.nn.init.normal_(network.head.weight, 0.0, 5.0)
    joints = slice(len(load_layout(layout)))
    clips = [SkeletonClip(one.keypoint[:, :, joints], load_layout(layout)) for one in faulty.recordings()]
    with torch.no_grad():
        network.head.bias -= network(torch.from_numpy(np.concatenate([prepare_clip(one, HOW) for one in clips]))).mean(
            0
        )
    save_weights(path, network, layout=load_layout(layout), class_names=names, preprocessing=HOW.to_dict())
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    weights(folder / "w.safetensors")
    faulty.dataset(folder, faulty.recordings())
    made_up.dataset(folder / "flat", count=6, layout_name="openpose25")
    return folder


def predict(place, *arguments) -> list[dict]:
    out = place / "answers.json"
    out.unlink(missing_ok=True)
    assert main(["predict", str(place / "w.safetensors"), *map(str, arguments), "--out", str(out)]) == 0
    return json.loads(out.read_text())


def test_a_clip_of_nobody_in_a_dataset_is_left_out_and_named(place, tmp_path, capsys):
    """It was the end of the whole command, with --skip-broken too."""
    clips = faulty.recordings()
    clips[1].keypoint[:] = 0
    answers = predict(place, faulty.dataset(tmp_path, clips))
    assert [it["clip"] for it in answers] == [it.name for it in clips if it is not clips[1]]
    assert f"skipped: 1 without any person: {clips[1].name}" in capsys.readouterr().err


FORMATS = {
    faulty.dataset: "dataset",
    faulty.npz: "npz",
    faulty.annotations: "annotations",
    faulty.lists: "annotations",
    faulty.padded: "npy",
    faulty.tfrecord: "tfrecord",
    faulty.table_csv: "table",
    faulty.table_json: "table",
    faulty.skeleton: "ntu",
}


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_every_format_gets_the_same_answers(place, tmp_path, write):
    expected = {one["clip"]: one for one in predict(place, place / "dataset")}
    assert len({one["top"][0]["class"] for one in expected.values()}) > 3
    path = write(tmp_path, faulty.recordings())
    assert FORMATS[write] == recognise(path)[0].NAME
    answers = predict(place, path)
    one_body = {clip.name for clip in faulty.recordings() if len(clip.keypoint) == 1}  # all that an .npz can hold
    assert {one["clip"] for one in answers} == set(expected)
    for answer in answers:
        if answer["clip"] in one_body or write is not faulty.npz:
            known = expected[answer["clip"]]
            assert (answer["truth"], answer["right"]) == (known["truth"], known["right"])
            for found, wanted in zip(answer["top"], known["top"], strict=True):
                assert found["class"] == wanted["class"]
                assert found["probability"] == pytest.approx(wanted["probability"], abs=2e-4)


def test_the_accuracy_is_that_of_the_answers(place, capsys):
    answers = predict(place, place / "dataset", "--split", "xsub")
    printed = capsys.readouterr().out
    right = sum(one["right"] for one in answers)
    assert len(answers) == 16
    assert f"{right} of 16 are right" in printed
    assert all(one["right"] == (one["truth"] == one["top"][0]["class"]) for one in answers)


def test_a_table_on_the_screen(place, capsys, tmp_path):
    clip = faulty.skeleton(tmp_path, faulty.recordings()[1:2]) / "S001C001P001R001A002.skeleton"
    assert main(["predict", str(place / "w.safetensors"), str(clip)]) == 0
    alone = capsys.readouterr().out.splitlines()
    assert len(alone) == 1 + 5  # a single clip shows its five likeliest classes
    assert re.fullmatch(r"S001C001P001R001A002 +\S.*\d%  (right|wrong, it is eat meal(/snack)?)", alone[1])
    assert main(["predict", str(place / "w.safetensors"), str(clip), "--per-person", "--top", "2"]) == 0
    by_person = capsys.readouterr().out.splitlines()
    assert len(by_person) == 1 + 2 * 2 + 1  # and the accuracy
    assert [line[20:34].split() for line in by_person[1:5:2]] == [["1"], ["2"]]
    assert main(["predict", str(place / "w.safetensors"), str(clip), "--window", "6", "--stride", "3"]) == 0
    times = [re.search(r"([\d.]+) - +([\d.]+) s", line) for line in capsys.readouterr().out.splitlines()[1:]]
    ends = [(float(time[1]), float(time[2])) for time in times]
    assert ends[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(ends))


def test_repetitions_are_counted(tmp_path, capsys):
    """A wrist goes up and down five times in the first half of the recording; the other person stands still."""
    network = weights(tmp_path / "w.safetensors")
    pose = np.zeros((2, 300, 25, 3), np.float32) + made_up.body("ntu25")
    pose[1] += 3
    lifted = np.sin(np.arange(150) * np.pi / 30) ** 2
    pose[0, :150, [6, 7], 1] += lifted
    layout = load_layout("ntu25")
    clip = SkeletonClip(pose, layout, "squats", fps=30, attributes={"individuals": "anna, bo"})
    write_dataset(tmp_path / "data", [clip], layout=layout, class_names=("a",), units="m", source="made up")
    call = ["predict", str(network), str(tmp_path / "data"), "--count", "--per-person"]
    assert main([*call, "--out", str(tmp_path / "a.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [(row["person"], row["repetitions"]) for row in rows] == [("anna", "5"), ("bo", "0")]
    assert re.search(r"anna .*5 repetitions\n.*bo .*0 repetitions", capsys.readouterr().out)
    assert main([*call, "--window", "60", "--out", str(tmp_path / "b.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "b.csv").open()))
    assert sum(int(row["repetitions"]) for row in rows if row["person"] == "anna") == 5


def test_people_whom_the_network_does_not_see_are_said(tmp_path, capsys):
    network, layout = weights(tmp_path / "w.safetensors"), load_layout("ntu25")
    pose = np.zeros((4, 30, 25, 3), np.float32) + made_up.body("ntu25")
    pose[3] = 0  # nobody
    clip = SkeletonClip(pose, layout, "three", fps=30)
    write_dataset(tmp_path / "data", [clip], layout=layout, class_names=("a",), units="m", source="made up")
    assert main(["predict", str(network), str(tmp_path / "data")]) == 0
    assert "clips of up to 3 people, the network sees the first 2; --per-person answers" in capsys.readouterr().err
    assert main(["predict", str(network), str(tmp_path / "data"), "--per-person"]) == 0
    assert "the network sees" not in capsys.readouterr().err


def test_words_in_the_other_order_are_understood_and_said(place, capsys):
    words = [str(place / "w.safetensors"), str(place / "dataset")]
    assert main(["predict", *words]) == 0
    expected = capsys.readouterr()
    assert main(["predict", *words[::-1]]) == 0
    assert capsys.readouterr() == (expected.out, f"note: read as kinegraph predict {' '.join(words)}\n")
    assert main(["explain", *words[::-1]]) == 0
    assert capsys.readouterr().err == f"note: read as kinegraph explain {' '.join(words)}\n"


@pytest.mark.parametrize(("lengths", "hinted"), [([4, 5, 5], True), ([4, 5, 6], False), (5, False)])
def test_a_recording_far_longer_than_the_training_clips_hints_at_windows(tmp_path, capsys, lengths, hinted):
    path = weights(tmp_path / "w.safetensors")
    save_weights_again(path, path, more={"training": {"frames": lengths}} if isinstance(lengths, list) else {})
    clip = {"name": "long", "keypoint": np.ones((1, 16, 25, 3)).tolist()}
    (tmp_path / "a.json").write_text(json.dumps({"layout": "ntu25", "clips": [clip]}))
    for words in (
        ["predict", path, tmp_path / "a.json"],
        ["draw", tmp_path / "a.json", tmp_path / "a.html", "--weights", path],
    ):
        assert main(list(map(str, words))) == 0
        error = capsys.readouterr().err
        assert ("clip 'long' has 16 frames" in error and "--window 5 says" in error) == hinted


def test_a_csv_holds_what_the_json_holds(place):
    answers = predict(place, place / "dataset", "--top", "2", "--window", "10")
    out = place / "answers.csv"
    command = ["predict", str(place / "w.safetensors"), str(place / "dataset"), "--top", "2", "--window", "10"]
    assert main([*command, "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["clip"], row["first_frame"], row["class"], row["class_2"], row["right"]) for row in rows] == [
        (one["clip"], str(one["first_frame"]), *(best["class"] for best in one["top"]), str(int(one["right"])))
        for one in answers
    ]


def test_published_checkpoints_are_asked_with_their_recipe(place, tmp_path, capsys):
    save_published(tmp_path / "w.pth", load_model(place / "w.safetensors"), "mmaction0")
    config = tmp_path / "recipe.yaml"
    config.write_text(
        "dataset: nowhere\nsplit: xsub\npreprocessing: {normalize: none, sampling: resample, frames: 8}\n"
    )
    clips = str(faulty.skeleton(tmp_path, faulty.recordings()[:6]))
    told = []
    for asked in ([str(place / "w.safetensors")], [str(tmp_path / "w.pth"), "--preprocessing", str(config)]):
        assert main(["predict", asked[0], clips, *asked[1:]]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "brushing teeth" in told[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{w}", "nowhere.npz"], "there is no file or folder nowhere.npz"),
        (["{w}", "{w}"], "is not recognised: a binary file of"),
        (["{w}"], "predict WEIGHTS INPUTS ..."),
        (["nothing.safetensors", "{data}"], "nothing.safetensors"),
        (["{w}", "{flat}"], "has the 25 joints of layout 'openpose25', the network was trained on the 25 joints of"),
        (["{w}", "{data}", "--split", "xview"], "its splits are xsub"),
        (["{w}", "{data}", "--part", "val"], "give --split too"),
        (["{w}", "{data}", "--stride", "5"], "give --window too"),
        (["{w}", "{data}", "--window", "5", "--stride", "6"], "expected from 1 to 5"),
        (["{w}", "{data}", "--top", "0"], "top is 0"),
        (["{w}", "{data}", "--units", "mm"], "says its units, they are m: leave --units out"),
        (["{w}", "{data}", "--out", "answers.txt"], "ends in .csv or .json"),
        (["{w}", "{data}", "--out", "no/such/folder.csv"], "there is no folder no/such"),
        (["{w}", "{data}", "--device", "abacus"], "no device 'abacus'"),
        (["{w}", "{data}", "--class-names", "ntu60"], "knows its classes"),
        (["x.pth", "{data}"], "--preprocessing"),
    ],
)
def test_wrong_input_is_one_line(place, capsys, arguments, words):
    names = {"w": place / "w.safetensors", "data": place / "dataset", "flat": place / "flat"}
    assert main(["predict", *(word.format(**names) for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert words in said


def test_a_broken_file_leaves_no_answers_behind(place, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    raw = faulty.skeleton(tmp_path / "raw", faulty.recordings()[:3])
    last = sorted(raw.glob("*.skeleton"))[-1]
    last.write_text(last.read_text()[:900])
    command = ["predict", str(place / "w.safetensors"), str(raw), "--batch-size", "1"]
    assert main([*command, "--out", str(tmp_path / "a.csv")]) == 2
    assert last.name in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["raw"]
    assert main([*command, "--out", str(tmp_path / "a.csv"), "--skip-broken"]) == 0
    assert "skipped: broken" in capsys.readouterr().err
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1 + 2


def test_files_with_names_of_their_own_have_no_label(place, tmp_path):
    clip = faulty.recordings()[0]
    (faulty.skeleton(tmp_path, [clip]) / f"{clip.name}.skeleton").rename(tmp_path / "mine.skeleton")
    (answer,) = predict(place, tmp_path / "mine.skeleton")
    assert (answer["clip"], answer["truth"], answer["right"]) == ("mine", None, None)
    assert answer["end_seconds"] == pytest.approx(clip.keypoint.shape[1] / 30, abs=1e-3)


def test_joints_in_another_order_and_spelling_are_those_of_the_network(place, tmp_path):
    clip = faulty.recordings()[0]
    order = np.random.default_rng(0).permutation(25)
    names = [faulty.LAYOUT.joints[i].replace("_", " ").title() for i in order]
    place_of = {int(joint): place for place, joint in enumerate(order)}
    parents = [place_of[faulty.LAYOUT.parents[i]] if faulty.LAYOUT.parents[i] != i else -1 for i in order]
    np.savez(tmp_path / "own.npz", keypoint=clip.keypoint[0][:, order], length=[clip.keypoint.shape[1]],
             joint_names=names, parents=parents, name=[clip.name])  # fmt: skip
    (expected,) = (one for one in predict(place, place / "dataset") if one["clip"] == clip.name)
    (answer,) = predict(place, tmp_path / "own.npz")
    assert answer["top"] == expected["top"]


OWN = {  # joints of layouts of the user's own: nearly those of a built-in one, few, and some of a built-in one
    "one joint differs": ("neck", *load_layout("coco17").joints[1:]),
    "few": ("hip", "knee", "ankle"),
    "some": load_layout("coco17").joints[5:13],
}


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("kind", OWN)
def test_tables_of_the_joints_of_an_own_layout(tmp_path, kind, form):
    """The network's own layout counts, whatever the order and the spelling of its joints in a table."""
    names, rng = OWN[kind], np.random.default_rng(0)
    own = JointLayout("own", names, tuple((i, 0) for i in range(1, len(names))), 0)
    weights(tmp_path / "w.safetensors", own)
    walk = rng.uniform(-0.7, 0.7, (1, len(names), 3)) + rng.normal(0, 0.02, (12, len(names), 3))
    answers = []
    for folder, order in (("same", range(len(names))), ("other", rng.permutation(len(names)))):
        spelt = [names[i] if folder == "same" else names[i].replace("_", " ").title() for i in order]
        rows = [dict(zip(spelt, frame[order].round(5).tolist(), strict=True)) for frame in walk]
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / f"walk.{form}"
        if form == "csv":
            lines = ["frame," + ",".join(f"{name} {axis}" for name in spelt for axis in "xyz")]
            lines += [",".join(map(str, [t, *np.ravel(list(row.values()))])) for t, row in enumerate(rows)]
            file.write_text("\n".join(lines))
        else:
            file.write_text(json.dumps({"joint_names": spelt, "keypoints": [list(row.values()) for row in rows]}))
        (answer,) = predict(tmp_path, file, "--units", "m")
        answers.append(answer["top"])
    assert answers[0] == answers[1]


@pytest.mark.skipif(not (SHARED / "ui_prmd_raw").is_dir(), reason="needs ../shared/data/ui_prmd_raw")
@pytest.mark.parametrize("labels", ["movement", "quality"])
def test_labels_of_ui_prmd_are_those_of_the_network(tmp_path, labels):
    from kinegraph.data.formats import ui_prmd

    raw = SHARED / "ui_prmd_raw" / "Segmented Movements"
    place = tmp_path
    weights(place / "w.safetensors", ui_prmd.LAYOUT, ui_prmd.class_names(labels))
    truths = {one["clip"]: one["truth"] for one in predict(place, raw)}
    assert truths == {clip.name: ui_prmd.class_names(labels)[clip.label] for clip in read(raw, labels=labels)}
    files = [raw / "Kinect" / kind.title() / f"m01_s01_e01_{kind}.txt" for kind in ("positions", "angles")]
    one, other = predict(place, *files)  # a clip may be named by either of its files
    assert one["clip"] == other["clip"] == "m01_s01_e01"
    assert one["top"] == other["top"]


def test_help_needs_no_torch():
    check = "import sys\nfrom kinegraph.cli import main\ntry: main(['predict', '--help'])\nexcept SystemExit: pass\n"
    subprocess.run([sys.executable, "-c", f"{check}assert 'torch' not in sys.modules"], check=True, capture_output=True)


def test_the_page_says_what_is_true(place, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")
    named = {option.replace("-", "_") for option in re.findall(r"--([a-z][a-z-]+)", page)}
    assert named <= set(parameters_of(predict_verb))
    monkeypatch.chdir(tmp_path)
    Path("best.safetensors").write_bytes((place / "w.safetensors").read_bytes())
    Path("recordings").mkdir()
    clip = faulty.recordings()[0]
    faulty.skeleton(Path("recordings"), [clip])
    variables = {"keypoint": clip.keypoint}
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/predict.md", "exec"), variables)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(variables["prediction"].class_name)
    assert printed[1] == f"{clip.name} 0 {clip.keypoint.shape[1]} {variables['prediction'].class_name}"
