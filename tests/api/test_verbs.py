"""The verbs in Python: what they return, that they leave nothing behind, and that their mistakes are one line."""

import random
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.api.calls import words_of
from kinegraph.cli import VERBS, main
from kinegraph.commands.prepare import prepare
from kinegraph.commands.train import train
from tests import made_up

LEARNS = {"epochs": 25, "validate_every": 5}  # enough to be right on most clips


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    made_up.dataset(folder / "dataset")
    made_up.config(folder / "config.yaml", folder / "dataset")
    return folder


@pytest.fixture(scope="module")
def run(place):
    return kg.train(place / "config.yaml", work_dir=place / "run", progress=False, **LEARNS)


def test_a_run_says_how_it_went(run, place):
    assert run.folder == place / "run"
    assert (run.best.name, run.last.name, run.report.name) == ("best.safetensors", "last.safetensors", "report.html")
    metrics = run.metrics
    assert metrics["epoch"] == list(range(1, 26))
    assert {len(column) for column in metrics.values()} == {25}
    assert sum(value == value for value in metrics["val_top1"]) == 5  # every fifth epoch
    assert run.config["epochs"] == 25
    assert repr(kg.run(place / "run")) == repr(run)
    assert kg.predict(run.model, kg.open_dataset(place / "dataset")[0]).class_names == ("a", "b", "c")


def test_the_command_line_gives_the_same_weights(run, place):
    words = ["train", str(place / "config.yaml"), "--work-dir", str(place / "typed"), "--epochs", "25"]
    assert main([*words, "--validate-every", "5"]) == 0
    assert (place / "typed/checkpoints/last.safetensors").read_bytes() == run.last.read_bytes()


def test_scores_that_the_network_does_not_know_change_no_figure(run, place, capsys):
    dataset = kg.open_dataset(place / "dataset")
    scored = [replace(clip, score=np.full(clip.keypoint.shape[:3], 0.5, np.float32)) for clip in dataset]
    about = {"layout": dataset.layout, "class_names": dataset.class_names, "units": "m", "source": "made up"}
    both = [kg.test(run.best, it, "xsub") for it in (dataset, kg.write_dataset(place / "scored", scored, **about))]
    np.testing.assert_array_equal(both[0].scores, both[1].scores)
    assert capsys.readouterr().out.count("note: the confidences of joints are left out") == 1
    flat = [replace(clip, keypoint=clip.keypoint[..., :2]) for clip in dataset]
    with pytest.raises(ValueError, match="clip 'clip000' has xy without scores, the network wants"):
        kg.test(run.best, kg.write_dataset(place / "flat", flat, **about | {"units": "px"}), "xsub")


def test_a_test_gives_its_figures(run, place, capsys):
    dataset = kg.open_dataset(place / "dataset")
    of_run, of_file = kg.test(run), kg.test(run.best, dataset, "xsub", out=place / "t/result.pkl", progress=False)
    assert (of_run.scores == of_file.scores).all()
    printed = float(capsys.readouterr().out.partition("top1: ")[2].split()[0])
    assert of_run.top1 == pytest.approx(printed, abs=1e-4)
    assert of_run.confusion.sum() == 9
    assert np.trace(of_run.confusion) == round(of_run.top1 * 9)
    assert len(of_run.mistakes["clip"]) == 9 - np.trace(of_run.confusion)
    assert of_file.report == place / "t/report.html"
    assert kg.report(run, place / "t", out=place / "both.html", progress=False).is_file()


def test_clips_runs_and_datasets_stand_for_their_files(run, place):
    dataset = kg.open_dataset(place / "dataset")
    assert kg.draw(dataset[3], place / "clip.html", weights=run).is_file()
    assert "clip003" in (place / "clip.html").read_text(encoding="utf-8")
    seen = kg.inspect(dataset)
    assert seen.ok
    assert (seen.facts["clips"], "split xsub" in str(seen)) == (27, True)
    copy = kg.prepare(dataset, place / "copy", classes=["a", "b"], progress=False)
    assert (len(copy), copy.class_names) == (18, ("a", "b"))


