"""Every config is read, its network built and trained for one step on made-up data of the config's own shape."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.commands.arguments import read_config
from kinegraph.commands.train import train
from kinegraph.data.dataset import write_dataset
from kinegraph.data.loading import train_loader
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.weights import load_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from kinegraph.skeleton.segment import Segment
from kinegraph.training import loop

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
RECIPES = ROOT / "docs" / "recipes.md"
# What a config's dataset folder holds: layout, coordinates, classes; 2D has scores and an image size.
SHAPES = {
    "demo/dataset": ("ntu25", 3, 20),
    "data/ntu60": ("ntu25", 3, 60),
    "data/ntu120": ("ntu25", 3, 120),
    "data/ntu60_hrnet": ("coco17", 2, 60),
    "data/ntu120_hrnet": ("coco17", 2, 120),
    "data/babel60": ("ntu25", 3, 60),
    "data/babel120": ("ntu25", 3, 120),
    "data/kinetics_skeleton": ("openpose18", 2, 400),
    "data/ui_prmd20": ("kinect22", 3, 20),
    "data/mine": ("coco17", 2, 5),
    "data/long": ("ntu25", 3, 5),
}
LONG = "data/long"  # recordings with segments
SPLITS = ("xsub", "xview", "xset", "split")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """dataset(name): a folder with a clip for each class to train on, and one more."""
    folder, made = tmp_path_factory.mktemp("configs"), {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = write_made_up(folder / str(len(made)), *SHAPES[name], long=name == LONG)
        return made[name]

    return make


def write_made_up(path: Path, layout_name: str, dimensions: int, classes: int, long: bool = False) -> Path:
    layout, rng = load_layout(layout_name), np.random.default_rng(0)

    def clip(number: int, part: str) -> SkeletonClip:
        keypoint = rng.uniform(0.1, 1, (1 + number % 2, 6, len(layout), dimensions)).astype(np.float32)
        flat = dimensions == 2
        return SkeletonClip(
            keypoint=keypoint * 480 if flat else keypoint,
            layout=layout,
            name=f"{part}{number}",
            label=None if long else number,
            segments=(Segment(1, 4, number),) if long else None,
            score=rng.random(keypoint.shape[:3]).astype(np.float32) if flat else None,
            image_size=(640, 480) if flat else None,
            splits=dict.fromkeys(SPLITS, part),
        )

    clips = [*(clip(number, "train") for number in range(classes)), clip(0, "val")]
    names = [f"class {number}" for number in range(classes)]
    write_dataset(
        path, clips, layout=layout, class_names=names, units="px" if dimensions == 2 else "m", source="made up"
    )
    return path


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_trains(config, dataset, tmp_path, monkeypatch):
    taken = []

    def one_batch(*args, **options):
        taken.append(next(iter(train_loader(*args, **options))))
        return iter(taken)

    monkeypatch.setattr(loop, "train_loader", one_batch)
    options = read_config(train, config)
    folder = dataset(str(options.dataset))
    run = tmp_path / "run"
    words = [str(config), "--dataset", str(folder), "--work-dir", str(run), "--epochs", "1", "--repeat", "1"]
    words += ["--batch-size", "1", "--workers", "0", "--no-validate", "--accelerator", "cpu", "--log-every", "1"]
    words += ["--no-report"]
    assert main(["train", *words]) == 0

    layout, _, classes = SHAPES[str(options.dataset)]
    frames, people = options.preprocessing.frames, options.preprocessing.people
    assert [tuple(views.shape[1:5]) for views, *_ in taken] == [(1, people, frames, len(load_layout(layout)))]
    weights = load_weights(run / "checkpoints" / "last.safetensors")
    assert len(weights.class_names) == classes
    assert Preprocessing.from_dict(weights.preprocessing).frames == frames
    assert all(torch.isfinite(value).all() for value in weights.model.state_dict().values())
    modes = [json.loads(line)["mode"] for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert modes.count("train") == 1


def test_every_shape_has_a_config():
    assert {str(read_config(train, config).dataset) for config in CONFIGS} == set(SHAPES)


def test_recipes_name_every_config_and_no_other():
    named = set(re.findall(r"`(\w+(?:-\w+)*\.yaml)`", RECIPES.read_text(encoding="utf-8")))
    assert named == {config.name for config in CONFIGS}


@pytest.mark.parametrize("path", [RECIPES, *CONFIGS], ids=lambda path: path.name)
def test_training_commands_in_text_can_be_read(path):
    """`kinegraph train configs/...` in the recipes and in the heads of configs; remarks behind it are in brackets."""
    text = re.sub(r"\\\n[# ]*", "", path.read_text(encoding="utf-8")).replace("$stream", "bone")
    commands = re.findall(r"^[# ]*kinegraph train (configs/.*?)(?:  .*)?$", text, flags=re.MULTILINE)
    for command in commands:
        config, *options = shlex.split(command)
        read_config(train, ROOT / config, options)
    assert commands or path.stem == "demo_synthetic"
