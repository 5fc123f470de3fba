"""What a person reads while a network trains, and finds afterwards: lines, warnings, cards, TensorBoard."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.data.loading import EpochBatches
from kinegraph.models.weights import add_measured, load_weights
from kinegraph.training.loop import Training
from tests import made_up

LINE = re.compile(
    r"epoch (?P<epoch>\d)/3  loss \d\.\d{4}  lr \d\.\d\de-\d\d  train top-1 +\d+\.\d%  val top-1 +(?P<val>[\d.]+)%  "
    r"best +(?P<best>[\d.]+)% \(epoch \d\)  [\d,]+ clips/s  \d+% waiting for data  \d+:\d\d(:\d\d)? left"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("watching") / "dataset"
    made_up.dataset(path)
    return path


def changed(path: Path, change, **about) -> Path:
    """The made-up dataset with each clip changed."""
    clips = [change(clip) for clip in made_up.clips(27)]
    about = {"class_names": ["a", "b", "c"], "units": "m", "source": "made up"} | about
    write_dataset(path, [clip for clip in clips if clip], layout=clips[0].layout, **about)
    return path


def train(tmp_path: Path, data: Path, *options: str) -> int:
    config = made_up.config(tmp_path / "config.yaml", data)
    return main(["train", str(config), "--work-dir", str(tmp_path / "run"), *options])


def test_one_line_an_epoch(tmp_path, data, capsys):
    assert train(tmp_path, data) == 0
    *lines, last = capsys.readouterr().err.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert [match["epoch"] for match in found] == ["1", "2"]
    assert max(float(match["val"]) for match in found) == float(found[-1]["best"])
    assert re.fullmatch(r"epoch 3/3 .* took \d+:\d\d", last)


def test_ctrl_c_says_a_command_that_goes_on(tmp_path, data, monkeypatch, capsys):
    step = Training._step

    def interrupted_step(self, *batch):
        if self.progress.step == 7:
            os.kill(os.getpid(), 2)
        return step(self, *batch)

    monkeypatch.setattr(Training, "_step", interrupted_step)
    assert train(tmp_path, data) == 130
    command = capsys.readouterr().out.splitlines()[-1].split()
    assert command[0] == "kinegraph"
    assert main(command[1:]) == 0
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()


def test_a_loss_that_is_no_number_names_its_batch(tmp_path, data, monkeypatch, capsys):
    """It is looked at after the fifth batch of the epoch, and found in the third."""
    step = Training._step

    def broken_step(self, *batch):
        sums = step(self, *batch)
        return sums * float("nan") if self.progress.step == 7 else sums

    monkeypatch.setattr(Training, "_step", broken_step)
    assert train(tmp_path, data) == 2
    clips = [f"clip{position:03}" for _, position in EpochBatches(18, 4, seed=7, epoch=1).batches[2]]
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"not a finite number in epoch 2, batch 3 (clips {', '.join(clips)})" in said


def test_a_full_gpu_is_one_line(tmp_path, data, monkeypatch, capsys):
    def full(self, *batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB. GPU 0 has a total capacity of 8.")

    monkeypatch.setattr(Training, "_step", full)
    assert train(tmp_path, data) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("CUDA out of memory. Tried to allocate 9.00 GiB. Try a smaller --batch-size")


def test_a_network_that_learns_nothing_is_warned_of_once(tmp_path, data, capsys):
    assert train(tmp_path, data, "--epochs", "6", "--optimizer.init_args.lr", "1e-9") == 0
    said = capsys.readouterr().err
    assert said.count("warning: after 5 epochs top-1 on the training clips is") == 1
    assert "always naming the largest class (33.3%)" in said


def test_few_steps_are_no_reason_to_warn(tmp_path, data, capsys):
    """60 epochs of two steps: five of them say nothing yet of the learning rate."""
    words = ("--epochs", "60", "--batch-size", "16", "--optimizer.init_args.lr", "1e-9")
    assert train(tmp_path, data, *words) == 0
    assert "warning: after 30 epochs top-1 on the training clips is" in capsys.readouterr().err


def test_without_validation_no_part_is_missed(tmp_path, capsys):
    def all_train(clip):
        return replace(clip, splits={"xsub": "test" if clip.splits["xsub"] == "val" else "train"})

    data = changed(tmp_path / "dataset", all_train)
    assert train(tmp_path, data, "--epochs", "1") == 0
    assert "also chooses the best epoch" in capsys.readouterr().out
    assert train(tmp_path, data, "--epochs", "1", "--no-validate", "--overwrite") == 0
    assert "no part val" not in capsys.readouterr().out
    words = ("--no-validate", "--monitor", "mean_class_accuracy", "--overwrite")
    assert train(tmp_path, data, "--epochs", "1", *words) == 0
    assert "note: monitor does nothing with --no-validate" in capsys.readouterr().out


def test_options_that_do_nothing_are_named(tmp_path, data, capsys):
    words = ("--schedule.milestones", "[1]", "--graph-waits", "1", "--tensorboard-names", "tensorflow", "--steps", "9")
    assert train(tmp_path, data, *words, "--model.edges", "fixed", "--epochs", "1") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")] == [
        "note: schedule.milestones does nothing with kind cosine",
        "note: graph_waits does nothing: STGCN learns no graph",
        "note: steps 9 does nothing, as epochs is 1",
        "note: tensorboard_names does nothing without --loggers tensorboard",
    ]


def test_a_class_without_training_clips_is_warned_of(tmp_path, capsys):
    def without_b(clip):
        return None if clip.label == 1 and clip.splits["xsub"] == "train" else clip

    data = changed(tmp_path / "dataset", without_b)
    assert train(tmp_path, data, "--epochs", "1") == 0
    assert "warning: no training clip has 1 of the 3 classes: b" in capsys.readouterr().out
    assert "No training clip showed b" in (tmp_path / "run" / "checkpoints" / "last.md").read_text()


def test_weights_and_card_tell_what_is_known(tmp_path):
    def of_subject(clip):
        return replace(clip, attributes={"subject": int(clip.name[-2:]) % 4})

    data = changed(tmp_path / "dataset", of_subject, licence="CC0")
    assert train(tmp_path, data) == 0
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    extra = load_weights(best).extra
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    record = next(row for row in rows if row["mode"] == "val" and row["epoch"] == extra["epoch"])
    assert extra["training"] == {
        "source": "made up", "licence": "CC0", "split": "xsub", "part": "train", "clips": 18, "classes": 3,
        "frames": [14, 16, 18], "coordinates": ["x", "y", "z"], "units": "m", "subjects": 4,
        "recorded": {"units": "m", "size": [0.8038, 1.098, 2.079], "upward": {"-x": 0.0556, "-z": 0.9444}, "fps": [],
                     "missing": [0.0, 0.0, 0.0]},
    }  # fmt: skip
    assert extra["measured"] == [
        {"source": "made up", "split": "xsub", "part": "val", "clips": 9, "top1": record["top1"],
         "mean_class_accuracy": record["mean_class_accuracy"], "chosen_by": "top1"}
        | ({"top5": record["top5"]} if "top5" in record else {})
    ]  # fmt: skip
    recipe = yaml.safe_load(extra["recipe"])
    assert (recipe["dataset"], recipe["epochs"]) == ("dataset", 3)
    assert str(tmp_path) not in best.with_suffix(".md").read_text()

    assert main(["test", str(tmp_path / "config.yaml"), str(best), "--part", "train", "--keep"]) == 0
    add_measured(best, {"source": "another", "split": "xsub", "part": "test", "clips": 7, "top1": 0.5})
    add_measured(best, {"source": "another", "split": "xsub", "part": "test", "clips": 7, "top1": 0.75})
    card = best.with_suffix(".md").read_text()
    assert [one["part"] for one in load_weights(best).extra["measured"]] == ["val", "train", "test"]
    for words in (
        "18 clips of 4 subjects in 3 classes", "licence of the data: CC0", "a; b; c", "It has seen 4 people",
        f"| made up, xsub / val | 9 | {record['top1']:.1%} |", "| another, xsub / test | 7 | 75.0% |", "epochs: 3",
    ):  # fmt: skip
        assert words in card


def test_tensorboard_shows_the_log(tmp_path, data):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train(tmp_path, data, "--tensorboard", "--log-every", "2") == 0
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for mode in ("train", "val"):
        expected = [row["loss"] for row in rows if row["mode"] == mode]
        assert [event.value for event in shown.Scalars(f"{mode}/loss")] == pytest.approx(expected, rel=1e-5)
    assert [event.step for event in shown.Scalars("val/top1")] == [5, 10, 15]


def test_tensorboard_names_of_the_tensorflow_project(tmp_path, data):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train(tmp_path, data, "--tensorboard", "--tensorboard-names", "tensorflow", "--log-every", "2") == 0
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    names = {"cross_entropy_loss", "train_acc", "train_acc_top_5", "epoch_test_acc", "epoch_test_acc_top_5"}
    assert names < set(shown.Tags()["scalars"])
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    expected = [row["top1"] for row in rows if row["mode"] == "val"]
    assert [event.value for event in shown.Scalars("epoch_test_acc")] == pytest.approx(expected, rel=1e-5)


def test_tensorboard_that_is_not_installed_is_asked_for(tmp_path, data, monkeypatch, capsys):
    monkeypatch.setattr("kinegraph.training.observers.find_spec", lambda name: None)
    assert train(tmp_path, data, "--tensorboard") == 2
    assert "pip install 'kinegraph[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