def test_a_call_leaves_nothing_behind(place):
    def state():
        environment = dict(__import__("os").environ)
        return torch.rand(2).tolist(), random.random(), np.random.rand(), torch.get_num_threads(), environment  # noqa: NPY002

    def seeded():
        torch.manual_seed(3), random.seed(3), np.random.seed(3)  # noqa: NPY002

    seeded()
    before, filters = state(), list(warnings.filters)
    seeded()
    kg.train(place / "config.yaml", work_dir=place / "det", deterministic=True, epochs=1, progress=False)
    assert state() == before
    assert warnings.filters == filters
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda place: kg.train("small_dat"), "no config file small_dat; did you mean 'small_data'"),
        (lambda place: kg.train(place / "config.yaml", epoch=3), "no option 'epoch' .*did you mean 'epochs'"),
        (lambda place: kg.train(place / "config.yaml", epochs="x"), "epochs: expected a whole number or 'auto', found"),
        (
            lambda place: kg.train(place / "config.yaml", work_dir=place / "run"),
            "resume goes on with it, another work_dir",
        ),
        (lambda place: kg.train(place / "config.yaml", devices=2), "devices is 2: a run on several"),
        (lambda place: kg.train(place / "config.yaml", devices=0), "devices is 0, expected at least 1"),
        (
            lambda place: kg.train(place / "config.yaml", dataset=list(kg.open_dataset(place / "dataset"))[:2]),
            r"kg.write_dataset\(FOLDER, clips, ...\) makes a dataset",
        ),
        (lambda place: kg.Stream("nothing.onnx", fps=30), "there is no file nothing.onnx"),
        (lambda place: kg.train(place / "config.yaml", dataset=3.5j), "a complex stands for no option"),
        (lambda place: kg.prepare(place / "none", place / "out"), "no file or folder"),
        (lambda place: kg.prepare(place / "dataset", place / "out", bodies="all"), "bodies: expected one of 'tracked'"),
        (lambda place: kg.test(place / "nowhere"), "nowhere is no run folder; of other weights say"),
        (lambda place: kg.test("none.safetensors"), "say dataset and split, or config"),
        (lambda place: kg.draw(place / "dataset", place / "a.gift"), "expected .html, .mp4, .gif, .png"),
        (lambda place: kg.run(place), "is no run folder"),
        (lambda place: kg.report(), "report needs a run"),
    ],
)
def test_wrong_input_is_a_value_error_of_one_line(run, place, call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call(place)
    assert "\n" not in str(raised.value)
    assert "--" not in str(raised.value)


def test_a_warning_is_never_silent(place):
    words = {"epochs": 1, "batch_size": 64, "validate": False, "work_dir": place / "warned"}
    with pytest.warns(UserWarning, match="18 training clips do not fill one batch of 64"):
        kg.train(place / "config.yaml", progress=False, **words)


def test_options_become_words():
    given = {
        "config": "small_data",
        "preprocessing": {"streams": ["bone"], "augment": {"mirror": 0.5}},
        "validate": False,
    }
    given |= {"optimizer": torch.optim.AdamW, "epochs": np.int64(3), "early_stop": None, "seed": None}
    assert words_of(train, given, from_config=True) == [
        "small_data",
        '--preprocessing.streams=["bone"]',
        "--preprocessing.augment.mirror=0.5",
        "--validate=false",
        f"--optimizer={torch.optim.AdamW.__module__}.AdamW",
        "--epochs=3",
        "--early_stop=null",  # whatever the config says
    ]
    assert words_of(prepare, {"path": "raw", "out": "x", "classes": 60}) == ["raw", "x", '--classes=["60"]']


def test_every_public_name_is_there():
    missing = [name for name in kg.__all__ if not hasattr(kg, name)]
    assert not missing
    assert {"prepare", "train", "test", "draw", "report", "crossval", "inspect", "predict"} <= {*VERBS} & {*kg.__all__}
    from kinegraph.report.write import write_report

    assert callable(write_report)
    assert callable(kg.report)


def test_cells_are_safe_and_play(run, place):
    dataset = kg.open_dataset(place / "dataset")
    x = np.ones((4, 25, 3))
    named = kg.SkeletonClip(x, "ntu25", name='"><script>alert(1)</script>')
    assert "<script" not in named._repr_html_()
    assert dataset[0]._repr_html_().startswith('<iframe sandbox="allow-scripts" srcdoc="&lt;!doctype html')
    assert "nobody is seen" in kg.SkeletonClip(0 * x, "ntu25")._repr_html_()
    assert "val_top1" in run._repr_html_()
    assert "top1" in kg.test(run, progress=False)._repr_html_()
    assert "27 clips" in dataset._repr_html_()
    assert "probability" in kg.predict(run.model, dataset[0])._repr_html_()


def test_a_notebook_shows_the_confusion_matrix(run):
    tested = kg.test(run, progress=False)
    shown = re.findall(r"<tr><td[^>]*>\d (\w)</td>(.*?)</tr>", tested._repr_html_())
    assert [name for name, _ in shown] == ["a", "b", "c"]
    rows = [[int(it or 0) for it in re.findall(r"<td[^>]*>(\d*)</td>", cells)] for _, cells in shown]
    assert rows == tested.confusion.tolist()


def test_a_notebook_shows_what_was_written(run, place):
    dataset, drawn = kg.open_dataset(place / "dataset"), {}
    for kind in ("html", "png", "svg", "pdf"):
        drawn[kind] = kg.draw(dataset[3], place / f"shown.{kind}", weights=run, progress=False)._repr_html_()
    assert drawn["html"].startswith('<iframe sandbox="allow-scripts"')
    assert "data:image/png;base64," in drawn["png"]
    assert "data:image/svg+xml;base64," in drawn["svg"]
    assert drawn["pdf"] is None
    assert "Training report" in run.report._repr_html_()
    assert kg.show_graph("ntu25")._repr_png_().startswith(b"\x89PNG")


def test_a_run_answers_about_a_file(run, place):
    dataset = kg.open_dataset(place / "dataset")
    kg.write_dataset(place / "alone", [dataset[3]], layout=dataset.layout, class_names=dataset.class_names, units="m",
                     source="")  # fmt: skip
    assert kg.predict(run, place / "alone").probability == kg.predict(run.model, dataset[3]).probability
    with pytest.raises(ValueError, match=r"dataset holds several clips \(clip000, clip001, .*, expected one"):
        kg.predict(run, place / "dataset")


def test_a_run_stands_for_its_weights(run, place):
    clips = kg.open_dataset(place / "dataset")[:2]
    assert np.array_equal(kg.embed(run, clips), kg.embed(run.best, clips))
    assert kg.load_model(run).weights.class_names == ("a", "b", "c")


def test_a_command_without_a_function_is_said():
    assert {*kg._COMMANDS} == {*VERBS} - {*kg.__all__}
    with pytest.raises(AttributeError, match="it is a command only: kinegraph explain"):
        kg.explain  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'predict'"):
        kg.predikt  # noqa: B018
