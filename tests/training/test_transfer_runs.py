"""Runs that start from other weights: what is frozen stays, the head has its own rate, resuming is exact."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.loading import ClipDataset, train_loader
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models import weights_path
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_weights
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.training.optim import parameter_groups, scale_rates
from kinegraph.training.setup import recalibrate_batchnorm
from tests import made_up
from tests.training.killed import killed_after


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A config and a run of it in "base"."""
    folder = tmp_path_factory.mktemp("transfer")
    made_up.dataset(folder / "dataset")
    made_up.config(folder / "config.yaml", folder / "dataset")
    assert main(["train", str(folder / "config.yaml"), "--work-dir", str(folder / "base"), "--epochs", "2"]) == 0
    return folder


def train(place: Path, run: Path, *options: object) -> Path:
    assert main(["train", str(place / "config.yaml"), "--work-dir", str(run), *map(str, options)]) == 0
    return run


def state(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "last.safetensors")


def base(place: Path) -> Path:
    return place / "base" / "checkpoints" / "last.safetensors"


def test_resumed_is_uninterrupted_with_frozen_blocks_and_a_rate_for_the_head(place, tmp_path, monkeypatch):
    options = ["--init-from", base(place), "--freeze", 1, "--head-lr", 5, "--save-every", 2, "--optimizer",
               "torch.optim.AdamW", "--no-decay-all"]  # fmt: skip
    whole = state(train(place, tmp_path / "whole", *options))
    before = state(place / "base")
    frozen = {name for name in before if name.startswith(("data_norm.", "blocks.0.", "A"))}
    for name, tensor in before.items():
        assert torch.equal(whole[name], tensor) == (name in frozen), name

    with killed_after(8):
        train(place, tmp_path / "killed", *options)
    monkeypatch.setattr("kinegraph.commands.train.open_start", None)  # the run itself is all that resuming needs
    resumed = state(train(place, tmp_path / "killed", *options, "--resume"))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    for run in ("whole", "killed"):
        extra = load_weights(tmp_path / run / "checkpoints" / "last.safetensors").extra
        assert (extra["based_on"]["weights"], extra["based_on"]["source"]) == ("last", "made up")


def test_statistics_are_those_of_the_new_clips(place):
    """The input norm's are the mean and, over batches, the mean variance of what the network will see first."""
    model = load_weights(base(place)).model
    clips = ClipDataset(
        open_dataset(place / "dataset"), np.arange(18), Preprocessing(frames=12, sampling="resample"), 7
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recalibrate_batchnorm(model, clips, batch_size=6, frozen=[model.blocks[0]])
    batches = [batch[0][:, 0] for batch in train_loader(clips, 6, epoch=0)]  # each (6, M, T, V, C)
    after = model.state_dict()
    mean = torch.stack([batch.mean((0, 1, 2)) for batch in batches]).mean(0)
    variance = torch.stack([batch.var((0, 1, 2)) for batch in batches]).mean(0)
    assert torch.allclose(after["data_norm.running_mean"], mean.flatten(), atol=1e-5)
    assert torch.allclose(after["data_norm.running_var"], variance.flatten(), rtol=1e-3)
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith("blocks.0.") or name.endswith(("weight", "bias")) for name in changed)
    assert "blocks.1.temporal_norm.running_var" in changed
    assert model.data_norm.momentum == 0.1


def test_a_rate_for_the_head():
    network = STGCN(torch.eye(4)[None], 3, 2, widths=[8])
    network.blocks[0].requires_grad_(False)
    optimizer = torch.optim.SGD(parameter_groups(network, decay_all=False, head_lr=10.0), lr=0.1, weight_decay=0.5)
    assert scale_rates(optimizer, 0.5) == 0.05
    groups = {}
    for group in optimizer.param_groups:
        for name, parameter in network.named_parameters():
            if any(parameter is one for one in group["params"]):
                groups[name] = (group["lr"], group["weight_decay"])
    assert groups == {"data_norm.weight": (0.05, 0), "data_norm.bias": (0.05, 0),
                    "head.weight": (0.5, 0.5), "head.bias": (0.5, 0)}  # fmt: skip
    assert [len(group["params"]) for group in parameter_groups(network)] == [4]


