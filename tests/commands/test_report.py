"""report, explain and test --report on a small run: pages come out, and what is wrong is one line."""

import csv
import json

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.evaluation import evaluation_of
from kinegraph.evaluation.metrics import figures_to_show
from kinegraph.report.html import About
from kinegraph.report.runs import read_course, read_run
from kinegraph.report.write import write_report, write_run_report
from tests import made_up
from tests.browser import needs_browser, open_page


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run and its test, and the test of another network."""
    folder = tmp_path_factory.mktemp("report")
    dataset = made_up.dataset(folder / "dataset", count=36)
    config = made_up.config(folder / "one.yaml", folder / "dataset", epochs=1)
    assert main(["train", str(config), "--work-dir", str(folder / "one")]) == 0
    weights = folder / "one" / "checkpoints" / "best.safetensors"
    assert main(["test", str(config), str(weights), "--out", str(folder / "one_test" / "result.pkl")]) == 0
    scores = np.eye(3)[np.arange(12) % 3] + np.random.default_rng(0).normal(0, 0.5, (12, 3))
    other = config.read_text().replace("epochs: 1", "epochs: 2")
    told = evaluation_of(dataset, "xsub", "val", scores)
    log = folder / "one" / "log.jsonl"
    write_report(folder / "two_test" / "result.pkl", told, About(other, course=read_course(log)), log=log)
    return folder


def test_test_writes_the_report_alone(place, tmp_path):
    weights = place / "one" / "checkpoints" / "best.safetensors"
    assert main(["test", str(place / "one.yaml"), str(weights), "--report", str(tmp_path / "new" / "page.html")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    for words in ("Learning, by epoch", "Kinds of clips", "kg-player", '"importance"', "dropout"):
        assert words in page


def test_a_test_folder_comes_back_as_it_was(place):
    run = read_run(place / "two_test")
    written = json.loads((place / "two_test" / "result.json").read_text())
    shown = figures_to_show({name: written["metrics"][name] for name in ("top1", "top5", "mean_class_accuracy")}, 3)
    assert run.metrics == shown | {"calibration_error": pytest.approx(written["calibration_error"])}
    assert run.evaluation.facts["people"].tolist() == [1 + i % 2 for i in range(24, 36)]
    assert run.course.validations
    assert run.config["epochs"] == 2


def test_a_run_is_reported_and_keeps_its_scores(place):
    assert main(["report", str(place / "one")]) == 0
    page = place / "one" / "report.html"
    assert "kinegraph test" in page.read_text()
    dataset = open_dataset(place / "dataset")
    scores = np.eye(3, dtype=np.float32)[np.zeros(12, int)]
    write_run_report(place / "one", evaluation_of(dataset, "xsub", "val", scores))
    assert "Confusion matrix" in page.read_text()
    kept = page.read_text()
    assert main(["report", str(place / "one")]) == 0  # from val/
    assert page.read_text() == kept
    assert read_run(place / "one").metrics["top1"] == pytest.approx(4 / 12)


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_figures_for_papers(place, tmp_path, kind, capsys):
    page = tmp_path / "page.html"
    assert main(["report", str(place / "two_test"), "--out", str(page), "--figures", kind]) == 0
    names = {"confusion_matrix", "calibration", "learning_top1", "learning_loss"}
    drawn = {file.stem: file.read_bytes() for file in (tmp_path / "figures").iterdir()}
    assert {*drawn} == names
    assert all((b"<text" if kind == "svg" else b"/FontFile2") in content for content in drawn.values())
    assert main(["report", str(place / "one"), str(place / "two_test"), "--figures", kind]) == 2
    assert "--figures are of one run, 2 are given" in capsys.readouterr().err


def test_runs_are_compared(place, tmp_path, capsys):
    assert main(["report", str(place / "one_test"), str(place / "two_test"), "--out", str(tmp_path / "c.html")]) == 0
    assert "one_test" in capsys.readouterr().out
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    for words in ("Options that differ", "epochs", "Only two_test is right", "bootstrap"):
        assert words in page


@needs_browser
def test_the_comparison_is_readable_on_a_phone(place, tmp_path):
    main(["report", str(place / "one_test"), str(place / "two_test"), "--out", str(tmp_path / "c.html")])
    with open_page(tmp_path / "c.html", width=390, phone=True) as page:
        assert page.run("document.documentElement.scrollWidth") == 390
        changes = "[...document.querySelectorAll('.changes td:last-child')].map(it => +it.dataset.value)"
        page.click(".changes th:last-child button")
        assert page.run(changes) == sorted(page.run(changes), reverse=True)
        assert page.messages == []


def test_joints_are_explained(place, tmp_path, capsys):
    weights = str(place / "one" / "checkpoints" / "best.safetensors")
    arguments = [weights, str(place / "dataset"), "--split", "xsub", "--out", str(tmp_path / "joints.csv")]
    assert main(["explain", *arguments]) == 0
    assert "12 clips; evenly shared, a joint would have 4.0%" in capsys.readouterr().out
    with (tmp_path / "joints.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["all", "a", "b", "c"]
    joints = open_dataset(place / "dataset").layout.joints
    for row in rows:
        if row["clips"] != "0":
            assert sum(float(row[joint]) for joint in joints) == pytest.approx(1, abs=1e-4)
    assert sum(int(row["clips"]) for row in rows[1:]) == int(rows[0]["clips"]) == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "{place}/none"], "there is no run or test"),
        (["report", "{place}/dataset"], "is no run folder"),
        (["report", "{place}/one.yaml"], "is no result of"),
        (["report", "{place}/one", "--out", "page.pdf"], "ends in .html"),
        (["test", "{place}/one.yaml", "{place}/none", "--report", "page.pdf"], "ends in .html"),
        (["explain", "{weights}", "{place}/dataset", "--part", "val"], "give --split too"),
        (["explain", "{weights}", "{place}/dataset", "--out", "{place}/none/x.csv"], "folder that exists"),
        (["explain", "{weights}", "{place}/dataset", "--split", "xview"], "no split 'xview'"),
    ],
)
def test_wrong_input_is_one_line(place, capsys, arguments, words):
    names = {"place": place, "weights": place / "one" / "checkpoints" / "best.safetensors"}
    assert main([word.format(**names) for word in arguments]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert words in told


def test_a_damaged_result_is_named(place, tmp_path, capsys):
    for name in ("result.pkl", "result.json"):
        (tmp_path / name).write_bytes((place / "one_test" / name).read_bytes())
    told = json.loads((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps(told | {"clips": told["clips"][1:]}))
    assert main(["report", str(tmp_path)]) == 2
    assert "do not belong together" in capsys.readouterr().err
    (tmp_path / "result.json").write_text("[" * 100_000)
    assert main(["report", str(tmp_path)]) == 2
    assert "nested too deeply" in capsys.readouterr().err
