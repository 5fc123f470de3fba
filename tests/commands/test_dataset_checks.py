"""Numbers that cannot be trusted are said so, or refused: docs/reliability.md has the table of these cases."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.dataset_checks import dataset_findings, line_of
from kinegraph.evaluation.metrics import remarks
from kinegraph.models.weights import load_weights
from kinegraph.models.weights_path import find_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from kinegraph.training.loop import Training
from tests import made_up
from tests.data import faulty

NAMES = [clip.name for clip in faulty.recordings()]


def still(clips):
    clips[2].keypoint[:] = clips[2].keypoint[:, :1]


def one_frame(clips):
    clips[2] = replace(clips[2], keypoint=clips[2].keypoint[:, :1])


def one_clip_of_a_class(clips):
    others = [clip for clip in clips if clip.label == 3 and clip.part == "train"][1:]
    clips[:] = [clip for clip in clips if clip not in others]


def class_in_val_only(clips):
    clips[:] = [clip for clip in clips if clip.label != 3 or clip.part == "val"]


def three_clips(clips):
    clips[:] = [*clips[:3], *clips[-4:-1]]


def no_val(clips):
    clips[:] = [clip for clip in clips if clip.part == "train"]


def no_train(clips):
    clips[:] = [clip for clip in clips if clip.part == "val"]


def val_is_called_test(clips):
    clips[:] = [replace(clip, part="test") if clip.part == "val" else clip for clip in clips]


def one_in_millimetres(clips):
    clips[2] = replace(clips[2], keypoint=clips[2].keypoint * 1000)


def nothing_large(clips):
    clips[:] = [replace(clip, keypoint=clip.keypoint * np.float32(1e-30)) for clip in clips]


def huge(clips):
    clips[2] = replace(clips[2], keypoint=clips[2].keypoint * np.float32(1e30))


def no_frames(clips):
    clips[2] = replace(clips[2], keypoint=clips[2].keypoint[:, :0])


def nobody(clips):
    for clip in clips:
        clip.keypoint[:] = 0


def test_several_frame_rates_are_said(tmp_path, capsys):
    layout, body = load_layout("ntu25"), made_up.body("ntu25").astype(np.float32)
    clips = [
        SkeletonClip(body + i + np.arange(4)[None, :, None, None], layout, f"c{i}", i % 2, fps=fps)
        for i, fps in enumerate((25, 30, 60, 60))
    ]
    write_dataset(tmp_path / "set", clips, layout=layout, class_names=["a", "b"], units="m", source="made up")
    assert main(["inspect", str(tmp_path / "set")]) == 0
    line = "note: frame rates from 25 to 60; `prepare --resample-fps` brings all clips to one"
    assert line in capsys.readouterr().out
    assert main(["prepare", str(tmp_path / "set"), str(tmp_path / "same"), "--resample-fps", "30"]) == 0
    assert "frame rates" not in capsys.readouterr().out
    assert set(open_dataset(tmp_path / "same").fps.tolist()) == {30}


def prepared(folder, fault, write=faulty.annotations, source="annotations"):
    clips = faulty.recordings()
    fault(clips)
    path = write(folder, clips)
    names = () if write in (faulty.npz, faulty.table_json, faulty.dataset) else ("--class-names", "ntu60")
    return path, main(["prepare", source, str(path), str(folder / "data"), *names])


SAID = [
    (still, f"note: nobody moves: all frames are the same (1 clip: {NAMES[2]})"),
    (one_frame, f"note: only one frame (1 clip: {NAMES[2]})"),
    (one_clip_of_a_class, f"note: split xsub: a single training clip for brushing hair (1 clip: {NAMES[3]})"),
    (class_in_val_only, "problem: split xsub: val has classes that train lacks: brushing hair (4 clips:"),
    (three_clips, "note: split xsub: only 3 training clips for 3 classes"),
    (no_val, "note: split xsub has no part val, only train: train needs --no-validate"),
    (no_train, "note: split xsub has no part train, only val: it can be tested on alone"),
    (faulty.duplicate_content, f"problem: split xsub: the same recording in several parts (2 clips: {NAMES[3]},"),
    (one_in_millimetres, "problem: other units than most: bodies of"),
]


@pytest.mark.parametrize(("fault", "line"), SAID, ids=lambda it: getattr(it, "__name__", ""))
def test_prepare_and_inspect_say_it_in_the_same_words(tmp_path, capsys, fault, line):
    assert prepared(tmp_path, fault)[1] == 0
    assert line in capsys.readouterr().out
    code = main(["inspect", str(tmp_path / "data")])
    assert code == int(line.startswith("problem"))
    assert line.partition(" (")[0] in capsys.readouterr().out


def test_a_clean_dataset_has_no_doubts(tmp_path, capsys):
    assert prepared(tmp_path, lambda clips: None)[1] == 0
    out = capsys.readouterr().out
    assert "note:" not in out
    assert "problem:" not in out


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faulty.nan, f"clip '{NAMES[faulty.ODD]}' holds NaN or infinity, first of person 0 in frame 3"),
        (faulty.infinity, f"clip '{NAMES[faulty.ODD]}' holds NaN or infinity"),
        (huge, "which is no coordinate (keypoint, person 0, frame 0)"),
        (no_frames, f"clip '{NAMES[2]}' has no frames"),
        (nobody, "no clip is left; skipped: 32 without any person"),
        (faulty.label_60, "has label 60, the 60 classes are 0 to 59"),
    ],
)
def test_prepare_refuses(tmp_path, capsys, fault, message):
    path, code = prepared(tmp_path, fault)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert main(["inspect", str(path), "--class-names", "ntu60"]) == 1  # and finds it too


@pytest.mark.parametrize(
    ("write", "source"), [(faulty.padded, "npy"), (faulty.npz, "npz"), (faulty.table_csv, "table")]
)
def test_infinity_is_refused_in_every_format(tmp_path, capsys, write, source):
    assert prepared(tmp_path, faulty.infinity, write, source)[1] == 2
    assert NAMES[faulty.ODD] in capsys.readouterr().err


def test_an_empty_clip_of_a_table_is_left_out_and_listed(tmp_path, capsys):
    assert prepared(tmp_path, faulty.empty, faulty.table_json, "table")[1] == 0
    assert f"skipped: 1 without any person: {NAMES[faulty.ODD]}" in capsys.readouterr().out


def trained(tmp_path, *options, **more):
    config = made_up.config(tmp_path / "config.yaml", tmp_path / "data", **more)
    return main(["train", str(config), "--work-dir", str(tmp_path / "run"), *options])


def test_train_and_test_say_what_is_doubtful(tmp_path, capsys):
    def all_at_once(clips):
        still(clips)
        faulty.duplicate_content(clips)
        one_clip_of_a_class(clips)

    assert prepared(tmp_path, all_at_once)[1] == 0
    capsys.readouterr()
    assert trained(tmp_path, "--batch-size", "16", epochs=1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("note: nobody moves" in line for line in lines) == 1
    assert sum("problem: split xsub: the same recording in several parts" in line for line in lines) == 1
    assert "warning: 13 training clips do not fill one batch of 16" in lines
    weights = tmp_path / "run" / "checkpoints" / "last.safetensors"
    page = tmp_path / "page.html"
    assert main(["test", str(tmp_path / "config.yaml"), str(weights), "--report", str(page)]) == 0
    out = capsys.readouterr().out
    said = {"problem": "split xsub: the same recording in several parts", "warning": "only 16 clips: each is 6 points"}
    for kind, line in said.items():
        assert f"{kind}: {line}" in out
        assert f"<b>{kind}</b> {line}" in page.read_text()
    assert main(["report", str(tmp_path / "run")]) == 0  # from the run's log
    shown = (tmp_path / "run" / "report.html").read_text()
    assert "<b>note</b> nobody moves" in shown
    assert f"<b>problem</b> {said['problem']}" in shown


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (no_val, "split 'xsub' has no part 'val' to validate on, only train; --no-validate trains without"),
        (no_train, "split 'xsub' has no part 'train'; its parts are val"),
        (nothing_large, "bodies are 1.6e-30 large, which is next to nothing in any unit; prepare the dataset again"),
    ],
)
def test_train_refuses(tmp_path, capsys, fault, message):
    write = (faulty.dataset, "dataset") if fault is nothing_large else (faulty.annotations, "annotations")
    assert prepared(tmp_path, fault, *write)[1] == 0
    assert trained(tmp_path) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_split_into_train_and_test_needs_no_option(tmp_path, capsys):
    assert prepared(tmp_path, val_is_called_test, faulty.table_json, "table")[1] == 0
    assert "note: split xsub has no part val: train and test measure on test, which" in capsys.readouterr().out
    assert trained(tmp_path) == 0
    assert "validation on part 'test', there is no 'val': the best epoch is chosen by it" in capsys.readouterr().out
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    assert main(["test", str(tmp_path / "config.yaml"), str(best), "--out", str(tmp_path / "result.pkl")]) == 0
    assert json.loads((tmp_path / "result.json").read_text())["part"] == "test"
    assert load_weights(best).extra["measured"][0]["part"] == "test"
    assert (
        main(["predict", str(best), str(tmp_path / "data"), "--split", "xsub", "--out", str(tmp_path / "a.csv")]) == 0
    )


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, capsys, monkeypatch):
    """A step spoils the weights though its loss was finite: found before the checkpoint is replaced."""
    made_up.dataset(tmp_path / "data")
    step = Training._step

    def spoiling(self, *batch):
        sums = step(self, *batch)
        if self.progress.step == 9:  # the last of epoch 2
            next(self.network.parameters()).data.fill_(torch.nan)
        return sums

    monkeypatch.setattr(Training, "_step", spoiling)
    assert trained(tmp_path) == 2
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    error = capsys.readouterr().err
    assert "weights are not finite numbers after epoch 2" in error
    assert f"{checkpoint} is from before" in error
    state = torch.load(checkpoint, weights_only=True)
    assert state["progress"]["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in state["network"].values() if tensor.is_floating_point())
    assert not (checkpoint.parent / "last.safetensors").exists()


def test_a_spike_is_told_and_logged(tmp_path, capsys, monkeypatch):
    made_up.dataset(tmp_path / "data")
    step = Training._step

    def spiking(self, *batch):
        return step(self, *batch) * torch.tensor([100 if self.progress.step == 7 else 1, 1, 1, 1])

    monkeypatch.setattr(Training, "_step", spiking)
    assert trained(tmp_path) == 0
    said = capsys.readouterr().err
    assert "warning: a spike in epoch 2: the loss of a batch was" in said
    assert "--clip-gradients 1 or a lower learning rate may help" in said
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    peaks = {line["epoch"]: line["peak"] for line in log if line["mode"] == "train"}
    assert peaks[2] > 20 * max(peaks[1], peaks[3])
    assert main(["report", str(tmp_path / "run")]) == 0
    shown = (tmp_path / "run" / "report.html").read_text()
    assert f"a spike in epoch 2: the loss of a batch was {peaks[2]:.3g}, on average it was" in shown


def test_figures_are_remarked_on():
    scores, names = np.eye(4)[np.zeros(40, int)], ["a", "b", "c", "d"]
    assert remarks(scores, np.arange(40) % 3, names) == [
        "every one of the 40 clips is predicted as 'a'",
        "mean_class_accuracy is over 3 classes; 1 has no clip here",
    ]
    assert remarks(np.eye(4)[np.arange(40) % 4], np.arange(40) % 3, names) == [
        "mean_class_accuracy counts 1 class without clips as 0, because clips are answered with it"
    ]
    assert remarks(np.eye(4)[np.arange(40) % 4], np.arange(40) % 4, names) == []


def test_doubts_of_one_split_are_of_its_clips(tmp_path):
    prepared(tmp_path, still)
    folder = open_dataset(tmp_path / "data")
    assert [line_of(one) for one in dataset_findings(folder, "xsub")] == [f"{SAID[0][1].removeprefix('note: ')}"]


@pytest.mark.parametrize("name", ["metrics.csv", "log.jsonl", "report.html", "config.yaml", "val/predictions.csv"])
def test_a_file_that_no_run_wrote_is_spared(tmp_path, capsys, name):
    made_up.dataset(tmp_path / "data")
    mine = tmp_path / "run" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine: 1\n")
    for option in ((), ("--overwrite",)):
        assert trained(tmp_path, *option, epochs=1) == 2
        assert f"{mine} was not written by a run, and this run would replace it; move it or" in capsys.readouterr().err
        assert mine.read_text() == "mine: 1\n"


def test_a_run_that_died_early_is_begun_anew(tmp_path):
    made_up.dataset(tmp_path / "data")
    assert trained(tmp_path, epochs=1) == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert trained(tmp_path, epochs=1) == 0


def test_a_run_is_replaced_when_asked_and_stands_for_its_weights(tmp_path, capsys):
    made_up.dataset(tmp_path / "data")
    assert trained(tmp_path, epochs=1) == 0
    assert trained(tmp_path, epochs=2) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert trained(tmp_path, "--overwrite", epochs=2) == 0
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log if line["mode"] == "val"] == [1, 2]
    assert find_weights(tmp_path / "run") == tmp_path / "run" / "checkpoints" / "best.safetensors"
    with pytest.raises(ValueError, match="a folder without weights"):
        find_weights(tmp_path / "data")
    with pytest.raises(ValueError, match="there is no file"):
        find_weights(tmp_path / "absent.safetensors")


def test_labels_without_a_split_say_how_to_make_one(tmp_path):
    clips = [replace(clip, splits={}) for clip in made_up.clips(6)]
    about = {"layout": load_layout("ntu25"), "class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    folder = write_dataset(tmp_path / "d", clips, **about)
    (finding,) = [one for one in dataset_findings(folder) if one.kind == "no_split"]
    assert finding.message == "no split: train needs one; prepare makes it with --val-share 0.2"
    with pytest.raises(ValueError, match=r"it has no splits: prepare makes one with --val-share 0\.2"):
        folder.part_of("holdout")
    assert not [one for one in dataset_findings(made_up.dataset(tmp_path / "e")) if one.kind == "no_split"]