def test_other_classes_and_fewer_joints(place, tmp_path, capsys):
    """The same people without fingers, two of the three movements: all but the head comes from the weights."""
    whole = load_layout("ntu25")
    kept = [i for i, joint in enumerate(whole.joints) if "thumb" not in joint and "tip" not in joint]
    bones = [(kept.index(i), kept.index(j)) for i, j in whole.bones if {i, j} <= set(kept)]
    joints = tuple(whole.joints[i] for i in kept)
    mirror = tuple((kept.index(i), kept.index(j)) for i, j in whole.mirror if i in kept)
    layout = JointLayout("no_fingers", joints, tuple(bones), kept.index(whole.centre), mirror)
    clips = [
        replace(clip, keypoint=clip.keypoint[:, :, kept], layout=layout) for clip in made_up.clips(27) if clip.label < 2
    ]
    about = {"class_names": ["b", "a"], "units": "m", "source": "made up"}
    write_dataset(tmp_path / "dataset", clips, layout=layout, **about)
    run = train(place, tmp_path / "run", "--dataset", tmp_path / "dataset", "--init-from", base(place))
    said = capsys.readouterr().out
    assert "started from last, all of it taken over but\n  new: A, head\n  joints: 21 of 21 by name\n" in said
    assert state(run)["data_norm.weight"].numel() == 63


def test_from_the_zoo_by_name(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(weights_path, "FOLDER", tmp_path / "zoo")
    (tmp_path / "zoo").mkdir()
    assert main(["convert", str(base(place)), str(tmp_path / "zoo" / "made-up-3.safetensors"), "--half"]) == 0
    assert "made-up-3.safetensors: 0." in capsys.readouterr().out
    train(place, tmp_path / "run", "--init-from", "made-up-3", "--epochs", 1)
    assert "started from made-up-3, all of it taken over\n" in capsys.readouterr().out
    wrong = ["train", str(place / "config.yaml"), "--work-dir", str(tmp_path / "none"), "--init-from", "made-up-4"]
    assert main(wrong) == 2
    assert "there is no such file, and those in the zoo are made-up-3" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--freeze", "1"], "it needs --init-from"), (["--freeze", "-1"], "freeze is -1"),
     (["--init-from", "{base}", "--freeze", "3"], "freeze is 3, the network has 2 blocks"),
     (["--init-from", "{base}", "--model", "kinegraph.models.agcn.AGCN"], "STGCN --model.widths 8 16"),
     (["--init-from", "{base}", "--model.init_args.widths", "[6, 10]"], "widths are 8, 16 with 3 partitions, here 6"),
     (["--init-from", "{base}", "--freeze", "1", "--preprocessing.streams", "[bone]"], "not all was taken over"),
     (["--head-lr", "0"], "head_lr is 0"), (["--init-from", "nowhere.safetensors"], "nowhere.safetensors")],
)  # fmt: skip
def test_wrong_input_is_one_line_and_leaves_nothing(place, tmp_path, capsys, options, message):
    options = [word.format(base=base(place)) for word in options]
    assert main(["train", str(place / "config.yaml"), "--work-dir", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said
    assert not (tmp_path / "run").exists()


def test_a_run_from_before_an_option_came_and_a_class_moved_resumes(place, tmp_path):
    options = ("--schedule.kind", "step", "--optimizer", "PublishedSGD", "--epochs")
    run = train(place, tmp_path / "run", *options, "1")
    lines = (run / "config.yaml").read_text().replace("training.optim.", "training.optimizer.").splitlines()
    later = ("freeze", "head_lr", "plugins")
    (run / "config.yaml").write_text("\n".join(line for line in lines if not line.startswith(later)))
    train(place, run, *options, "2", "--resume")
    assert [json.loads(line)["mode"] for line in (run / "log.jsonl").read_text().splitlines()].count("val") == 2
