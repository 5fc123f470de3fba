import csv
import itertools
import json
import pickle
import pickletools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kinegraph.evaluation.evaluation import Evaluation, evaluation_of, groups
from kinegraph.evaluation.results import checked_result_path
from kinegraph.report.html import About, report_page
from kinegraph.report.plots import confusion_png
from kinegraph.report.runs import read_course
from kinegraph.report.scene import scenes_of
from kinegraph.report.write import write_report
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.browser import needs_browser, open_page

FILES = ["confusion_matrix.csv", "confusion_matrix.png", "per_class.csv", "predictions.csv", "report.html"]


def an_evaluation(classes=6, clips=40, source="recorded", names=None, class_names=None, right=2.0):
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=clips)
    scores = rng.normal(size=(clips, classes)) + right * np.eye(classes)[labels]
    return Evaluation(
        scores.astype(np.float32),
        labels,
        names or [f"clip{i}" for i in range(clips)],
        class_names or [f"action {i}" for i in range(classes)],
        split="xsub",
        part="val",
        source=source,
    )


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_result_file_comes_back_as_it_went(tmp_path):
    evaluation = an_evaluation()
    paths = write_report(tmp_path / "new" / "result.pkl", evaluation)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [*FILES, "result.json", "result.pkl"]
    assert sorted(path.name for path in paths.values()) == [*FILES, "result.json", "result.pkl"]
    data = paths["result"].read_bytes()
    found = pickle.loads(data)
    assert isinstance(found, list)
    assert {(type(row), row.dtype, row.shape) for row in found} == {(np.ndarray, np.dtype("float32"), (6,))}
    np.testing.assert_array_equal(np.stack(found), evaluation.scores)
    # Names that the numpy of MMAction2 0.x knows, and a reader that lets nothing but numpy through.
    named = {argument for code, argument, _ in pickletools.genops(data) if code.name == "GLOBAL"}
    assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


def test_tables_agree_with_the_scores(tmp_path):
    evaluation = an_evaluation()
    paths = write_report(tmp_path / "r.pkl", evaluation)
    predictions = rows(paths["predictions"])
    assert [row["clip"] for row in predictions] == list(evaluation.names)
    assert np.mean([int(row["correct"]) for row in predictions]) == evaluation.metrics["top1"]
    within = [row["label_name"] in [row[f"top{k}_name"] for k in range(1, 6)] for row in predictions]
    assert np.mean(within) == evaluation.metrics["top5"]
    assert all(row["probability"] == row["top1_probability"] for row in predictions)
    classes = rows(paths["per_class"])
    assert sum(int(row["clips"]) for row in classes) == sum(int(row["predicted"]) for row in classes) == 40
    assert sum(int(row["correct"]) for row in classes) == evaluation.counts.hits.sum()
    with paths["confusion_matrix"].open(newline="") as file:
        matrix = [row[1:] for row in csv.reader(file)]
    assert np.array_equal(np.array(matrix[1:], dtype=int), evaluation.matrix().counts)


def test_per_class_figures_by_hand(tmp_path):
    scores = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]]
    evaluation = Evaluation(scores, np.array([0, 0, 0, 1]), list("abcd"), ["wave", "clap", "jump"])
    wave, clap, jump = rows(write_report(tmp_path / "r.pkl", evaluation)["per_class"])
    assert (wave["clips"], wave["correct"], wave["accuracy"], wave["precision"]) == ("3", "1", "0.3333", "1.0000")
    assert (wave["most_confused_with"], wave["confused_clips"]) == ("clap", "2")
    assert (clap["accuracy"], clap["precision"], clap["most_confused_with"]) == ("1.0000", "0.3333", "")
    assert (jump["clips"], jump["accuracy"], jump["precision"]) == ("0", "", "")


