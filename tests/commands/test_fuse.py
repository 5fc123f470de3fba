"""`kinegraph fuse` on files: its table, its result, its refusals."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.commands.reading import with_config_of_run
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.folds import folds
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.fusion import cross_fit, search_weights
from kinegraph.evaluation.fusion import fuse as fuse_streams
from kinegraph.evaluation.metrics import evaluate, figures_to_show, softmax
from kinegraph.evaluation.results import read_result
from kinegraph.report.write import write_report
from kinegraph.skeleton.layout import load_layout
from tests import made_up

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
CLIPS = 90  # the last 30 are "val"; three classes


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dataset; results of ours in folders of their own, others' in `plain`, both parts."""
    folder = tmp_path_factory.mktemp("fuse")
    clips = [replace(clip, attributes={"subject": i % 7}) for i, clip in enumerate(made_up.clips(CLIPS))]
    layout, about = load_layout("ntu25"), {"class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    dataset = write_dataset(folder / "data", clips, layout=layout, **about)
    write_dataset(
        folder / "none", [replace(clip, splits={}, attributes={}) for clip in clips[:9]], layout=layout, **about
    )
    (folder / "plain").mkdir()
    for number, (name, skill) in enumerate(zip(STREAMS, (2.0, 1.5, 0.5, 0.5), strict=True)):
        for part in ("val", "train"):
            logits = made_up_logits(dataset, part, skill, number)
            save(folder / "plain" / f"{name}_{part}.pkl", list(logits))
            chosen = dataset.indices("xsub", part)
            names = [dataset.names[i] for i in chosen]
            told = Evaluation(logits, dataset.label[chosen], names, dataset.class_names, "xsub", part)
            write_report(folder / f"{name}_{part}" / "result.pkl", told)
    wrong_ones(folder)
    return folder


def wrong_ones(place) -> None:
    """Results of four classes, with a wrong label and of swapped clips."""
    streams, labels, _ = val(place)
    save(place / "four.pkl", [np.zeros(4, np.float32)] * 30)
    wrong = np.where(np.arange(30) == 3, 1, labels)
    clips = [{"pred_score": row, "gt_label": np.array([y])} for row, y in zip(streams[0], wrong, strict=True)]
    save(place / "relabelled.pkl", clips)
    names = [f"clip{i:03}" for i in (61, 60, *range(62, 90))]
    told = Evaluation(np.log(streams[0]), labels, names, ("a", "b", "c"))
    write_report(place / "swapped" / "result.pkl", told)


def made_up_logits(dataset, part: str, skill: float, seed: int) -> np.ndarray:
    labels = dataset.label[dataset.indices("xsub", part)]
    noise = np.random.default_rng((seed, len(labels))).normal(size=(len(labels), 3))
    return (skill * np.eye(3)[labels] + noise).astype(np.float32)


def save(path, value) -> None:
    path.write_bytes(pickle.dumps(value))


def val(place) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The four streams' probabilities, labels and subjects of the val part."""
    dataset = open_dataset(place / "data")
    chosen = dataset.indices("xsub", "val")
    logits = [made_up_logits(dataset, "val", skill, i) for i, skill in enumerate((2.0, 1.5, 0.5, 0.5))]
    return [softmax(rows) for rows in logits], dataset.label[chosen], dataset.attributes["subject"][chosen]


def figures(text: str) -> list[list[float]]:
    """top1 and mean class accuracy of every row of the table; of few classes there is no top5."""
    assert "top5" not in text
    rows = [line.strip("│ \n").split("│") for line in text.splitlines() if line.startswith("│")]
    return [[float(cell) for cell in row[-2:]] for row in rows]


def expected(probability: np.ndarray, labels: np.ndarray) -> list[float]:
    figures = figures_to_show(evaluate(probability, labels), probability.shape[1])
    return [round(value, 4) for value in figures.values()]


def test_four_streams(place, tmp_path, capsys):
    """Ours, published weights: the table and the files are those of the weighted mean."""
    streams, labels, _ = val(place)
    files = [str(place / f"{name}_val" / "result.pkl") for name in STREAMS]
    out = tmp_path / "fused" / "result.pkl"
    assert main(["fuse", *files, "--data", str(place / "data"), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    fused = (2 * streams[0] + 2 * streams[1] + streams[2] + streams[3]) / 6
    assert figures(text) == [expected(probability, labels) for probability in [*streams, fused]]
    assert text.count("clip names") == 4
    assert "2:2:1:1" in text
    again = read_result(out)
    np.testing.assert_allclose(again.probability, fused, atol=1e-6)
    assert again.names == [f"clip{i:03}" for i in range(60, 90)]
    assert (out.parent / "report.html").is_file()
    assert main(["fuse", str(out), files[0], "--data", str(place / "data")]) == 0  # a fusion can be fused again


def test_formats_are_told_apart_and_mixed(place, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    streams, labels, _ = val(place)
    save(tmp_path / "pyskl.pkl", [row.astype(np.float32) for row in streams[1]])
    clips = [
        {"pred_score": torch.from_numpy(row), "gt_label": torch.tensor([label])}
        for row, label in zip(streams[2], labels.tolist(), strict=True)
    ]
    save(tmp_path / "dump.pkl", clips)
    files = [str(place / "plain" / "joint_val.pkl"), str(tmp_path / "pyskl.pkl"), str(tmp_path / "dump.pkl")]
    assert main(["fuse", "--weights", "3", "0.5", "1", "--data", str(place / "data"), *files]) == 0
    text = capsys.readouterr().out
    fused = (3 * streams[0] + 0.5 * streams[1] + streams[2]) / 4.5
    assert figures(text)[-1] == expected(fused, labels)
    rows = [line for line in text.splitlines() if ".pkl" in line]
    assert ["logits" in row for row in rows] == [True, False, False]
    assert ["number of clips only" in row for row in rows] == [True, True, False]
    assert "labels" in rows[2]


def test_search_on_another_part(place, capsys):
    streams, labels, _ = val(place)
    dataset = open_dataset(place / "data")
    train = [softmax(made_up_logits(dataset, "train", skill, i)) for i, skill in enumerate((2.0, 1.5, 0.5, 0.5))]
    weights = search_weights(train, dataset.label[dataset.indices("xsub", "train")])
    files, others = ([str(place / "plain" / f"{name}_{part}.pkl") for name in STREAMS] for part in ("val", "train"))
    command = ["fuse", *files, "--data", str(place / "data"), "--search", "--search-part", "train"]
    assert main([*command, "--search-results", *others]) == 0
    text = capsys.readouterr().out
    assert figures(text)[-1] == expected(fuse_streams(streams, weights), labels)
    assert f"weights {':'.join(map(str, weights))}, searched on the 60 clips of xsub / train" in text


def test_search_by_cross_fitting(place, tmp_path, capsys):
    """Folds of subjects; what is written was never fused with weights that the clip helped to find."""
    streams, labels, subjects = val(place)
    fused, weights = cross_fit(streams, labels, folds(labels, subjects))
    files = [str(place / "plain" / f"{name}_val.pkl") for name in STREAMS]
    out = tmp_path / "fused.pkl"
    assert main(["fuse", *files, "--data", str(place / "data"), "--search", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert figures(text)[-1] == expected(fused, labels)
    assert "itself by cross-fitting: 5 folds of 7 subjects" in text
    assert ", ".join(":".join(map(str, found)) for found in weights) in text
    np.testing.assert_allclose(read_result(out).probability, fused, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{joint}"], "1 result file, expected two or more"),
        (["{joint}", "{bone}", "--weights", "2", "1", "1"], "3 weights for 2 result files"),
        (["{joint}", "{bone}", "--weights", "0", "0"], "at least one must be above 0"),
        (["{joint}", "{bone}", "--weights", "-1", "2"], "numbers from 0 up"),
        (["{joint}", "{bone}", "--weights", "1", "1", "--search"], "--weights and --search"),
        (["{joint}", "none.pkl"], "none.pkl: no such file"),
        (["{joint}", "{train}"], "has 60 clips, part 'val' of split 'xsub'"),
        (["{joint}", "{train}"], "has 30; train of xsub has so many"),
        (["{joint}", "{four}"], "has 4 classes, "),
        (["{joint}", "{swapped}"], "clip 0 is 'clip061', in part 'val' of split 'xsub' of "),
        (["{joint}", "{relabelled}"], "clip 3 has label 1, 'clip063' in "),
        (["{joint}", "{bone}", "--part", "test"], "its parts are train, val"),
        (["{joint}", "{bone}", "--split", "xview"], "no split 'xview'"),
        (["{joint}", "{bone}", "--data", "{none}"], "no splits"),
        (["{joint}", "{bone}", "--search-part", "val", "--search-results", "{joint}", "{bone}"], "would flatter it"),
        (["{joint}", "{bone}", "--search-part", "train"], "--search-results go together"),
        (["{joint}", "{bone}", "--search-part", "train", "--search-results", "{train}"], "expected as many"),
        (["{joint}", "{bone}", "--out", "{joint}"], "is one of the result files"),
        (["{joint}", "{ours}", "--out", "{beside}"], "would replace the report of"),
        (["{joint}", "{bone}", "--out", "fused.txt"], ".pkl"),
    ],
)
def test_wrong_input_is_one_line(place, capsys, arguments, words):
    paths = {
        **{name: place / "plain" / f"{name}_val.pkl" for name in STREAMS},
        "train": place / "plain" / "joint_train.pkl",
        "ours": place / "joint_val" / "result.pkl",
        "beside": place / "joint_val" / "fused.pkl",
        "swapped": place / "swapped" / "result.pkl",
        "none": place / "none",
        **{name: place / f"{name}.pkl" for name in ("four", "relabelled")},
    }
    before = sorted(place.rglob("*"))
    if "--data" not in arguments:
        arguments = ["--data", str(place / "data"), *arguments]
    assert main(["fuse", *(word.format(**paths) for word in arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert words in captured.err
    assert sorted(place.rglob("*")) == before


def test_a_table_of_another_result_is_not_trusted(place, tmp_path, capsys):
    """Two results in one folder: predictions.csv is the second's, so that the first one's order is not known."""
    dataset = open_dataset(place / "data")
    chosen = dataset.indices("xsub", "val")
    names = [dataset.names[i] for i in chosen]
    for number, name in enumerate(("first", "second")):
        logits = made_up_logits(dataset, "val", 1.0, 10 + number)
        told = Evaluation(logits, dataset.label[chosen], names, dataset.class_names, "xsub", "val")
        write_report(tmp_path / f"{name}.pkl", told)
    assert main(["fuse", str(tmp_path / "first.pkl"), str(tmp_path / "second.pkl"), "--data", str(place / "data")]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if ".pkl" in line]
    assert ["number of clips only" in row for row in rows] == [True, False]


def test_file_names_with_commas_and_brackets(place, tmp_path):
    odd = tmp_path / "[a], b c.pkl"
    odd.write_bytes((place / "plain" / "joint_val.pkl").read_bytes())
    assert main(["fuse", str(odd), str(odd), f"--data={place / 'data'}"]) == 0


def test_weights_by_project(place, capsys):
    """PYSKL adds probabilities, CTR-GCN logits; 2s-AGCN's file has names, in any order."""
    streams, _, _ = val(place)
    files = [str(place / "plain" / f"{name}_val.pkl") for name in STREAMS]
    words = ["--data", str(place / "data"), "--split", "xsub", "--out"]
    assert main(["fuse", *files, "--weights", "pyskl-4s", *words, str(place / "p" / "r.pkl")]) == 0
    assert "weights 2:2:1:1 of pyskl-4s, for joint, bone, joint motion, bone motion" in capsys.readouterr().out
    fused = read_result(place / "p" / "r.pkl").probability
    np.testing.assert_allclose(fused, fuse_streams(streams, (2, 2, 1, 1)), rtol=1e-5)

    logits = [np.array(pickle.loads((place / "plain" / f"{name}_val.pkl").read_bytes())) for name in STREAMS]
    names = [f"clip{i:03}" for i in range(60, 90)]
    by_name = {names[i]: logits[0][i] for i in np.random.default_rng(0).permutation(30)}
    save(place / "epoch1_test_score.pkl", by_name)
    files[0] = str(place / "epoch1_test_score.pkl")
    assert main(["fuse", *files, "--weights", "ctrgcn-4s", *words, str(place / "c" / "r.pkl")]) == 0
    said = capsys.readouterr().out
    assert "logits are added" in said
    assert "clip names" in said
    total = sum(w * z.astype(np.float64) for w, z in zip((0.6, 0.6, 0.4, 0.4), logits, strict=True))
    np.testing.assert_allclose(read_result(place / "c" / "r.pkl").probability, softmax(total), rtol=1e-4)

    save(place / "counted.pkl", {np.int64(i): logits[0][i] for i in range(30)})
    six = [str(place / "counted.pkl"), *files[1:], *files[:2]]
    assert main(["fuse", *six, "--weights", "hd-gcn-6s", *words, str(place / "h" / "r.pkl")]) == 0
    said = capsys.readouterr().out
    assert "counted.pkl counts its clips; their order is that of part 'val'" in said
    assert "divided by their length" in said
    rows = [z.astype(np.float64) for z in (*logits, *logits[:2])]
    total = sum(z / np.sqrt((z**2).sum(1, keepdims=True)) for z in rows)
    np.testing.assert_allclose(read_result(place / "h" / "r.pkl").probability, softmax(total), rtol=1e-4)

    for weights, message in [
        (["pyskl-2s"], "--weights pyskl-2s is for 2 result files (joint, bone), there are 4"),
        (["pysk-4s"], "did you mean 'pyskl-4s'?"),
        (["pyskl-4s", "1"], "--weights: expected a number, found 'pyskl-4s'"),
    ]:
        assert main(["fuse", *files, "--weights", *weights, *words[:-1]]) == 2
        assert message in capsys.readouterr().err


def test_scores_of_a_result_file_are_measured(place, capsys):
    """`test --from`: of a dataset folder, or of a config that names it."""
    (logits, *_), labels, _ = val(place)
    top1 = (logits.argmax(1) == labels).mean()
    file, data = str(place / "plain" / "joint_val.pkl"), str(place / "data")
    assert (
        main(["test", "--from", file, "--dataset", data, "--split", "xsub", "--out", str(place / "m" / "r.pkl")]) == 0
    )
    said = capsys.readouterr().out
    assert f"top1: {top1:.4f}" in said
    assert "logits, order checked by their number only" in said
    np.testing.assert_allclose(read_result(place / "m" / "r.pkl").probability, logits, rtol=1e-5)
    config = made_up.config(place / "config.yaml", place / "data")
    assert main(["test", str(config), f"--from={file}", "--eval", "top_k_accuracy"]) == 0
    assert "mean_class_accuracy:" not in capsys.readouterr().out
    for words, message in [
        (["--from", file], "--from needs a config, or --dataset FOLDER"),
        (["--from", "--dataset", data], "--from is there without a value"),
        (["--from", file, "--dataset", data, "--keep"], "--keep is for a network that is asked"),
        (["--from", file, "--dataset", data, "--engine", "onnxruntime"], "--engine is for a network that is asked"),
        (["--from", "result.yaml", "--dataset", data], "expected a result file that ends in .pkl or .pickle or .json"),
        (["--from", str(place / "four.pkl"), "--dataset", data], "has 4 classes"),
        (["--from", str(place / "swapped" / "result.pkl"), "--dataset", data], "other clips or another order"),
    ]:
        assert main(["test", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_folder_stands_for_its_result(place, capsys):
    streams = [str(place / f"{name}_val") for name in STREAMS[:2]]
    assert main(["fuse", *streams, "--data", str(place / "data")]) == 0
    folders = figures(capsys.readouterr().out)
    assert main(["fuse", *(f"{it}/result.pkl" for it in streams), "--data", str(place / "data")]) == 0
    assert figures(capsys.readouterr().out) == folders
    assert main(["fuse", str(place), streams[0], "--data", str(place / "data")]) == 2
    assert "is a folder, expected a result file such as" in capsys.readouterr().err


def test_a_run_folder_alone_stands_for_its_config(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    run = str(tmp_path)
    assert with_config_of_run([run, "--out", "a.pkl"]) == [f"{run}/config.yaml", run, "--out", "a.pkl"]
    for others in (["a.yaml", run], [run, "w.safetensors"], ["--help"], []):
        assert with_config_of_run(others) == others
    best = f"{run}/checkpoints/best.safetensors"
    assert with_config_of_run([best]) == [f"{run}/config.yaml", best]
    with pytest.raises(ValueError, match="there is no run runs/nothing"):
        with_config_of_run(["runs/nothing", "--out", "a.pkl"])