class Page(HTMLParser):
    """Elements, what they refer to, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.references, self.text, self._inside = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self._inside = tag
        self.references += [value for key, value in attributes if key in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.text += data if self._inside not in ("script", "style") else ""


def test_names_cannot_become_markup_or_formulas(tmp_path):
    evil = "</script><script>alert(1)</script>"
    formulas = ["=1+1", "+1", "-1", "@sum", "\t=1"]
    evaluation = an_evaluation(
        classes=6, clips=5, names=formulas, class_names=[f"{evil}{i}\x00\x1b" for i in range(6)], right=-9, source=evil
    )
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"mode": "val", "epoch": 1, "loss": 1.0, "top1": 0.5}))
    about = About(f"model: {evil}\n", {evil: evil}, read_course(log))
    paths = write_report(tmp_path / "r.pkl", evaluation, about, log=log)
    text = paths["report"].read_text(encoding="utf-8")
    page = Page(text)
    assert evil not in text.lower()
    assert page.elements.count("script") == 2  # the matrix's numbers and the page's own
    assert f"{evil}0" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    assert json.loads(re.search(r'json">(.*?)</script>', text)[1])["names"][0] == f"{evil}0\ufffd\ufffd"
    assert [row["clip"] for row in rows(paths["predictions"])] == ["'=1+1", "'+1", "'-1", "'@sum", "' =1"]


def test_the_page_needs_nothing_else():
    page = report_page(an_evaluation(), About("seed: 0", {"torch": "2.13"}))
    assert all(reference.startswith("#") for reference in Page(page).references)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_tells_the_figures():
    evaluation = an_evaluation(classes=20, clips=400)
    text = " ".join(Page(report_page(evaluation, About())).text.split())
    low, high = evaluation.intervals["top1"]
    assert f"Top-1{100 * evaluation.metrics['top1']:.1f}%{100 * low:.1f} – {100 * high:.1f}" in text
    assert f"Mean class{100 * evaluation.metrics['mean_class_accuracy']:.1f}%" in text
    assert "400 clips · 20 classes" in text
    assert "Chance level 5.0 %" in text
    few = Page(report_page(an_evaluation(classes=4), About())).text
    assert "Top-5" not in few  # of four classes every label is among the first five


@pytest.mark.parametrize(("source", "says"), [("synthetic, seed 0", True), ("UI-PRMD", False)])
def test_everything_says_whether_it_is_synthetic(tmp_path, source, says):
    paths = write_report(tmp_path / "r.pkl", an_evaluation(source=source))
    assert ("Synthetic data." in paths["report"].read_text(encoding="utf-8")) is says
    for table in ("predictions", "per_class", "confusion_matrix"):
        assert ("synthetic" in paths[table].read_text(encoding="utf-8").splitlines()[0]) is says
    assert ("synthetic" in an_evaluation(source=source).title) is says


@pytest.mark.parametrize("classes", [1, 12, 20, 60, 120])
def test_names_in_the_picture_have_room(classes):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from kinegraph.report.plots import confusion_figure

    confusion = np.arange(classes**2).reshape(classes, classes)
    figure = confusion_figure(confusion, [f"a rather long name of an action, number {i}" for i in range(classes)])
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == classes
    assert all(upper.y0 >= lower.y1 for upper, lower in itertools.pairwise(boxes))


def test_picture_of_odd_names_and_empty_rows():
    # "$" would start mathematics, Chinese letters are not in the font.
    names = ["$\\frac", "挥手", "", "x" * 300]
    png = confusion_png(np.diag([3, 0, 1, 2]), names, title="$ odd")
    assert png.startswith(b"\x89PNG")
    assert png == confusion_png(np.diag([3, 0, 1, 2]), names, title="$ odd")


def test_learning_curve_of_a_log_with_rough_edges(tmp_path):
    log = tmp_path / "log.jsonl"
    entries = [
        {"python": "3.11", "seed": 0},
        {"mode": "train", "epoch": 1, "loss": 3.0},
        {"mode": "train", "epoch": 1, "loss": 1.0},
        {"mode": "val", "epoch": 2, "loss": float("nan"), "top1": 0.25},
        {"mode": "val", "epoch": 1, "top1": 0.5},
        ["no", "object"],
    ]
    log.write_text("\n".join(map(json.dumps, entries)) + '\n{"mode": "tra', encoding="utf-8")
    assert read_course(log).curve == {("train", "loss"): [(1, 2.0)], ("val", "top1"): [(1, 0.5), (2, 0.25)]}
    assert "<polyline" in report_page(an_evaluation(), About(course=read_course(log)))


def test_a_failure_leaves_no_half_written_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    write_report(tmp_path / "r.pkl", an_evaluation())
    before = (tmp_path / "r.pkl").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path / "r.pkl", an_evaluation(right=0))
    assert (tmp_path / "r.pkl").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "r.json", "r.pkl"}


def test_wrong_input_is_named(tmp_path):
    assert checked_result_path(tmp_path / "results") == tmp_path / "results" / "result.pkl"  # as of long recordings
    with pytest.raises(ValueError, match=r"ends in \.pkl"):
        checked_result_path(tmp_path / "result.json")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="not a folder"):
        checked_result_path(tmp_path / "file" / "result.pkl")
    with pytest.raises(ValueError, match="scores of 6 classes with 5 class names"):
        an_evaluation(class_names=["x"] * 5)


def test_kinds_of_clips(tmp_path):
    folder = made_up.dataset(tmp_path / "dataset", count=90)
    labels = folder.label[folder.indices("xsub", "val")]
    alone = folder.people[folder.indices("xsub", "val")] == 1
    evaluation = evaluation_of(folder, "xsub", "val", np.eye(3)[np.where(alone, labels, 0)])
    found = groups(evaluation)
    assert set(found) == {"length", "people"}
    one, two = found["people"]
    assert (one.name, one.accuracy, two.name) == ("1", 1.0, "2")
    assert two.accuracy == pytest.approx((labels[~alone] == 0).mean())
    assert sum(group.clips for group in found["length"]) == one.clips + two.clips == 30
    scenes = scenes_of(evaluation, evaluation.surest_mistakes(10))
    assert {scene.label for scene in scenes} == {"b", "c"}
    assert "kg-player" in report_page(evaluation, About(), scenes)


class LongClips:
    """A dataset of one clip, many times."""

    def __init__(self, clip):
        self.clip = clip

    def __getitem__(self, index):
        return self.clip


def test_a_report_as_large_as_ntu60_stays_small():
    rng, layout = np.random.default_rng(0), load_layout("ntu25")
    evaluation = an_evaluation(classes=60, clips=16_487, names=[f"S001C001P003R001A{i:013}" for i in range(16_487)])
    walk = rng.normal(0, 0.01, (2, 900, 25, 3)).cumsum(axis=1) + rng.normal(0, 0.4, (2, 1, 25, 3))
    clip = SkeletonClip(walk.astype(np.float32), layout, "long", fps=30)
    object.__setattr__(evaluation, "folder", LongClips(clip))
    object.__setattr__(evaluation, "indices", np.arange(16_487))
    surest = evaluation.surest_mistakes(10)
    scenes = scenes_of(evaluation, surest, explain=lambda clip: np.ones(clip.keypoint.shape[:3]))
    assert [(scene.clip.frames, scene.rate) for scene in scenes] == [(300, 10)] * 10
    object.__setattr__(evaluation, "folder", None)
    page = report_page(evaluation, About(), scenes)
    assert len(page.encode()) < 3_000_000


@needs_browser
def test_the_page_is_sorted_zoomed_and_read(tmp_path):
    page_file = write_report(tmp_path / "r.pkl", an_evaluation(classes=30, clips=900, right=1.0))["report"]
    with open_page(page_file) as page:
        clips = "[...document.querySelectorAll('.classes td:nth-child(3)')].map(it => +it.dataset.value)"
        unsorted = page.run(clips)
        page.click(".classes th:nth-child(3) button")
        assert page.run(clips) == sorted(unsorted, reverse=True) != unsorted
        page.click(".classes th:nth-child(3) button")
        assert page.run(clips) == sorted(unsorted)

        page.run("document.querySelector('.matrix canvas').scrollIntoView({block: 'center'})")
        page.run(
            "for (const select of document.querySelectorAll('.order'))"
            "{ select.value = 'clips'; select.dispatchEvent(new Event('change')) }"
        )
        state = "document.querySelector('figure.matrix').matrix.state"
        order = page.run(f"{state}.order")
        assert [unsorted[label] for label in order] == sorted(unsorted, reverse=True)
        page.click(".matrix canvas", across=0.95, down=0.99)
        assert page.run(f"{state}.cell[0]") == order[-1]
        assert f"of {unsorted[order[-1]]} clips" in page.run("document.querySelector('.matrix .cell').textContent")
        page.click(".matrix .in")
        assert page.run(f"{state}.zoom") > 1
        page.click("button.show")
        label, prediction = page.run("document.querySelector('button.show').dataset.cell").split(",")
        assert page.run(f"{state}.cell") == [int(label), int(prediction)]
        assert page.run("document.querySelector('.matrix .clips').textContent").startswith("clip")
        assert page.messages == []


@needs_browser
def test_the_first_page_on_paper_holds_the_matrix_of_sixty_classes_with_their_names(tmp_path):
    """Paper is 27.9 or 29.7 cm high and has margins of 1.4 cm: 949 pixels at least."""
    page_file = write_report(tmp_path / "r.pkl", an_evaluation(classes=60, clips=900))["report"]
    with open_page(page_file) as page:
        page.size(688, 949)
        page.call("Emulation.setEmulatedMedia", media="print")
        page.run("dispatchEvent(new Event('beforeprint'))")
        box = "document.querySelector('.matrix canvas').getBoundingClientRect()"
        assert page.run(f"{box}.bottom") < 949
        assert page.run(f"{box}.width") > 600
        assert page.run("document.querySelector('figure.matrix').matrix.named()")


@needs_browser
def test_a_page_of_evil_names_runs_nothing_and_fits_a_phone(tmp_path):
    evil = "</script><img src=x onerror=alert(1)><script>document.title='taken'</script>"
    names = [evil + "x" * 80 + str(i) for i in range(6)]
    page_file = write_report(tmp_path / "r.pkl", an_evaluation(class_names=names, source=evil, right=0))["report"]
    with open_page(page_file, width=390, phone=True, dark=True) as page:
        assert page.run("document.title").startswith("Test report")
        assert page.run("document.images.length") == 0
        assert page.run("document.documentElement.scrollWidth") == 390
        assert page.messages == []
